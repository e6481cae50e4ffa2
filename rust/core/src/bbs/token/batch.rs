//! Many token signatures, one multi-pairing.
//!
//! A signature (A, e) on `C` holds iff `e(A, W)·e(e·A − C, P2) = 1`, `C` the context's
//! base plus `C_final`. With 128-bit weights w from a hash over everything that is
//! checked, a batch is
//! `Π_W e(Σ w·A, W) · e(Σ w·(e·A − C), P2) = 1`: one Miller loop per issuer key and one
//! more. `C_final` may carry torsion; both sums are multiplied by the cofactor, once a
//! batch. A failing batch is bisected until the culprits are found.

use super::SigningContext;
use crate::bbs::Signature;
use crate::bbs::keys::prepared_generator;
use crate::group::{E1, E1Affine, PreparedG2, Scalar, msm, msm_128, pairing_product_is_one};

/// BLAKE3 context of the batch weights.
const WEIGHTS_CONTEXT: &str = "zkcredit v1 signature batch weights";

/// One signature to verify: `signature` on `commitment` (a `C_final`) in `context`.
#[derive(Clone, Copy)]
pub struct SignedCommitment<'a> {
    /// Key, domain and base of the token.
    pub context: &'a SigningContext,
    /// `C_final`; needs no subgroup test.
    pub commitment: &'a E1Affine,
    /// The signature claimed to be on it.
    pub signature: &'a Signature,
}

/// The indexes of all signatures that do not verify, ascending; empty if all do.
///
/// Variable time, all inputs public. A wrong signature passes with probability at most
/// 2^-127.
#[must_use]
pub fn verify_commitments(items: &[SignedCommitment<'_>]) -> Vec<usize> {
    let mut refused = Vec::new();
    bisect(items, 0, &mut refused);
    refused
}

fn bisect(items: &[SignedCommitment<'_>], offset: usize, refused: &mut Vec<usize>) {
    if items.is_empty() || batch_holds(items) {
        return;
    }
    if items.len() == 1 {
        refused.push(offset);
        return;
    }
    let (left, right) = items.split_at(items.len() / 2);
    bisect(left, offset, refused);
    bisect(right, offset + left.len(), refused);
}

/// Weights over all bytes of all statements, keys and signatures; the system's random
/// bytes are mixed in where it has some, so that they cannot be foreseen either.
fn weights(items: &[SignedCommitment<'_>]) -> Vec<u128> {
    let mut hasher = blake3::Hasher::new_derive_key(WEIGHTS_CONTEXT);
    let mut fresh = [0u8; 32];
    // Without random bytes the hash over everything below still is sound.
    let _ = getrandom::fill(&mut fresh);
    hasher.update(&fresh);
    hasher.update(&(items.len() as u64).to_be_bytes());
    for item in items {
        hasher.update(item.context.key().as_bytes());
        hasher.update(&item.context.domain().to_bytes_be());
        hasher.update(&item.commitment.to_compressed());
        hasher.update(&item.signature.to_bytes());
    }
    let mut stream = hasher.finalize_xof();
    items
        .iter()
        .map(|_| {
            let mut bytes = [0u8; 16];
            stream.fill(&mut bytes);
            u128::from_be_bytes(bytes).max(1)
        })
        .collect()
}

fn batch_holds(items: &[SignedCommitment<'_>]) -> bool {
    let weights = weights(items);
    let mut pairs = issuer_sums(items, &weights);
    pairs.push((
        right_sum(items, &weights).clear_cofactor(),
        prepared_generator(),
    ));
    pairing_product_is_one(&pairs)
}

/// `h_eff·Σ w·A` for every key that occurs.
fn issuer_sums<'a>(items: &[SignedCommitment<'a>], weights: &[u128]) -> Vec<(E1, &'a PreparedG2)> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| items[i].context.key().as_bytes());
    order
        .chunk_by(|&i, &j| items[i].context.key() == items[j].context.key())
        .map(|group| {
            let points: Vec<E1Affine> = group
                .iter()
                .map(|&i| *items[i].signature.a().as_e1())
                .collect();
            let scalars: Vec<u128> = group.iter().map(|&i| weights[i]).collect();
            let sum = msm_128(&points, &scalars).clear_cofactor();
            (sum, items[group[0]].context.key().prepared())
        })
        .collect()
}

/// `Σ w·(e·A − base − C_final)`, with one term for every base that occurs.
fn right_sum(items: &[SignedCommitment<'_>], weights: &[u128]) -> E1 {
    let commitments: Vec<E1Affine> = items.iter().map(|item| *item.commitment).collect();
    let mut points = Vec::with_capacity(items.len() + 1);
    let mut scalars = Vec::with_capacity(items.len() + 1);
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|&i| items[i].context.domain().to_bytes_be());
    for group in order.chunk_by(|&i, &j| items[i].context.base() == items[j].context.base()) {
        points.push(*items[group[0]].context.base());
        let sum: Scalar = group.iter().map(|&i| Scalar::from_u128(weights[i])).sum();
        scalars.push(-sum);
    }
    for (item, weight) in items.iter().zip(weights) {
        points.push(*item.signature.a().as_e1());
        scalars.push(*item.signature.e() * Scalar::from_u128(*weight));
    }
    msm(&points, &scalars) - msm_128(&commitments, weights)
}
