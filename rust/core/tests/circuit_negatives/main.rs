//! Every clause of every circuit has a forger who breaks just that clause, and is
//! refused.
//!
//! For a constraint the forger's witness is true of the circuit *without* it (that is
//! checked), so that the forged proof is accepted as soon as the block is gone from
//! the text. The texts are read from disk at run time: the mutation driver drops one
//! block after the other and expects red. (Without a signature or a commitment most
//! texts do not even compile: a secret would be left that nothing uses.)

#[path = "../scenario/mod.rs"]
mod scenario;
mod table;

use std::sync::Arc;

use scenario::{CONTEXT, HEADER, LEDGER, NAMES, Scenario, Size};
use scenario::{circuit, issuer, parameters, random, text};
use table::Forgery::{
    self, OtherHeader, OtherKey, OtherNullifier, Point, TamperedR, Unsigned, Witness,
};
use table::{Change, Row, TABLE};
use zkcredit_core::bbs::token;
use zkcredit_core::engine::{Circuit, Instance, Prover, Statement, compile, verify, verify_batch};
use zkcredit_core::error::Error;
use zkcredit_core::group::{E1, E1Affine, Scalar};

const ONE_BUCKET: Size = Size {
    k: 1,
    m: 1,
    bits: 32,
};
const THREE_BUCKETS: Size = Size {
    k: 3,
    m: 1,
    bits: 16,
};

/// The text without the block of this id.
fn without(text: &str, id: &str) -> String {
    let marked = text.replace("\n[[", "\n\u{0}[[");
    let own = format!("id = \"{id}\"");
    marked
        .split('\u{0}')
        .filter(|block| !block.lines().any(|line| line == own))
        .collect()
}

/// Adds `shift` to the point of the commitment with this id.
fn shifted(prover: &mut Prover, circuit: &Circuit, id: &str, shift: E1) {
    // A dropped commitment has no point: then the proof is simply accepted.
    if let Some(index) = circuit.commitments.iter().position(|c| c.id == id) {
        let point = E1Affine::from_compressed(&prover.points()[index]).expect("a point");
        let point = (E1::from(point) + shift).to_affine().expect("a point");
        prover.replace_point(index, point);
    }
}

/// Unchecked, over the points of the circuit that lacks the constraint.
fn with_false_witness(s: &Scenario, weak: &Arc<Circuit>) -> (Statement, Vec<u8>) {
    let lax = rebuilt(s, weak);
    let claimed = lax.forger().points();
    let mut prover = s.forger();
    for (index, point) in claimed.iter().enumerate() {
        prover.replace_point(index, E1Affine::from_compressed(point).expect("a point"));
    }
    s.finish(&prover)
}

/// The same secrets for another circuit.
fn rebuilt(s: &Scenario, circuit: &Arc<Circuit>) -> Scenario {
    Scenario {
        circuit: Arc::clone(circuit),
        key: issuer(1),
        witness: s.witness.clone(),
        nullifier: s.nullifier,
        old: s.old.clone(),
    }
}

fn forged(id: &str, name: &str, size: Size, forgery: Forgery) -> (Statement, Vec<u8>) {
    let mut s = Scenario::new(name, size);
    match forgery {
        Witness(change) => {
            change(&mut s, size);
            let weak = compile(&without(&text(name), id), &parameters(name, size));
            with_false_witness(&s, &Arc::new(weak.expect("compiles without a constraint")))
        }
        Unsigned(change) => {
            change(&mut s, size);
            s.finish(&s.forger())
        }
        Point(shift) => {
            let mut prover = s.forger();
            shifted(&mut prover, &s.circuit, id, shift(size));
            s.finish(&prover)
        }
        OtherNullifier => {
            // The next statement is made with another nullifier than was signed.
            s.nullifier += Scalar::ONE;
            s.finish(&s.forger())
        }
        OtherKey | OtherHeader => {
            let (key, header) = match forgery {
                OtherKey => (issuer(2), HEADER),
                _ => (issuer(1), b"the header of another period".as_slice()),
            };
            let signature = token::sign_messages(&key, header, &s.old).expect("signed");
            let prover = Prover::unchecked(s.instance(), vec![signature], &s.witness);
            s.finish(&prover.expect("a forger"))
        }
        TamperedR => {
            let mut prover = s.forger();
            prover.tamper_r(random("tampered r"));
            s.finish(&prover)
        }
    }
}

