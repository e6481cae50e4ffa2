//! Everything public is part of the transcript: changing any of it changes the
//! challenge, and a proof does not verify for another statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use zkcredit_core::bbs::SecretKey;
use zkcredit_core::engine::{Circuit, Instance, Statement, compile, verify, verify_batch};
use zkcredit_core::error::Error;
use zkcredit_core::generators;
use zkcredit_core::group::{E1, E1Affine, Scalar};

use crate::scenario::{CONTEXT, HEADER, LABEL, LEDGER, Scenario, Size, circuit, issuer};
use crate::scenario::{parameters, text};
use crate::small_spend;

/// The parts of a spend's statement, each of which can be changed.
struct Parts {
    circuit: Arc<Circuit>,
    ledger: [u8; 32],
    context: [u8; 32],
    key: SecretKey,
    header: Vec<u8>,
    label: Vec<u8>,
    nullifier: Scalar,
    points: Vec<[u8; 48]>,
}

impl Parts {
    fn of(s: &Scenario, statement: &Statement) -> Self {
        Parts {
            circuit: Arc::clone(&s.circuit),
            ledger: LEDGER,
            context: CONTEXT,
            key: issuer(1),
            header: HEADER.to_vec(),
            label: LABEL.to_vec(),
            nullifier: s.nullifier,
            points: statement.points.clone(),
        }
    }

    fn statement(&self) -> Statement {
        let keys = [(self.key.public_key().as_bytes(), self.header.as_slice())];
        let labels = vec![self.label.clone()];
        let instance = Instance::new(
            Arc::clone(&self.circuit),
            &keys,
            labels,
            vec![self.nullifier],
        );
        let instance = instance.expect("an instance");
        Statement::new(instance, self.ledger, self.context, self.points.clone()).expect("points")
    }
}

/// Another point of the group.
fn moved(point: &[u8; 48]) -> [u8; 48] {
    let point = E1Affine::from_compressed(point).expect("a point");
    let sum = E1::from(point) + generators::derived(LABEL).to_e1();
    sum.to_affine().expect("a point").to_compressed()
}

type Change = fn(&mut Parts);

const CHANGES: [(&str, Change); 9] = [
    ("ledger", |p| p.ledger[31] ^= 1),
    ("context", |p| p.context[0] ^= 0x80),
    ("key", |p| p.key = issuer(2)),
    ("header", |p| p.header.push(0)),
    ("empty header", |p| p.header.clear()),
    ("label", |p| p.label.push(0)),
    ("public", |p| p.nullifier += Scalar::ONE),
    ("first point", |p| p.points[0] = moved(&p.points[0])),
    ("last point", |p| p.points[1] = moved(&p.points[1])),
];

#[test]
fn every_public_part_of_the_statement_is_bound() {
    let s = small_spend();
    let (statement, proof) = s.prove();
    let messages = &proof[2 * 96..9 * 96];
    let challenge = statement.challenge(messages);
    let same = Parts::of(&s, &statement).statement();
    assert_eq!(same.challenge(messages), challenge);
    assert_eq!(verify(&same, &proof), Ok(()));
    for (what, change) in CHANGES {
        let mut parts = Parts::of(&s, &statement);
        change(&mut parts);
        let other = parts.statement();
        assert_ne!(other.challenge(messages), challenge, "{what}");
        assert!(verify(&other, &proof).is_err(), "{what}");
        // The points travel with the proof: a forger changes both.
        let mut moved = proof.clone();
        for (slot, point) in moved.chunks_exact_mut(96).zip(&other.points) {
            let point = E1Affine::from_compressed(point).expect("a point");
            slot.copy_from_slice(&point.to_uncompressed());
        }
        let refused = Err(Error::Refused("the proof does not verify"));
        assert_eq!(verify(&other, &moved), refused, "{what}");
        assert_eq!(
            verify_batch(&[(&statement, &proof), (&other, &moved)]),
            Ok(vec![1])
        );
    }
}

#[test]
fn the_first_messages_are_bound() {
    let (statement, proof) = small_spend().prove();
    let messages = &proof[2 * 96..9 * 96];
    let challenge = statement.challenge(messages);
    for at in 0..messages.len() {
        let mut other = messages.to_vec();
        other[at] ^= 1;
        assert_ne!(statement.challenge(&other), challenge, "byte {at}");
    }
    assert_ne!(statement.challenge(&messages[..96]), challenge);
    assert_ne!(statement.challenge(&[messages, &[0]].concat()), challenge);
}

