//! The prover.
//!
//! Secrets x, masks a, challenge c, responses f = c·x + a. Everything that touches
//! a secret goes through constant-time multiplication ([`crate::group::SecretBases`],
//! [`crate::group::G1Affine::mul`]); the time depends on the circuit alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::bbs::Signature;
use crate::engine::circuit::{Base, Circuit, Form, SignatureClause};
use crate::engine::compile::MAX_SIGNATURES;
#[cfg(feature = "adversary")]
use crate::engine::expr::VarId;
use crate::engine::statement::{Instance, Statement};
use crate::engine::tables;
use crate::error::{Error, Result};
use crate::group::{E1, E1Affine, Scalar};
use crate::hash;

/// Values of the named secrets; arrays have one element per index. Wiped on drop,
/// not printable.
#[derive(Clone, Default)]
pub struct Witness(BTreeMap<String, Zeroizing<Vec<Scalar>>>);

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Witness([REDACTED])")
    }
}

impl FromIterator<(String, Zeroizing<Vec<Scalar>>)> for Witness {
    fn from_iter<I: IntoIterator<Item = (String, Zeroizing<Vec<Scalar>>)>>(values: I) -> Self {
        Witness(values.into_iter().collect())
    }
}

impl std::ops::Deref for Witness {
    type Target = BTreeMap<String, Zeroizing<Vec<Scalar>>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl std::ops::DerefMut for Witness {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

/// A witness that satisfies its circuit, and the statement's points.
///
/// Values are wiped on drop; there is no way to print or copy them.
pub struct Prover {
    instance: Instance,
    signatures: Vec<Signature>,
    values: Zeroizing<Vec<Scalar>>,
    points: Vec<E1Affine>,
    /// Whether the variables of ranges are known to be 0 or 1, as all honest ones are.
    bits_checked: bool,
    /// Added to `r` after the signature was randomised; zero but for forgers.
    tampered_r: Scalar,
}

impl std::fmt::Debug for Prover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Prover({}, [REDACTED])", self.instance.circuit.name)
    }
}

impl Prover {
    /// Checks the witness against every constraint and computes the points.
    ///
    /// Signatures are not verified here: a wallet did so when it received them.
    ///
    /// # Errors
    /// [`Error::Unsatisfied`] names the constraint that the witness breaks;
    /// [`Error::Misuse`] when names, sizes or the number of signatures differ.
    pub fn new(instance: Instance, signatures: Vec<Signature>, witness: &Witness) -> Result<Self> {
        let values = assign(&instance.circuit, &instance.publics, witness)?;
        check(&instance.circuit, &instance.publics, &values)?;
        let mut prover = Self::from_values(instance, signatures, values)?;
        prover.bits_checked = true;
        Ok(prover)
    }

    /// Takes a witness as it is, true or not: for forgers in tests only.
    #[cfg(feature = "adversary")]
    pub fn unchecked(
        instance: Instance,
        signatures: Vec<Signature>,
        witness: &Witness,
    ) -> Result<Self> {
        let values = assign(&instance.circuit, &instance.publics, witness)?;
        Self::from_values(instance, signatures, values)
    }

    /// Replaces a point of the statement: for forgers in tests only.
    #[cfg(feature = "adversary")]
    pub fn replace_point(&mut self, index: usize, point: E1Affine) {
        self.points[index] = point;
    }

    /// Makes the committed `r` differ from the one used: for forgers in tests only.
    #[cfg(feature = "adversary")]
    pub fn tamper_r(&mut self, difference: Scalar) {
        self.tampered_r = difference;
    }

    /// Adds to a secret variable after the points were made: for forgers in tests only.
    #[cfg(feature = "adversary")]
    pub fn tamper_variable(&mut self, variable: VarId, difference: Scalar) {
        self.values[variable] += difference;
        self.bits_checked = false;
    }

