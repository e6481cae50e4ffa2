//! Blind BBS signatures, draft-irtf-cfrg-bbs-blind-signatures-02.
//!
//! A prover commits to messages and proves that it knows them ([`commit`]); the signer
//! signs them unseen, together with messages of its own ([`blind_sign`]); the prover
//! checks the result ([`verify_blind_sign`]) and presents it like any other signature
//! ([`blind_proof_gen`], [`blind_proof_verify`]).
//!
//! The signed messages are `msg_1 … msg_L` of the signer, the prover's blinding factor,
//! and the committed `msg_1 … msg_M`, in this order. Where the text of -02 disagrees
//! with its published vectors, this module does as the vectors do: `Q_2` is part of the
//! domain, `B` contains `P1 + domain·Q1`, and `e` is hashed from the key and `B` alone.
//!
//! Drafts after -02 hash more into a proof's challenge: their proofs are not compatible.

use zeroize::{Zeroize, Zeroizing};

use super::interface::{GeneratorSet, Interface};
use super::proof::{Shown, Statement, check_positions, decode, prove};
use super::signature::{core_verify, sign_point};
use super::{MAX_MESSAGES, PublicKey, SecretKey, Signature, Suite};
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, G1Affine, Scalar, SecretBases, msm};
use crate::nonce::hedged_scalars;
use crate::secret::Secret;

/// Bytes of a commitment with its proof, for no message. Each message adds 32.
pub const COMMITMENT_LEN_MIN: usize = 48 + 2 * 32;

/// BLAKE3 contexts of the prover's random scalars.
const COMMIT_CONTEXT: &str = "zkcredit v1 bbs blind commitment nonces";
const PROOF_CONTEXT: &str = "zkcredit v1 bbs blind proof nonces";

/// What verifier and prover agree on beside the proof.
#[derive(Clone, Copy, Debug)]
pub struct BlindPresentation<'a> {
    /// The header that was signed.
    pub header: &'a [u8],
    /// The presentation header `ph`: nonce, audience, whatever the proof is bound to.
    pub presentation_header: &'a [u8],
    /// Positions of the shown messages among the signer's, strictly ascending.
    pub disclosed: &'a [usize],
    /// Positions of the shown messages among the committed ones, strictly ascending.
    pub disclosed_committed: &'a [usize],
}

/// What a prover keeps and shows of a blind signature: all messages and the blind.
#[derive(Clone, Copy)]
pub struct Holding<'a, M> {
    /// The signer's messages.
    pub messages: &'a [M],
    /// The prover's own messages; none without a commitment.
    pub committed_messages: &'a [M],
    /// `secret_prover_blind` of the commitment; `None` without one.
    pub prover_blind: Option<&'a Scalar>,
}

impl<M: AsRef<[u8]>> Holding<'_, M> {
    /// All signed messages as scalars, in order, and room for `more`.
    pub(super) fn scalars(&self, interface: Interface, more: usize) -> Zeroizing<Vec<Scalar>> {
        let mut own = interface.messages_to_scalars(self.messages);
        let mut committed = interface.messages_to_scalars(self.committed_messages);
        let mut all = Zeroizing::new(Vec::with_capacity(own.len() + 1 + committed.len() + more));
        all.extend_from_slice(&own);
        all.push(self.prover_blind.copied().unwrap_or(Scalar::ZERO));
        all.extend_from_slice(&committed);
        own.zeroize();
        committed.zeroize();
        all
    }

    /// The generators of the signature, with `more` blind ones.
    pub(super) fn set(&self, interface: Interface, more: usize) -> Result<GeneratorSet> {
        let own = self.messages.len().saturating_add(1);
        let blind = self.committed_messages.len().saturating_add(1);
        GeneratorSet::new(interface, own, blind.saturating_add(more))
    }
}

/// A commitment with its proof, for the signer, and `secret_prover_blind`, which the
/// prover keeps.
#[derive(Debug)]
pub struct Committed {
    /// `commitment_with_proof`: the point, and a proof that its opening is known.
    pub commitment_with_proof: Vec<u8>,
    /// `secret_prover_blind`, needed to use the signature.
    pub prover_blind: Secret<Scalar>,
}

