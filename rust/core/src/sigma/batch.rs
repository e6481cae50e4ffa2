//! Many batchable proofs, one multi-scalar multiplication.
//!
//! Every equation of every proof gets a 128-bit weight, squeezed (as the draft
//! recommends) from a sponge that absorbed all session identifiers, relations and
//! proofs with their responses; the weighted sum must be the identity. A failing batch
//! is bisected until the culprits are found.

use super::{LinearRelation, ParsedProof};
use crate::group::{E1Affine, G1Affine, Scalar, msm};
use crate::transcript::{Sponge, derive_session_id};

/// Tag of the sponge that weights are squeezed from.
const BATCH_TAG: &[u8] = b"irtf-cfrg-sigma-protocols/batch-verify";

/// One proof to verify.
#[derive(Clone, Copy)]
pub struct BatchItem<'a> {
    /// The tag it was made for, naming the batchable flavor.
    pub tag: &'a [u8],
    /// The relation it is about.
    pub relation: &'a LinearRelation,
    /// The batchable NARG string.
    pub narg: &'a [u8],
}

/// An item with everything decoded.
struct Parsed<'a> {
    index: usize,
    session_id: [u8; 32],
    item: BatchItem<'a>,
    proof: ParsedProof,
}

/// The indexes of all proofs that are malformed or do not verify, ascending; empty if
/// all verify. Variable time. A wrong proof passes with probability at most 2^-128.
#[must_use]
pub fn verify_batch(items: &[BatchItem<'_>]) -> Vec<usize> {
    let mut refused = Vec::new();
    let mut parsed = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let session_id = derive_session_id(item.tag);
        match ParsedProof::new(&session_id, item.relation, item.narg) {
            Ok(proof) => parsed.push(Parsed {
                index,
                session_id,
                item: *item,
                proof,
            }),
            Err(_) => refused.push(index),
        }
    }
    bisect(&parsed, &mut refused);
    refused.sort_unstable();
    refused
}

fn bisect(items: &[Parsed<'_>], refused: &mut Vec<usize>) {
    if items.is_empty() || batch_holds(items) {
        return;
    }
    if let [culprit] = items {
        refused.push(culprit.index);
        return;
    }
    let (left, right) = items.split_at(items.len() / 2);
    bisect(left, refused);
    bisect(right, refused);
}

/// The sponge that squeezes 16 little-endian bytes per equation.
fn weights(items: &[Parsed<'_>]) -> Sponge {
    let mut sponge = Sponge::new(&derive_session_id(BATCH_TAG));
    for parsed in items {
        sponge.absorb(&parsed.session_id);
        sponge.absorb(parsed.item.relation.as_bytes());
        sponge.absorb(parsed.item.narg);
    }
    sponge
}

/// `Σ w·(commitment + challenge·image − map(response)) = 0`.
fn batch_holds(items: &[Parsed<'_>]) -> bool {
    let mut sponge = weights(items);
    let mut points: Vec<E1Affine> = vec![*G1Affine::generator().as_e1()];
    let mut scalars = vec![Scalar::ZERO];
    for parsed in items {
        let relation = parsed.item.relation;
        let mut sums = vec![Scalar::ZERO; relation.elements().len()];
        for (equation, commitment) in relation.equations().iter().zip(&parsed.proof.commitment) {
            let mut bytes = [0u8; 16];
            sponge.squeeze(&mut bytes);
            let weight = Scalar::from_u128(u128::from_le_bytes(bytes));
            points.push(*commitment);
            scalars.push(weight);
            let of_image = weight * parsed.proof.challenge;
            for term in &equation.image {
                sums[term.element as usize] += of_image * term.coefficient;
            }
            for term in &equation.terms {
                let response = parsed.proof.response[term.scalar as usize];
                sums[term.element as usize] -= weight * term.coefficient * response;
            }
        }
        scalars[0] += sums[0];
        points.extend(relation.elements()[1..].iter().map(|point| *point.as_e1()));
        scalars.extend_from_slice(&sums[1..]);
    }
    msm(&points, &scalars).is_identity()
}