    fn from_values(
        instance: Instance,
        signatures: Vec<Signature>,
        values: Zeroizing<Vec<Scalar>>,
    ) -> Result<Self> {
        if signatures.len() != instance.circuit.signatures.len() {
            return Err(Error::Misuse("one signature per signature of the circuit"));
        }
        let mut prover = Prover {
            instance,
            signatures,
            values,
            points: Vec::new(),
            bits_checked: false,
            tampered_r: Scalar::ZERO,
        };
        let responses = prover.response_values();
        let circuit = Arc::clone(&prover.instance.circuit);
        for commitment in &circuit.commitments {
            let publics = &prover.instance.publics;
            let value = |form: &Form| form.hidden(&responses) + form.shown(publics);
            let sum = commit(&prover.instance, &commitment.terms, value)?;
            let point = sum
                .to_affine()
                .ok_or(Error::Misuse("a commitment is the identity"))?;
            prover.points.push(point);
        }
        Ok(prover)
    }

    fn response_values(&self) -> Zeroizing<Vec<Scalar>> {
        let variables = &self.instance.circuit.responses;
        Zeroizing::new(variables.iter().map(|v| self.values[*v]).collect())
    }

    /// The statement's points, compressed, in the circuit's order.
    pub fn points(&self) -> Vec<[u8; 48]> {
        self.points.iter().map(E1Affine::to_compressed).collect()
    }

    /// Proves the statement for this ledger and context.
    ///
    /// Masks are `PRF(seed; fresh randomness ‖ whole statement)`: a broken random
    /// source or a repeated statement does not repeat a mask for another challenge.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the system's random source fails.
    pub fn prove(
        &self,
        ledger_id: [u8; 32],
        context: [u8; 32],
        seed: &[u8; 32],
    ) -> Result<Vec<u8>> {
        let mut fresh = Zeroizing::new([0u8; 32]);
        getrandom::fill(fresh.as_mut_slice()).map_err(|_| Error::Misuse("no random source"))?;
        let statement = Statement::new(self.instance.clone(), ledger_id, context, self.points())?;
        let mut transcript = statement.transcript();
        transcript.absorb("fresh", fresh.as_slice());
        let label = Zeroizing::new(transcript.challenge().to_bytes_be());
        self.prove_with(
            &statement,
            &Masks::new(seed, &label, self.instance.circuit.responses.len()),
        )
    }

    fn prove_with(&self, statement: &Statement, masks: &Masks) -> Result<Vec<u8>> {
        let circuit = &self.instance.circuit;
        let mut secrets = self.response_values();
        let mut messages: Vec<E1> = Vec::new();
        for (index, clause) in circuit.signatures.iter().enumerate() {
            let r = masks.randomizers[index];
            let inverse = r.invert().ok_or(Error::Misuse("a randomizer is zero"))?;
            secrets[clause.r] = r + self.tampered_r;
            secrets[clause.u] = inverse;
            secrets[clause.t] = inverse * *self.signatures[index].e();
            messages.extend(self.show(index, clause, &r, &secrets, &masks.scalars)?);
        }
        for commitment in &circuit.commitments {
            messages.push(commit(&self.instance, &commitment.terms, |f| {
                f.hidden(&masks.scalars)
            })?);
        }
        if circuit.has_vector() {
            messages.extend(self.vector_commitments(&secrets, masks)?);
        }
        let first = encode_points(&messages)?;
        let c = statement.challenge(&first);
        let mut proof: Vec<u8> = self
            .points
            .iter()
            .flat_map(E1Affine::to_uncompressed)
            .collect();
        proof.extend(first);
        for (secret, mask) in secrets.iter().zip(masks.scalars.iter()) {
            proof.extend((c * *secret + *mask).to_bytes_be());
        }
        if circuit.has_vector() {
            proof.extend((c * masks.r_b + masks.r_a).to_bytes_be());
        }
        Ok(proof)
    }

