//! The soundness rules of the proof engine: each has an attack that works if the rule
//! is left out.

#[path = "../scenario/mod.rs"]
mod scenario;

mod batches;
mod decoding;
mod digits;
mod masks;
mod simulator;
mod torsion;
mod transcript;

use scenario::Size;

/// A small spend: 9 points and 19 scalars.
const SMALL: Size = Size {
    k: 1,
    m: 0,
    bits: 4,
};

/// The honest scenario of a small spend: credit 10 (of at most 15), price 3.
fn small_spend() -> scenario::Scenario {
    let mut s = scenario::Scenario::new("spend", SMALL);
    s.old[4] = scenario::number(10);
    s.set("available", 0, scenario::number(10));
    s.set("amount", 0, scenario::number(3));
    s.set("available_next", 0, scenario::number(7));
    s.set("due_next", 0, scenario::number(103));
    s
}
