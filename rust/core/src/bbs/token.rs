//! The ledger's tokens: BBS on scalar messages, signed as commitments.
//!
//! A token is a BBS signature (suite SHA-256) whose messages only the wallet knows.
//! The wallet sends a commitment `C′ = Σ m_j·H_j`, proven elsewhere; the issuer adds
//! public parts and signs the sum. This is the one place where a mistake forges
//! money; the rules are those of the protocol's "Signing C′":
//!
//! 1. `C_final = C′ + tweak·H_serial + adjustments`, tweak from [`serial_tweak`]:
//!    nobody can choose the next serial, so nobody can plant another's.
//! 2. `e` is hashed from the secret, the domain and `C_final`: a retry gives the same
//!    bytes, and one `e` never signs two points (two answers with one `e` subtract
//!    into a signature on any balance).
//! 3. The cofactor is cleared where the secret is applied: `D = h_eff·(base + C_final)`,
//!    `A = ((x + e)·h_eff)⁻¹·D`, so a `C′` outside G1 learns nothing about `x + e`.

mod batch;

pub use batch::{SignedCommitment, verify_commitments};

use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use super::interface::{GeneratorSet, Interface};
use super::signature::{pairing_holds, sign_scalars, verify_scalars};
use super::{PublicKey, SecretKey, Signature, Suite};
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, G1Affine, Scalar, SecretBases};
use crate::hash::hash_to_scalar;

/// Suite of all tokens.
pub const SUITE: Suite = Suite::Sha256;

/// Index of the message `serial`, whose generator carries the tweak.
pub const SERIAL_INDEX: usize = 2;

/// What stands for the nullifier in the tweak of a token that replaces none.
pub const OPEN: &[u8] = b"open";

/// BLAKE3 contexts of the two hashes of this module.
const E_CONTEXT: &str = "zkcredit v1 signature e";
const TWEAK_CONTEXT: &str = "zkcredit v1 serial tweak";

/// Message generators that get a table of their own (about 130 kB each).
const TABLE_LIMIT: usize = 32;

/// The interface of all tokens.
const INTERFACE: Interface = Interface::core(SUITE);

/// `calculate_domain` for tokens of this key, with this many messages and header.
///
/// # Errors
/// [`Error::Misuse`] for more messages than [`super::MAX_MESSAGES`].
pub fn domain(key: &PublicKey, message_count: usize, header: &[u8]) -> Result<Scalar> {
    let set = GeneratorSet::new(INTERFACE, message_count.saturating_add(1), 0)?;
    Ok(set.domain(key, header))
}

/// What all tokens of one (key, message count, header) share: the domain, the
/// message generators and the fixed part `P1 + domain·Q1`. Public; make it once.
#[derive(Clone)]
pub struct SigningContext {
    key: PublicKey,
    domain: Scalar,
    message_generators: Vec<G1Affine>,
    message_bases: Arc<OnceLock<SecretBases>>,
    base: E1Affine,
}

impl SigningContext {
    /// The context of tokens of `key` with `message_count` messages under `header`.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more messages than [`super::MAX_MESSAGES`].
    pub fn new(key: &PublicKey, message_count: usize, header: &[u8]) -> Result<Self> {
        let domain = domain(key, message_count, header)?;
        let mut generators = SUITE.generators(message_count.saturating_add(1))?;
        let q1 = generators.remove(0);
        let base = (E1::from(SUITE.p1()) + q1.mul(&domain))
            .to_affine()
            .ok_or(Error::Misuse("domain that cancels P1"))?;
        Ok(SigningContext {
            key: key.clone(),
            domain,
            message_bases: Arc::default(),
            message_generators: generators,
            base,
        })
    }

    /// The issuer's public key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The domain scalar: key, generators and header in one.
    #[must_use]
    pub fn domain(&self) -> &Scalar {
        &self.domain
    }

    /// `P1 + domain·Q1`, the fixed part of what is signed.
    #[must_use]
    pub fn base(&self) -> &E1Affine {
        &self.base
    }

    /// The message generators `H_0 … H_{L-1}`.
    #[must_use]
    pub fn message_generators(&self) -> &[G1Affine] {
        &self.message_generators
    }

    /// `Σ m_j·H_j`, constant time in the messages.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the number of messages is not the context's.
    pub fn commit(&self, messages: &[Scalar]) -> Result<E1> {
        if messages.len() != self.message_generators.len() {
            return Err(Error::Misuse("wrong number of messages"));
        }
        let bases = self
            .message_bases
            .get_or_init(|| SecretBases::new(&self.message_generators));
        Ok(bases.msm(messages))
    }
}

/// The tweak added to a token's serial:
/// `hash_to_scalar("zkcredit v1 serial tweak", nullifier ‖ C′)`, where the nullifier
/// is that of the token being replaced (32 bytes) or [`OPEN`] for a first token, and
/// `C′` is the wallet's commitment compressed. The next serial is `s′ + tweak`.
#[must_use]
pub fn serial_tweak(kind_or_nullifier: &[u8], commitment: &[u8; 48]) -> Scalar {
    hash_to_scalar(
        TWEAK_CONTEXT,
        &[kind_or_nullifier, commitment.as_slice()].concat(),
    )
}

