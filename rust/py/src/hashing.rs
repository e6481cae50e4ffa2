//! BLAKE3: one-shot, in pieces, keyed, key derivation, and many inputs at once.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use zkcredit_core::hash::{self, Hasher};

use crate::convert::{bytes, fixed};
use crate::errors::misuse;

/// Longest output of the extendable hashes, in bytes.
const MAX_OUTPUT: usize = 1 << 24;

/// Last position at which an output may start.
const MAX_SEEK: u64 = 1 << 60;

/// From this many bytes on, the interpreter lock is released.
const DETACH_FROM: usize = 1 << 14;

/// Runs `work` on `size` bytes, without the interpreter lock if they are many.
fn run<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size < DETACH_FROM {
        work()
    } else {
        py.detach(work)
    }
}

/// Bytes of a length that `fill` fills.
fn filled<'py>(
    py: Python<'py>,
    input: usize,
    length: usize,
    fill: impl FnOnce(&mut [u8]) + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    if length > MAX_OUTPUT {
        return Err(misuse("an output is at most 16 MiB"));
    }
    PyBytes::new_with(py, length, |out| {
        run(py, input + length, || fill(out));
        Ok(())
    })
}

/// BLAKE3 of `data`: 32 bytes, or as many as asked for.
#[pyfunction]
#[pyo3(signature = (data, length = 32))]
pub fn blake3_hash<'py>(
    py: Python<'py>,
    data: &[u8],
    length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    if length == 32 {
        return Ok(bytes(py, &run(py, data.len(), || hash::hash(data))));
    }
    filled(py, data.len(), length, |out| hash::hash_xof(data, out))
}

/// BLAKE3 `derive_key`.
#[pyfunction]
#[pyo3(signature = (context, material, length = 32))]
pub fn derive_key<'py>(
    py: Python<'py>,
    context: &str,
    material: &[u8],
    length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    filled(py, material.len(), length, |out| {
        hash::derive_xof(context, material, out);
    })
}

/// Keyed BLAKE3 with extendable output.
#[pyfunction]
#[pyo3(signature = (key, data, length = 32))]
pub fn keyed_xof<'py>(
    py: Python<'py>,
    key: &[u8],
    data: &[u8],
    length: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    let key = fixed(key, "a key")?;
    filled(py, data.len(), length, |out| {
        hash::keyed_xof(&key, data, out);
    })
}

/// A public scalar from a context and data.
#[pyfunction]
pub fn hash_to_scalar<'py>(py: Python<'py>, context: &str, data: &[u8]) -> Bound<'py, PyBytes> {
    bytes(py, &hash::hash_to_scalar(context, data).to_bytes_be())
}

/// BLAKE3 hashes of many inputs, on all cores; keyed if there is a key.
#[pyfunction]
#[pyo3(signature = (inputs, key = None))]
pub fn blake3_many<'py>(
    py: Python<'py>,
    inputs: &Bound<'py, PyAny>,
    key: Option<&[u8]>,
) -> PyResult<Bound<'py, PyList>> {
    let key = key.map(|key| fixed(key, "a key")).transpose()?;
    let mut items: Vec<Bound<'py, PyBytes>> = Vec::with_capacity(inputs.len().unwrap_or(0));
    for item in inputs.try_iter()? {
        items.push(item?.cast_into()?);
    }
    let slices: Vec<&[u8]> = items.iter().map(|item| item.as_bytes()).collect();
    let size = slices.iter().map(|slice| slice.len() + 64).sum();
    let hashes = run(py, size, || hash::hash_many(&slices, key.as_ref()));
    PyList::new(py, hashes.iter().map(|hash| bytes(py, hash)))
}

/// BLAKE3 hashes of consecutive parts of one buffer, joined; keyed if there is a key.
#[pyfunction]
#[pyo3(signature = (buffer, lengths, key = None))]
pub fn blake3_packed<'py>(
    py: Python<'py>,
    buffer: &[u8],
    lengths: Vec<usize>,
    key: Option<&[u8]>,
) -> PyResult<Bound<'py, PyBytes>> {
    let key = key.map(|key| fixed(key, "a key")).transpose()?;
    let mut rest = buffer;
    let mut parts = Vec::with_capacity(lengths.len());
    for length in lengths {
        let (part, after) = rest
            .split_at_checked(length)
            .ok_or_else(|| misuse("the lengths exceed the buffer"))?;
        parts.push(part);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(misuse("the buffer exceeds the lengths"));
    }
    let size = buffer.len() + 64 * parts.len();
    let hashes = run(py, size, || hash::hash_many(&parts, key.as_ref()));
    Ok(bytes(py, hashes.as_flattened()))
}

/// BLAKE3 in pieces: plain, keyed or deriving keys under a context.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct Blake3(Mutex<Hasher>);

impl Blake3 {
    fn with<T>(&self, work: impl FnOnce(&mut Hasher) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[pymethods]
impl Blake3 {
    #[new]
    #[pyo3(signature = (*, key = None, context = None))]
    fn new(key: Option<&[u8]>, context: Option<&str>) -> PyResult<Self> {
        let hasher = match (key, context) {
            (None, None) => Hasher::new(),
            (Some(key), None) => Hasher::new_keyed(&fixed(key, "a key")?),
            (None, Some(context)) => Hasher::new_derive_key(context),
            (Some(_), Some(_)) => return Err(misuse("a key or a context, not both")),
        };
        Ok(Blake3(Mutex::new(hasher)))
    }

    /// Absorbs more data.
    fn update(&self, py: Python<'_>, data: &[u8]) {
        if data.len() < DETACH_FROM {
            // Another thread may hold the lock for long: never wait for it attached.
            if let Ok(mut hasher) = self.0.try_lock() {
                return hasher.update(data);
            }
        }
        py.detach(|| self.with(|hasher| hasher.update(data)));
    }

    /// Output of the data so far, from byte `seek` on.
    #[pyo3(signature = (length = 32, *, seek = 0))]
    fn digest<'py>(
        &self,
        py: Python<'py>,
        length: usize,
        seek: u64,
    ) -> PyResult<Bound<'py, PyBytes>> {
        if seek > MAX_SEEK {
            return Err(misuse("an output starts at most at 2^60"));
        }
        let hasher = py.detach(|| self.with(|hasher| hasher.clone()));
        filled(py, 0, length, |out| hasher.output(seek, out))
    }

    /// Another hasher with the same data so far.
    fn copy(&self, py: Python<'_>) -> Self {
        Blake3(Mutex::new(py.detach(|| self.with(|hasher| hasher.clone()))))
    }

    /// Forgets all data, but not the key or context.
    fn reset(&self, py: Python<'_>) {
        py.detach(|| self.with(Hasher::reset));
    }

    fn __repr__(&self) -> &'static str {
        "Blake3(..)"
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(misuse("hashers are not pickled; use copy()"))
    }
}
