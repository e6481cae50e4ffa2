//! The verifier: one random combination of all equations of all proofs, and one
//! multi-pairing. A single proof is a batch of one, so the two cannot disagree.
//!
//! Every equation gets its own 128-bit weight from the verifier's random source.
//! The final sums are multiplied by the effective cofactor once, so points of a
//! proof that enter nothing else need no subgroup test; points of the statement
//! that are stored and added elsewhere are tested, in a batch all at once
//! ([`all_in_subgroup`]).

use rayon::prelude::*;

use crate::engine::circuit::{POINT_LEN, SCALAR_LEN};
use crate::engine::statement::Statement;
use crate::engine::sums::Accumulator;
use crate::error::{Error, Result};
use crate::group::{E1Affine, Scalar, all_in_subgroup};
use crate::weights::Weights;

/// Proofs that are decoded together: transcripts are hashed and points decoded eight at a
/// time.
const PARSED_TOGETHER: usize = 16;

/// Verifies one proof.
///
/// # Errors
/// [`Error::Malformed`] for bytes that are no proof of this circuit,
/// [`Error::Refused`] for a proof that does not hold.
pub fn verify(statement: &Statement, proof: &[u8]) -> Result<()> {
    let parsed = Parsed::new(statement, proof)?;
    if !parsed.stored_points().all(E1Affine::is_in_subgroup) {
        return Err(Error::Malformed(
            "statement: a point is outside the subgroup",
        ));
    }
    if holds(&[&parsed])? {
        Ok(())
    } else {
        Err(Error::Refused("the proof does not verify"))
    }
}

