//! BLS keys that sign registrations.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zkcredit_core::bls::{self, PublicKey, SecretKey, Signature};

use crate::convert::bytes;
use crate::errors::{raise, refused};
use crate::secrets::Seed;

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
        Err(crate::errors::misuse(
            "keys are not pickled; keep the seed in a keystore",
        ))
    }
}

/// Verifies (public key, message, signature) triples at once; culprits are named.
#[pyfunction]
pub fn bls_verify_batch(py: Python<'_>, items: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>) -> PyResult<()> {
    let mut bad = Vec::new();
    let mut decoded = Vec::new();
    for (index, (key, message, signature)) in items.iter().enumerate() {
        match (PublicKey::from_bytes(key), Signature::from_bytes(signature)) {
            (Ok(key), Ok(signature)) => decoded.push((index, (key, message.as_slice(), signature))),
            _ => bad.push(index),
        }
    }
    let (positions, entries): (Vec<usize>, Vec<_>) = decoded.into_iter().unzip();
    if let Err(culprits) = py.detach(|| bls::verify_batch(&entries)) {
        bad.extend(culprits.into_iter().map(|i| positions[i]));
    }
    bad.sort_unstable();
    if bad.is_empty() {
        Ok(())
    } else {
        Err(refused("signatures", bad))
    }
}

/// Verifies a proof of possession.
#[pyfunction]
pub fn bls_verify_possession(py: Python<'_>, public_key: &[u8], proof: &[u8]) -> PyResult<()> {
    let key = PublicKey::from_bytes(public_key).map_err(raise)?;
    let proof = Signature::from_bytes(proof).map_err(raise)?;
    py.detach(|| key.pop_verify(&proof)).map_err(raise)
}
