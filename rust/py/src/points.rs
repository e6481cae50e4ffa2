//! Algebra on public points and scalars.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use zkcredit_core::group::{E1, G1Affine, Scalar};
use zkcredit_core::payee;

use crate::convert::{bytes, fixed, generator, point, scalar, scalar_bytes};
use crate::errors::{misuse, raise};
use crate::secrets::SecretScalar;

/// Sum of public scalars modulo the group order.
#[pyfunction]
pub fn add_scalars(py: Python<'_>, scalars: Vec<Vec<u8>>) -> PyResult<Bound<'_, PyBytes>> {
    let decoded: Vec<Scalar> = scalars
        .iter()
        .map(|s| scalar_bytes(s))
        .collect::<PyResult<_>>()?;
    Ok(bytes(py, &decoded.iter().sum::<Scalar>().to_bytes_be()))
}

fn compressed(py: Python<'_>, sum: E1) -> PyResult<Bound<'_, PyBytes>> {
    let affine = sum
        .to_affine()
        .ok_or_else(|| misuse("the sum is the identity"))?;
    Ok(bytes(py, &affine.to_compressed()))
}

/// `Σ scalar·generator`, constant-time in the scalars.
#[pyfunction]
pub fn commit<'py>(
    py: Python<'py>,
    terms: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let mut sum = E1::identity();
    for (base, factor) in &terms {
        sum += generator(base)?.mul(&*scalar(factor)?);
    }
    compressed(py, sum)
}

fn decode_all(points: &[Vec<u8>]) -> PyResult<Vec<G1Affine>> {
    points.iter().map(|p| point(p)).collect()
}

/// Sum of points of G1.
#[pyfunction]
pub fn add_points(py: Python<'_>, points: Vec<Vec<u8>>) -> PyResult<Bound<'_, PyBytes>> {
    let sum = py.detach(|| decode_all(&points).map(|all| all.iter().map(G1Affine::to_e1).sum()))?;
    compressed(py, sum)
}

/// Difference of two points of G1.
#[pyfunction]
pub fn subtract_points<'py>(
    py: Python<'py>,
    left: &[u8],
    right: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    compressed(py, point(left)?.to_e1() - point(right)?.to_e1())
}

/// Strict decoding and subgroup test.
#[pyfunction]
pub fn check_points(py: Python<'_>, points: Vec<Vec<u8>>) -> PyResult<()> {
    py.detach(|| decode_all(&points).map(|_| ()))
}

/// The `v` in `[0, 2^bits)` with `point = v·base`, by baby steps and giant steps.
#[pyfunction]
pub fn find_amount(py: Python<'_>, point: &[u8], base: &[u8], bits: u32) -> PyResult<Option<u64>> {
    if !(1..=36).contains(&bits) {
        return Err(misuse("a search covers 1 to 36 bits"));
    }
    let (target, base) = (crate::convert::point(point)?, crate::convert::point(base)?);
    Ok(py.detach(|| baby_step_giant_step(&target, &base, bits)))
}

fn baby_step_giant_step(target: &G1Affine, base: &G1Affine, bits: u32) -> Option<u64> {
    const CHUNK: usize = 1024;
    let width = 1u64 << bits.div_ceil(2);
    let key = |p: &zkcredit_core::group::E1Affine| p.to_compressed();
    let mut table: HashMap<[u8; 48], u64> = HashMap::new();
    let mut step = base.to_e1();
    for (first, count) in chunks(width - 1, CHUNK) {
        let points = walk(&mut step, base.to_e1(), count);
        for (i, p) in zkcredit_core::group::batch_to_affine(&points)
            .iter()
            .enumerate()
        {
            if let Some(p) = p {
                table.insert(key(p), first + i as u64 + 1);
            }
        }
    }
    // `step` is now width·base.
    let mut rest = target.to_e1();
    for (first, count) in chunks(width, CHUNK) {
        let points = walk(&mut rest, -step, count);
        for (i, p) in zkcredit_core::group::batch_to_affine(&points)
            .iter()
            .enumerate()
        {
            let low = p.as_ref().map_or(Some(0), |p| table.get(&key(p)).copied());
            let found = low.map(|low| (first + i as u64) * width + low);
            if let Some(value) = found.filter(|v| *v < 1 << bits) {
                return Some(value);
            }
        }
    }
    None
}

/// The next `count` points from `at` on, in steps of `by`; `at` moves on.
fn walk(at: &mut E1, by: E1, count: usize) -> Vec<E1> {
    let mut points = Vec::with_capacity(count);
    for _ in 0..count {
        points.push(*at);
        *at += by;
    }
    points
}

fn chunks(total: u64, size: usize) -> impl Iterator<Item = (u64, usize)> {
    let at = move |first: u64| {
        (
            first,
            usize::try_from(total - first).unwrap_or(size).min(size),
        )
    };
    (0..total).step_by(size).map(at)
}

/// The weighted sum of one-time payee keys of a settlement.
#[pyfunction]
pub fn aggregate_payee_keys<'py>(
    py: Python<'py>,
    keys: Vec<Vec<u8>>,
    context: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let aggregate = py.detach(|| {
        let keys = keys
            .iter()
            .map(|k| fixed(k, "a payee key"))
            .collect::<PyResult<Vec<_>>>()?;
        payee::aggregate_keys(&keys, context).map_err(raise)
    })?;
    Ok(bytes(py, &aggregate.to_compressed()))
}

/// The same combination of the secret keys.
#[pyfunction]
pub fn aggregate_payee_secrets(
    secrets: Vec<PyRef<'_, SecretScalar>>,
    keys: Vec<Vec<u8>>,
    context: &[u8],
) -> PyResult<SecretScalar> {
    let keys = keys
        .iter()
        .map(|k| fixed(k, "a payee key"))
        .collect::<PyResult<Vec<_>>>()?;
    let secrets: Vec<&Scalar> = secrets.iter().map(|s| s.value()).collect();
    payee::aggregate_secrets(&secrets, &keys, context)
        .map(SecretScalar::new)
        .map_err(raise)
}
