//! BBS pseudonyms, draft-irtf-cfrg-bbs-per-verifier-linkability-02.
//!
//! A blind signature whose last messages are secrets known to the prover alone. A proof
//! comes with a pseudonym, a point that is the same in every proof of one holder in one
//! context (a verifier, an event) and unlinkable between contexts:
//! `pseudonym = Σ nym_i·z^i · OP` with `OP` and `z` hashed from the context's id.
//!
//! With one secret, which is the usual number and the same in drafts -00 to -02, this
//! is `nym·OP`. The later texts change the formula for several; their number is part of
//! the signed header. The signer adds entropy to the last secret, so that no prover
//! chooses it alone.

use zeroize::Zeroizing;

use super::blind02::{
    BlindPresentation, Committed, Disclosure, Holding, commitment_random, core_commit, finalize,
    open_commitment,
};
use super::interface::{GeneratorSet, Interface};
use super::proof::{Shown, Statement, decode, prove};
use super::signature::core_verify;
use super::{PublicKey, SecretKey, Signature, Suite};
use crate::error::{Error, Result};
use crate::group::{G1Affine, Scalar, msm};

/// BLAKE3 context of the prover's random scalars.
const PROOF_CONTEXT: &str = "zkcredit v1 bbs pseudonym proof nonces";

/// A context and, for verifiers, the pseudonym claimed in it.
pub(crate) struct Binding<'a> {
    pub context_id: &'a [u8],
    base: G1Affine,
    z: Scalar,
    count: usize,
    claimed: Option<G1Affine>,
}

impl<'a> Binding<'a> {
    fn new(suite: Suite, context_id: &'a [u8], count: usize, claimed: Option<G1Affine>) -> Self {
        let interface = Interface::pseudonym02(suite);
        Binding {
            context_id,
            base: interface.hash_to_curve(context_id),
            z: interface.hash_to_scalar(context_id, "VECT_NYM_SECRETS"),
            count,
            claimed,
        }
    }

    /// `Σ v_i·z^i` over the last `count` values.
    fn evaluate(&self, values: &[Scalar]) -> Zeroizing<Scalar> {
        let last = &values[values.len() - self.count..];
        let mut sum = Zeroizing::new(Scalar::ZERO);
        for value in last.iter().rev() {
            *sum = *sum * self.z + *value;
        }
        sum
    }

    /// The point of the last values: of the secrets it is the pseudonym, of their random
    /// scalars its commitment `Ut`. Constant time.
    pub(crate) fn point(&self, values: &[Scalar]) -> Result<G1Affine> {
        let product = self.base.mul(&self.evaluate(values));
        product
            .to_g1_trusted()
            .ok_or(Error::Misuse("pseudonym secrets that cancel"))
    }

    /// The claimed pseudonym and `Ut` recomputed from responses, compressed.
    pub(crate) fn recompute(&self, hats: &[Scalar], challenge: &Scalar) -> Result<[[u8; 48]; 2]> {
        const REFUSED: Error = Error::Refused("BBS proof");
        let claimed = self.claimed.ok_or(REFUSED)?;
        let points = [*self.base.as_e1(), *claimed.as_e1()];
        let ut = msm(&points, &[*self.evaluate(hats), -*challenge]);
        let ut = ut.to_affine().ok_or(REFUSED)?;
        Ok([claimed.to_compressed(), ut.to_compressed()])
    }
}

/// The header with the number of secrets appended, as it is signed.
fn combined_header(header: &[u8], count: usize) -> Vec<u8> {
    [header, &(count as u64).to_be_bytes()].concat()
}

fn check_secrets(count: usize) -> Result<()> {
    if count == 0 {
        return Err(Error::Misuse("a pseudonym needs at least one secret"));
    }
    Ok(())
}

/// `CommitWithNym`: commits to messages and to the prover's part of the pseudonym
/// secrets. Constant time in all of them.
///
/// # Errors
/// [`Error::Misuse`] for no secret, too many messages or a failing random source.
pub fn commit_with_nym<M: AsRef<[u8]>>(
    suite: Suite,
    messages: &[M],
    prover_nyms: &[Scalar],
) -> Result<Committed> {
    let interface = Interface::pseudonym02(suite);
    let scalars = committed_scalars(interface, messages, prover_nyms)?;
    core_commit(
        interface,
        &scalars,
        &commitment_random(interface, &scalars)?,
    )
}

