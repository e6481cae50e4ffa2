//! BBS signatures of the standards: keys, and the core draft.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use zkcredit_core::bbs::blind02;
use zkcredit_core::bbs::proof::{self, BatchItem, Presentation};
use zkcredit_core::bbs::pseudonym02;
use zkcredit_core::bbs::{PublicKey, SecretKey, Signature, Suite, signature};

use crate::convert::{bytes, fixed, scalar};
use crate::errors::{misuse, raise, refused};

pub type Messages = Vec<PyBackedBytes>;

/// Shown messages by position.
pub type Shown = BTreeMap<Index, PyBackedBytes>;

/// A position in a list, or a length: an `int` that is not negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Index(pub usize);

impl<'py> FromPyObject<'_, 'py> for Index {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let position = value.extract().map(Index);
        position.map_err(|_| misuse("a position is an int from 0 on"))
    }
}

pub fn positions(indexes: &[Index]) -> Vec<usize> {
    indexes.iter().map(|index| index.0).collect()
}

pub fn suite(name: &str) -> PyResult<Suite> {
    match name {
        "SHA-256" => Ok(Suite::Sha256),
        "SHAKE-256" => Ok(Suite::Shake256),
        _ => Err(misuse("a suite is 'SHA-256' or 'SHAKE-256'")),
    }
}

/// Most keys kept decoded.
const MAX_KEYS: usize = 1024;

/// The key of 96 bytes, decoded once per process and kept with its pairing lines.
pub fn public_key(encoded: &[u8]) -> PyResult<Arc<PublicKey>> {
    static KEYS: OnceLock<Mutex<HashMap<[u8; 96], Arc<PublicKey>>>> = OnceLock::new();
    let encoded: [u8; 96] = fixed(encoded, "a BBS public key")?;
    let keys = KEYS.get_or_init(Mutex::default);
    let known = keys.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(key) = known.get(&encoded) {
        return Ok(Arc::clone(key));
    }
    drop(known);
    let key = Arc::new(PublicKey::from_bytes(&encoded).map_err(raise)?);
    let mut known = keys.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MAX_KEYS {
        known.clear();
    }
    known.insert(encoded, Arc::clone(&key));
    Ok(key)
}

pub fn signature_of(encoded: &[u8]) -> PyResult<Signature> {
    Signature::from_bytes(&fixed(encoded, "a BBS signature")?).map_err(raise)
}

/// Positions and messages of what is shown.
pub fn split(shown: &Shown) -> (Vec<usize>, Vec<&[u8]>) {
    shown.iter().map(|(at, m)| (at.0, m.as_ref())).unzip()
}

/// A BBS key pair of the standard's suites.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct BbsKey {
    secret: SecretKey,
    suite: Suite,
}

#[pymethods]
impl BbsKey {
    /// `KeyGen` from at least 32 secret random bytes.
    #[staticmethod]
    #[pyo3(signature = (suite, material, info = b"".as_slice(), tag = None))]
    fn generate(suite: &str, material: &[u8], info: &[u8], tag: Option<&[u8]>) -> PyResult<Self> {
        let suite = self::suite(suite)?;
        let secret = SecretKey::generate(suite, material, info, tag).map_err(raise)?;
        Ok(BbsKey { secret, suite })
    }

    /// The key of 32 big-endian bytes.
    #[staticmethod]
    fn from_bytes(suite: &str, data: &[u8]) -> PyResult<Self> {
        let suite = self::suite(suite)?;
        let secret = SecretKey::from_bytes(&fixed(data, "a BBS secret key")?).map_err(raise)?;
        Ok(BbsKey { secret, suite })
    }

