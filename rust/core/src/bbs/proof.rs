//! BBS proofs: `ProofGen` and `ProofVerify` of the draft.
//!
//! A holder shows some of the signed messages and proves that a signature on them and
//! on hidden others exists. This is the standard's own format, for interchange; the
//! ledger's circuits have their own proof of possession.

use zeroize::Zeroizing;

use super::keys::prepared_generator;
use super::signature::{message_point, verify_scalars};
use super::{MAX_MESSAGES, PublicKey, Signature, Suite};
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, G1Affine, Scalar, msm, pairing_product_is_one};
use crate::nonce::hedged_scalars;

/// Bytes of a proof that hides no message: three points and four scalars. Each hidden
/// message adds 32.
pub const PROOF_LEN_MIN: usize = 3 * 48 + 4 * 32;

/// BLAKE3 context of the prover's random scalars.
const NONCE_CONTEXT: &str = "zkcredit v1 bbs proof nonces";

/// Random scalars before those of the hidden messages: `r1, r2, e~, r1~, r3~`.
const FIXED_SCALARS: usize = 5;

/// What verifier and prover agree on beside the proof.
#[derive(Clone, Copy, Debug)]
pub struct Presentation<'a> {
    /// The header that was signed.
    pub header: &'a [u8],
    /// The presentation header `ph`: nonce, audience, whatever the proof is bound to.
    pub presentation_header: &'a [u8],
    /// Positions of the shown messages, strictly ascending.
    pub disclosed: &'a [usize],
}

/// A decoded proof.
struct Proof {
    a_bar: G1Affine,
    b_bar: G1Affine,
    d: G1Affine,
    e_hat: Scalar,
    r1_hat: Scalar,
    r3_hat: Scalar,
    hidden_hats: Vec<Scalar>,
    challenge: Scalar,
}

/// `ProofGen` of the draft's interface, on octet messages (all of them, in order).
///
/// Checks the signature first. Constant time in messages and signature.
///
/// # Errors
/// [`Error::Misuse`] for positions that are not ascending or out of range, too many
/// messages or a failing random source; [`Error::Refused`] if the signature does not
/// verify.
pub fn proof_gen<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    presentation: &Presentation<'_>,
    messages: &[M],
) -> Result<Vec<u8>> {
    let scalars = Zeroizing::new(suite.messages_to_scalars(messages));
    let hidden_count = hidden_indexes(presentation.disclosed, scalars.len())?.len();
    let random = hedged_scalars(
        NONCE_CONTEXT,
        &[
            key.as_bytes(),
            presentation.header,
            presentation.presentation_header,
            &signature.to_bytes(),
        ],
        &scalars,
        FIXED_SCALARS + hidden_count,
    )?;
    core_proof_gen(suite, key, signature, presentation, &scalars, &random)
}

/// [`proof_gen`] with given random scalars `r1, r2, e~, r1~, r3~, m~…`: for published
/// vectors only, absent from release builds.
///
/// # Errors
/// As [`proof_gen`].
#[cfg(debug_assertions)]
#[doc(hidden)]
pub fn proof_gen_with_scalars<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    presentation: &Presentation<'_>,
    messages: &[M],
    random: &[Scalar],
) -> Result<Vec<u8>> {
    let scalars = suite.messages_to_scalars(messages);
    core_proof_gen(suite, key, signature, presentation, &scalars, random)
}

/// The positions below `count` that are not disclosed.
fn hidden_indexes(disclosed: &[usize], count: usize) -> Result<Vec<usize>> {
    let ascending = disclosed.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || disclosed.last().is_some_and(|last| *last >= count) {
        return Err(Error::Misuse("disclosed positions"));
    }
    Ok((0..count)
        .filter(|index| disclosed.binary_search(index).is_err())
        .collect())
}