/// `Commit`: commits to messages that the signer shall not see. Constant time in them.
///
/// # Errors
/// [`Error::Misuse`] for too many messages or a failing random source.
pub fn commit<M: AsRef<[u8]>>(suite: Suite, messages: &[M]) -> Result<Committed> {
    let interface = Interface::blind02(suite);
    let scalars = Zeroizing::new(interface.messages_to_scalars(messages));
    core_commit(
        interface,
        &scalars,
        &commitment_random(interface, &scalars)?,
    )
}

/// [`commit`] with given random scalars `secret_prover_blind, s~, m~…`: for published
/// vectors only, absent from release builds.
///
/// # Errors
/// As [`commit`].
#[cfg(debug_assertions)]
#[doc(hidden)]
pub fn commit_with_scalars<M: AsRef<[u8]>>(
    suite: Suite,
    messages: &[M],
    random: &[Scalar],
) -> Result<Committed> {
    let interface = Interface::blind02(suite);
    core_commit(interface, &interface.messages_to_scalars(messages), random)
}

/// Fresh scalars for a commitment.
pub(super) fn commitment_random(
    interface: Interface,
    scalars: &[Scalar],
) -> Result<Zeroizing<Vec<Scalar>>> {
    let public = [interface.api_id().as_bytes()];
    hedged_scalars(COMMIT_CONTEXT, &public, scalars, scalars.len() + 2)
}

/// `CoreCommit` with the random scalars `secret_prover_blind, s~, m~…`.
pub(super) fn core_commit(
    interface: Interface,
    scalars: &[Scalar],
    random: &[Scalar],
) -> Result<Committed> {
    let generators = interface.generators(scalars.len().saturating_add(1), true)?;
    let ([blind, s_tilde], tildes) = random
        .split_first_chunk::<2>()
        .filter(|(_, rest)| rest.len() == scalars.len())
        .ok_or(Error::Misuse("number of random scalars"))?;
    let bases = SecretBases::new(&generators);
    let sum = |first: &Scalar, rest: &[Scalar]| {
        let all = Zeroizing::new([std::slice::from_ref(first), rest].concat());
        bases.msm(&all).to_g1_trusted()
    };
    let both = sum(blind, scalars).zip(sum(s_tilde, tildes));
    let (point, mask) = both.ok_or(Error::Misuse("random scalar zero"))?;
    let challenge = blind_challenge(interface, &generators, &point, &mask.into());
    let mut out = point.to_compressed().to_vec();
    out.extend_from_slice(&(*s_tilde + *blind * challenge).to_bytes_be());
    for (tilde, scalar) in tildes.iter().zip(scalars) {
        out.extend_from_slice(&(*tilde + *scalar * challenge).to_bytes_be());
    }
    out.extend_from_slice(&challenge.to_bytes_be());
    Ok(Committed {
        commitment_with_proof: out,
        prover_blind: Secret::new(*blind),
    })
}

/// `calculate_blind_challenge` over `M, Q_2, J_1 …, C, C̄`.
fn blind_challenge(
    interface: Interface,
    generators: &[G1Affine],
    point: &G1Affine,
    mask: &E1Affine,
) -> Scalar {
    let mut input = (generators.len() as u64 - 1).to_be_bytes().to_vec();
    for generator in generators {
        input.extend_from_slice(&generator.to_compressed());
    }
    input.extend_from_slice(&point.to_compressed());
    input.extend_from_slice(&mask.to_compressed());
    interface.hash_to_scalar_h2s(&input)
}

