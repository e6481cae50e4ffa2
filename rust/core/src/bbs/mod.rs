//! BBS signatures over BLS12-381 (draft-irtf-cfrg-bbs-signatures-06 … -11).
//!
//! [`Suite`] holds what the two ciphersuites share: hashing, generators, domain.
//! [`keys`] and [`signature`] are the draft's key generation, `Sign` and `Verify`
//! on octet messages; [`proof`] is `ProofGen` and `ProofVerify`, one by one or many at
//! once; [`blind02`] and [`pseudonym02`] are two further drafts, each in the version of
//! its name, because both still change; [`token`] is the ledger's own layer on scalar
//! messages: signing a commitment, and verifying many signatures with one multi-pairing.
//!
//! Names follow the draft: `P1` and `Q1` are the fixed bases, `H_0 … H_{L-1}` the
//! message bases (the draft counts from 1), `W` the public key, `A` and `e` the
//! signature.

pub mod blind02;
mod interface;
pub mod keys;
pub mod proof;
pub mod pseudonym02;
pub mod signature;
pub mod token;

pub use keys::{PublicKey, SecretKey};
pub use signature::Signature;
pub use token::SigningContext;

use interface::{Chain, Interface, check_count};

use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::group::{
    G1Affine, Scalar, expand_message_xmd, expand_message_xof, hash_to_g1, hash_to_g1_shake256,
};

/// Most messages one signature may cover here. The draft allows 2^64 − 1; the
/// limit keeps a long proof from making us derive generators without end.
pub const MAX_MESSAGES: usize = 4096;

/// `expand_len` of both suites: bytes hashed to one scalar.
const EXPAND_LEN: usize = 48;

/// The two ciphersuites of the draft; they differ in the hash only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// `BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_`, the suite of the ledger's tokens.
    Sha256,
    /// `BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_`.
    Shake256,
}

impl Suite {
    /// `ciphersuite_id` of the draft.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Suite::Sha256 => "BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_",
            Suite::Shake256 => "BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_",
        }
    }

    /// `api_id` of the draft's interface: the suite's id and `H2G_HM2S_`.
    #[must_use]
    pub const fn api_id(self) -> &'static str {
        Interface::core(self).api_id()
    }

    /// `expand_message` of the suite (RFC 9380 §5.3); fills `out`.
    ///
    /// # Errors
    /// [`Error::Misuse`] for an empty tag or more output than the hash allows
    /// (8,160 bytes with SHA-256, 65,535 with SHAKE-256).
    pub fn expand_message(self, msg: &[u8], dst: &[u8], out: &mut [u8]) -> Result<()> {
        match self {
            Suite::Sha256 => expand_message_xmd(msg, dst, out),
            Suite::Shake256 => expand_message_xof(msg, dst, out),
        }
    }

    /// `expand_message` to `expand_len` bytes under one of our own tags.
    fn expand(self, msg: &[u8], dst: &[u8]) -> [u8; EXPAND_LEN] {
        let mut out = [0u8; EXPAND_LEN];
        self.expand_message(msg, dst, &mut out)
            .expect("48 bytes under a fixed tag");
        out
    }

    fn hash_to_curve(self, msg: &[u8], dst: &[u8]) -> G1Affine {
        match self {
            Suite::Sha256 => hash_to_g1(msg, dst),
            Suite::Shake256 => hash_to_g1_shake256(msg, dst),
        }
    }

    /// `hash_to_scalar`: a scalar from any bytes, under a domain separation tag.
    ///
    /// # Errors
    /// [`Error::Misuse`] for a tag that is empty or longer than 255 bytes.
    pub fn hash_to_scalar(self, msg: &[u8], dst: &[u8]) -> Result<Scalar> {
        if dst.is_empty() || dst.len() > 255 {
            return Err(Error::Misuse("tag is empty or longer than 255 bytes"));
        }
        Ok(Scalar::from_wide_be(&self.expand(msg, dst)))
    }

    /// `messages_to_scalars` (`MapMessageToScalarAsHash`) of octet messages.
    #[must_use]
    pub fn messages_to_scalars<M: AsRef<[u8]>>(self, messages: &[M]) -> Vec<Scalar> {
        Interface::core(self).messages_to_scalars(messages)
    }

    /// `P1`, the suite's fixed point of G1, derived once per process.
    #[must_use]
    pub fn p1(self) -> G1Affine {
        static POINTS: [OnceLock<G1Affine>; 2] = [const { OnceLock::new() }; 2];
        *POINTS[self as usize].get_or_init(|| {
            let seed = [self.api_id().as_bytes(), b"BP_MESSAGE_GENERATOR_SEED"].concat();
            let mut chain = Chain::seeded(self, self.api_id().to_owned(), &seed);
            chain.extend(1);
            chain.points[0]
        })
    }

    /// `create_generators`: `Q1, H_0, …` for an interface identifier, uncached.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more than [`MAX_MESSAGES`] + 1 generators.
    pub fn create_generators(self, count: usize, api_id: &str) -> Result<Vec<G1Affine>> {
        check_count(count)?;
        let mut chain = Chain::new(self, api_id.to_owned());
        chain.extend(count);
        Ok(chain.points)
    }

    /// The first `count` generators `Q1, H_0, …` of the draft's interface, from a
    /// process-wide cache that grows as needed.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more than [`MAX_MESSAGES`] + 1 generators.
    pub fn generators(self, count: usize) -> Result<Vec<G1Affine>> {
        Interface::core(self).generators(count, false)
    }
}