/// `CoreProofGen` on scalar messages.
fn core_proof_gen(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    presentation: &Presentation<'_>,
    messages: &[Scalar],
    random: &[Scalar],
) -> Result<Vec<u8>> {
    let hidden = hidden_indexes(presentation.disclosed, messages.len())?;
    let ([r1, r2, e_tilde, r1_tilde, r3_tilde], hidden_tildes) = random
        .split_first_chunk::<FIXED_SCALARS>()
        .filter(|(_, rest)| rest.len() == hidden.len())
        .ok_or(Error::Misuse("number of random scalars"))?;
    verify_scalars(suite, key, presentation.header, messages, signature)?;
    let generators = suite.generators(messages.len() + 1)?;
    let domain = suite.domain(key, &generators, presentation.header);
    let signed = secret_g1(message_point(suite, &generators, &domain, messages))?;
    let d = secret_g1(signed.mul(r2))?;
    let a_bar = secret_g1(signature.a().mul(&Zeroizing::new(*r1 * *r2)))?;
    let b_bar = secret_g1(d.mul(r1) - a_bar.mul(signature.e()))?;
    let t1 = secret_g1(a_bar.mul(e_tilde) + d.mul(r1_tilde))?;
    let t2 = hidden
        .iter()
        .zip(hidden_tildes)
        .fold(d.mul(r3_tilde), |sum, (index, tilde)| {
            sum + generators[index + 1].mul(tilde)
        });
    let shown: Vec<Scalar> = presentation
        .disclosed
        .iter()
        .map(|&i| messages[i])
        .collect();
    let points = [a_bar, b_bar, d, t1, secret_g1(t2)?];
    let encoded = points.map(|point| point.to_compressed());
    let challenge = challenge(suite, &encoded, &domain, presentation, &shown);
    let r3 = r2
        .invert()
        .map(Zeroizing::new)
        .ok_or(Error::Misuse("random scalar zero"))?;
    let mut responses = vec![
        *e_tilde + *signature.e() * challenge,
        *r1_tilde - *r1 * challenge,
        *r3_tilde - *r3 * challenge,
    ];
    for (index, tilde) in hidden.iter().zip(hidden_tildes) {
        responses.push(*tilde + messages[*index] * challenge);
    }
    responses.push(challenge);
    Ok(encode(&encoded, &responses))
}

/// `proof_to_octets`: `Ā, B̄, D`, then the scalars.
fn encode(points: &[[u8; 48]; 5], scalars: &[Scalar]) -> Vec<u8> {
    let mut out = points[..3].concat();
    for scalar in scalars {
        out.extend_from_slice(&scalar.to_bytes_be());
    }
    out
}

/// A point computed from members of G1 alone, which is the identity with negligible
/// probability.
fn secret_g1(point: E1) -> Result<G1Affine> {
    point
        .to_g1_trusted()
        .ok_or(Error::Misuse("random scalar zero"))
}

/// `ProofChallengeCalculate` over `Ā, B̄, D, T1, T2` compressed.
fn challenge(
    suite: Suite,
    points: &[[u8; 48]; 5],
    domain: &Scalar,
    presentation: &Presentation<'_>,
    shown: &[Scalar],
) -> Scalar {
    let mut input = (shown.len() as u64).to_be_bytes().to_vec();
    for (index, message) in presentation.disclosed.iter().zip(shown) {
        input.extend_from_slice(&(*index as u64).to_be_bytes());
        input.extend_from_slice(&message.to_bytes_be());
    }
    input.extend_from_slice(points.as_flattened());
    input.extend_from_slice(&domain.to_bytes_be());
    let ph = presentation.presentation_header;
    input.extend_from_slice(&(ph.len() as u64).to_be_bytes());
    input.extend_from_slice(ph);
    suite.hash_to_scalar_h2s(&input)
}