/// `deserialize_and_validate_commit`: the point and the number of committed scalars.
/// Strict and variable time; all inputs are public.
pub(super) fn open_commitment(interface: Interface, bytes: &[u8]) -> Result<(G1Affine, usize)> {
    const BAD: Error = Error::Malformed("commitment");
    let split = bytes.split_first_chunk::<48>();
    let (point, rest) = split.ok_or(BAD)?;
    let (chunks, trailing) = rest.as_chunks::<32>();
    if chunks.len() < 2 || chunks.len() > MAX_MESSAGES + 2 || !trailing.is_empty() {
        return Err(BAD);
    }
    let scalars: Vec<Scalar> = chunks
        .iter()
        .map(|chunk| Scalar::from_bytes_be(chunk).filter(|scalar| !scalar.is_zero()))
        .collect::<Option<_>>()
        .ok_or(BAD)?;
    let point = G1Affine::from_compressed(point).ok_or(BAD)?;
    let (challenge, responses) = scalars.split_last().ok_or(BAD)?;
    let generators = interface.generators(responses.len(), true)?;
    let mut bases: Vec<E1Affine> = generators.iter().map(|base| *base.as_e1()).collect();
    bases.push(*point.as_e1());
    let mut factors = responses.to_vec();
    factors.push(-*challenge);
    let mask = msm(&bases, &factors);
    let holds = |mask| blind_challenge(interface, &generators, &point, &mask) == *challenge;
    if mask.to_affine().is_some_and(holds) {
        Ok((point, responses.len() - 1))
    } else {
        Err(Error::Refused("commitment"))
    }
}

/// `BlindSign`: signs what a commitment holds (if there is one) and `messages`, after
/// checking the commitment's proof. Constant time in the key and the messages;
/// deterministic.
///
/// # Errors
/// [`Error::Malformed`] for a commitment that is not canonical, [`Error::Refused`] if its
/// proof does not verify, [`Error::Misuse`] for too many messages.
pub fn blind_sign<M: AsRef<[u8]>>(
    suite: Suite,
    key: &SecretKey,
    commitment_with_proof: Option<&[u8]>,
    header: &[u8],
    messages: &[M],
) -> Result<Signature> {
    let interface = Interface::blind02(suite);
    let (commitment, count) = match commitment_with_proof {
        Some(bytes) => {
            let (point, count) = open_commitment(interface, bytes)?;
            (point.to_e1(), count)
        }
        None => (E1::identity(), 0),
    };
    let set = GeneratorSet::new(
        interface,
        messages.len().saturating_add(1),
        count.saturating_add(1),
    )?;
    finalize(
        &set,
        key,
        header,
        &interface.messages_to_scalars(messages),
        &commitment,
    )
}

/// `B_calculate` and `FinalizeBlindSign`: signs `P1 + domain·Q1 + Σ m·H + commitment`.
pub(super) fn finalize(
    set: &GeneratorSet,
    key: &SecretKey,
    header: &[u8],
    messages: &[Scalar],
    commitment: &E1,
) -> Result<Signature> {
    let domain = set.domain(key.public_key(), header);
    let mut padded = Zeroizing::new(vec![Scalar::ZERO; set.message_count()]);
    padded[..messages.len()].copy_from_slice(messages);
    let point = set.message_point(&domain, &padded)? + *commitment;
    let affine = point.to_g1_trusted();
    let encoded = affine.ok_or(Error::Misuse("messages whose commitment is the identity"))?;
    let mut input = Zeroizing::new(Vec::with_capacity(32 + 48));
    input.extend_from_slice(&*key.to_bytes());
    input.extend_from_slice(&encoded.to_compressed());
    let e = set.interface().hash_to_scalar_h2s(&input);
    sign_point(key, &point, e)
}

/// `VerifyBlindSign`: what a prover checks when it gets a signature. Constant time in
/// the messages.
///
/// # Errors
/// [`Error::Refused`] if the signature does not verify, [`Error::Misuse`] for too many
/// messages.
pub fn verify_blind_sign<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    header: &[u8],
    holding: &Holding<'_, M>,
) -> Result<()> {
    let interface = Interface::blind02(suite);
    let scalars = holding.scalars(interface, 0);
    core_verify(
        &holding.set(interface, 0)?,
        key,
        header,
        &scalars,
        signature,
    )
}

/// `BlindProofGen`: shows some messages of a blind signature. Checks the signature
/// first. Constant time in messages, blind and signature.
///
/// # Errors
/// [`Error::Misuse`] for positions that are not ascending or out of range, too many
/// messages or a failing random source; [`Error::Refused`] if the signature does not
/// verify.
pub fn blind_proof_gen<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    presentation: &BlindPresentation<'_>,
    holding: &Holding<'_, M>,
) -> Result<Vec<u8>> {
    let (statement, scalars) = holder_statement(suite, key, presentation, holding)?;
    let random = statement.random(PROOF_CONTEXT, signature, &scalars)?;
    prove(&statement, signature, &scalars, &random)
}