/// `scalar·H_index` for a public scalar.
fn public_term(index: usize, scalar: &Scalar) -> Result<E1> {
    let position = index.saturating_add(1);
    if index < TABLE_LIMIT {
        Ok(INTERFACE.table(position, false)?.mul(scalar))
    } else {
        Ok(SUITE.generators(position.saturating_add(1))?[position].mul(scalar))
    }
}

/// `C_final = C′ + tweak·H_serial + Σ adjustment·H_index`. All inputs are public;
/// variable time. Holders and verifiers compute it too.
///
/// # Errors
/// [`Error::Misuse`] for an index beyond [`super::MAX_MESSAGES`], [`Error::Refused`] if
/// the sum is the identity.
pub fn final_commitment(
    commitment: &E1Affine,
    tweak: &Scalar,
    adjustments: &[(usize, Scalar)],
) -> Result<E1Affine> {
    let mut sum = E1::from(*commitment) + public_term(SERIAL_INDEX, tweak)?;
    for (index, scalar) in adjustments {
        sum += public_term(*index, scalar)?;
    }
    sum.to_affine().ok_or(Error::Refused("commitment"))
}

/// Signs `C_final = C′ + tweak·H_serial + adjustments` and returns both.
///
/// `commitment` needs no subgroup test; the caller has verified the proof about it and
/// fixed tweak and adjustments in its table before. Constant time in the key.
/// Deterministic: the same inputs give the same signature. For a `C′` of G1 it is a
/// plain BBS signature on the messages of `C_final`.
///
/// # Errors
/// [`Error::Misuse`] if the key is not the context's, for an index outside the token or
/// in the practically impossible case `x + e = 0`; [`Error::Refused`] if what would be
/// signed is the identity.
pub fn sign_commitment(
    key: &SecretKey,
    context: &SigningContext,
    commitment: &E1Affine,
    tweak: &Scalar,
    adjustments: &[(usize, Scalar)],
) -> Result<(E1Affine, Signature)> {
    if key.public_key() != context.key() {
        return Err(Error::Misuse("signing key of another context"));
    }
    if context.message_generators.len() <= SERIAL_INDEX {
        // The tweak would stand on a generator that is no message's.
        return Err(Error::Misuse(
            "a token has at least blind, owner and serial",
        ));
    }
    if adjustments
        .iter()
        .any(|(index, _)| *index >= context.message_generators.len())
    {
        return Err(Error::Misuse("adjustment of a message that does not exist"));
    }
    let final_point = final_commitment(commitment, tweak, adjustments)?;
    let mut input = Zeroizing::new(Vec::with_capacity(32 + 32 + 48));
    input.extend_from_slice(&*key.to_bytes());
    input.extend_from_slice(&context.domain.to_bytes_be());
    input.extend_from_slice(&final_point.to_compressed());
    let e = hash_to_scalar(E_CONTEXT, &input);
    let signature = sign_cleared(key, context, &final_point, e)?;
    Ok((final_point, signature))
}

/// `A = ((x + e)·h_eff)⁻¹·(h_eff·(base + C_final))`: the secret only ever multiplies
/// a point of G1.
fn sign_cleared(
    key: &SecretKey,
    context: &SigningContext,
    final_point: &E1Affine,
    e: Scalar,
) -> Result<Signature> {
    let cleared = (E1::from(context.base) + E1::from(*final_point))
        .cleared_to_g1()
        .ok_or(Error::Refused("commitment"))?;
    let exponent = Zeroizing::new((*key.scalar() + e) * effective_cofactor());
    let inverse = exponent
        .invert()
        .map(Zeroizing::new)
        .ok_or(Error::Misuse("this key cannot sign this commitment"))?;
    let a = cleared
        .mul(&inverse)
        .to_g1_trusted()
        .ok_or(Error::Refused("commitment"))?;
    Signature::new(a, e)
}

/// `h_eff = 1 − x = 0xd201000000010001`, what [`E1::clear_cofactor`] multiplies by.
fn effective_cofactor() -> Scalar {
    Scalar::from_u64(0xd201_0000_0001_0001)
}

/// Signs known messages as the draft does: for issuers that know the whole token.
///
/// # Errors
/// [`Error::Misuse`] as in [`super::signature::sign_scalars`].
pub fn sign_messages(key: &SecretKey, header: &[u8], messages: &[Scalar]) -> Result<Signature> {
    sign_scalars(SUITE, key, header, messages)
}

/// Checks a signature on exactly these messages: what a wallet does before it uses a
/// token for the first time. Constant time in the messages.
///
/// # Errors
/// [`Error::Refused`] if it does not verify.
pub fn verify_messages(
    key: &PublicKey,
    header: &[u8],
    messages: &[Scalar],
    signature: &Signature,
) -> Result<()> {
    verify_scalars(SUITE, key, header, messages, signature)
}

/// [`verify_messages`] in a context made before, for wallets that check many tokens.
///
/// # Errors
/// [`Error::Refused`] if the signature does not verify, [`Error::Misuse`] if the number
/// of messages is not the context's.
pub fn verify_in_context(
    context: &SigningContext,
    messages: &[Scalar],
    signature: &Signature,
) -> Result<()> {
    let point = context.commit(messages)? + E1::from(context.base);
    if pairing_holds(&context.key, signature, &point) {
        Ok(())
    } else {
        Err(Error::Refused("signature"))
    }
}
