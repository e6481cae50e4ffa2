//! Proofs of linear relations: draft-irtf-cfrg-sigma-protocols-03, ciphersuite
//! `sigma-proofs_Shake128_BLS12381`.
//!
//! A prover shows knowledge of scalars that solve linear equations between points of
//! G1 ([`LinearRelation`]). Two encodings of a proof: [`Flavor::Batchable`] carries the
//! commitments and lets many proofs be checked together ([`verify_batch`]),
//! [`Flavor::Compact`] carries the challenge and is shorter. All points are decoded
//! with subgroup test; scalars are canonical; nothing may trail.
//!
//! The tag names application, flavor and ciphersuite ([`tag`]); both sides make it
//! themselves and never take it from the other.

mod batch;
mod relation;

pub use batch::{BatchItem, verify_batch};
pub use relation::{Equation, ImageTerm, LinearRelation, Term};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, G1Affine, Scalar, batch_to_affine, msm};
use crate::nonce::hedged_scalars;
use crate::transcript::{Sponge, derive_session_id};

/// Identifier of the ciphersuite, part of every tag.
pub const CIPHERSUITE: &str = "sigma-proofs_Shake128_BLS12381";

/// BLAKE3 context of the prover's nonces.
const NONCE_CONTEXT: &str = "zkcredit v1 sigma nonces";

/// `Ne`: bytes of an encoded point.
const POINT_LEN: usize = 48;
/// `Ns`: bytes of an encoded scalar.
const SCALAR_LEN: usize = 32;

/// The two encodings of a proof. One made for the one never verifies as the other,
/// since the tag names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// Commitments, then responses: 48 bytes per equation and 32 per scalar.
    Batchable,
    /// Challenge, then responses: 32 bytes and 32 per scalar.
    Compact,
}

impl Flavor {
    /// The marker that the tag must contain.
    #[must_use]
    pub const fn marker(self) -> &'static str {
        match self {
            Flavor::Batchable => "DSFS",
            Flavor::Compact => "CMPT",
        }
    }
}

/// A tag for an application (name, version and, if it has them, epochs):
/// `{application}-{marker}-with-{ciphersuite}`.
#[must_use]
pub fn tag(application: &str, flavor: Flavor) -> Vec<u8> {
    format!("{application}-{}-with-{CIPHERSUITE}", flavor.marker()).into_bytes()
}

/// Proves that `witness` solves the relation; returns the NARG string.
///
/// Constant time in the witness. The nonces are hashed from fresh randomness, witness,
/// relation and tag together, so neither a weak random source nor a repeated one
/// reveals the witness.
///
/// # Errors
/// [`Error::Misuse`] if the witness has the wrong length or the system has no
/// randomness, [`Error::Unsatisfied`] (naming the equation) if it is no solution.
pub fn prove(
    flavor: Flavor,
    tag: &[u8],
    relation: &LinearRelation,
    witness: &[Scalar],
) -> Result<Vec<u8>> {
    check_witness(relation, witness)?;
    let nonces = hedged_scalars(
        NONCE_CONTEXT,
        &[tag, relation.as_bytes()],
        witness,
        witness.len(),
    )?;
    prove_inner(flavor, tag, relation, witness, &nonces)
}

/// [`prove`] with given nonces: for published vectors only, absent from release
/// builds. Nonces used twice reveal the witness.
///
/// # Errors
/// As [`prove`].
#[cfg(debug_assertions)]
#[doc(hidden)]
pub fn prove_with_nonces(
    flavor: Flavor,
    tag: &[u8],
    relation: &LinearRelation,
    witness: &[Scalar],
    nonces: &[Scalar],
) -> Result<Vec<u8>> {
    check_witness(relation, witness)?;
    prove_inner(flavor, tag, relation, witness, nonces)
}

fn check_witness(relation: &LinearRelation, witness: &[Scalar]) -> Result<()> {
    if witness.len() != relation.scalar_count() {
        return Err(Error::Misuse("witness of the wrong length"));
    }
    let mapped = secret_map(relation, witness);
    for (index, (value, equation)) in mapped.iter().zip(relation.equations()).enumerate() {
        if !(*value - relation.image(equation)).is_identity() {
            return Err(Error::Unsatisfied(format!("equation {index}")));
        }
    }
    Ok(())
}

fn prove_inner(
    flavor: Flavor,
    tag: &[u8],
    relation: &LinearRelation,
    witness: &[Scalar],
    nonces: &[Scalar],
) -> Result<Vec<u8>> {
    if nonces.len() != witness.len() {
        return Err(Error::Misuse("nonces of the wrong length"));
    }
    let commitment = encode_points(&secret_map(relation, nonces))
        .ok_or(Error::Misuse("nonces that map to the identity"))?;
    let challenge = derive_challenge(&derive_session_id(tag), relation, &commitment);
    let mut narg = match flavor {
        Flavor::Batchable => commitment,
        Flavor::Compact => challenge.to_bytes_be().to_vec(),
    };
    for (secret, nonce) in witness.iter().zip(nonces) {
        narg.extend_from_slice(&(*nonce + *secret * challenge).to_bytes_be());
    }
    Ok(narg)
}

