//! Many proofs, one multi-pairing.
//!
//! The challenge of every proof is recomputed on its own (proofs are compact, so `T1`
//! and `T2` must be hashed one by one; all cores share that work). What is left is
//! `e(Ā, W) = e(B̄, P2)` for each, and with random 128-bit weights w that is
//! `Π_W e(Σ w·Ā, W) · e(−Σ w·B̄, P2) = 1`: one Miller loop for every key and one more.
//! Weights are drawn after all proofs are fixed. Membership of all points in G1 is tested
//! together; the pairing does not depend on it. A failing batch is bisected until the
//! culprits are found.

use rayon::prelude::*;

use super::core_proof::decode_untested;
use super::{Presentation, shown};
use crate::bbs::keys::prepared_generator;
use crate::bbs::{PublicKey, Suite};
use crate::error::Result;
use crate::group::{E1, E1Affine, PreparedG2, all_in_subgroup, msm_128, pairing_product_is_one};
use crate::weights::Weights;

/// From this many proofs on, generators get tables.
const TABLES_FROM: usize = 16;

/// One proof to verify, as for [`proof_verify`](super::proof_verify).
#[derive(Clone, Copy, Debug)]
pub struct BatchItem<'a> {
    /// The suite of the signature.
    pub suite: Suite,
    /// The signer's key.
    pub key: &'a PublicKey,
    /// The proof.
    pub proof: &'a [u8],
    /// What it is bound to, and the positions it shows.
    pub presentation: Presentation<'a>,
    /// The messages it shows.
    pub disclosed_messages: &'a [&'a [u8]],
}

/// A proof whose challenge is right: its position, key and `Ā, B̄, D`.
struct Open<'a> {
    index: usize,
    key: &'a PublicKey,
    points: [E1Affine; 3],
}

/// The indexes of all proofs that are malformed, do not fit their presentation or do
/// not verify, ascending; empty if all verify.
///
/// Variable time, all inputs public. A wrong proof passes with probability at most
/// 2^-127. Proofs of several keys, suites and sizes may be mixed.
///
/// # Errors
/// [`Error::Misuse`](crate::error::Error::Misuse) if the system's random source fails.
pub fn proof_verify_batch(items: &[BatchItem<'_>]) -> Result<Vec<usize>> {
    let tables = items.len() >= TABLES_FROM;
    let checked: Vec<Option<Open<'_>>> = items
        .par_iter()
        .enumerate()
        .map(|(index, item)| open(index, item, tables).ok())
        .collect();
    let missing = |(index, open): (usize, &Option<Open<'_>>)| open.is_none().then_some(index);
    let mut refused: Vec<usize> = checked.iter().enumerate().filter_map(missing).collect();
    let mut opened: Vec<Open<'_>> = checked.into_iter().flatten().collect();
    let points: Vec<E1Affine> = opened.iter().flat_map(|open| open.points).collect();
    if !all_in_subgroup(&points) {
        opened.retain(|open| {
            let member = open.points.iter().all(E1Affine::is_in_subgroup);
            if !member {
                refused.push(open.index);
            }
            member
        });
    }
    opened.sort_by_key(|open| open.key.as_bytes());
    bisect(&opened, &mut Weights::new()?, &mut refused);
    refused.sort_unstable();
    Ok(refused)
}

fn open<'a>(index: usize, item: &BatchItem<'a>, tables: bool) -> Result<Open<'a>> {
    let shown = shown(
        item.suite,
        item.key,
        decode_untested(item.proof)?,
        &item.presentation,
        item.disclosed_messages,
    )?;
    shown.verify_challenge(tables)?;
    Ok(Open {
        index,
        key: item.key,
        points: shown.points(),
    })
}

fn bisect(items: &[Open<'_>], weights: &mut Weights, refused: &mut Vec<usize>) {
    if items.is_empty() || batch_holds(items, weights) {
        return;
    }
    if let [culprit] = items {
        refused.push(culprit.index);
        return;
    }
    let (left, right) = items.split_at(items.len() / 2);
    bisect(left, weights, refused);
    bisect(right, weights, refused);
}

/// `Π_W e(Σ w·Ā, W) · e(−Σ w·B̄, P2) = 1` for proofs sorted by key.
fn batch_holds(items: &[Open<'_>], weights: &mut Weights) -> bool {
    let factors: Vec<u128> = items.iter().map(|_| weights.draw()).collect();
    let right: Vec<E1Affine> = items.iter().map(|item| item.points[1]).collect();
    let mut pairs: Vec<(E1, &PreparedG2)> =
        vec![(-msm_128(&right, &factors), prepared_generator())];
    let mut first = 0;
    for group in items.chunk_by(|a, b| a.key == b.key) {
        let left: Vec<E1Affine> = group.iter().map(|item| item.points[0]).collect();
        let sum = msm_128(&left, &factors[first..first + group.len()]);
        pairs.push((sum, group[0].key.prepared()));
        first += group.len();
    }
    pairing_product_is_one(&pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bbs::SecretKey;
    use crate::group::{G1Affine, Scalar};

    /// `Ā = k·G`, `B̄ = x·Ā + error·G`.
    fn opened<'a>(index: usize, key: &'a SecretKey, error: i128) -> Open<'a> {
        let base = G1Affine::generator();
        let k = Scalar::from_u64(index as u64 + 1);
        let b_bar = base.mul(&(k * *key.scalar())) + base.mul(&Scalar::from_i128(error));
        let points = [base.mul(&k), b_bar, base.to_e1()];
        Open {
            index,
            key: key.public_key(),
            points: points.map(|point| point.to_affine().expect("not zero")),
        }
    }

    fn refused(items: &[Open<'_>]) -> Vec<usize> {
        let mut refused = Vec::new();
        let mut weights = Weights::new().expect("a random source");
        bisect(items, &mut weights, &mut refused);
        refused
    }

    /// Without weights, the errors of two proofs of one key could cancel, and so could
    /// those of two keys.
    #[test]
    fn errors_that_cancel_are_found() {
        let keys = [[3; 32], [4; 32]].map(|k| SecretKey::from_bytes(&k).expect("a key"));
        let make = |errors: [i128; 6]| -> Vec<usize> {
            let items: Vec<Open<'_>> = errors
                .iter()
                .enumerate()
                .map(|(index, error)| opened(index, &keys[index / 3], *error))
                .collect();
            refused(&items)
        };
        assert_eq!(make([0; 6]), []);
        assert_eq!(make([5, -5, 0, 0, 0, 0]), [0, 1]);
        assert_eq!(make([0, 7, 0, 0, -7, 0]), [1, 4]);
        assert_eq!(make([1, 1, -2, 1, 1, -2]), [0, 1, 2, 3, 4, 5]);
    }
}
