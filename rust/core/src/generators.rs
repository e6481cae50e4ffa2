//! Named generators of G1, derived from public strings only.
//!
//! Every base a commitment uses comes from RFC 9380 hash-to-curve
//! (`BLS12381G1_XMD:SHA-256_SSWU_RO_`) of a readable name, so nobody knows a
//! relation between two of them and everybody can derive them again. The bases of
//! BBS messages are those of the BBS suite (see [`crate::bbs`]), not these.
//!
//! | name | symbol | what it is the base of |
//! | --- | --- | --- |
//! | `blinding` | `H_blind` | the blinding of Pedersen commitments |
//! | `owner` | `G_own` | the wallet's secret in `Y` and `S` |
//! | `account` | `G_acc` | the account number in `S` |
//! | `due` | `G_due` | the bill in `S` |
//! | `payee` | `G_payee` | one-time payee keys |
//! | `vector-blinding` | `H` | the blinding of the vector commitments A, B |
//! | `G/0`, `G/1`, … | `G_i` | the i-th secret in a vector commitment |
//! | `K/0`, `K/1`, … | `K_k` | the k-th cross term in a vector commitment |
//!
//! Inputs are public; nothing here is constant-time.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use crate::group::{G1Affine, hash_to_g1};

/// Domain separation tag of all generators of this module.
pub const DST: &[u8] = b"ZKCREDIT-V01-GENERATORS_with_BLS12381G1_XMD:SHA-256_SSWU_RO_";

/// `H_blind`: blinding of Pedersen commitments.
pub const BLINDING: &str = "blinding";
/// `G_own`: base of the wallet's secret.
pub const OWNER: &str = "owner";
/// `G_acc`: base of the account number in a billing statement.
pub const ACCOUNT: &str = "account";
/// `G_due`: base of the bill in a billing statement.
pub const DUE: &str = "due";
/// `G_payee`: base of one-time payee keys.
pub const PAYEE: &str = "payee";
/// `H`: blinding of vector commitments.
pub const VECTOR_BLINDING: &str = "vector-blinding";
/// Family of the bases of secrets in vector commitments.
pub const SECRET_FAMILY: &str = "G";
/// Family of the bases of cross terms in vector commitments.
pub const CROSS_FAMILY: &str = "K";

/// Entries each cache holds at most; further generators are computed every time.
const CACHE_LIMIT: usize = 4096;

/// A bounded process-wide cache of hashed points.
struct Cache(OnceLock<RwLock<HashMap<Vec<u8>, G1Affine>>>);

static NAMED: Cache = Cache(OnceLock::new());
static DERIVED: Cache = Cache(OnceLock::new());
static FAMILIES: OnceLock<RwLock<HashMap<String, Vec<G1Affine>>>> = OnceLock::new();

impl Cache {
    fn get(&self, prefix: &[u8], label: &[u8]) -> G1Affine {
        let map = self.0.get_or_init(RwLock::default);
        if let Some(point) = map
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(label)
        {
            return *point;
        }
        let point = hash_to_g1(&[prefix, label].concat(), DST);
        let mut entries = map.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() < CACHE_LIMIT {
            entries.insert(label.to_vec(), point);
        }
        point
    }
}

/// The generator with this name: `hash_to_curve("zkcredit generator v1:" ‖ name)`.
#[must_use]
pub fn named(name: &str) -> G1Affine {
    NAMED.get(b"zkcredit generator v1:", name.as_bytes())
}

/// A generator derived from data, as `G_value` of an issuer and an asset:
/// `hash_to_curve("zkcredit derived v1:" ‖ label)`. The label must say
/// unambiguously what it stands for (lengths before variable parts).
#[must_use]
pub fn derived(label: &[u8]) -> G1Affine {
    DERIVED.get(b"zkcredit derived v1:", label)
}

/// The first `n` generators of a family: `named("{family}/{i}")`.
#[must_use]
pub fn vector(family: &str, n: usize) -> Vec<G1Affine> {
    let families = FAMILIES.get_or_init(RwLock::default);
    if let Some(points) = families
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(family)
        && n <= points.len()
    {
        return points[..n].to_vec();
    }
    let points: Vec<G1Affine> = (0..n).map(|i| named(&format!("{family}/{i}"))).collect();
    let mut entries = families.write().unwrap_or_else(PoisonError::into_inner);
    let known = entries.get(family).map_or(0, Vec::len);
    if known < n && n <= CACHE_LIMIT && (known > 0 || entries.len() < 64) {
        entries.insert(family.to_owned(), points.clone());
    }
    points
}