/// Verifies many proofs at once, on all threads of the current rayon pool.
///
/// Returns the positions of the proofs that do not hold, ascending; empty if all do.
/// A failing batch is halved until the culprits are alone.
///
/// # Errors
/// [`Error::Misuse`] if the system's random source fails.
pub fn verify_batch(items: &[(&Statement, &[u8])]) -> Result<Vec<usize>> {
    let parsed: Vec<Result<Parsed<'_>>> = items
        .par_chunks(PARSED_TOGETHER)
        .flat_map_iter(Parsed::many)
        .collect();
    let mut refused: Vec<usize> = Vec::new();
    let mut sound: Vec<(usize, &Parsed<'_>)> = Vec::new();
    for (index, result) in parsed.iter().enumerate() {
        match result {
            Ok(parsed) => sound.push((index, parsed)),
            Err(_) => refused.push(index),
        }
    }
    refuse_tainted(&mut sound, &mut refused);
    bisect(&sound, &mut refused)?;
    refused.sort_unstable();
    Ok(refused)
}

/// [`verify_batch`] with challenges given instead of derived: what a simulator, or a
/// forger who could choose them, is up against.
#[cfg(feature = "adversary")]
pub fn verify_with_challenges(items: &[(&Statement, &[u8], Scalar)]) -> Result<Vec<usize>> {
    let mut parsed: Vec<Parsed<'_>> = Vec::new();
    for (statement, proof, c) in items {
        let own = Parsed::new(statement, proof)?;
        parsed.push(Parsed { c: *c, ..own });
    }
    let mut sound: Vec<(usize, &Parsed<'_>)> = parsed.iter().enumerate().collect();
    let mut refused = Vec::new();
    refuse_tainted(&mut sound, &mut refused);
    bisect(&sound, &mut refused)?;
    Ok(refused)
}

/// Moves proofs whose statement has a point outside the subgroup to the refused ones.
fn refuse_tainted(sound: &mut Vec<(usize, &Parsed<'_>)>, refused: &mut Vec<usize>) {
    let stored: Vec<E1Affine> = sound
        .iter()
        .flat_map(|(_, p)| p.stored_points())
        .copied()
        .collect();
    if all_in_subgroup(&stored) {
        return;
    }
    let is_pure = |proof: &Parsed<'_>| proof.stored_points().all(E1Affine::is_in_subgroup);
    let pure: Vec<bool> = sound.par_iter().map(|(_, proof)| is_pure(proof)).collect();
    let mut verdicts = pure.into_iter();
    sound.retain(|(index, _)| {
        let keep = verdicts.next() == Some(true);
        if !keep {
            refused.push(*index);
        }
        keep
    });
}

fn bisect(items: &[(usize, &Parsed<'_>)], refused: &mut Vec<usize>) -> Result<()> {
    let proofs: Vec<&Parsed<'_>> = items.iter().map(|(_, p)| *p).collect();
    if holds(&proofs)? {
        return Ok(());
    }
    if let [(index, _)] = items {
        refused.push(*index);
        return Ok(());
    }
    let (left, right) = items.split_at(items.len() / 2);
    bisect(left, refused)?;
    bisect(right, refused)
}

/// A decoded proof with its challenge.
pub(super) struct Parsed<'a> {
    pub(super) statement: &'a Statement,
    pub(super) points: Vec<E1Affine>,
    pub(super) messages: Vec<E1Affine>,
    pub(super) responses: Vec<Scalar>,
    pub(super) z: Scalar,
    pub(super) c: Scalar,
}

/// The bytes of a proof of the right length.
struct Encoded<'a> {
    /// Of the statement, then of the prover's messages.
    points: &'a [[u8; POINT_LEN]],
    messages: &'a [u8],
    scalars: &'a [u8],
}

impl<'a> Encoded<'a> {
    fn new(statement: &Statement, proof: &'a [u8]) -> Result<Self> {
        let circuit = &statement.instance.circuit;
        if proof.len() != circuit.proof_length() {
            return Err(Error::Malformed("proof: wrong length for its circuit"));
        }
        let statement_len = circuit.commitments.len() * POINT_LEN;
        let messages_len = circuit.message_points() * POINT_LEN;
        let (points, scalars) = proof.split_at(statement_len + messages_len);
        Ok(Encoded {
            points: points.as_chunks().0,
            messages: &points[statement_len..],
            scalars,
        })
    }
}

impl<'a> Parsed<'a> {
    fn new(statement: &'a Statement, proof: &[u8]) -> Result<Self> {
        let mut one = Self::many(&[(statement, proof)]);
        one.pop().unwrap_or(Err(Error::Misuse("no proof")))
    }

    /// Decodes every proof by itself, but does the same steps of all of them together.
    fn many(items: &[(&'a Statement, &[u8])]) -> Vec<Result<Self>> {
        let encoded: Vec<Result<Encoded<'_>>> = items
            .iter()
            .map(|(statement, proof)| Encoded::new(statement, proof))
            .collect();
        let (mut points, mut messages) = (Vec::new(), Vec::new());
        for (encoded, (statement, _)) in encoded.iter().zip(items) {
            if let Ok(encoded) = encoded {
                points.extend(encoded.points);
                messages.push((*statement, encoded.messages));
            }
        }
        let mut points = E1Affine::from_uncompressed_many(&points).into_iter();
        let mut challenges = Statement::challenges(&messages).into_iter();
        let parse = |(encoded, (statement, _)): (Result<Encoded<'_>>, &(&'a Statement, &[u8]))| {
            let encoded = encoded?;
            let own: Vec<Option<E1Affine>> = points.by_ref().take(encoded.points.len()).collect();
            let c = challenges.next().unwrap_or_default();
            Self::assemble(statement, &own, encoded.scalars, c)
        };
        encoded.into_iter().zip(items).map(parse).collect()
    }

    fn assemble(
        statement: &'a Statement,
        points: &[Option<E1Affine>],
        scalars: &[u8],
        c: Scalar,
    ) -> Result<Self> {
        let circuit = &statement.instance.circuit;
        let (points, messages) = points.split_at(circuit.commitments.len());
        let points = all_points(points)?;
        if !points
            .iter()
            .map(E1Affine::to_compressed)
            .eq(statement.points.iter().copied())
        {
            return Err(Error::Malformed("proof: a point is not the statement's"));
        }
        let mut responses = decode_scalars(scalars)?;
        let z = if circuit.has_vector() {
            responses.pop()
        } else {
            None
        };
        Ok(Parsed {
            statement,
            points,
            messages: all_points(messages)?,
            responses,
            z: z.unwrap_or_default(),
            c,
        })
    }
}

impl Parsed<'_> {
    /// The points of the statement that have to be members of G1: they are stored and
    /// added elsewhere. The caller tests them, one by one or all at once.
    fn stored_points(&self) -> impl Iterator<Item = &E1Affine> {
        let commitments = &self.statement.instance.circuit.commitments;
        let marked = self
            .points
            .iter()
            .zip(commitments)
            .filter(|(_, c)| c.subgroup);
        marked.map(|(point, _)| point)
    }
}

fn all_points(points: &[Option<E1Affine>]) -> Result<Vec<E1Affine>> {
    let all: Option<Vec<E1Affine>> = points.iter().copied().collect();
    all.ok_or(Error::Malformed("proof: a point"))
}

fn decode_scalars(bytes: &[u8]) -> Result<Vec<Scalar>> {
    let (chunks, _) = bytes.as_chunks::<SCALAR_LEN>();
    let decode = |chunk: &[u8; SCALAR_LEN]| {
        Scalar::from_bytes_be(chunk).ok_or(Error::Malformed("proof: a scalar"))
    };
    chunks.iter().map(decode).collect()
}

/// Whether all equations of all proofs hold.
fn holds(proofs: &[&Parsed<'_>]) -> Result<bool> {
    let chunk = proofs.len().div_ceil(rayon::current_num_threads()).max(1);
    let partial: Vec<Result<Accumulator>> = proofs
        .par_chunks(chunk)
        .map(|chunk| {
            let mut sums = Accumulator::new(Weights::new()?);
            chunk.iter().for_each(|proof| sums.add(proof));
            Ok(sums)
        })
        .collect();
    let mut partial = partial.into_iter();
    let Some(first) = partial.next() else {
        return Ok(true);
    };
    let mut total = first?;
    for sums in partial {
        total.merge(sums?);
    }
    total.vanishes()
}
