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
use crate::group::{
    E1Affine, G1Affine, Scalar, WideSum, msm_128, msm_mixed, pairing_product_is_one,
};
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
        self.shared.p1.add_product(weight, &proof.c);
        self.shared.q1.add_product(weight, &(proof.c * key.domain));
        for (j, message) in clause.messages.iter().enumerate() {
            let response = message.homogeneous(&proof.responses, proof.c, &instance.publics);
            at(&mut self.shared.messages, j).add_product(weight, &response);
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
            let sum = match base {
                Base::Message(j) => at(&mut self.shared.messages, *j),
                Base::Named(name) => self.shared.named(name),
                Base::Label(l) => self
                    .shared
                    .label(&instance.labels[*l], &instance.label_bases[*l]),
            };
            sum.add_product(weight, &-response);
        }
    }

    /// `A + c·B − Σ f_i·G_i − Σ q̂_k(f, c)·K_k − z·H = 0`.
    fn vector(&mut self, proof: &Parsed<'_>, a: &E1Affine, b: &E1Affine) {
        let circuit: &Circuit = &proof.statement.instance.circuit;
        let publics = &proof.statement.instance.publics;
        let weight = self.weights.draw();
        self.narrow(a, weight);
        let (responses, c) = (proof.responses.as_slice(), proof.c);
        self.wide(b, Scalar::from_u128(weight) * c);
        let vector = &mut self.shared.vector;
        reserve(&mut vector.secrets, circuit.vector.len());
        for (sum, position) in vector.secrets.iter_mut().zip(&circuit.vector) {
            sum.add_product(weight, &responses[*position]);
        }
        reserve(&mut vector.cross, circuit.quadratic_forms.len());
        for (sum, q) in vector.cross.iter_mut().zip(&circuit.quadratic_forms) {
            sum.add_product(weight, &q.homogeneous(responses, c, publics));
        }
        vector.blinding.add_product(weight, &proof.z);
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

/// Scalars of the generators that many proofs share, summed before any multiplication.
#[derive(Default)]
struct Shared {
    p1: WideSum,
    q1: WideSum,
    messages: Vec<WideSum>,
    named: [WideSum; NAMED_BASES.len()],
    labels: BTreeMap<Vec<u8>, (G1Affine, WideSum)>,
    vector: Vector,
}

/// The same of the equation of the vector, where these terms are subtracted.
#[derive(Default)]
struct Vector {
    secrets: Vec<WideSum>,
    cross: Vec<WideSum>,
    blinding: WideSum,
}

impl Shared {
    fn named(&mut self, name: &str) -> &mut WideSum {
        let index = NAMED_BASES.iter().position(|n| *n == name);
        &mut self.named[index.expect("the compiler admits these names only")]
    }

    fn label(&mut self, label: &[u8], base: &G1Affine) -> &mut WideSum {
        if !self.labels.contains_key(label) {
            let fresh = (*base, WideSum::default());
            self.labels.insert(label.to_vec(), fresh);
        }
        &mut self.labels.get_mut(label).expect("just inserted").1
    }

    fn merge(&mut self, other: Shared) {
        self.p1.merge(&other.p1);
        self.q1.merge(&other.q1);
        merge_all(&mut self.messages, &other.messages);
        for (into, from) in self.named.iter_mut().zip(&other.named) {
            into.merge(from);
        }
        for (label, (base, sum)) in other.labels {
            self.label(&label, &base).merge(&sum);
        }
        merge_all(&mut self.vector.secrets, &other.vector.secrets);
        merge_all(&mut self.vector.cross, &other.vector.cross);
        self.vector.blinding.merge(&other.vector.blinding);
    }

    /// Appends all generators with their scalars.
    fn terms(&self, (points, scalars): &mut Terms) -> Result<()> {
        let mut push = |bases: &[G1Affine], sums: &[WideSum], subtracted: bool| {
            points.extend(bases.iter().map(|b| *b.as_e1()));
            let values = sums.iter().map(WideSum::reduced);
            scalars.extend(values.map(|value| if subtracted { -value } else { value }));
        };
        let suite = Suite::Sha256;
        let bases = suite.generators(self.messages.len() + 1)?;
        push(&bases[1..], &self.messages, false);
        push(&[suite.p1(), bases[0]], &[self.p1, self.q1], false);
        push(&NAMED_BASES.map(generators::named), &self.named, false);
        for (base, sum) in self.labels.values() {
            push(&[*base], &[*sum], false);
        }
        let Vector {
            secrets,
            cross,
            blinding,
        } = &self.vector;
        let family = |name, sums: &[WideSum]| generators::vector(name, sums.len());
        push(&family(generators::SECRET_FAMILY, secrets), secrets, true);
        push(&family(generators::CROSS_FAMILY, cross), cross, true);
        let base = generators::named(generators::VECTOR_BLINDING);
        push(&[base], &[*blinding], true);
        Ok(())
    }
}

/// Makes room for this many sums.
fn reserve(sums: &mut Vec<WideSum>, count: usize) {
    if sums.len() < count {
        sums.resize(count, WideSum::default());
    }
}

/// The sum at an index, which may be the first use of it.
fn at(sums: &mut Vec<WideSum>, index: usize) -> &mut WideSum {
    reserve(sums, index + 1);
    &mut sums[index]
}

fn merge_all(into: &mut Vec<WideSum>, from: &[WideSum]) {
    reserve(into, from.len());
    for (into, from) in into.iter_mut().zip(from) {
        into.merge(from);
    }
}