    /// Ā = r·A, B̄ = r·C(m) − e·Ā and T = a_u·B̄ + a_t·Ā − Σ a_j·H_j, each computed from
    /// A and the fixed generators: their tables make that cheaper than Ā and B̄.
    fn show(
        &self,
        index: usize,
        clause: &SignatureClause,
        r: &Scalar,
        secrets: &[Scalar],
        masks: &[Scalar],
    ) -> Result<[E1; 3]> {
        let publics = &self.instance.publics;
        let (a, e) = (self.signatures[index].a(), self.signatures[index].e());
        let (a_u, a_t) = (masks[clause.u], masks[clause.t]);
        let scaled = Zeroizing::new([*e * *r, a_u * *r, (a_t - a_u * *e) * *r]);
        let size = clause.messages.len() + 2;
        let [mut signed, mut masked] = [(); 2].map(|()| Zeroizing::new(Vec::with_capacity(size)));
        for fixed in [Scalar::ONE, self.instance.keys[index].domain] {
            signed.push(*r * fixed);
            masked.push(scaled[1] * fixed);
        }
        for message in &clause.messages {
            let value = message.hidden(secrets) + message.shown(publics);
            signed.push(*r * value);
            masked.push(scaled[1] * value - message.hidden(masks));
        }
        let bases = tables::signature(clause.messages.len())?;
        let a_bar = a.mul(r);
        let b_bar = bases.msm(&signed) - a.mul(&scaled[0]);
        let t = bases.msm(&masked) + a.mul(&scaled[2]);
        Ok([a_bar, b_bar, t])
    }

    /// A commits to the masks, B to the secrets, each with their cross terms.
    fn vector_commitments(&self, secrets: &[Scalar], masks: &Masks) -> Result<[E1; 2]> {
        let circuit = &self.instance.circuit;
        let publics = &self.instance.publics;
        let (x, k) = (circuit.vector.len(), circuit.quadratic_forms.len());
        // Allocated at once: a growing buffer would leave secrets behind.
        let [mut a, mut b] = [(); 2].map(|()| Zeroizing::new(Vec::with_capacity(x + k + 1)));
        a.extend(circuit.vector.iter().map(|p| masks.scalars[*p]));
        let (bits, others) = self.split_bits();
        let bit = |i: &usize| secrets[circuit.vector[*i]].to_bytes_be()[31];
        let bit_values: Zeroizing<Vec<u8>> = Zeroizing::new(bits.iter().map(bit).collect());
        b.extend(others.iter().map(|i| secrets[circuit.vector[*i]]));
        let value = |form: &Form| form.hidden(secrets) + form.shown(publics);
        for q in &circuit.quadratic_forms {
            let (mut m, mut n) = (q.linear.hidden(&masks.scalars), Scalar::ZERO);
            for (left, right) in &q.products {
                let (a_left, a_right) = (left.hidden(&masks.scalars), right.hidden(&masks.scalars));
                m += value(left) * a_right + value(right) * a_left;
                n += a_left * a_right;
            }
            a.push(n);
            b.push(m);
        }
        a.push(masks.r_a);
        b.push(masks.r_b);
        let bases = tables::vector(x, k)?;
        let full: Vec<usize> = others.into_iter().chain(x..=x + k).collect();
        let b = bases.msm_subset(&full, &b) + bases.sum_subset(&bits, &bit_values);
        Ok([bases.msm(&a), b])
    }

    /// Places in the vector commitment whose secrets are bits, and the others.
    fn split_bits(&self) -> (Vec<usize>, Vec<usize>) {
        let circuit = &self.instance.circuit;
        let ranges = circuit.ranges.iter().filter(|_| self.bits_checked);
        let bits: BTreeSet<_> = ranges.flat_map(|range| &range.bits).collect();
        let variable = |i: &usize| circuit.responses[circuit.vector[*i]];
        (0..circuit.vector.len()).partition(|i| bits.contains(&variable(i)))
    }
}

/// Masks and blindings of one proof.
struct Masks {
    scalars: Zeroizing<Vec<Scalar>>,
    randomizers: Zeroizing<Vec<Scalar>>,
    r_a: Scalar,
    r_b: Scalar,
}

