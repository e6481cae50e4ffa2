//! Opaque handles of secrets.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zeroize::Zeroizing;
use zkcredit_core::group::Scalar;
use zkcredit_core::hash;

use crate::convert;
use crate::errors::misuse;

/// Root secret. Wiped on drop, not printable, not picklable.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct Seed(Zeroizing<[u8; 32]>);

impl Seed {
    /// The 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `derive_key(context, seed ‖ data)`.
    pub fn derive(&self, context: &str, data: &[u8]) -> Zeroizing<[u8; 32]> {
        let material = Zeroizing::new([self.0.as_slice(), data].concat());
        Zeroizing::new(hash::derive_key(context, &material))
    }
}

#[pymethods]
impl Seed {
    /// A seed from 32 to 64 bytes of high entropy.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        if !(32..=64).contains(&data.len()) {
            return Err(misuse("a seed is made of 32 to 64 bytes"));
        }
        if let Ok(own) = data.try_into() {
            return Ok(Seed(Zeroizing::new(own)));
        }
        Ok(Seed(Zeroizing::new(hash::derive_key(
            "zkcredit v1 seed",
            data,
        ))))
    }

    /// A secret scalar derived from seed, context and data.
    fn scalar(&self, context: &str, data: &[u8]) -> SecretScalar {
        let material = Zeroizing::new([self.0.as_slice(), data].concat());
        SecretScalar(Zeroizing::new(hash::hash_to_scalar(context, &material)))
    }

    /// A 32-byte symmetric key derived from seed, context and data.
    fn key<'py>(&self, py: Python<'py>, context: &str, data: &[u8]) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.derive(context, data).as_slice())
    }

    /// The 32 bytes, for keystores only.
    fn expose<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.as_slice())
    }

    fn __repr__(&self) -> &'static str {
        "Seed([REDACTED])"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(misuse(
            "secrets are not pickled; use expose() in a keystore",
        ))
    }
}

/// A secret scalar. Wiped on drop, not printable, not picklable.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct SecretScalar(Zeroizing<Scalar>);

impl SecretScalar {
    /// Wraps a value.
    pub fn new(value: Scalar) -> Self {
        SecretScalar(Zeroizing::new(value))
    }

    /// The value.
    pub fn value(&self) -> &Scalar {
        &self.0
    }
}

#[pymethods]
impl SecretScalar {
    /// From 32 canonical big-endian bytes.
    #[staticmethod]
    fn from_bytes(data: &[u8]) -> PyResult<Self> {
        convert::scalar_bytes(data).map(SecretScalar::new)
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(SecretScalar::new(*self.0 + *convert::scalar(other)?))
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(SecretScalar::new(*self.0 - *convert::scalar(other)?))
    }

    /// The 32 bytes: where the protocol reveals the value, or for keystores.
    fn expose<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let bytes = Zeroizing::new(self.0.to_bytes_be());
        PyBytes::new(py, bytes.as_slice())
    }

    fn __repr__(&self) -> &'static str {
        "SecretScalar([REDACTED])"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(misuse(
            "secrets are not pickled; use expose() in a keystore",
        ))
    }
}