/// A constraint's forger proves something true once the constraint is gone, and the
/// honest prover names the constraint that the witness breaks.
fn check_exact(id: &str, name: &str, size: Size, change: Change) {
    let mut s = Scenario::new(name, size);
    change(&mut s, size);
    let refusal = s.prover().map(|_| ()).expect_err("a false witness");
    assert_eq!(refusal, Error::Unsatisfied(id.into()), "{size:?}");
    let weak = compile(&without(&text(name), id), &parameters(name, size)).expect("compiles");
    let (statement, proof) = rebuilt(&s, &Arc::new(weak)).prove();
    assert_eq!(verify(&statement, &proof), Ok(()), "{id} {size:?}");
}

/// Refused alone and at these sets of positions of a batch.
fn check_refused(
    id: &str,
    honest: &(Statement, Vec<u8>),
    forged: &(Statement, Vec<u8>),
    places: &[&[usize]],
) {
    let verdict = verify(&forged.0, &forged.1);
    assert_eq!(
        verdict,
        Err(Error::Refused("the proof does not verify")),
        "a forged proof against {id}"
    );
    for positions in places {
        let mut items = vec![(&honest.0, honest.1.as_slice()); 5];
        for position in *positions {
            items[*position] = (&forged.0, forged.1.as_slice());
        }
        assert_eq!(verify_batch(&items), Ok(positions.to_vec()), "{id}");
    }
}

fn check_circuit(name: &str) {
    let prefix = format!("{name}.");
    for size in [ONE_BUCKET, THREE_BUCKETS] {
        let honest = Scenario::new(name, size).prove();
        assert_eq!(verify(&honest.0, &honest.1), Ok(()), "{name} {size:?}");
        let present = |id: &str| {
            honest
                .0
                .instance
                .circuit
                .clauses
                .iter()
                .any(|(c, _)| c == id)
        };
        let own = |row: &&Row| row.0.starts_with(&prefix) && row.1.holds(size);
        let mut rows: Vec<&Row> = TABLE.iter().filter(own).collect();
        // A clause that was dropped from the text is what the red should name.
        rows.sort_by_key(|row| present(row.0));
        for (id, _, forgeries) in rows {
            for (nth, forgery) in forgeries.iter().enumerate() {
                let forged = forged(id, name, size, *forgery);
                let first: &[&[usize]] = &[&[0], &[2], &[4]];
                let both: &[&[usize]] = &[&[0, 4]];
                let places = if nth == 0 { first } else { both };
                check_refused(id, &honest, &forged, places);
                if let Witness(change) = forgery {
                    check_exact(id, name, size, *change);
                }
            }
        }
    }
}

#[test]
fn open() {
    check_circuit("open");
}

#[test]
fn spend() {
    check_circuit("spend");
}

#[test]
fn refresh() {
    check_circuit("refresh");
}

#[test]
fn update() {
    check_circuit("update");
}

#[test]
fn statement() {
    check_circuit("statement");
}

#[test]
fn settle() {
    check_circuit("settle");
}

#[test]
fn request() {
    check_circuit("request");
}

#[test]
fn the_table_is_complete() {
    for size in [ONE_BUCKET, THREE_BUCKETS] {
        for name in NAMES {
            let circuit = circuit(name, size);
            let mut found: Vec<&str> = circuit.clauses.iter().map(|(id, _)| id.as_str()).collect();
            let prefix = format!("{name}.");
            let own = TABLE
                .iter()
                .filter(|(id, at, _)| id.starts_with(&prefix) && at.holds(size));
            let mut expected: Vec<&str> = own.map(|(id, _, _)| *id).collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{name} {size:?}");
        }
    }
    assert!(TABLE.iter().all(|(_, _, forgeries)| !forgeries.is_empty()));
}

#[test]
fn the_scenario_is_bound_to_its_ledger_and_context() {
    // What the forgers above use, so that their proofs fail for no other reason.
    let (statement, proof) = Scenario::new("spend", ONE_BUCKET).prove();
    assert_eq!((statement.ledger_id, statement.context), (LEDGER, CONTEXT));
    let again = Instance::clone(&statement.instance);
    let rebuilt = Statement::new(again, LEDGER, CONTEXT, statement.points.clone());
    assert_eq!(verify(&rebuilt.expect("a statement"), &proof), Ok(()));
}
