//! Blind BBS signatures -02 and pseudonyms -02.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use zkcredit_core::bbs::blind02::{self, BlindPresentation, Committed, Disclosure, Holding};
use zkcredit_core::bbs::pseudonym02::{self, Claim};
use zkcredit_core::bbs::{PublicKey, Signature, Suite};

use crate::bbs::{Index, Messages, Shown, positions, signature_of, split};
use crate::convert::{bytes, fixed, scalar, scalars};
use crate::errors::{misuse, raise};
use crate::secrets::SecretScalar;

fn committed(py: Python<'_>, made: Committed) -> (Bound<'_, PyBytes>, SecretScalar) {
    let blind = SecretScalar::new(*made.prover_blind.expose());
    (bytes(py, &made.commitment_with_proof), blind)
}

/// Commits to messages: the commitment with its proof, and the blind.
#[pyfunction]
pub fn bbs_commit<'py>(
    py: Python<'py>,
    suite: &str,
    messages: Messages,
) -> PyResult<(Bound<'py, PyBytes>, SecretScalar)> {
    let suite = crate::bbs::suite(suite)?;
    let made = py.detach(|| blind02::commit(suite, &messages));
    Ok(committed(py, made.map_err(raise)?))
}

/// Commits to messages and pseudonym secrets.
#[pyfunction]
pub fn bbs_commit_with_nym<'py>(
    py: Python<'py>,
    suite: &str,
    messages: Messages,
    prover_nyms: &Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyBytes>, SecretScalar)> {
    let (suite, nyms) = (crate::bbs::suite(suite)?, scalars(prover_nyms)?);
    let made = py.detach(|| pseudonym02::commit_with_nym(suite, &messages, &nyms));
    Ok(committed(py, made.map_err(raise)?))
}

/// A holder's side of a blind signature: all that is signed, and where.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct BlindHolding {
    suite: Suite,
    key: Arc<PublicKey>,
    signature: Signature,
    header: PyBackedBytes,
    messages: Messages,
    committed_messages: Messages,
    prover_blind: Option<Py<SecretScalar>>,
}

#[pymethods]
impl BlindHolding {
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        suite: &str,
        public_key: &[u8],
        signature: &[u8],
        header: PyBackedBytes,
        messages: Messages,
        committed_messages: Messages,
        prover_blind: Option<Py<SecretScalar>>,
    ) -> PyResult<Self> {
        Ok(BlindHolding {
            suite: crate::bbs::suite(suite)?,
            key: crate::bbs::public_key(public_key)?,
            signature: signature_of(signature)?,
            header,
            messages,
            committed_messages,
            prover_blind,
        })
    }

    /// Verifies the signature.
    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| {
            blind02::verify_blind_sign(
                self.suite,
                &self.key,
                &self.signature,
                &self.header,
                &self.holding(),
            )
        })
        .map_err(raise)
    }

    /// Verifies a signature over pseudonym secrets; the secrets with the signer's
    /// entropy added.
    fn finalize(
        &self,
        py: Python<'_>,
        prover_nyms: &Bound<'_, PyAny>,
        nym_entropy: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<SecretScalar>> {
        let (nyms, entropy) = (scalars(prover_nyms)?, scalar(nym_entropy)?);
        let secrets = py.detach(|| {
            pseudonym02::verify_finalize_with_nym(
                self.suite,
                &self.key,
                &self.signature,
                &self.header,
                &self.holding(),
                &nyms,
                &entropy,
            )
        });
        let secrets = secrets.map_err(raise)?;
        Ok(secrets.iter().map(|s| SecretScalar::new(*s)).collect())
    }

    /// Proves the signature, showing messages at positions of both lists.
    fn prove<'py>(
        &self,
        py: Python<'py>,
        presentation_header: &[u8],
        disclosed: Vec<Index>,
        disclosed_committed: Vec<Index>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let presentation = BlindPresentation {
            header: &self.header,
            presentation_header,
            disclosed: &positions(&disclosed),
            disclosed_committed: &positions(&disclosed_committed),
        };
        let made = py.detach(|| {
            let (key, holding) = (&self.key, self.holding());
            blind02::blind_proof_gen(self.suite, key, &self.signature, &presentation, &holding)
        });
        Ok(bytes(py, &made.map_err(raise)?))
    }

    /// The same with a pseudonym in a context: the proof and the pseudonym.
    fn prove_with_nym<'py>(
        &self,
        py: Python<'py>,
        presentation_header: &[u8],
        disclosed: Vec<Index>,
        disclosed_committed: Vec<Index>,
        nym_secrets: &Bound<'py, PyAny>,
        context_id: &[u8],
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let secrets = scalars(nym_secrets)?;
        let presentation = BlindPresentation {
            header: &self.header,
            presentation_header,
            disclosed: &positions(&disclosed),
            disclosed_committed: &positions(&disclosed_committed),
        };
        let made = py.detach(|| {
            pseudonym02::proof_gen_with_nym(
                self.suite,
                &self.key,
                &self.signature,
                &presentation,
                &self.holding(),
                &secrets,
                context_id,
            )
        });
        let (made, pseudonym) = made.map_err(raise)?;
        Ok((bytes(py, &made), bytes(py, &pseudonym)))
    }

    fn __repr__(&self) -> &'static str {
        "BlindHolding([REDACTED])"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(misuse("holdings are not pickled; keep their parts"))
    }
}

