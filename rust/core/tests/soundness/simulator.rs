//! Honest-verifier zero knowledge, by running the simulator: with the challenge known
//! beforehand, accepting proofs of any statement are made without a witness, from one
//! pair (X, x·X) per issuer. The same transcripts, with errors put in, show that no two
//! equations share a weight: errors that would cancel do not.

use std::collections::BTreeMap;

use zkcredit_core::bbs::{SecretKey, Suite};
use zkcredit_core::engine::circuit::Base;
use zkcredit_core::engine::{Statement, verify, verify_with_challenges};
use zkcredit_core::error::Error;
use zkcredit_core::generators;
use zkcredit_core::group::{E1, E1Affine, G1Affine, Scalar};

use crate::scenario::{CONTEXT, LEDGER, NAMES, Scenario, Size, issuer, random};
use crate::small_spend;

/// Errors added to the prover's messages, by their place.
pub type Errors = BTreeMap<usize, E1>;

fn point(label: &str) -> G1Affine {
    generators::derived(label.as_bytes())
}

fn affine(point: E1) -> E1Affine {
    point.to_affine().expect("not the identity")
}

/// The secret x of a key, from its bytes.
fn exponent(key: &SecretKey) -> Scalar {
    Scalar::from_bytes_be(&key.to_bytes()).expect("a scalar")
}

fn decoded(statement: &Statement) -> Vec<E1Affine> {
    let decode = |p: &[u8; 48]| E1Affine::from_compressed(p).expect("a point");
    statement.points.iter().map(decode).collect()
}

/// A transcript that verifies at challenge `c`, from no witness at all. Errors on Ā and
/// B̄ come before the linear equation is solved for T, those on others after.
fn simulate(statement: &Statement, x: Scalar, c: Scalar, tag: &str, errors: &Errors) -> Vec<u8> {
    let instance = &statement.instance;
    let circuit = &instance.circuit;
    let responses: Vec<Scalar> = (0..circuit.responses.len())
        .map(|i| random(&format!("{tag} f {i}")))
        .collect();
    let z = random(&format!("{tag} z"));
    let mut messages: Vec<E1> = Vec::new();
    let error = |at: usize| errors.get(&at).copied().unwrap_or_else(E1::identity);
    let suite = Suite::Sha256;
    for (index, clause) in circuit.signatures.iter().enumerate() {
        let at = messages.len();
        let a_bar = point(&format!("{tag} A {index}"));
        let b_bar = affine(a_bar.mul(&x)).to_g1().expect("in the group");
        let b_bar = affine(b_bar.to_e1() + error(at + 1))
            .to_g1()
            .expect("in the group");
        let bases = suite.generators(clause.messages.len() + 1).expect("few");
        let mut t = b_bar.mul(&responses[clause.u]) + a_bar.mul(&responses[clause.t]);
        t -= suite.p1().mul(&c) + bases[0].mul(&(c * instance.keys[index].domain));
        for (base, form) in bases[1..].iter().zip(&clause.messages) {
            t -= base.mul(&form.homogeneous(&responses, c, &instance.publics));
        }
        messages.extend([a_bar.to_e1(), b_bar.to_e1(), t + error(at + 2)]);
    }
    for (clause, y) in circuit.commitments.iter().zip(decoded(statement)) {
        let y = y.to_g1().expect("in the group");
        let mut t = error(messages.len()) - y.mul(&c);
        for (base, form) in &clause.terms {
            let base = match base {
                Base::Message(i) => suite.generators(i + 2).expect("few")[i + 1],
                Base::Named(name) => generators::named(name),
                Base::Label(i) => instance.label_bases[*i],
            };
            t += base.mul(&form.homogeneous(&responses, c, &instance.publics));
        }
        messages.push(t);
    }
    if circuit.has_vector() {
        let b = point(&format!("{tag} B"));
        let mut a = generators::named("vector-blinding").mul(&z) - b.mul(&c);
        let bases = generators::vector("G", circuit.vector.len());
        for (base, position) in bases.iter().zip(&circuit.vector) {
            a += base.mul(&responses[*position]);
        }
        let cross = generators::vector("K", circuit.quadratic_forms.len());
        for (base, q) in cross.iter().zip(&circuit.quadratic_forms) {
            a += base.mul(&q.homogeneous(&responses, c, &instance.publics));
        }
        messages.extend([a + error(messages.len()), b.to_e1()]);
    }
    let mut proof: Vec<u8> = decoded(statement)
        .iter()
        .flat_map(E1Affine::to_uncompressed)
        .collect();
    proof.extend(
        messages
            .into_iter()
            .flat_map(|m| affine(m).to_uncompressed()),
    );
    proof.extend(responses.iter().flat_map(Scalar::to_bytes_be));
    if circuit.has_vector() {
        proof.extend(z.to_bytes_be());
    }
    proof
}

