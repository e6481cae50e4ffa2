//! One proof engine for every statement of the ledger.
//!
//! A circuit text ([`source`]) is compiled once ([`compile()`]) to linear equations
//! in G1 over secret scalars and quadratic equations between them
//! ([`circuit::Circuit`]). [`Prover`] makes a three-move proof of a [`Statement`],
//! made non-interactive by one Fiat–Shamir challenge; [`verify()`] and
//! [`verify_batch()`] check one or thousands, of any circuits and issuers, with one
//! random combination and one multi-pairing. The security argument is in
//! `docs/security-argument.md`, notation in `circuits/README.md`.

pub mod circuit;
pub mod compile;
pub mod expr;
pub mod prove;
mod reduce;
pub mod source;
pub mod statement;
mod sums;
mod tables;
pub mod verify;

pub use circuit::{Circuit, SignatureClause};
pub use compile::compile;
pub use prove::{Prover, Witness};
pub use statement::{Instance, Statement};
#[cfg(feature = "adversary")]
pub use verify::verify_with_challenges;
pub use verify::{verify, verify_batch};
