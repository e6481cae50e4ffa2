//! Every clause of every circuit has a forger who breaks just that clause, and is
//! refused.
//!
//! For a constraint the forger's witness is true of the circuit *without* it (that is
//! checked), so that the forged proof is accepted as soon as the block is gone from
//! the text. The texts are read from disk at run time: the mutation driver drops one
//! block after the other and expects red. (Without a signature or a commitment most
//! texts do not even compile: a secret would be left that nothing uses.)

mod scenario;

use std::sync::Arc;

use scenario::{CONTEXT, HEADER, LABEL, LEDGER, NAMES, Scenario, Size};
use scenario::{circuit, issuer, number, parameters, random, text};
use zkcredit_core::bbs::{Suite, token};
use zkcredit_core::engine::{Circuit, Instance, Prover, Statement, compile, verify, verify_batch};
use zkcredit_core::error::Error;
use zkcredit_core::generators;
use zkcredit_core::group::{E1, E1Affine, G1Affine, Scalar};

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
/// Positions of the messages of a token.
const ACCOUNT: usize = 3;
const AVAILABLE: usize = 4;
const DUE: usize = 5;

type Change = fn(&mut Scenario, Size);
type Shift = fn(Size) -> E1;

/// What a forger does.
#[derive(Clone, Copy)]
enum Forgery {
    /// Proves with a witness that breaks the constraint and no other.
    Witness(Change),
    /// Proves with a witness other than what was signed.
    Unsigned(Change),
    /// Opens another point than the one in the statement: this much is added to it.
    Point(Shift),
    /// Uses a signature of somebody else.
    OtherKey,
    /// Uses a signature made under another header.
    OtherHeader,
    /// Shows another nullifier than the serial of the token.
    OtherNullifier,
    /// Commits to an r that is not 1/u.
    TamperedR,
}

use Forgery::{OtherHeader, OtherKey, OtherNullifier, Point, TamperedR, Unsigned, Witness};

/// At which sizes a clause exists.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Always,
    OneBucket,
    ManyBuckets,
}

impl At {
    fn holds(self, size: Size) -> bool {
        match self {
            At::Always => true,
            At::OneBucket => size.k == 1,
            At::ManyBuckets => size.k > 1,
        }
    }
}

type Row = (&'static str, At, &'static [Forgery]);

const SHOWN: &[Forgery] = &[
    OtherKey,
    OtherHeader,
    OtherNullifier,
    TamperedR,
    Unsigned(|s, _| s.change("account", 0, 1)),
    Unsigned(|s, _| s.change("owner", 0, 1)),
    Unsigned(|s, _| s.change("blind", 0, 1)),
    Unsigned(|s, _| s.change("attr", 0, 1)),
];

const NEXT_TOKEN: &[Forgery] = &[
    Point(|_| of(message(AVAILABLE), 1_000)),
    Point(|_| of(message(0), 1)),
    Point(|_| of(message(1), 1)),
    Point(|_| of(message(2), 1)),
    Point(|_| of(message(ACCOUNT), 1)),
    Point(|_| of(message(DUE), -100)),
    Point(|size| of(message(DUE + size.k), 1)),
    // A message more than the token has.
    Point(|size| of(message(DUE + size.k + size.m), 1)),
    Point(|_| of(generators::named("blinding"), 1)),
];

