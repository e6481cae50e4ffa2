//! Conversion of arguments: fixed-length bytes, scalars, generators.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyInt};
use zeroize::Zeroizing;
use zkcredit_core::bbs::Suite;
use zkcredit_core::generators;
use zkcredit_core::group::{G1Affine, Scalar};

use crate::errors::{MalformedInput, misuse};
use crate::secrets::SecretScalar;

/// Exactly `N` bytes.
pub fn fixed<const N: usize>(bytes: &[u8], what: &str) -> PyResult<[u8; N]> {
    let wrong = |_| MalformedInput::new_err(format!("{what} is {} bytes, not {N}", bytes.len()));
    bytes.try_into().map_err(wrong)
}

/// A canonical scalar of 32 bytes.
pub fn scalar_bytes(bytes: &[u8]) -> PyResult<Scalar> {
    let fixed: [u8; 32] = fixed(bytes, "a scalar")?;
    Scalar::from_bytes_be(&fixed)
        .ok_or_else(|| MalformedInput::new_err("a scalar is not below the group order"))
}

/// `int` (signed), `bytes` or `SecretScalar`.
pub fn scalar(value: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Scalar>> {
    if let Ok(secret) = value.cast::<SecretScalar>() {
        return Ok(Zeroizing::new(*secret.get().value()));
    }
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Zeroizing::new(scalar_bytes(bytes.as_bytes())?));
    }
    if value.is_instance_of::<PyInt>() && !value.is_instance_of::<PyBool>() {
        let number: i128 = value
            .extract()
            .map_err(|_| misuse("an integer exceeds 128 bits"))?;
        return Ok(Zeroizing::new(Scalar::from_i128(number)));
    }
    Err(misuse("a scalar is an int, 32 bytes or a SecretScalar"))
}

/// One scalar, or a sequence of them.
pub fn scalars(value: &Bound<'_, PyAny>) -> PyResult<Zeroizing<Vec<Scalar>>> {
    if let Ok(one) = scalar(value) {
        return Ok(Zeroizing::new(vec![*one]));
    }
    let mut many = Zeroizing::new(Vec::new());
    for item in value.try_iter()? {
        many.push(*scalar(&item?)?);
    }
    Ok(many)
}

/// A generator: fixed name, label bytes, or `("H", index)`.
pub fn generator(value: &Bound<'_, PyAny>) -> PyResult<G1Affine> {
    if let Ok(name) = value.extract::<String>() {
        if !zkcredit_core::engine::compile::NAMED_BASES.contains(&name.as_str()) {
            return Err(misuse(format!("there is no generator '{name}'")));
        }
        return Ok(generators::named(&name));
    }
    if let Ok(label) = value.cast::<PyBytes>() {
        return Ok(generators::derived(label.as_bytes()));
    }
    match value.extract::<(String, usize)>() {
        Ok((family, index)) if family == "H" && index < zkcredit_core::bbs::MAX_MESSAGES => {
            let all = Suite::Sha256
                .generators(index + 2)
                .map_err(crate::errors::raise)?;
            Ok(all[index + 1])
        }
        _ => Err(misuse("a generator is a name, a label or ('H', index)")),
    }
}

/// A compressed point, subgroup-tested.
pub fn point(bytes: &[u8]) -> PyResult<G1Affine> {
    let fixed: [u8; 48] = fixed(bytes, "a point")?;
    G1Affine::from_compressed(&fixed)
        .ok_or_else(|| MalformedInput::new_err("bytes are no point of the group G1"))
}

/// Bytes object of a slice.
pub fn bytes<'py>(py: Python<'py>, value: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, value)
}
