//! BLS signatures of the proof-of-possession suite.

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use rayon::prelude::*;
use zkcredit_core::bls::{self, PublicKey, SecretKey, Signature};
use zkcredit_core::error::{Error, Result};
use zkcredit_core::group::hash_to_g2;

use crate::convert::{bytes, fixed};
use crate::errors::{misuse, raise, refused};
use crate::secrets::Seed;

/// Public key, message, signature.
type Triple = (PyBackedBytes, PyBackedBytes, PyBackedBytes);

/// A BLS key pair (proof-of-possession suite, public key in G1).
#[pyclass(frozen, module = "zkcredit._native")]
pub struct BlsKey(SecretKey);

#[pymethods]
impl BlsKey {
    /// The key that a seed and public data give.
    #[staticmethod]
    fn derive(seed: &Seed, data: &[u8]) -> PyResult<Self> {
        let material = seed.derive("zkcredit v1 registration key", data);
        SecretKey::key_gen(material.as_slice(), b"")
            .map(BlsKey)
            .map_err(raise)
    }

    /// `KeyGen` of the draft from at least 32 secret random bytes.
    #[staticmethod]
    #[pyo3(signature = (material, info = b"".as_slice()))]
    fn generate(material: &[u8], info: &[u8]) -> PyResult<Self> {
        SecretKey::key_gen(material, info)
            .map(BlsKey)
            .map_err(raise)
    }

    /// The key of 32 big-endian bytes.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        SecretKey::from_bytes(&fixed(data, "a BLS secret key")?)
            .map(BlsKey)
            .map_err(raise)
    }

    /// The 32 bytes, for keystores only.
    fn expose<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, self.0.to_bytes().expose())
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &self.0.public_key().to_bytes())
    }

    /// Signs a message: 96 bytes.
    fn sign<'py>(&self, py: Python<'py>, message: &[u8]) -> Bound<'py, PyBytes> {
        bytes(py, &py.detach(|| self.0.sign(message)).to_bytes())
    }

    /// The proof of possession: 96 bytes.
    fn prove_possession<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, &py.detach(|| self.0.pop_prove()).to_bytes())
    }

    fn __repr__(&self) -> &'static str {
        "BlsKey([REDACTED])"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(misuse("keys are not pickled; keep the seed in a keystore"))
    }
}

fn public_keys(keys: &[PyBackedBytes]) -> Result<Vec<PublicKey>> {
    PublicKey::from_bytes_many(keys).into_iter().collect()
}

/// Verifies a signature on a message.
#[pyfunction]
pub fn bls_verify(
    py: Python<'_>,
    public_key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> PyResult<()> {
    py.detach(|| {
        let signature = Signature::from_bytes(signature)?;
        PublicKey::from_bytes(public_key)?.verify(message, &signature)
    })
    .map_err(raise)
}

/// The sum of signatures.
#[pyfunction]
pub fn bls_aggregate<'py>(
    py: Python<'py>,
    signatures: Vec<PyBackedBytes>,
) -> PyResult<Bound<'py, PyBytes>> {
    let sum = py.detach(|| {
        let decoded: Result<Vec<Signature>> = signatures
            .par_iter()
            .map(|s| Signature::from_bytes(s))
            .collect();
        Signature::aggregate(&decoded?)
    });
    Ok(bytes(py, &sum.map_err(raise)?.to_bytes()))
}

/// Verifies an aggregate with one message per key.
#[pyfunction]
pub fn bls_aggregate_verify(
    py: Python<'_>,
    public_keys: Vec<PyBackedBytes>,
    messages: Vec<PyBackedBytes>,
    signature: &[u8],
) -> PyResult<()> {
    py.detach(|| {
        let signature = Signature::from_bytes(signature)?;
        let messages: Vec<&[u8]> = messages.iter().map(AsRef::as_ref).collect();
        bls::aggregate_verify(&self::public_keys(&public_keys)?, &messages, &signature)
    })
    .map_err(raise)
}

/// Verifies an aggregate of several keys' signatures on one message.
#[pyfunction]
pub fn bls_fast_aggregate_verify(
    py: Python<'_>,
    public_keys: Vec<PyBackedBytes>,
    message: &[u8],
    signature: &[u8],
) -> PyResult<()> {
    py.detach(|| {
        let signature = Signature::from_bytes(signature)?;
        bls::fast_aggregate_verify(&self::public_keys(&public_keys)?, message, &signature)
    })
    .map_err(raise)
}

/// Verifies (public key, message, signature) triples at once; culprits are named.
#[pyfunction]
pub fn bls_verify_batch(py: Python<'_>, items: Vec<Triple>) -> PyResult<()> {
    let culprits = py.detach(|| verify_batch(&items)).map_err(raise)?;
    if culprits.is_empty() {
        Ok(())
    } else {
        Err(refused("signatures", culprits))
    }
}

fn verify_batch(items: &[Triple]) -> Result<Vec<usize>> {
    let keys: Vec<&[u8]> = items.iter().map(|(key, _, _)| key.as_ref()).collect();
    let signatures: Vec<Result<Signature>> = items
        .par_iter()
        .map(|(_, _, signature)| Signature::from_bytes(signature))
        .collect();
    let mut bad: Vec<usize> = Vec::new();
    let mut positions: Vec<usize> = Vec::new();
    let mut entries: Vec<(PublicKey, &[u8], Signature)> = Vec::new();
    let decoded = PublicKey::from_bytes_many(&keys)
        .into_iter()
        .zip(signatures);
    for (index, pair) in decoded.enumerate() {
        if let (Ok(key), Ok(signature)) = pair {
            positions.push(index);
            entries.push((key, &items[index].1, signature));
        } else {
            bad.push(index);
        }
    }
    let culprits = bls::verify_batch(&entries)?;
    bad.extend(culprits.into_iter().map(|i| positions[i]));
    bad.sort_unstable();
    Ok(bad)
}

/// Verifies a proof of possession.
#[pyfunction]
pub fn bls_verify_possession(py: Python<'_>, public_key: &[u8], proof: &[u8]) -> PyResult<()> {
    py.detach(|| {
        let proof = Signature::from_bytes(proof)?;
        PublicKey::from_bytes(public_key)?.pop_verify(&proof)
    })
    .map_err(raise)
}

/// Strict decoding of a public key; the identity is refused.
#[pyfunction]
pub fn bls_check_public_key(public_key: &[u8]) -> PyResult<()> {
    PublicKey::from_bytes(public_key).map(|_| ()).map_err(raise)
}

/// Strict decoding of a signature; the identity decodes.
#[pyfunction]
pub fn bls_check_signature(signature: &[u8]) -> PyResult<()> {
    Signature::from_bytes(signature).map(|_| ()).map_err(raise)
}

/// Hash to G2, compressed (RFC 9380, `BLS12381G2_XMD:SHA-256_SSWU_RO_`).
#[pyfunction]
pub fn bls_hash_to_g2<'py>(
    py: Python<'py>,
    message: &[u8],
    tag: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    if tag.is_empty() || tag.len() > 255 {
        return Err(raise(Error::Misuse("a tag has 1 to 255 bytes")));
    }
    Ok(bytes(py, &hash_to_g2(message, tag).to_compressed()))
}
