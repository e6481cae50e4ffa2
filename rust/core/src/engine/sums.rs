//! The weighted sums of the verifier's equations.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::bbs::Suite;
use crate::bbs::keys::prepared_generator;
use crate::engine::circuit::{Base, Circuit};
use crate::engine::compile::NAMED_BASES;
use crate::engine::statement::IssuerKey;
use crate::engine::verify::Parsed;
use crate::error::Result;
use crate::generators;
use crate::group::{E1Affine, G1Affine, Scalar, msm_128, msm_mixed, pairing_product_is_one};
use crate::weights::Weights;

/// Weighted equations of some proofs, before multiplication.
pub(super) struct Accumulator {
    weights: Weights,
    wide: Terms,
    narrow: (Vec<E1Affine>, Vec<u128>),
    issuers: BTreeMap<[u8; 96], Randomised>,
    shared: Shared,
}

/// Points and their scalars.
type Terms = (Vec<E1Affine>, Vec<Scalar>);

/// The randomised signatures `Ā` of one issuer key, with their pairing weights.
struct Randomised {
    key: Arc<IssuerKey>,
    points: Vec<E1Affine>,
    weights: Vec<u128>,
}

impl Accumulator {
    pub(super) fn new(weights: Weights) -> Self {
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

    pub(super) fn add(&mut self, proof: &Parsed<'_>) {
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
        let (responses, c) = (proof.responses.as_slice(), proof.c);
        let (weighted, wc) = (scaled(responses, w), w * c);
        self.wide(b, wc);
        for (i, position) in circuit.vector.iter().enumerate() {
            self.shared.add(Fixed::Secret(i), -weighted[*position]);
        }
        for (k, q) in circuit.quadratic_forms.iter().enumerate() {
            let value = q.homogeneous((responses, c), (&weighted, wc), publics);
            self.shared.add(Fixed::Cross(k), -value);
        }
        self.shared.add(Fixed::Blinding, -(w * proof.z));
    }

    pub(super) fn merge(&mut self, other: Accumulator) {
        self.wide.0.extend(other.wide.0);
        self.wide.1.extend(other.wide.1);
        self.narrow.0.extend(other.narrow.0);
        self.narrow.1.extend(other.narrow.1);
        self.shared.merge(other.shared);
        for (id, own) in other.issuers {
            match self.issuers.entry(id) {
                Entry::Vacant(place) => {
                    place.insert(own);
                }
                Entry::Occupied(mut place) => {
                    place.get_mut().points.extend(own.points);
                    place.get_mut().weights.extend(own.weights);
                }
            }
        }
    }

    /// `Π e(Σ v·Ā, W) · e(−(Σ v·B̄ + S), P2) = 1`, with S the sum of all linear
    /// equations, everything multiplied by the effective cofactor.
    pub(super) fn vanishes(mut self) -> Result<bool> {
        self.shared.terms(&mut self.wide)?;
        let (wide, narrow) = (&self.wide, &self.narrow);
        let right = msm_mixed((&wide.0, &wide.1), (&narrow.0, &narrow.1)).clear_cofactor();
        if self.issuers.is_empty() {
            return Ok(right.is_identity());
        }
        let mut pairs = vec![(-right, prepared_generator())];
        for own in self.issuers.values() {
            let sum = msm_128(&own.points, &own.weights).clear_cofactor();
            pairs.push((sum, own.key.public.prepared()));
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

    /// Appends all generators with their scalars.
    fn terms(&self, (points, scalars): &mut Terms) -> Result<()> {
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
        Ok(())
    }
}

/// All scalars times the factor.
fn scaled(scalars: &[Scalar], factor: Scalar) -> Vec<Scalar> {
    scalars.iter().map(|scalar| factor * scalar).collect()
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