/// [`blind_proof_gen`] with given random scalars: for published vectors only, absent
/// from release builds.
///
/// # Errors
/// As [`blind_proof_gen`].
#[cfg(debug_assertions)]
#[doc(hidden)]
pub fn blind_proof_gen_with_scalars<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    presentation: &BlindPresentation<'_>,
    holding: &Holding<'_, M>,
    random: &[Scalar],
) -> Result<Vec<u8>> {
    let (statement, scalars) = holder_statement(suite, key, presentation, holding)?;
    prove(&statement, signature, &scalars, random)
}

fn holder_statement<'a, M: AsRef<[u8]>>(
    suite: Suite,
    key: &'a PublicKey,
    presentation: &BlindPresentation<'a>,
    holding: &Holding<'_, M>,
) -> Result<(Statement<'a>, Zeroizing<Vec<Scalar>>)> {
    let interface = Interface::blind02(suite);
    let committed = holding.committed_messages.len();
    let disclosed = presentation.indexes(holding.messages.len(), committed)?;
    let set = holding.set(interface, 0)?;
    let statement = Statement {
        domain: set.domain(key, presentation.header),
        set,
        key,
        presentation_header: presentation.presentation_header,
        disclosed,
        pseudonym: None,
    };
    Ok((statement, holding.scalars(interface, 0)))
}

impl BlindPresentation<'_> {
    /// Indexes of all shown messages among the signed scalars, given the numbers of the
    /// signer's and of committed messages.
    pub(super) fn indexes(&self, own: usize, committed: usize) -> Result<Vec<usize>> {
        check_positions(self.disclosed, own)?;
        check_positions(self.disclosed_committed, committed)?;
        let shifted = self.disclosed_committed.iter().map(|j| j + own + 1);
        Ok(self.disclosed.iter().copied().chain(shifted).collect())
    }
}

/// Messages that a proof shows, as the verifier gets them.
#[derive(Clone, Copy, Debug)]
pub struct Disclosure<'a, M> {
    /// Number of the signer's messages, `L`: part of what the verifier must know.
    pub message_count: usize,
    /// Shown messages of the signer, in the order of their positions.
    pub messages: &'a [M],
    /// Shown committed messages, in the order of their positions.
    pub committed_messages: &'a [M],
}

impl<M: AsRef<[u8]>> Disclosure<'_, M> {
    /// The shown scalars, after checking that there is one for every position.
    pub(super) fn scalars(
        &self,
        interface: Interface,
        presentation: &BlindPresentation<'_>,
    ) -> Result<Vec<Scalar>> {
        if self.messages.len() != presentation.disclosed.len()
            || self.committed_messages.len() != presentation.disclosed_committed.len()
        {
            return Err(Error::Misuse("number of disclosed messages"));
        }
        let mut scalars = interface.messages_to_scalars(self.messages);
        scalars.extend(interface.messages_to_scalars(self.committed_messages));
        Ok(scalars)
    }
}

/// `BlindProofVerify`. Variable time, all inputs public.
///
/// # Errors
/// [`Error::Malformed`] for a non-canonical proof, [`Error::Misuse`] for positions that
/// are not ascending, out of range or not as many as messages, [`Error::Refused`] if the
/// proof does not verify.
pub fn blind_proof_verify<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    proof: &[u8],
    presentation: &BlindPresentation<'_>,
    disclosure: &Disclosure<'_, M>,
) -> Result<()> {
    let interface = Interface::blind02(suite);
    let shown = disclosure.scalars(interface, presentation)?;
    let proof = decode(proof)?;
    let own = disclosure.message_count;
    let total = shown.len() + proof.hidden_count();
    // The blinding factor is signed and always hidden.
    let committed = total
        .checked_sub(own.saturating_add(1))
        .ok_or(Error::Refused("BBS proof"))?;
    let disclosed = presentation.indexes(own, committed)?;
    let set = GeneratorSet::new(interface, own + 1, committed + 1)?;
    let statement = Statement {
        domain: set.domain(key, presentation.header),
        set,
        key,
        presentation_header: presentation.presentation_header,
        disclosed,
        pseudonym: None,
    };
    Shown::new(statement, proof, shown).verify()
}
