//! Many token signatures, one multi-pairing.
//!
//! A signature (A, e) on `C` holds iff `e(A, W)·e(e·A − C, P2) = 1`, `C` the context's
//! base plus `C_final`. With random 128-bit weights w, a batch is
//! `Π_W e(Σ w·A, W) · e(Σ w·(e·A − C), P2) = 1`: one Miller loop per issuer key and one
//! more. `C_final = C′ + tweak·H_serial` is never computed: all tweaks stand on one
//! generator, so the batch has one term for them. `C′` may carry torsion; both sums are
//! multiplied by the cofactor, once a batch. A failing batch is bisected until the culprits
//! are found.

use super::{SERIAL_INDEX, SigningContext, public_term};
use crate::bbs::Signature;
use crate::bbs::keys::prepared_generator;
use crate::error::Result;
use crate::group::{E1, E1Affine, PreparedG2, Scalar, msm, msm_128, pairing_product_is_one};
use crate::weights::Weights;

/// One signature to verify: `signature` on `commitment + tweak·H_serial` in `context`.
#[derive(Clone, Copy)]
pub struct SignedCommitment<'a> {
    /// Key, domain and base of the token.
    pub context: &'a SigningContext,
    /// `C′` (or `C_final`, with a tweak of zero); needs no subgroup test.
    pub commitment: &'a E1Affine,
    /// What the signer adds to the serial.
    pub tweak: Scalar,
    /// The signature claimed to be on it.
    pub signature: &'a Signature,
}

/// The indexes of all signatures that do not verify, ascending; empty if all do.
///
/// Variable time, all inputs public. A wrong signature passes with probability at most
/// 2^-127.
///
/// # Errors
/// [`Error::Misuse`](crate::error::Error::Misuse) if the system's random source fails.
pub fn verify_commitments(items: &[SignedCommitment<'_>]) -> Result<Vec<usize>> {
    let mut refused = Vec::new();
    bisect(items, 0, &mut Weights::new()?, &mut refused)?;
    Ok(refused)
}

fn bisect(
    items: &[SignedCommitment<'_>],
    offset: usize,
    weights: &mut Weights,
    refused: &mut Vec<usize>,
) -> Result<()> {
    if items.is_empty() || batch_holds(items, weights)? {
        return Ok(());
    }
    if items.len() == 1 {
        refused.push(offset);
        return Ok(());
    }
    let (left, right) = items.split_at(items.len() / 2);
    bisect(left, offset, weights, refused)?;
    bisect(right, offset + left.len(), weights, refused)
}

fn batch_holds(items: &[SignedCommitment<'_>], weights: &mut Weights) -> Result<bool> {
    let weights: Vec<u128> = items.iter().map(|_| weights.draw()).collect();
    let mut pairs = issuer_sums(items, &weights);
    pairs.push((
        right_sum(items, &weights)?.clear_cofactor(),
        prepared_generator(),
    ));
    Ok(pairing_product_is_one(&pairs))
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

/// `Σ w·(e·A − base − C′ − tweak·H_serial)`, with one term for every base that occurs and
/// one for all tweaks.
fn right_sum(items: &[SignedCommitment<'_>], weights: &[u128]) -> Result<E1> {
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
    let mut tweaks = Scalar::default();
    for (item, weight) in items.iter().zip(weights) {
        let weight = Scalar::from_u128(*weight);
        points.push(*item.signature.a().as_e1());
        scalars.push(*item.signature.e() * weight);
        tweaks += item.tweak * weight;
    }
    let tweaked = public_term(SERIAL_INDEX, &tweaks)?;
    Ok(msm(&points, &scalars) - msm_128(&commitments, weights) - tweaked)
}
