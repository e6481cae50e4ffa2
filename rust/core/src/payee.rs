//! One-time payee keys of a settlement, proved together.
//!
//! A settlement proves knowledge of `Σ w_i·k_i` for the keys `P_i = k_i·G_payee`,
//! where every weight is derived from the *whole ordered set* and the context. A
//! weight per key alone would let a rogue key cancel another one, or fall to a
//! generalised-birthday search.

use crate::error::{Error, Result};
use crate::group::{E1Affine, G1Affine, Scalar, msm_128};
use crate::hash;

/// Most keys of one settlement.
pub const MAX_KEYS: usize = 1024;

/// 128-bit weights from the whole ordered set and the context.
fn weights(keys: &[[u8; 48]], context: &[u8]) -> Result<Vec<u128>> {
    if keys.is_empty() || keys.len() > MAX_KEYS {
        return Err(Error::Misuse("a settlement has 1 to 1024 keys"));
    }
    let mut material = Vec::with_capacity(16 + context.len() + keys.len() * 48);
    material.extend((context.len() as u64).to_be_bytes());
    material.extend(context);
    material.extend((keys.len() as u64).to_be_bytes());
    material.extend(keys.as_flattened());
    let mut out = vec![0u8; keys.len() * 16];
    hash::derive_xof("zkcredit v1 payee weights", &material, &mut out);
    let (chunks, _) = out.as_chunks::<16>();
    Ok(chunks.iter().map(|c| u128::from_be_bytes(*c)).collect())
}

/// `Σ w_i·P_i`; every key is tested to lie in the prime-order group.
///
/// # Errors
/// [`Error::Misuse`] for none or too many, [`Error::Malformed`] for bytes that are no
/// key, [`Error::Refused`] when the sum is the identity.
pub fn aggregate_keys(keys: &[[u8; 48]], context: &[u8]) -> Result<G1Affine> {
    let weights = weights(keys, context)?;
    let decode = |key: &[u8; 48]| {
        G1Affine::from_compressed(key)
            .map(|p| *p.as_e1())
            .ok_or(Error::Malformed("payee key"))
    };
    let points: Vec<E1Affine> = keys.iter().map(decode).collect::<Result<_>>()?;
    let sum = msm_128(&points, &weights);
    sum.to_g1_trusted()
        .ok_or(Error::Refused("the payee keys cancel"))
}

/// `Σ w_i·k_i`, constant-time in the secrets.
///
/// # Errors
/// [`Error::Misuse`] when the numbers differ or are out of range.
pub fn aggregate_secrets(secrets: &[&Scalar], keys: &[[u8; 48]], context: &[u8]) -> Result<Scalar> {
    let weights = weights(keys, context)?;
    if secrets.len() != weights.len() {
        return Err(Error::Misuse("one secret per payee key"));
    }
    Ok(secrets
        .iter()
        .zip(weights)
        .map(|(k, w)| **k * Scalar::from_u128(w))
        .sum())
}
