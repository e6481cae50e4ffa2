//! The one place where core errors become Python exceptions.

use pyo3::PyErr;
use pyo3::import_exception;
use zkcredit_core::error::Error;

import_exception!(zkcredit.errors, CallerError);
import_exception!(zkcredit.errors, MalformedInput);
import_exception!(zkcredit.errors, ProofRefused);
import_exception!(zkcredit.errors, Unsatisfied);

/// Maps a core error to its Python class.
pub fn raise(error: Error) -> PyErr {
    let text = error.to_string();
    match error {
        Error::Misuse(_) | Error::Circuit(_) => CallerError::new_err(text),
        Error::Malformed(_) => MalformedInput::new_err(text),
        Error::Refused(_) => ProofRefused::new_err(text),
        Error::Unsatisfied(id) => Unsatisfied::new_err((id, text)),
    }
}

/// A caller's mistake.
pub fn misuse(text: impl Into<String>) -> PyErr {
    CallerError::new_err(text.into())
}

/// Culprits of a batch, by position.
pub fn refused(what: &str, indexes: Vec<usize>) -> PyErr {
    let count = indexes.len();
    let shown: Vec<String> = indexes.iter().take(8).map(usize::to_string).collect();
    let text = format!("{count} {what} refused, at position {}", shown.join(", "));
    ProofRefused::new_err((text, indexes))
}
