//! Proof engine, signatures and hashing of the zkcredit ledger.
//!
//! The crate does no input or output and knows nothing of Python. Dependencies
//! point one way: `group` → `hash`, `generators` → `transcript` → `sigma`,
//! `bbs`, `bls`, `payee` → `engine`.

pub mod bbs;
pub mod bls;
pub mod engine;
pub mod error;
pub mod generators;
pub mod group;
pub mod hash;
mod nonce;
pub mod payee;
pub mod secret;
pub mod sigma;
pub mod transcript;
pub mod weights;