impl Proof {
    /// `octets_to_proof`: strict, points of G1, scalars from 1 to r − 1.
    fn decode(bytes: &[u8]) -> Result<Self> {
        const BAD: Error = Error::Malformed("BBS proof");
        if bytes.len() < PROOF_LEN_MIN || !(bytes.len() - PROOF_LEN_MIN).is_multiple_of(32) {
            return Err(BAD);
        }
        let (point_bytes, scalar_bytes) = bytes.split_at(3 * 48);
        let (points, _) = point_bytes.as_chunks::<48>();
        let (scalars, _) = scalar_bytes.as_chunks::<32>();
        if scalars.len() > MAX_MESSAGES + 4 {
            return Err(BAD);
        }
        let scalars: Vec<Scalar> = scalars
            .iter()
            .map(Scalar::from_bytes_be)
            .collect::<Option<_>>()
            .ok_or(BAD)?;
        if scalars.iter().any(Scalar::is_zero) {
            return Err(BAD);
        }
        let point = |index: usize| G1Affine::from_compressed(&points[index]).ok_or(BAD);
        Ok(Proof {
            a_bar: point(0)?,
            b_bar: point(1)?,
            d: point(2)?,
            e_hat: scalars[0],
            r1_hat: scalars[1],
            r3_hat: scalars[2],
            hidden_hats: scalars[3..scalars.len() - 1].to_vec(),
            challenge: scalars[scalars.len() - 1],
        })
    }

    /// `T1 = c·B̄ + e^·Ā + r1^·D`.
    fn t1(&self) -> E1 {
        msm(
            &[*self.b_bar.as_e1(), *self.a_bar.as_e1(), *self.d.as_e1()],
            &[self.challenge, self.e_hat, self.r1_hat],
        )
    }

    /// `T2 = c·(P1 + domain·Q1 + Σ_shown m·H) + r3^·D + Σ_hidden m^·H`.
    fn t2(
        &self,
        suite: Suite,
        generators: &[G1Affine],
        domain: &Scalar,
        message_terms: impl Iterator<Item = (usize, Scalar)>,
    ) -> E1 {
        let mut points: Vec<E1Affine> =
            vec![*suite.p1().as_e1(), *generators[0].as_e1(), *self.d.as_e1()];
        let mut scalars = vec![self.challenge, self.challenge * *domain, self.r3_hat];
        for (index, scalar) in message_terms {
            points.push(*generators[index + 1].as_e1());
            scalars.push(scalar);
        }
        msm(&points, &scalars)
    }
}

/// `ProofVerify` of the draft's interface: the shown messages in the order of
/// `presentation.disclosed`. Variable time, all inputs public.
///
/// # Errors
/// [`Error::Malformed`] for a non-canonical proof, [`Error::Misuse`] for positions that
/// are not ascending, out of range or not as many as messages, [`Error::Refused`] if the
/// proof does not verify.
pub fn proof_verify<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    proof: &[u8],
    presentation: &Presentation<'_>,
    disclosed_messages: &[M],
) -> Result<()> {
    const REFUSED: Error = Error::Refused("BBS proof");
    let proof = Proof::decode(proof)?;
    if presentation.disclosed.len() != disclosed_messages.len() {
        return Err(Error::Misuse("number of disclosed messages"));
    }
    let shown = suite.messages_to_scalars(disclosed_messages);
    let count = shown.len() + proof.hidden_hats.len();
    let hidden = hidden_indexes(presentation.disclosed, count)?;
    let generators = suite.generators(count + 1)?;
    let domain = suite.domain(key, &generators, presentation.header);
    let shown_terms = presentation.disclosed.iter().zip(&shown);
    let hidden_terms = hidden.into_iter().zip(proof.hidden_hats.iter().copied());
    let terms = shown_terms
        .map(|(index, message)| (*index, proof.challenge * *message))
        .chain(hidden_terms);
    let t2 = proof.t2(suite, &generators, &domain, terms);
    let (t1, t2) = proof.t1().to_affine().zip(t2.to_affine()).ok_or(REFUSED)?;
    let points = [proof.a_bar, proof.b_bar, proof.d].map(|point| *point.as_e1());
    let encoded = [points[0], points[1], points[2], t1, t2].map(|point| point.to_compressed());
    let expected = challenge(suite, &encoded, &domain, presentation, &shown);
    let paired = [
        (proof.a_bar.to_e1(), key.prepared()),
        (-proof.b_bar.to_e1(), prepared_generator()),
    ];
    if expected == proof.challenge && pairing_product_is_one(&paired) {
        Ok(())
    } else {
        Err(REFUSED)
    }
}
