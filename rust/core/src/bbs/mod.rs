//! BBS signatures over BLS12-381 (draft-irtf-cfrg-bbs-signatures-06 … -11).
//!
//! [`Suite`] holds what the two ciphersuites share: hashing, generators, domain.
//! [`keys`] and [`signature`] are the draft's key generation, `Sign` and `Verify`
//! on octet messages; [`proof`] is `ProofGen` and `ProofVerify`; [`token`] is the
//! ledger's own layer on scalar messages: signing a commitment, and verifying
//! many signatures with one multi-pairing.
//!
//! Names follow the draft: `P1` and `Q1` are the fixed bases, `H_0 … H_{L-1}` the
//! message bases (the draft counts from 1), `W` the public key, `A` and `e` the
//! signature.

pub mod keys;
pub mod proof;
pub mod signature;
pub mod token;

pub use keys::{PublicKey, SecretKey};
pub use signature::Signature;
pub use token::SigningContext;

use std::sync::{OnceLock, PoisonError, RwLock};

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

/// Generators of one suite as far as they were needed yet, and the hash chain's
/// state from which the next one follows.
struct GeneratorChain {
    state: [u8; EXPAND_LEN],
    points: Vec<G1Affine>,
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
        match self {
            Suite::Sha256 => "BBS_BLS12381G1_XMD:SHA-256_SSWU_RO_H2G_HM2S_",
            Suite::Shake256 => "BBS_BLS12381G1_XOF:SHAKE-256_SSWU_RO_H2G_HM2S_",
        }
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

    /// `hash_to_scalar` under the interface's tag `api_id ‖ "H2S_"`.
    pub(crate) fn hash_to_scalar_h2s(self, msg: &[u8]) -> Scalar {
        let dst = [self.api_id().as_bytes(), b"H2S_"].concat();
        Scalar::from_wide_be(&self.expand(msg, &dst))
    }

    /// `messages_to_scalars` (`MapMessageToScalarAsHash`) of octet messages.
    #[must_use]
    pub fn messages_to_scalars<M: AsRef<[u8]>>(self, messages: &[M]) -> Vec<Scalar> {
        let dst = [self.api_id().as_bytes(), b"MAP_MSG_TO_SCALAR_AS_HASH_"].concat();
        messages
            .iter()
            .map(|message| Scalar::from_wide_be(&self.expand(message.as_ref(), &dst)))
            .collect()
    }

    /// `P1`, the suite's fixed point of G1, derived once per process.
    #[must_use]
    pub fn p1(self) -> G1Affine {
        static POINTS: [OnceLock<G1Affine>; 2] = [const { OnceLock::new() }; 2];
        *POINTS[self as usize].get_or_init(|| {
            let seed = [self.api_id().as_bytes(), b"BP_MESSAGE_GENERATOR_SEED"].concat();
            let mut chain = self.start_chain(self.api_id(), &seed);
            self.extend_chain(&mut chain, self.api_id(), 1);
            chain.points[0]
        })
    }

    /// `create_generators`: `Q1, H_0, …` for an interface identifier, uncached.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more than [`MAX_MESSAGES`] + 1 generators.
    pub fn create_generators(self, count: usize, api_id: &str) -> Result<Vec<G1Affine>> {
        check_count(count)?;
        let seed = [api_id.as_bytes(), b"MESSAGE_GENERATOR_SEED"].concat();
        let mut chain = self.start_chain(api_id, &seed);
        self.extend_chain(&mut chain, api_id, count);
        Ok(chain.points)
    }

    /// The first `count` generators `Q1, H_0, …` of the draft's interface, from a
    /// process-wide cache that grows as needed.
    ///
    /// # Errors
    /// [`Error::Misuse`] for more than [`MAX_MESSAGES`] + 1 generators.
    pub fn generators(self, count: usize) -> Result<Vec<G1Affine>> {
        static CHAINS: [OnceLock<RwLock<GeneratorChain>>; 2] = [const { OnceLock::new() }; 2];
        check_count(count)?;
        let api_id = self.api_id();
        let chain = CHAINS[self as usize].get_or_init(|| {
            let seed = [api_id.as_bytes(), b"MESSAGE_GENERATOR_SEED"].concat();
            RwLock::new(self.start_chain(api_id, &seed))
        });
        if let Some(points) = chain
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .points
            .get(..count)
        {
            return Ok(points.to_vec());
        }
        let mut chain = chain.write().unwrap_or_else(PoisonError::into_inner);
        self.extend_chain(&mut chain, api_id, count);
        Ok(chain.points[..count].to_vec())
    }

    fn start_chain(self, api_id: &str, seed: &[u8]) -> GeneratorChain {
        let seed_dst = [api_id.as_bytes(), b"SIG_GENERATOR_SEED_"].concat();
        GeneratorChain {
            state: self.expand(seed, &seed_dst),
            points: Vec::new(),
        }
    }

    fn extend_chain(self, chain: &mut GeneratorChain, api_id: &str, count: usize) {
        let seed_dst = [api_id.as_bytes(), b"SIG_GENERATOR_SEED_"].concat();
        let point_dst = [api_id.as_bytes(), b"SIG_GENERATOR_DST_"].concat();
        while chain.points.len() < count {
            let number = chain.points.len() as u64 + 1;
            let input = [chain.state.as_slice(), &number.to_be_bytes()].concat();
            let state = self.expand(&input, &seed_dst);
            chain.points.push(self.hash_to_curve(&state, &point_dst));
            chain.state = state;
        }
    }

    /// `calculate_domain` over the generators `Q1, H_0, …, H_{L-1}`.
    pub(crate) fn domain(self, key: &PublicKey, generators: &[G1Affine], header: &[u8]) -> Scalar {
        let message_count = generators.len() as u64 - 1;
        let mut input = Vec::with_capacity(96 + 8 + 48 * generators.len() + 64 + header.len());
        input.extend_from_slice(key.as_bytes());
        input.extend_from_slice(&message_count.to_be_bytes());
        for generator in generators {
            input.extend_from_slice(&generator.to_compressed());
        }
        input.extend_from_slice(self.api_id().as_bytes());
        input.extend_from_slice(&(header.len() as u64).to_be_bytes());
        input.extend_from_slice(header);
        self.hash_to_scalar_h2s(&input)
    }
}

fn check_count(count: usize) -> Result<()> {
    if count > MAX_MESSAGES + 1 {
        return Err(Error::Misuse("more messages than the limit"));
    }
    Ok(())
}