/// [`commit_with_nym`] with given random scalars: for published vectors only, absent
/// from release builds.
///
/// # Errors
/// As [`commit_with_nym`].
#[cfg(debug_assertions)]
#[doc(hidden)]
pub fn commit_with_nym_and_scalars<M: AsRef<[u8]>>(
    suite: Suite,
    messages: &[M],
    prover_nyms: &[Scalar],
    random: &[Scalar],
) -> Result<Committed> {
    let interface = Interface::pseudonym02(suite);
    let scalars = committed_scalars(interface, messages, prover_nyms)?;
    core_commit(interface, &scalars, random)
}

fn committed_scalars<M: AsRef<[u8]>>(
    interface: Interface,
    messages: &[M],
    prover_nyms: &[Scalar],
) -> Result<Zeroizing<Vec<Scalar>>> {
    check_secrets(prover_nyms.len())?;
    let own = Zeroizing::new(interface.messages_to_scalars(messages));
    Ok(Zeroizing::new([own.as_slice(), prover_nyms].concat()))
}

/// `BlindSignWithNym`: signs a commitment whose last `nym_count` scalars are pseudonym
/// secrets, adding `signer_nym_entropy` to the last. Constant time in key and messages.
///
/// The entropy must be random and used for one prover only; the signer sends it along
/// with the signature.
///
/// # Errors
/// [`Error::Malformed`] for a commitment that is not canonical, [`Error::Refused`] if its
/// proof does not verify or it holds too few scalars, [`Error::Misuse`] for no secret or
/// too many messages.
pub fn blind_sign_with_nym<M: AsRef<[u8]>>(
    suite: Suite,
    key: &SecretKey,
    commitment_with_proof: &[u8],
    nym_count: usize,
    signer_nym_entropy: &Scalar,
    header: &[u8],
    messages: &[M],
) -> Result<Signature> {
    check_secrets(nym_count)?;
    let interface = Interface::pseudonym02(suite);
    let (point, count) = open_commitment(interface, commitment_with_proof)?;
    if count < nym_count {
        return Err(Error::Refused("commitment"));
    }
    let set = GeneratorSet::new(interface, messages.len().saturating_add(1), count + 1)?;
    let last = [set.message_count() - 1];
    let added = set.secret_sum(&last, &[*signer_nym_entropy])?;
    let scalars = interface.messages_to_scalars(messages);
    let header = combined_header(header, nym_count);
    finalize(&set, key, &header, &scalars, &(point.to_e1() + added))
}

/// `VerifyFinalizeWithNym`: checks a signature and returns the pseudonym secrets, the
/// last with the signer's entropy added. Constant time in all secrets.
///
/// # Errors
/// [`Error::Refused`] if the signature does not verify, [`Error::Misuse`] for no secret
/// or too many messages.
pub fn verify_finalize_with_nym<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    header: &[u8],
    holding: &Holding<'_, M>,
    prover_nyms: &[Scalar],
    signer_nym_entropy: &Scalar,
) -> Result<Zeroizing<Vec<Scalar>>> {
    check_secrets(prover_nyms.len())?;
    let interface = Interface::pseudonym02(suite);
    let mut secrets = Zeroizing::new(prover_nyms.to_vec());
    if let Some(last) = secrets.last_mut() {
        *last += *signer_nym_entropy;
    }
    let mut scalars = holding.scalars(interface, secrets.len());
    scalars.extend_from_slice(&secrets);
    let set = holding.set(interface, secrets.len())?;
    let header = combined_header(header, secrets.len());
    core_verify(&set, key, &header, &scalars, signature)?;
    Ok(secrets)
}

/// The pseudonym of these secrets in a context: 48 bytes. Constant time in the secrets.
///
/// # Errors
/// [`Error::Misuse`] for no secret, or secrets whose sum is zero.
pub fn pseudonym(suite: Suite, context_id: &[u8], nym_secrets: &[Scalar]) -> Result<[u8; 48]> {
    check_secrets(nym_secrets.len())?;
    let binding = Binding::new(suite, context_id, nym_secrets.len(), None);
    Ok(binding.point(nym_secrets)?.to_compressed())
}

