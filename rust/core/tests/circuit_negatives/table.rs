//! Clauses, where they exist, and who breaks them.

use zkcredit_core::bbs::Suite;
use zkcredit_core::generators;
use zkcredit_core::group::{E1, G1Affine};

use crate::scenario::{LABEL, Scenario, Size, number};

/// Positions of the messages of a token.
const ACCOUNT: usize = 3;
pub const AVAILABLE: usize = 4;
const DUE: usize = 5;

pub type Change = fn(&mut Scenario, Size);
pub type Shift = fn(Size) -> E1;

/// What a forger does.
#[derive(Clone, Copy)]
pub enum Forgery {
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
pub enum At {
    Always,
    OneBucket,
    ManyBuckets,
}

impl At {
    pub fn holds(self, size: Size) -> bool {
        match self {
            At::Always => true,
            At::OneBucket => size.k == 1,
            At::ManyBuckets => size.k > 1,
        }
    }
}

pub type Row = (&'static str, At, &'static [Forgery]);

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
pub const TABLE: &[Row] = &[
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

pub fn message(index: usize) -> G1Affine {
    Suite::Sha256.generators(index + 2).expect("few")[index + 1]
}

pub fn of(base: G1Affine, times: i128) -> E1 {
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