#[test]
fn the_instantiated_circuit_is_bound() {
    let size = |k, m, bits| Size { k, m, bits };
    let own = Scenario::new("refresh", size(1, 2, 32));
    let (statement, proof) = own.prove();
    let later = text("refresh").replace("version = 1", "version = 2");
    let renamed = text("refresh").replace("name = \"refresh\"", "name = \"renew\"");
    let others = [
        // One bucket more and one attribute less: the very same equations.
        circuit("refresh", size(2, 1, 32)),
        circuit("refresh", size(1, 2, 64)),
        Arc::new(compile(&later, &parameters("refresh", size(1, 2, 32))).expect("compiles")),
        Arc::new(compile(&renamed, &parameters("refresh", size(1, 2, 32))).expect("compiles")),
        // Another relation: it shows a tag instead of none.
        circuit("update", size(1, 2, 32)),
    ];
    let mut digests = vec![*own.circuit.digest()];
    for other in others {
        digests.push(*other.digest());
        if other.commitments.len() != own.circuit.commitments.len() {
            continue;
        }
        assert_eq!(other.proof_length(), proof.len());
        let key = issuer(1);
        let keys = [(key.public_key().as_bytes(), HEADER)];
        let instance = Instance::new(other, &keys, vec![], vec![own.nullifier]).expect("fits");
        let statement = Statement::new(instance, LEDGER, CONTEXT, statement.points.clone());
        let verdict = verify(&statement.expect("fits"), &proof);
        assert_eq!(verdict, Err(Error::Refused("the proof does not verify")));
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 6);
}

/// Two publics, two labels, one commitment.
const PAIRS: &str = r#"
name = "pairs"
version = 1

[[public]]
name = "p"
meaning = ""

[[public]]
name = "q"
meaning = ""

[[label]]
name = "first"
meaning = ""

[[label]]
name = "second"
meaning = ""

[[secret]]
name = "x"
meaning = ""

[[secret]]
name = "y"
meaning = ""

[[commitment]]
id = "pairs.point"
point = "point"
terms = { first = "x", second = "y" }
subgroup = true
reason = ""
"#;

fn pairs(labels: [&[u8]; 2], publics: [u64; 2]) -> Result<Instance, Error> {
    let circuit = Arc::new(compile(PAIRS, &BTreeMap::new()).expect("compiles"));
    let labels = labels.map(<[u8]>::to_vec).to_vec();
    Instance::new(circuit, &[], labels, publics.map(Scalar::from_u64).to_vec())
}

#[test]
fn lengths_and_order_are_bound() {
    let challenge = |labels: [&[u8]; 2], publics| {
        let instance = pairs(labels, publics).expect("fits");
        let point = generators::named("blinding").to_compressed();
        let statement = Statement::new(instance, LEDGER, CONTEXT, vec![point]).expect("fits");
        statement.challenge(b"messages")
    };
    let own = challenge([b"ab", b"c"], [1, 2]);
    for (labels, publics) in [
        ([b"a".as_slice(), b"bc".as_slice()], [1, 2]),
        ([b"abc", b""], [1, 2]),
        ([b"c", b"ab"], [1, 2]),
        ([b"ab", b"c"], [2, 1]),
        ([b"ab", b"c"], [1, 3]),
        ([b"ab", b"d"], [1, 2]),
    ] {
        assert_ne!(challenge(labels, publics), own);
    }
    // A label that contains what stands between two of them.
    let between = b"\0\x05label";
    let long = |parts: [&[u8]; 3]| parts.concat();
    let first = long([b"a", between, b"b"]);
    let second = long([b"b", between, b"c"]);
    assert_ne!(
        challenge([&first, b"c"], [1, 2]),
        challenge([b"a", &second], [1, 2])
    );
}

#[test]
fn equal_labels_are_refused() {
    // x and y would stand on one generator, which binds only their sum.
    assert!(pairs([b"a", b"b"], [1, 2]).is_ok());
    let refusal = pairs([b"a", b"a"], [1, 2]).map(|_| ());
    assert_eq!(refusal, Err(Error::Misuse("two labels are equal")));
}

#[test]
fn what_the_circuit_declares_has_to_be_there() {
    let s = small_spend();
    let key = issuer(1);
    let keys = [(key.public_key().as_bytes(), HEADER); 2];
    let build = |k: usize, l: usize, p: usize| {
        let labels = (0..l).map(|i| vec![i as u8]).collect();
        Instance::new(
            Arc::clone(&s.circuit),
            &keys[..k],
            labels,
            vec![Scalar::ONE; p],
        )
    };
    assert!(build(1, 1, 1).is_ok());
    for (k, l, p) in [
        (0, 1, 1),
        (2, 1, 1),
        (1, 0, 1),
        (1, 2, 1),
        (1, 1, 0),
        (1, 1, 2),
    ] {
        assert!(
            matches!(build(k, l, p), Err(Error::Misuse(_))),
            "{k} {l} {p}"
        );
    }
    let instance = s.instance();
    for count in [0, 1, 3] {
        let point = generators::named("blinding").to_compressed();
        let points = vec![point; count];
        assert!(Statement::new(instance.clone(), LEDGER, CONTEXT, points).is_err());
    }
}