impl BlindHolding {
    fn holding(&self) -> Holding<'_, PyBackedBytes> {
        Holding {
            messages: &self.messages,
            committed_messages: &self.committed_messages,
            prover_blind: self.prover_blind.as_ref().map(|blind| blind.get().value()),
        }
    }
}

/// The pseudonym of secrets in a context.
#[pyfunction]
pub fn bbs_pseudonym<'py>(
    py: Python<'py>,
    suite: &str,
    context_id: &[u8],
    nym_secrets: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (suite, secrets) = (crate::bbs::suite(suite)?, scalars(nym_secrets)?);
    let point = py.detach(|| pseudonym02::pseudonym(suite, context_id, &secrets));
    Ok(bytes(py, &point.map_err(raise)?))
}

/// Verifies a proof of a blind signature.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn bbs_verify_blind_proof(
    py: Python<'_>,
    suite: &str,
    public_key: &[u8],
    proof: &[u8],
    header: &[u8],
    presentation_header: &[u8],
    message_count: Index,
    disclosed: Shown,
    disclosed_committed: Shown,
) -> PyResult<()> {
    let (suite, key) = (
        crate::bbs::suite(suite)?,
        crate::bbs::public_key(public_key)?,
    );
    let (positions, messages) = split(&disclosed);
    let (committed_positions, committed_messages) = split(&disclosed_committed);
    let presentation = BlindPresentation {
        header,
        presentation_header,
        disclosed: &positions,
        disclosed_committed: &committed_positions,
    };
    let disclosure = Disclosure {
        message_count: message_count.0,
        messages: &messages,
        committed_messages: &committed_messages,
    };
    py.detach(|| blind02::blind_proof_verify(suite, &key, proof, &presentation, &disclosure))
        .map_err(raise)
}

/// Verifies a proof of a blind signature with its pseudonym in a context.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn bbs_verify_proof_with_nym(
    py: Python<'_>,
    suite: &str,
    public_key: &[u8],
    proof: &[u8],
    header: &[u8],
    presentation_header: &[u8],
    message_count: Index,
    disclosed: Shown,
    disclosed_committed: Shown,
    pseudonym: &[u8],
    context_id: &[u8],
    nym_count: Index,
) -> PyResult<()> {
    let (suite, key) = (
        crate::bbs::suite(suite)?,
        crate::bbs::public_key(public_key)?,
    );
    let (positions, messages) = split(&disclosed);
    let (committed_positions, committed_messages) = split(&disclosed_committed);
    let presentation = BlindPresentation {
        header,
        presentation_header,
        disclosed: &positions,
        disclosed_committed: &committed_positions,
    };
    let disclosure = Disclosure {
        message_count: message_count.0,
        messages: &messages,
        committed_messages: &committed_messages,
    };
    let pseudonym: [u8; 48] = fixed(pseudonym, "a pseudonym")?;
    let claim = Claim {
        pseudonym: &pseudonym,
        context_id,
        nym_count: nym_count.0,
    };
    py.detach(|| {
        pseudonym02::proof_verify_with_nym(suite, &key, proof, &presentation, &disclosure, &claim)
    })
    .map_err(raise)
}