/// Clause, where it exists, and who breaks it.
const TABLE: &[Row] = &[
    (
        "open.next-token",
        At::Always,
        &[
            Point(|_| of(message(AVAILABLE), 1_000)),
            Point(|_| of(message(ACCOUNT), 1)),
            Point(|_| of(message(0), 1)),
            Point(|_| of(message(1), 1)),
            Point(|_| of(message(2), 1)),
        ],
    ),
    (
        "open.owner-tag",
        At::Always,
        &[
            Point(|_| of(generators::named("owner"), 1)),
            Point(|_| of(generators::named("blinding"), 1)),
            Point(|_| of(generators::named("account"), 1)),
        ],
    ),
    ("spend.old-token", At::Always, SHOWN),
    ("spend.next-token", At::Always, NEXT_TOKEN),
    (
        "spend.claim",
        At::Always,
        &[
            Point(|_| of(generators::derived(LABEL), 1)),
            Point(|_| of(generators::derived(b"value of another asset"), 1)),
            Point(|_| of(generators::named("blinding"), 1)),
        ],
    ),
    (
        "spend.amount-positive",
        At::Always,
        &[
            Witness(|s, size| buy(s, &vec![0; size.k])),
            // Credit out of nothing; shares in range cannot sum to less than zero.
            Witness(|s, size| match size.k {
                1 => buy(s, &[-500]),
                k => buy(s, &vec![0; k]),
            }),
            Witness(|s, size| {
                let most = 1i128 << size.bits;
                sign_available(s, most + 7);
                let parts = [vec![most - 1, 2], vec![0; size.k]].concat();
                match size.k {
                    1 => buy(s, &[most + 1]),
                    k => buy(s, &parts[..k]),
                }
            }),
        ],
    ),
    (
        "spend.credit-left",
        At::Always,
        &[
            Witness(|s, size| buy(s, &[vec![10_001], vec![0; size.k - 1]].concat())),
            Witness(|s, size| {
                sign_available(s, -20);
                buy(s, &[vec![1], vec![0; size.k - 1]].concat());
            }),
            // Above the range: an overpaid line has to be brought down first.
            Witness(|s, size| {
                sign_available(s, (1i128 << size.bits) + 250);
                buy(s, &[vec![250], vec![0; size.k - 1]].concat());
            }),
        ],
    ),
    (
        "spend.parts-never-grow",
        At::ManyBuckets,
        &[
            Witness(|s, _| buy(s, &[0, 0, 18])),
            Witness(|s, _| buy(s, &[5, 6, 7])),
            Witness(|s, _| buy(s, &[6, 5, 7])),
            Witness(|s, _| buy(s, &[-1_000, 1_018, 0])),
            Witness(|s, size| buy(s, &[1i128 << size.bits, 18 - (1i128 << size.bits), 0])),
        ],
    ),
    (
        "spend.last-part-in-range",
        At::ManyBuckets,
        &[
            Witness(|s, _| buy(s, &[59, 59, -100])),
            Witness(|s, _| buy(s, &[10, 9, -1])),
            Witness(|s, size| {
                buy(
                    s,
                    &[1i128 << (size.bits - 1), 18, -(1i128 << (size.bits - 1))],
                )
            }),
        ],
    ),
    (
        "spend.parts-make-amount",
        At::ManyBuckets,
        &[
            Witness(|s, _| {
                s.change("amount", 0, 100);
                s.change("available_next", 0, -100);
            }),
            Witness(|s, _| {
                s.change("part", 1, -1);
                s.change("due_next", 1, -1);
            }),
        ],
    ),
    (
        "spend.balance",
        At::Always,
        &[
            Witness(|s, _| s.change("available_next", 0, 1)),
            Witness(|s, _| s.change("available_next", 0, 1_000)),
            Witness(|s, _| s.change("available_next", 0, -1)),
        ],
    ),
    (
        "spend.due-all-at-once",
        At::OneBucket,
        &[
            Witness(|s, _| s.change("due_next", 0, -1)),
            Witness(|s, _| s.change("due_next", 0, -250)),
            Witness(|s, _| s.change("due_next", 0, 1)),
        ],
    ),
    (
        "spend.due-by-parts",
        At::ManyBuckets,
        &[
            Witness(|s, _| s.change("due_next", 0, -1)),
            Witness(|s, _| s.change("due_next", 1, 1)),
            Witness(|s, _| s.change("due_next", 2, -7)),
            // Moved from one period to another.
            Witness(|s, _| {
                s.change("due_next", 0, -5);
                s.change("due_next", 2, 5);
            }),
        ],
    ),
    ("refresh.old-token", At::Always, SHOWN),
    ("refresh.next-token", At::Always, NEXT_TOKEN),
    ("update.old-token", At::Always, SHOWN),
    ("update.next-token", At::Always, NEXT_TOKEN),
    (
        "update.account-tag",
        At::Always,
        &[
            Point(|_| of(generators::named("account"), 1)),
            Point(|_| of(generators::named("owner"), 1)),
            Point(|_| of(generators::named("blinding"), 1)),
            Point(|_| of(generators::named("due"), 1)),
        ],
    ),
    ("statement.old-token", At::Always, SHOWN),
    ("statement.next-token", At::Always, NEXT_TOKEN),
    (
        "statement.bill-tag",
        At::Always,
        &[
            Point(|_| of(generators::named("due"), -100)),
            Point(|_| of(generators::named("account"), 1)),
            Point(|_| of(generators::named("owner"), 1)),
            Point(|_| of(generators::named("blinding"), 1)),
        ],
    ),
    (
        "statement.bill",
        At::Always,
        &[
            Point(|_| of(generators::derived(LABEL), -100)),
            Point(|_| of(generators::named("blinding"), 1)),
            Point(|_| of(generators::named("due"), 1)),
        ],
    ),
    (
        "statement.shift",
        At::ManyBuckets,
        &[
            Witness(|s, _| s.change("due_next", 0, -1)),
            Witness(|s, _| s.change("due_next", 1, -120)),
        ],
    ),
    (
        "statement.last-bucket-empty",
        At::Always,
        &[
            Witness(|s, size| s.change("due_next", size.k - 1, -100)),
            Witness(|s, size| s.change("due_next", size.k - 1, 1)),
        ],
    ),
    (
        "settle.payee-keys",
        At::Always,
        &[
            Point(|_| of(generators::named("payee"), 1)),
            Point(|_| of(generators::named("blinding"), 1)),
        ],
    ),
    (
        "request.holder",
        At::Always,
        &[
            // A handle, an expiry and a field of the holder's own choice.
            Point(|_| of(message(2), 7)),
            Point(|_| of(message(3), 1)),
            Point(|_| of(message(4), 1)),
            Point(|_| of(message(0), 1)),
            Point(|_| of(message(1), 1)),
        ],
    ),
];

fn message(index: usize) -> G1Affine {
    Suite::Sha256.generators(index + 2).expect("few")[index + 1]
}

fn of(base: G1Affine, times: i128) -> E1 {
    base.mul(&number(times))
}

/// Another credit in the token that the lender signed.
fn sign_available(s: &mut Scenario, value: i128) {
    s.old[AVAILABLE] = number(value);
    s.set("available", 0, number(value));
}

/// Everything that follows from a purchase with these shares.
fn buy(s: &mut Scenario, parts: &[i128]) {
    let amount = number(parts.iter().sum());
    let left = s.witness["available"][0] - amount;
    s.set("amount", 0, amount);
    s.set("available_next", 0, left);
    for (j, part) in parts.iter().enumerate() {
        let due = s.witness["due"][j] + number(*part);
        s.set("due_next", j, due);
        if parts.len() > 1 {
            s.set("part", j, number(*part));
        }
    }
}

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
