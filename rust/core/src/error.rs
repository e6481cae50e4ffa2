//! The closed set of errors of this crate, by whose fault they are.

use std::fmt;

/// Everything that can go wrong in this crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The caller broke a documented precondition.
    Misuse(&'static str),
    /// Bytes that are not the canonical encoding of what was expected.
    Malformed(&'static str),
    /// A witness that does not satisfy the constraint with this id.
    Unsatisfied(String),
    /// A well-formed proof, signature or opening that does not verify.
    Refused(&'static str),
    /// A circuit text that does not compile.
    Circuit(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Misuse(what) => write!(f, "wrong use: {what}"),
            Error::Malformed(what) => write!(f, "malformed {what}"),
            Error::Unsatisfied(id) => write!(f, "the witness breaks constraint {id}"),
            Error::Refused(what) => write!(f, "refused: {what}"),
            Error::Circuit(what) => write!(f, "circuit: {what}"),
        }
    }
}

impl std::error::Error for Error {}

/// Result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;
