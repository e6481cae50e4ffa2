//! Python bindings of `zkcredit-core`: frozen handles and canonical bytes cross,
//! long work releases the interpreter lock, nothing is decided here.

mod convert;
mod engine;
mod errors;
mod points;
mod registration;
mod secrets;
mod signing;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::engine::{
        Circuit, Prover, Statement, builtin_circuit, builtin_circuit_text, verify, verify_batch,
    };
    #[pymodule_export]
    use super::points::{
        add_points, add_scalars, aggregate_payee_keys, aggregate_payee_secrets, blake3_hash,
        check_points, commit, derive_key, find_amount, hash_to_scalar, keyed_xof, subtract_points,
    };
    #[pymodule_export]
    use super::registration::{BlsKey, bls_verify_batch, bls_verify_possession};
    #[pymodule_export]
    use super::secrets::{SecretScalar, Seed};
    #[pymodule_export]
    use super::signing::{
        IssuerKey, check_issuer_key, serial_tweak, verify_messages, verify_public_signatures,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