/// `map(relation, scalars)` in constant time: one value per equation.
fn secret_map(relation: &LinearRelation, scalars: &[Scalar]) -> Vec<E1> {
    let term = |term: &Term| {
        let scalar = Zeroizing::new(term.coefficient * scalars[term.scalar as usize]);
        relation.elements()[term.element as usize].mul(&scalar)
    };
    relation
        .equations()
        .iter()
        .map(|equation| equation.terms.iter().map(term).sum())
        .collect()
}

/// `Group.serialize`: compressed points; `None` if one is the identity.
fn encode_points(points: &[E1]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(points.len() * POINT_LEN);
    for point in batch_to_affine(points) {
        out.extend_from_slice(&point?.to_compressed());
    }
    Some(out)
}

/// `DeriveChallenge` after its first step.
fn derive_challenge(session_id: &[u8; 32], relation: &LinearRelation, commitment: &[u8]) -> Scalar {
    let mut sponge = Sponge::new(session_id);
    sponge.absorb(relation.as_bytes());
    sponge.absorb(commitment);
    sponge.squeeze_scalar()
}

/// Verifies a proof of one flavor. Variable time, all inputs public.
///
/// # Errors
/// [`Error::Malformed`] for the wrong length or a non-canonical point or scalar,
/// [`Error::Refused`] if the proof does not verify.
pub fn verify(flavor: Flavor, tag: &[u8], relation: &LinearRelation, narg: &[u8]) -> Result<()> {
    let session_id = derive_session_id(tag);
    match flavor {
        Flavor::Batchable => verify_batchable(&session_id, relation, narg),
        Flavor::Compact => verify_compact(&session_id, relation, narg),
    }
}

fn verify_batchable(session_id: &[u8; 32], relation: &LinearRelation, narg: &[u8]) -> Result<()> {
    let proof = ParsedProof::new(session_id, relation, narg)?;
    for (equation, commitment) in relation.equations().iter().zip(&proof.commitment) {
        let expected = simulated(relation, equation, &proof.response, &proof.challenge);
        if !(expected - E1::from(*commitment)).is_identity() {
            return Err(Error::Refused("sigma proof"));
        }
    }
    Ok(())
}

fn verify_compact(session_id: &[u8; 32], relation: &LinearRelation, narg: &[u8]) -> Result<()> {
    if narg.len() != SCALAR_LEN * (relation.scalar_count() + 1) {
        return Err(Error::Malformed("sigma proof"));
    }
    let scalars = decode_scalars(narg)?;
    let (challenge, response) = (scalars[0], &scalars[1..]);
    let points: Vec<E1> = relation
        .equations()
        .iter()
        .map(|equation| simulated(relation, equation, response, &challenge))
        .collect();
    let commitment = encode_points(&points).ok_or(Error::Refused("sigma proof"))?;
    if derive_challenge(session_id, relation, &commitment) == challenge {
        Ok(())
    } else {
        Err(Error::Refused("sigma proof"))
    }
}

/// `SimulateCommitment` for one equation: `map(response) − challenge·image`.
fn simulated(
    relation: &LinearRelation,
    equation: &Equation,
    response: &[Scalar],
    challenge: &Scalar,
) -> E1 {
    let element = |index: u32| *relation.elements()[index as usize].as_e1();
    let mut points: Vec<E1Affine> = Vec::new();
    let mut scalars = Vec::new();
    for term in &equation.terms {
        points.push(element(term.element));
        scalars.push(term.coefficient * response[term.scalar as usize]);
    }
    for term in &equation.image {
        points.push(element(term.element));
        scalars.push(-(term.coefficient * *challenge));
    }
    msm(&points, &scalars)
}

/// A decoded batchable proof with its challenge.
struct ParsedProof {
    commitment: Vec<E1Affine>,
    challenge: Scalar,
    response: Vec<Scalar>,
}

impl ParsedProof {
    /// Checks 1 and 2 of `VerifyBatchable` and the challenge.
    fn new(session_id: &[u8; 32], relation: &LinearRelation, narg: &[u8]) -> Result<Self> {
        let split = POINT_LEN * relation.equations().len();
        if narg.len() != split + SCALAR_LEN * relation.scalar_count() {
            return Err(Error::Malformed("sigma proof"));
        }
        let (commitment_bytes, response_bytes) = narg.split_at(split);
        Ok(ParsedProof {
            commitment: decode_points(commitment_bytes)?
                .iter()
                .map(|point| *point.as_e1())
                .collect(),
            response: decode_scalars(response_bytes)?,
            challenge: derive_challenge(session_id, relation, commitment_bytes),
        })
    }
}

/// Whole compressed points of G1; the length is a multiple of 48.
fn decode_points(bytes: &[u8]) -> Result<Vec<G1Affine>> {
    let (chunks, _) = bytes.as_chunks::<POINT_LEN>();
    chunks
        .iter()
        .map(|chunk| G1Affine::from_compressed(chunk).ok_or(Error::Malformed("point")))
        .collect()
}

/// Whole canonical scalars; the length is a multiple of 32.
fn decode_scalars(bytes: &[u8]) -> Result<Vec<Scalar>> {
    let (chunks, _) = bytes.as_chunks::<SCALAR_LEN>();
    chunks
        .iter()
        .map(|chunk| Scalar::from_bytes_be(chunk).ok_or(Error::Malformed("scalar")))
        .collect()
}