/// A statement about which nothing is known: its points are hashed.
fn any_statement(s: &Scenario, tag: &str) -> Statement {
    let points = (0..s.circuit.commitments.len())
        .map(|i| point(&format!("{tag} statement {i}")).to_compressed())
        .collect();
    Statement::new(s.instance(), LEDGER, CONTEXT, points).expect("a statement")
}

fn none() -> Errors {
    Errors::new()
}

#[test]
fn every_statement_can_be_simulated() {
    for name in NAMES {
        let size = Size {
            k: 3,
            m: 1,
            bits: 8,
        };
        let s = Scenario::new(name, size);
        let statement = any_statement(&s, name);
        let (x, c) = (exponent(&s.key), random("challenge"));
        let proof = simulate(&statement, x, c, name, &none());
        assert_eq!(proof.len(), s.circuit.proof_length());
        let verdict = verify_with_challenges(&[(&statement, &proof, c)]);
        assert_eq!(verdict, Ok(vec![]), "{name}");
        // Another challenge, or the one that the transcript gives: nothing is proved.
        let verdict = verify_with_challenges(&[(&statement, &proof, c + Scalar::ONE)]);
        assert_eq!(verdict, Ok(vec![0]), "{name}");
        let refused = Err(Error::Refused("the proof does not verify"));
        assert_eq!(verify(&statement, &proof), refused, "{name}");
        // A pair (X, x·X) of another key does not do.
        if !s.circuit.signatures.is_empty() {
            let proof = simulate(&statement, exponent(&issuer(2)), c, name, &none());
            let verdict = verify_with_challenges(&[(&statement, &proof, c)]);
            assert_eq!(verdict, Ok(vec![0]), "{name}");
        }
    }
}

/// Places of the messages of a spend: Ā, B̄, T, T of C′, T of V, A, B.
const B_BAR: usize = 1;
const EQUATIONS: [usize; 4] = [2, 3, 4, 5];

#[test]
fn an_error_in_any_equation_is_refused() {
    let s = small_spend();
    let statement = any_statement(&s, "errors");
    let (x, c) = (exponent(&s.key), random("challenge"));
    for at in EQUATIONS.into_iter().chain([B_BAR]) {
        let errors = Errors::from([(at, point("error").to_e1())]);
        let proof = simulate(&statement, x, c, "errors", &errors);
        let verdict = verify_with_challenges(&[(&statement, &proof, c)]);
        assert_eq!(verdict, Ok(vec![0]), "message {at}");
    }
}

#[test]
fn errors_of_two_equations_of_a_proof_do_not_cancel() {
    let s = small_spend();
    let statement = any_statement(&s, "pairs");
    let (x, c) = (exponent(&s.key), random("challenge"));
    let delta = point("delta").to_e1();
    for first in EQUATIONS {
        for second in EQUATIONS.into_iter().filter(|e| *e > first) {
            let errors = Errors::from([(first, delta), (second, -delta)]);
            let proof = simulate(&statement, x, c, "pairs", &errors);
            let verdict = verify_with_challenges(&[(&statement, &proof, c)]);
            assert_eq!(verdict, Ok(vec![0]), "messages {first} and {second}");
        }
    }
}

#[test]
fn an_error_of_the_pairing_does_not_cancel_one_of_a_linear_equation() {
    let s = small_spend();
    let statement = any_statement(&s, "pairing");
    let (x, c) = (exponent(&s.key), random("challenge"));
    let delta = point("delta").to_e1();
    for at in EQUATIONS {
        for error in [delta, -delta] {
            let errors = Errors::from([(B_BAR, delta), (at, error)]);
            let proof = simulate(&statement, x, c, "pairing", &errors);
            let verdict = verify_with_challenges(&[(&statement, &proof, c)]);
            assert_eq!(verdict, Ok(vec![0]), "message {at}");
        }
    }
}

#[test]
fn errors_of_two_proofs_do_not_cancel() {
    let s = small_spend();
    let statements = ["one", "two"].map(|tag| any_statement(&s, tag));
    let (x, c) = (exponent(&s.key), random("challenge"));
    let delta = point("delta").to_e1();
    for at in EQUATIONS.into_iter().chain([B_BAR]) {
        let one = simulate(&statements[0], x, c, "one", &Errors::from([(at, delta)]));
        let two = simulate(&statements[1], x, c, "two", &Errors::from([(at, -delta)]));
        let items = [
            (&statements[0], one.as_slice(), c),
            (&statements[1], &two, c),
        ];
        assert_eq!(
            verify_with_challenges(&items),
            Ok(vec![0, 1]),
            "message {at}"
        );
    }
}
