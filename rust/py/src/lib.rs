//! Python bindings of `zkcredit-core`: frozen handles and canonical bytes cross,
//! long work releases the interpreter lock, nothing is decided here.

mod bbs;
mod blind;
mod bls;
mod convert;
mod engine;
mod errors;
mod hashing;
mod points;
mod secrets;
mod signing;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::bbs::{BbsKey, bbs_prove, bbs_verify, bbs_verify_proof, bbs_verify_proofs};
    #[pymodule_export]
    use super::blind::{
        BlindHolding, bbs_commit, bbs_commit_with_nym, bbs_pseudonym, bbs_verify_blind_proof,
        bbs_verify_proof_with_nym,
    };
    #[pymodule_export]
    use super::bls::{
        BlsKey, bls_aggregate, bls_aggregate_verify, bls_check_public_key, bls_check_signature,
        bls_fast_aggregate_verify, bls_hash_to_g2, bls_verify, bls_verify_batch,
        bls_verify_possession,
    };
    #[pymodule_export]
    use super::engine::{
        Circuit, Prover, Relation, Statement, builtin_circuit, builtin_circuit_text, verify,
        verify_batch,
    };
    #[pymodule_export]
    use super::hashing::{
        Blake3, blake3_hash, blake3_many, blake3_packed, derive_key, hash_to_scalar, keyed_xof,
    };
    #[pymodule_export]
    use super::points::{
        add_points, add_scalars, aggregate_payee_keys, aggregate_payee_secrets, check_points,
        commit, find_amount, subtract_points,
    };
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
