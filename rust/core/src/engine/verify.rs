//! The verifier: one random combination of all equations of all proofs, and one
//! multi-pairing. A single proof is a batch of one, so the two cannot disagree.
//!
//! Every equation gets its own 128-bit weight from the verifier's random source.
//! The final sums are multiplied by the effective cofactor once, so points of a
//! proof that enter nothing else need no subgroup test; points of the statement
//! that are stored and added elsewhere are tested one by one.

use std::collections::BTreeMap;
use std::sync::Arc;

use rayon::prelude::*;

use crate::bbs::Suite;
use crate::engine::circuit::{Base, Circuit, POINT_LEN, SCALAR_LEN};
use crate::engine::compile::NAMED_BASES;
use crate::engine::statement::{IssuerKey, Statement};
use crate::error::{Error, Result};
use crate::generators;
use crate::group::{
    E1, E1Affine, G1Affine, G2Affine, PreparedG2, Scalar, msm, msm_128, pairing_product_is_one,
};
use crate::weights::Weights;

/// Verifies one proof.
///
/// # Errors
/// [`Error::Malformed`] for bytes that are no proof of this circuit,
/// [`Error::Refused`] for a proof that does not hold.
pub fn verify(statement: &Statement, proof: &[u8]) -> Result<()> {
    let parsed = Parsed::new(statement, proof)?;
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
        .par_iter()
        .map(|(statement, proof)| Parsed::new(statement, proof))
        .collect();
    let mut refused: Vec<usize> = Vec::new();
    let mut sound: Vec<(usize, &Parsed<'_>)> = Vec::new();
    for (index, result) in parsed.iter().enumerate() {
        match result {
            Ok(parsed) => sound.push((index, parsed)),
            Err(_) => refused.push(index),
        }
    }
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
    let sound: Vec<(usize, &Parsed<'_>)> = parsed.iter().enumerate().collect();
    let mut refused = Vec::new();
    bisect(&sound, &mut refused)?;
    Ok(refused)
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
struct Parsed<'a> {
    statement: &'a Statement,
    points: Vec<E1Affine>,
    messages: Vec<E1Affine>,
    responses: Vec<Scalar>,
    z: Scalar,
    c: Scalar,
}

impl<'a> Parsed<'a> {
    fn new(statement: &'a Statement, proof: &[u8]) -> Result<Self> {
        let circuit = &statement.instance.circuit;
        if proof.len() != circuit.proof_length() {
            return Err(Error::Malformed("proof: wrong length for its circuit"));
        }
        let statement_len = circuit.commitments.len() * POINT_LEN;
        let messages_len = circuit.message_points() * POINT_LEN;
        let (points, rest) = proof.split_at(statement_len);
        let (messages, scalars) = rest.split_at(messages_len);
        let points = decode_points(points)?;
        for ((point, compressed), commitment) in points
            .iter()
            .zip(&statement.points)
            .zip(&circuit.commitments)
        {
            if point.to_compressed() != *compressed {
                return Err(Error::Malformed("proof: a point is not the statement's"));
            }
            if commitment.subgroup && !point.is_in_subgroup() {
                return Err(Error::Malformed(
                    "statement: a point is outside the subgroup",
                ));
            }
        }
        let mut responses = decode_scalars(scalars)?;
        let z = if circuit.has_vector() {
            responses.pop()
        } else {
            None
        };
        let c = statement.challenge(messages);
        let messages = decode_points(messages)?;
        Ok(Parsed {
            statement,
            points,
            messages,
            responses,
            z: z.unwrap_or_default(),
            c,
        })
    }
}

fn decode_points(bytes: &[u8]) -> Result<Vec<E1Affine>> {
    let (chunks, _) = bytes.as_chunks::<POINT_LEN>();
    let decode = |chunk: &[u8; POINT_LEN]| {
        E1Affine::from_uncompressed(chunk).ok_or(Error::Malformed("proof: a point"))
    };
    chunks.iter().map(decode).collect()
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
    let partial: Vec<Result<Partial>> = proofs
        .par_chunks(chunk)
        .map(|chunk| {
            let mut sums = Accumulator::new(Weights::new()?);
            chunk.iter().for_each(|proof| sums.add(proof));
            Ok(sums.finish())
        })
        .collect();
    let mut total = Partial::default();
    for sums in partial {
        total.merge(sums?);
    }
    total.vanishes()
}

/// Weighted equations of some proofs, before multiplication.
struct Accumulator {
    weights: Weights,
    wide: (Vec<E1Affine>, Vec<Scalar>),
    narrow: (Vec<E1Affine>, Vec<u128>),
    issuers: BTreeMap<[u8; 96], Randomised>,
    shared: Shared,
}

/// The randomised signatures `Ā` of one issuer key, with their pairing weights.
struct Randomised {
    key: Arc<IssuerKey>,
    points: Vec<E1Affine>,
    weights: Vec<u128>,
}

impl Accumulator {
    fn new(weights: Weights) -> Self {
        Accumulator {
            weights,
            wide: Default::default(),
            narrow: Default::default(),
            issuers: BTreeMap::new(),
            shared: Shared::default(),
        }
    }

    fn wide(&mut self, point: &E1Affine, scalar: Scalar) {
        self.wide.0.push(*point);
        self.wide.1.push(scalar);
    }

    fn narrow(&mut self, point: &E1Affine, weight: u128) {
        self.narrow.0.push(*point);
        self.narrow.1.push(weight);
    }

    fn add(&mut self, proof: &Parsed<'_>) {
        let circuit = &proof.statement.instance.circuit;
        let mut messages = proof.messages.as_slice();
        for index in 0..circuit.signatures.len() {
            let (own, rest) = messages.split_at(3);
            self.signature(proof, index, &own[0], &own[1], &own[2]);
            messages = rest;
        }
        for (index, t) in messages.iter().take(circuit.commitments.len()).enumerate() {
            self.commitment(proof, index, t);
        }
        if circuit.has_vector() {
            let at = circuit.commitments.len();
            self.vector(proof, &messages[at], &messages[at + 1]);
        }
    }

    /// `e(Ā, W) = e(B̄, P2)` and
    /// `T + c·(P1 + Q1·domain) + Σ m̂_j·H_j − f_u·B̄ − f_t·Ā = 0`.
    fn signature(
        &mut self,
        proof: &Parsed<'_>,
        index: usize,
        a_bar: &E1Affine,
        b_bar: &E1Affine,
        t: &E1Affine,
    ) {
        let instance = &proof.statement.instance;
        let clause = &instance.circuit.signatures[index];
        let key = &instance.keys[index];
        let (weight, pairing_weight) = (self.weights.draw(), self.weights.draw());
        let w = Scalar::from_u128(weight);
        self.narrow(t, weight);
        self.shared.add(Fixed::P1, w * proof.c);
        self.shared.add(Fixed::Q1, w * proof.c * key.domain);
        for (j, message) in clause.messages.iter().enumerate() {
            let response = message.homogeneous(&proof.responses, proof.c, &instance.publics);
            self.shared.add(Fixed::Message(j), w * response);
        }
        let b_scalar = Scalar::from_u128(pairing_weight) - w * proof.responses[clause.u];
        self.wide(b_bar, b_scalar);
        self.wide(a_bar, -(w * proof.responses[clause.t]));
        let issuer = self.issuers.entry(*key.public.as_bytes());
        let signatures = issuer.or_insert_with(|| Randomised {
            key: Arc::clone(key),
            points: Vec::new(),
            weights: Vec::new(),
        });
        signatures.points.push(*a_bar);
        signatures.weights.push(pairing_weight);
    }

    /// `T + c·Y − Σ f̂_j·B_j = 0`.
    fn commitment(&mut self, proof: &Parsed<'_>, index: usize, t: &E1Affine) {
        let instance = &proof.statement.instance;
        let weight = self.weights.draw();
        let w = Scalar::from_u128(weight);
        self.narrow(t, weight);
        self.wide(&proof.points[index], w * proof.c);
        for (base, form) in &instance.circuit.commitments[index].terms {
            let response = form.homogeneous(&proof.responses, proof.c, &instance.publics);
            let scalar = -(w * response);
            match base {
                Base::Message(j) => self.shared.add(Fixed::Message(*j), scalar),
                Base::Named(name) => self.shared.add_named(name, scalar),
                Base::Label(l) => {
                    self.shared
                        .add_label(&instance.labels[*l], &instance.label_bases[*l], scalar);
                }
            }
        }
    }

    /// `A + c·B − Σ f_i·G_i − Σ q̂_k(f, c)·K_k − z·H = 0`.
    fn vector(&mut self, proof: &Parsed<'_>, a: &E1Affine, b: &E1Affine) {
        let circuit: &Circuit = &proof.statement.instance.circuit;
        let publics = &proof.statement.instance.publics;
        let weight = self.weights.draw();
        let w = Scalar::from_u128(weight);
        self.narrow(a, weight);
        self.wide(b, w * proof.c);
        for (i, position) in circuit.vector.iter().enumerate() {
            self.shared
                .add(Fixed::Secret(i), -(w * proof.responses[*position]));
        }
        for (k, q) in circuit.quadratic_forms.iter().enumerate() {
            let value = q.homogeneous(&proof.responses, proof.c, publics);
            self.shared.add(Fixed::Cross(k), -(w * value));
        }
        self.shared.add(Fixed::Blinding, -(w * proof.z));
    }

    fn finish(self) -> Partial {
        let right = msm(&self.wide.0, &self.wide.1) + msm_128(&self.narrow.0, &self.narrow.1);
        let issuers = self
            .issuers
            .into_iter()
            .map(|(id, own)| (id, (own.key, msm_128(&own.points, &own.weights))));
        Partial {
            right,
            issuers: issuers.collect(),
            shared: self.shared,
        }
    }
}

/// Sums of some proofs.
#[derive(Default)]
struct Partial {
    right: E1,
    issuers: BTreeMap<[u8; 96], (Arc<IssuerKey>, E1)>,
    shared: Shared,
}

impl Partial {
    fn merge(&mut self, other: Partial) {
        self.right += other.right;
        self.shared.merge(other.shared);
        for (id, (key, sum)) in other.issuers {
            let entry = self
                .issuers
                .entry(id)
                .or_insert_with(|| (key, E1::identity()));
            entry.1 += sum;
        }
    }

    /// `Π e(Σ v·Ā, W) · e(−(Σ v·B̄ + S), P2) = 1`, with S the sum of all linear
    /// equations, everything multiplied by the effective cofactor.
    fn vanishes(self) -> Result<bool> {
        let right = (self.right + self.shared.sum()?).clear_cofactor();
        if self.issuers.is_empty() {
            return Ok(right.is_identity());
        }
        let generator = PreparedG2::new(&G2Affine::generator());
        let mut pairs = vec![(-right, &generator)];
        for (key, sum) in self.issuers.values() {
            pairs.push((sum.clear_cofactor(), key.public.prepared()));
        }
        Ok(pairing_product_is_one(&pairs))
    }
}

/// Generators that many proofs share.
#[derive(Clone, Copy)]
enum Fixed {
    P1,
    Q1,
    Message(usize),
    Secret(usize),
    Cross(usize),
    Blinding,
}

/// Scalars of the shared generators, summed before any multiplication.
#[derive(Default)]
struct Shared {
    single: [Scalar; 3],
    named: [Scalar; NAMED_BASES.len()],
    messages: Vec<Scalar>,
    secrets: Vec<Scalar>,
    cross: Vec<Scalar>,
    labels: BTreeMap<Vec<u8>, (G1Affine, Scalar)>,
}

impl Shared {
    fn add(&mut self, base: Fixed, scalar: Scalar) {
        match base {
            Fixed::P1 => self.single[0] += scalar,
            Fixed::Q1 => self.single[1] += scalar,
            Fixed::Blinding => self.single[2] += scalar,
            Fixed::Message(i) => add_at(&mut self.messages, i, scalar),
            Fixed::Secret(i) => add_at(&mut self.secrets, i, scalar),
            Fixed::Cross(i) => add_at(&mut self.cross, i, scalar),
        }
    }

    fn add_named(&mut self, name: &str, scalar: Scalar) {
        // The compiler admits these names only.
        if let Some(index) = NAMED_BASES.iter().position(|n| *n == name) {
            self.named[index] += scalar;
        }
    }

    fn add_label(&mut self, label: &[u8], base: &G1Affine, scalar: Scalar) {
        if let Some(entry) = self.labels.get_mut(label) {
            entry.1 += scalar;
        } else {
            self.labels.insert(label.to_vec(), (*base, scalar));
        }
    }

    fn merge(&mut self, other: Shared) {
        add_all(&mut self.single, &other.single);
        add_all(&mut self.named, &other.named);
        for (into, from) in [
            (&mut self.messages, other.messages),
            (&mut self.secrets, other.secrets),
            (&mut self.cross, other.cross),
        ] {
            from.into_iter()
                .enumerate()
                .for_each(|(i, s)| add_at(into, i, s));
        }
        for (label, (base, scalar)) in other.labels {
            self.labels.entry(label).or_insert((base, Scalar::ZERO)).1 += scalar;
        }
    }

    fn sum(&self) -> Result<E1> {
        let mut points: Vec<E1Affine> = Vec::new();
        let mut scalars: Vec<Scalar> = Vec::new();
        let mut push = |bases: &[G1Affine], values: &[Scalar]| {
            points.extend(bases.iter().map(|b| *b.as_e1()));
            scalars.extend(values);
        };
        let suite = Suite::Sha256;
        let bases = suite.generators(self.messages.len() + 1)?;
        push(&bases[1..], &self.messages);
        push(&[suite.p1(), bases[0]], &self.single[..2]);
        push(
            &[generators::named(generators::VECTOR_BLINDING)],
            &self.single[2..],
        );
        push(&NAMED_BASES.map(generators::named), &self.named);
        push(
            &generators::vector(generators::SECRET_FAMILY, self.secrets.len()),
            &self.secrets,
        );
        push(
            &generators::vector(generators::CROSS_FAMILY, self.cross.len()),
            &self.cross,
        );
        for (base, scalar) in self.labels.values() {
            push(&[*base], &[*scalar]);
        }
        Ok(msm(&points, &scalars))
    }
}

fn add_at(scalars: &mut Vec<Scalar>, index: usize, scalar: Scalar) {
    if scalars.len() <= index {
        scalars.resize(index + 1, Scalar::ZERO);
    }
    scalars[index] += scalar;
}

fn add_all(into: &mut [Scalar], from: &[Scalar]) {
    into.iter_mut().zip(from).for_each(|(i, f)| *i += *f);
}