impl Masks {
    fn new(seed: &[u8; 32], label: &[u8; 32], responses: usize) -> Self {
        let key = Zeroizing::new(hash::derive_key("zkcredit v1 masks", seed));
        let mut bytes = Zeroizing::new(vec![0u8; (responses + MAX_SIGNATURES + 2) * 64]);
        hash::keyed_xof(&key, label, &mut bytes);
        let mut scalars = Zeroizing::new(
            bytes
                .chunks_exact(64)
                .map(Scalar::from_wide_be)
                .collect::<Vec<_>>(),
        );
        let r_b = scalars.pop().unwrap_or_default();
        let r_a = scalars.pop().unwrap_or_default();
        let randomizers = Zeroizing::new(scalars.split_off(responses));
        Masks {
            scalars,
            randomizers,
            r_a,
            r_b,
        }
    }
}

impl Drop for Masks {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.r_a.zeroize();
        self.r_b.zeroize();
    }
}

/// All variables: named ones from the witness, bits from the ranges' values.
///
/// A value that does not fit its range is put whole into the lowest bit, which a
/// checked prover refuses and a forger may try.
fn assign(
    circuit: &Circuit,
    publics: &[Scalar],
    witness: &Witness,
) -> Result<Zeroizing<Vec<Scalar>>> {
    let mut values = Zeroizing::new(vec![Scalar::ZERO; circuit.variables]);
    if witness.len() != circuit.secrets.len() {
        return Err(Error::Misuse("one witness value per secret of the circuit"));
    }
    for secret in &circuit.secrets {
        let given = witness.get(&secret.name).filter(|g| g.len() == secret.size);
        let given = given.ok_or(Error::Misuse("a secret is missing or has another size"))?;
        values[secret.first..secret.first + secret.size].copy_from_slice(given);
    }
    for range in &circuit.ranges {
        let value = range.value.evaluate(&values, publics);
        let bytes = Zeroizing::new(value.to_bytes_be());
        let bit = |i: usize| (bytes[31 - i / 8] >> (i % 8)) & 1;
        if (range.bits.len()..256).any(|i| bit(i) == 1) {
            values[range.bits[0]] = value;
            continue;
        }
        for (i, variable) in range.bits.iter().enumerate() {
            values[*variable] = Scalar::from_u64(u64::from(bit(i)));
        }
    }
    Ok(values)
}

/// The plain-code twin of the relation: every constraint on the witness's values.
/// The signatures' own `u·r = 1` is left out: u and r are chosen per proof.
fn check(circuit: &Circuit, publics: &[Scalar], values: &[Scalar]) -> Result<()> {
    let at = |l: &super::expr::Linear| l.evaluate(values, publics);
    for (id, zero) in &circuit.quadratic {
        let products: Scalar = zero.products.iter().map(|(l, r)| at(l) * at(r)).sum();
        let hidden = circuit.signatures.iter().any(|s| s.id == *id);
        if !hidden && !(products + at(&zero.linear)).is_zero() {
            return Err(Error::Unsatisfied(id.clone()));
        }
    }
    match circuit.linear.iter().find(|(_, zero)| !at(zero).is_zero()) {
        Some((id, _)) => Err(Error::Unsatisfied(id.clone())),
        None => Ok(()),
    }
}

/// `Σ value(form)·base`, constant-time in the values.
fn commit(
    instance: &Instance,
    terms: &[(Base, Form)],
    value: impl Fn(&Form) -> Scalar,
) -> Result<E1> {
    let scalars: Zeroizing<Vec<Scalar>> =
        Zeroizing::new(terms.iter().map(|(_, form)| value(form)).collect());
    Ok(tables::commitment(instance, terms)?.msm(&scalars))
}

fn encode_points(points: &[E1]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(points.len() * 96);
    for point in crate::group::batch_to_affine(points) {
        let point = point.ok_or(Error::Misuse("a message of the proof is the identity"))?;
        bytes.extend(point.to_uncompressed());
    }
    Ok(bytes)
}
