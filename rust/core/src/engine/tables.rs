//! The prover's tables: kept per process, made at first use.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::bbs::Suite;
use crate::engine::circuit::{Base, Form};
use crate::engine::statement::Instance;
use crate::error::Result;
use crate::generators;
use crate::group::{G1Affine, SecretBases};

/// Bytes of tables kept at most: a wallet meets circuits of many merchants.
const MAX_BYTES: usize = 16 << 20;

/// What a list of bases is made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// `P1, Q1, H_0, …, H_{n−1}`.
    Signature(usize),
    /// `G_0 … G_{x−1}, K_0 … K_{k−1}, H`.
    Vector(usize, usize),
    /// The bases of a commitment, with what labels stand for.
    Commitment(Vec<(Base, Option<Vec<u8>>)>),
}

#[derive(Default)]
struct Cache {
    tables: BTreeMap<Key, Arc<SecretBases>>,
    bytes: usize,
}

fn cached(key: Key, make: impl FnOnce() -> Result<Vec<G1Affine>>) -> Result<Arc<SecretBases>> {
    static CACHE: OnceLock<RwLock<Cache>> = OnceLock::new();
    let cache = CACHE.get_or_init(RwLock::default);
    let known = cache.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = known.tables.get(&key) {
        return Ok(Arc::clone(found));
    }
    drop(known);
    let made = Arc::new(SecretBases::new(&make()?));
    let mut cache = cache.write().unwrap_or_else(PoisonError::into_inner);
    if cache.bytes + made.size() > MAX_BYTES {
        *cache = Cache::default();
    }
    if cache.tables.insert(key, Arc::clone(&made)).is_none() {
        cache.bytes += made.size();
    }
    Ok(made)
}

/// Tables of `P1, Q1` and the first `count` message generators.
pub(super) fn signature(count: usize) -> Result<Arc<SecretBases>> {
    cached(Key::Signature(count), || {
        let mut bases = vec![Suite::Sha256.p1()];
        bases.extend(Suite::Sha256.generators(count + 1)?);
        Ok(bases)
    })
}

/// Tables of `G_0 … G_{x−1}, K_0 … K_{k−1}, H`.
pub(super) fn vector(x: usize, k: usize) -> Result<Arc<SecretBases>> {
    cached(Key::Vector(x, k), || {
        let mut bases = generators::vector(generators::SECRET_FAMILY, x);
        bases.extend(generators::vector(generators::CROSS_FAMILY, k));
        bases.push(generators::named(generators::VECTOR_BLINDING));
        Ok(bases)
    })
}

/// Tables of a commitment's bases, in the order of its terms.
pub(super) fn commitment(instance: &Instance, terms: &[(Base, Form)]) -> Result<Arc<SecretBases>> {
    let label = |base: &Base| match base {
        Base::Label(index) => Some(instance.labels[*index].clone()),
        _ => None,
    };
    let key = terms.iter().map(|(base, _)| (base.clone(), label(base)));
    cached(Key::Commitment(key.collect()), || {
        let messages = terms.iter().map(|(base, _)| match base {
            Base::Message(index) => index + 2,
            _ => 1,
        });
        let generators = Suite::Sha256.generators(messages.max().unwrap_or(1))?;
        let point = |base: &Base| match base {
            Base::Message(index) => generators[index + 1],
            Base::Named(name) => generators::named(name),
            Base::Label(index) => instance.label_bases[*index],
        };
        Ok(terms.iter().map(|(base, _)| point(base)).collect())
    })
}
