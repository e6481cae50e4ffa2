//! BBS proofs: `ProofGen` and `ProofVerify` of the draft.
//!
//! A holder shows some of the signed messages and proves that a signature on them and
//! on hidden others exists. This is the standard's own format, for interchange; the
//! ledger's circuits have their own proof of possession. [`proof_verify_batch`] checks
//! many proofs with k + 1 Miller loops, k being the number of signers.

mod batch;
mod core_proof;

pub use batch::{BatchItem, proof_verify_batch};
pub(super) use core_proof::{Shown, Statement, decode, prove};

use zeroize::Zeroizing;

use super::interface::{GeneratorSet, Interface};
use super::{PublicKey, Signature, Suite};
use crate::error::{Error, Result};
use crate::group::Scalar;
use crate::nonce::hedged_scalars;

/// Bytes of a proof that hides no message: three points and four scalars. Each hidden
/// message adds 32.
pub const PROOF_LEN_MIN: usize = 3 * 48 + 4 * 32;

/// BLAKE3 context of the prover's random scalars.
const NONCE_CONTEXT: &str = "zkcredit v1 bbs proof nonces";

/// Random scalars before those of the hidden messages: `r1, r2, e~, r1~, r3~`.
pub(super) const FIXED_SCALARS: usize = 5;

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
    let statement = statement(suite, key, presentation, scalars.len())?;
    let random = statement.random(NONCE_CONTEXT, signature, &scalars)?;
    prove(&statement, signature, &scalars, &random)
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
    let statement = statement(suite, key, presentation, scalars.len())?;
    prove(&statement, signature, &scalars, random)
}

/// The statement of a presentation of `count` messages.
fn statement<'a>(
    suite: Suite,
    key: &'a PublicKey,
    presentation: &Presentation<'a>,
    count: usize,
) -> Result<Statement<'a>> {
    check_positions(presentation.disclosed, count)?;
    let set = GeneratorSet::new(Interface::core(suite), count.saturating_add(1), 0)?;
    Ok(Statement {
        domain: set.domain(key, presentation.header),
        set,
        key,
        presentation_header: presentation.presentation_header,
        disclosed: presentation.disclosed.to_vec(),
        pseudonym: None,
    })
}

/// Refuses positions that are not strictly ascending and below `count`.
pub(super) fn check_positions(positions: &[usize], count: usize) -> Result<()> {
    let ascending = positions.windows(2).all(|pair| pair[0] < pair[1]);
    if !ascending || positions.last().is_some_and(|last| *last >= count) {
        return Err(Error::Misuse("disclosed positions"));
    }
    Ok(())
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
    let proof = decode(proof)?;
    shown(suite, key, proof, presentation, disclosed_messages)?.verify()
}

/// Sets up what a proof must prove.
fn shown<'a, M: AsRef<[u8]>>(
    suite: Suite,
    key: &'a PublicKey,
    proof: core_proof::Proof,
    presentation: &Presentation<'a>,
    disclosed_messages: &[M],
) -> Result<Shown<'a>> {
    if presentation.disclosed.len() != disclosed_messages.len() {
        return Err(Error::Misuse("number of disclosed messages"));
    }
    let count = disclosed_messages.len() + proof.hidden_count();
    let statement = statement(suite, key, presentation, count)?;
    let messages = suite.messages_to_scalars(disclosed_messages);
    Ok(Shown::new(statement, proof, messages))
}

impl Statement<'_> {
    /// Fresh scalars for one proof, hedged with the statement and all secrets.
    pub(super) fn random(
        &self,
        context: &str,
        signature: &Signature,
        messages: &[Scalar],
    ) -> Result<Zeroizing<Vec<Scalar>>> {
        let hidden = messages.len().saturating_sub(self.disclosed.len());
        let positions: Vec<u8> = self
            .disclosed
            .iter()
            .flat_map(|index| (*index as u64).to_be_bytes())
            .collect();
        hedged_scalars(
            context,
            &[
                self.key.as_bytes(),
                &self.domain.to_bytes_be(),
                self.presentation_header,
                &positions,
                self.pseudonym.as_ref().map_or(&[], |p| p.context_id),
                &signature.to_bytes(),
            ],
            messages,
            FIXED_SCALARS + hidden,
        )
    }
}