    /// The 32 bytes, for keystores only.
    fn expose<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, self.secret.to_bytes().as_slice())
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, self.secret.public_key().as_bytes())
    }

    #[getter]
    fn suite(&self) -> &'static str {
        match self.suite {
            Suite::Sha256 => "SHA-256",
            Suite::Shake256 => "SHAKE-256",
        }
    }

    /// Signs messages under a header.
    fn sign<'py>(
        &self,
        py: Python<'py>,
        header: &[u8],
        messages: Messages,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let signed = py.detach(|| signature::sign(self.suite, &self.secret, header, &messages));
        Ok(bytes(py, &signed.map_err(raise)?.to_bytes()))
    }

    /// Signs a commitment, if there is one, and messages.
    fn blind_sign<'py>(
        &self,
        py: Python<'py>,
        commitment: Option<&[u8]>,
        header: &[u8],
        messages: Messages,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let signed = py.detach(|| {
            blind02::blind_sign(self.suite, &self.secret, commitment, header, &messages)
        });
        Ok(bytes(py, &signed.map_err(raise)?.to_bytes()))
    }

    /// Signs a commitment that ends in pseudonym secrets, and messages.
    fn blind_sign_with_nym<'py>(
        &self,
        py: Python<'py>,
        commitment: &[u8],
        nym_count: Index,
        nym_entropy: &Bound<'py, PyAny>,
        header: &[u8],
        messages: Messages,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let entropy = scalar(nym_entropy)?;
        let signed = py.detach(|| {
            pseudonym02::blind_sign_with_nym(
                self.suite,
                &self.secret,
                commitment,
                nym_count.0,
                &entropy,
                header,
                &messages,
            )
        });
        Ok(bytes(py, &signed.map_err(raise)?.to_bytes()))
    }

    fn __repr__(&self) -> &'static str {
        "BbsKey([REDACTED])"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(misuse("keys are not pickled; use expose() in a keystore"))
    }
}

/// Verifies a signature.
#[pyfunction]
pub fn bbs_verify(
    py: Python<'_>,
    suite: &str,
    public_key: &[u8],
    signature: &[u8],
    header: &[u8],
    messages: Messages,
) -> PyResult<()> {
    let (suite, key) = (self::suite(suite)?, self::public_key(public_key)?);
    let signed = signature_of(signature)?;
    py.detach(|| signature::verify(suite, &key, header, &messages, &signed))
        .map_err(raise)
}

/// Proves a signature, showing the messages at some positions.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn bbs_prove<'py>(
    py: Python<'py>,
    suite: &str,
    public_key: &[u8],
    signature: &[u8],
    header: &[u8],
    presentation_header: &[u8],
    messages: Messages,
    disclosed: Vec<Index>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (suite, key) = (self::suite(suite)?, self::public_key(public_key)?);
    let signed = signature_of(signature)?;
    let presentation = Presentation {
        header,
        presentation_header,
        disclosed: &positions(&disclosed),
    };
    let made = py.detach(|| proof::proof_gen(suite, &key, &signed, &presentation, &messages));
    Ok(bytes(py, &made.map_err(raise)?))
}

/// Verifies a proof and the messages it shows, by position.
#[pyfunction]
pub fn bbs_verify_proof(
    py: Python<'_>,
    suite: &str,
    public_key: &[u8],
    proof: &[u8],
    header: &[u8],
    presentation_header: &[u8],
    disclosed: Shown,
) -> PyResult<()> {
    let (suite, key) = (self::suite(suite)?, self::public_key(public_key)?);
    let (positions, messages) = split(&disclosed);
    let presentation = Presentation {
        header,
        presentation_header,
        disclosed: &positions,
    };
    py.detach(|| proof::proof_verify(suite, &key, proof, &presentation, &messages))
        .map_err(raise)
}

/// Public key, proof, header, presentation header, shown messages.
type ProofBytes = (
    PyBackedBytes,
    PyBackedBytes,
    PyBackedBytes,
    PyBackedBytes,
    Shown,
);

/// Verifies many proofs at once: (public key, proof, header, presentation header, shown
/// messages by position) each; culprits are named.
#[pyfunction]
pub fn bbs_verify_proofs(py: Python<'_>, suite: &str, items: Vec<ProofBytes>) -> PyResult<()> {
    let suite = self::suite(suite)?;
    let mut bad = Vec::new();
    let mut known = Vec::with_capacity(items.len());
    for (index, (key, _, _, _, shown)) in items.iter().enumerate() {
        match public_key(key) {
            Ok(key) => known.push((index, key, split(shown))),
            Err(_) => bad.push(index),
        }
    }
    let batch: Vec<BatchItem<'_>> = known
        .iter()
        .map(|(index, key, (positions, messages))| BatchItem {
            suite,
            key,
            proof: &items[*index].1,
            presentation: Presentation {
                header: &items[*index].2,
                presentation_header: &items[*index].3,
                disclosed: positions,
            },
            disclosed_messages: messages,
        })
        .collect();
    let culprits = py.detach(|| proof::proof_verify_batch(&batch));
    bad.extend(culprits.map_err(raise)?.into_iter().map(|i| known[i].0));
    bad.sort_unstable();
    if bad.is_empty() {
        Ok(())
    } else {
        Err(refused("proofs", bad))
    }
}
