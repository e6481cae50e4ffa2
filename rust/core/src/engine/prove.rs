//! The prover.
//!
//! Secrets x, masks a, challenge c, responses f = c·x + a. Everything that touches
//! a secret goes through constant-time multiplication ([`SecretBases`],
//! [`G1Affine::mul`]); the time depends on the circuit alone.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use zeroize::Zeroizing;

use crate::bbs::{Signature, Suite};
use crate::engine::circuit::{Base, Circuit, Form, SignatureClause};
use crate::engine::compile::MAX_SIGNATURES;
#[cfg(feature = "adversary")]
use crate::engine::expr::VarId;
use crate::engine::statement::{Instance, Statement};
use crate::error::{Error, Result};
use crate::generators;
use crate::group::{E1, E1Affine, G1Affine, Scalar, SecretBases};
use crate::hash;

/// Values of the named secrets; arrays have one element per index.
pub type Witness = BTreeMap<String, Zeroizing<Vec<Scalar>>>;

/// A witness that satisfies its circuit, and the statement's points.
///
/// Values are wiped on drop; there is no way to print or copy them.
pub struct Prover {
    instance: Instance,
    signatures: Vec<Signature>,
    values: Zeroizing<Vec<Scalar>>,
    points: Vec<E1Affine>,
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
        Self::from_values(instance, signatures, values)
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

    /// Ā = r·A, B̄ = r·C(m) − e·Ā and T over the bases B̄, Ā, H_j.
    fn show(
        &self,
        index: usize,
        clause: &SignatureClause,
        r: &Scalar,
        secrets: &[Scalar],
        masks: &[Scalar],
    ) -> Result<[E1; 3]> {
        let publics = &self.instance.publics;
        let signature = &self.signatures[index];
        let count = clause.messages.len();
        let messages: Zeroizing<Vec<Scalar>> = Zeroizing::new(
            clause
                .messages
                .iter()
                .map(|m| m.hidden(secrets) + m.shown(publics))
                .collect(),
        );
        let generators = Suite::Sha256.generators(count + 1)?;
        let q1_domain = generators[0].mul(&self.instance.keys[index].domain);
        let bases = message_bases(count)?;
        let signed = bases.msm(&messages) + q1_domain + Suite::Sha256.p1().to_e1();
        let a_bar = signature.a().mul(r);
        let signed = signed
            .to_g1_trusted()
            .ok_or(Error::Misuse("the signed point is zero"))?;
        let a_point = a_bar
            .to_g1_trusted()
            .ok_or(Error::Misuse("a signature is zero"))?;
        let b_bar = signed.mul(r) - a_point.mul(signature.e());
        let b_point = b_bar
            .to_g1_trusted()
            .ok_or(Error::Misuse("a signature is zero"))?;
        let hidden: Zeroizing<Vec<Scalar>> =
            Zeroizing::new(clause.messages.iter().map(|m| m.hidden(masks)).collect());
        let t = b_point.mul(&masks[clause.u]) + a_point.mul(&masks[clause.t]) - bases.msm(&hidden);
        Ok([a_bar, b_bar, t])
    }

    /// A commits to the masks, B to the secrets, each with their cross terms.
    fn vector_commitments(&self, secrets: &[Scalar], masks: &Masks) -> Result<[E1; 2]> {
        let circuit = &self.instance.circuit;
        let publics = &self.instance.publics;
        let pick = |from: &[Scalar]| circuit.vector.iter().map(|p| from[*p]).collect();
        let mut a: Zeroizing<Vec<Scalar>> = Zeroizing::new(pick(&masks.scalars));
        let mut b: Zeroizing<Vec<Scalar>> = Zeroizing::new(pick(secrets));
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
        let bases = vector_bases(circuit.vector.len(), circuit.quadratic_forms.len())?;
        Ok([bases.msm(&a), bases.msm(&b)])
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
    // Allocated at once: a growing buffer would leave secrets behind.
    let mut messages = Zeroizing::new(Vec::with_capacity(terms.len()));
    let mut sum = E1::identity();
    for (base, form) in terms {
        let scalar = Zeroizing::new(value(form));
        match base {
            Base::Message(_) => messages.push(*scalar),
            Base::Named(name) => sum += generators::named(name).mul(&scalar),
            Base::Label(index) => sum += instance.label_bases[*index].mul(&scalar),
        }
    }
    Ok(sum + message_bases(messages.len())?.msm(&messages))
}

fn encode_points(points: &[E1]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(points.len() * 96);
    for point in crate::group::batch_to_affine(points) {
        let point = point.ok_or(Error::Misuse("a message of the proof is the identity"))?;
        bytes.extend(point.to_uncompressed());
    }
    Ok(bytes)
}

/// Most tables kept: a wallet meets circuits of many merchants.
const MAX_TABLES: usize = 32;

type BaseCache = OnceLock<RwLock<BTreeMap<(usize, usize), Arc<SecretBases>>>>;

fn cached(
    cache: &'static BaseCache,
    key: (usize, usize),
    make: impl FnOnce() -> Result<Vec<G1Affine>>,
) -> Result<Arc<SecretBases>> {
    let tables = cache.get_or_init(RwLock::default);
    if let Some(found) = tables
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
    {
        return Ok(Arc::clone(found));
    }
    let made = Arc::new(SecretBases::new(&make()?));
    let mut tables = tables.write().unwrap_or_else(PoisonError::into_inner);
    if tables.len() >= MAX_TABLES {
        tables.clear();
    }
    Ok(Arc::clone(tables.entry(key).or_insert(made)))
}

/// Tables of the first `count` message generators.
fn message_bases(count: usize) -> Result<Arc<SecretBases>> {
    static CACHE: BaseCache = OnceLock::new();
    cached(&CACHE, (count, 0), || {
        Ok(Suite::Sha256.generators(count + 1)?.split_off(1))
    })
}

/// Tables of `G_0 … G_{x−1}, K_0 … K_{k−1}, H`.
fn vector_bases(x: usize, k: usize) -> Result<Arc<SecretBases>> {
    static CACHE: BaseCache = OnceLock::new();
    cached(&CACHE, (x, k), || {
        let mut bases = generators::vector(generators::SECRET_FAMILY, x);
        bases.extend(generators::vector(generators::CROSS_FAMILY, k));
        bases.push(generators::named(generators::VECTOR_BLINDING));
        Ok(bases)
    })
}