/// `ProofGenWithNym`: shows some messages of a signature together with the pseudonym in
/// a context; returns the proof and the pseudonym. Checks the signature first. Constant
/// time in messages, secrets and signature.
///
/// # Errors
/// [`Error::Misuse`] for positions that are not ascending or out of range, no secret, too
/// many messages or a failing random source; [`Error::Refused`] if the signature does not
/// verify.
pub fn proof_gen_with_nym<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    presentation: &BlindPresentation<'_>,
    holding: &Holding<'_, M>,
    nym_secrets: &[Scalar],
    context_id: &[u8],
) -> Result<(Vec<u8>, [u8; 48])> {
    let (statement, scalars) =
        holder_statement(suite, key, presentation, holding, nym_secrets, context_id)?;
    let random = statement.random(PROOF_CONTEXT, signature, &scalars)?;
    let proof = prove(&statement, signature, &scalars, &random)?;
    Ok((proof, pseudonym(suite, context_id, nym_secrets)?))
}

/// The proof of [`proof_gen_with_nym`] with given random scalars: for published vectors
/// only, absent from release builds.
///
/// # Errors
/// As [`proof_gen_with_nym`].
#[cfg(debug_assertions)]
#[doc(hidden)]
#[allow(clippy::too_many_arguments)]
pub fn proof_gen_with_nym_and_scalars<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    signature: &Signature,
    presentation: &BlindPresentation<'_>,
    holding: &Holding<'_, M>,
    nym_secrets: &[Scalar],
    context_id: &[u8],
    random: &[Scalar],
) -> Result<Vec<u8>> {
    let (statement, scalars) =
        holder_statement(suite, key, presentation, holding, nym_secrets, context_id)?;
    prove(&statement, signature, &scalars, random)
}

fn holder_statement<'a, M: AsRef<[u8]>>(
    suite: Suite,
    key: &'a PublicKey,
    presentation: &BlindPresentation<'a>,
    holding: &Holding<'_, M>,
    nym_secrets: &[Scalar],
    context_id: &'a [u8],
) -> Result<(Statement<'a>, Zeroizing<Vec<Scalar>>)> {
    let count = nym_secrets.len();
    check_secrets(count)?;
    let interface = Interface::pseudonym02(suite);
    let committed = holding.committed_messages.len();
    let disclosed = presentation.indexes(holding.messages.len(), committed)?;
    let mut scalars = holding.scalars(interface, count);
    scalars.extend_from_slice(nym_secrets);
    let set = holding.set(interface, count)?;
    let statement = Statement {
        domain: set.domain(key, &combined_header(presentation.header, count)),
        set,
        key,
        presentation_header: presentation.presentation_header,
        disclosed,
        pseudonym: Some(Binding::new(suite, context_id, count, None)),
    };
    Ok((statement, scalars))
}

/// The pseudonym that a proof claims, and the context it is for.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The pseudonym, compressed.
    pub pseudonym: &'a [u8; 48],
    /// The context's id, which the verifier sets.
    pub context_id: &'a [u8],
    /// Number of pseudonym secrets in the signature, usually 1.
    pub nym_count: usize,
}

/// `ProofVerifyWithNym`. Variable time, all inputs public.
///
/// # Errors
/// [`Error::Malformed`] for a proof or pseudonym that is not canonical, [`Error::Misuse`]
/// for positions that are not ascending, out of range or not as many as messages and for
/// no secret, [`Error::Refused`] if the proof does not verify.
pub fn proof_verify_with_nym<M: AsRef<[u8]>>(
    suite: Suite,
    key: &PublicKey,
    proof: &[u8],
    presentation: &BlindPresentation<'_>,
    disclosure: &Disclosure<'_, M>,
    claim: &Claim<'_>,
) -> Result<()> {
    check_secrets(claim.nym_count)?;
    let interface = Interface::pseudonym02(suite);
    let claimed = G1Affine::from_compressed(claim.pseudonym);
    let claimed = claimed.ok_or(Error::Malformed("pseudonym"))?;
    let shown = disclosure.scalars(interface, presentation)?;
    let proof = decode(proof)?;
    let own = disclosure.message_count;
    let total = shown.len() + proof.hidden_count();
    // The blinding factor and the secrets are signed and always hidden.
    let committed = own
        .checked_add(claim.nym_count)
        .and_then(|others| total.checked_sub(others.checked_add(1)?))
        .ok_or(Error::Refused("BBS proof"))?;
    let disclosed = presentation.indexes(own, committed)?;
    let set = GeneratorSet::new(interface, own + 1, committed + claim.nym_count + 1)?;
    let header = combined_header(presentation.header, claim.nym_count);
    let statement = Statement {
        domain: set.domain(key, &header),
        set,
        key,
        presentation_header: presentation.presentation_header,
        disclosed,
        pseudonym: Some(Binding::new(
            suite,
            claim.context_id,
            claim.nym_count,
            Some(claimed),
        )),
    };
    Shown::new(statement, proof, shown).verify()
}
