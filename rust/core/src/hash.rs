//! Hashing: BLAKE3 in its three modes, and hashing to scalars.
//!
//! Contexts are constants of the program in BLAKE3's sense: fixed strings
//! that name an application and purpose, never data.

use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::group::Scalar;

/// Bytes reduced modulo r for one scalar: 512 bits keep the bias below 2^−256.
const WIDE: usize = 64;

/// BLAKE3 hash, 32 bytes.
pub fn hash(data: &[u8]) -> [u8; 32] {
    *blake3::hash(data).as_bytes()
}

/// BLAKE3 hash with an output of any length; fills `out`.
pub fn hash_xof(data: &[u8], out: &mut [u8]) {
    blake3::Hasher::new().update(data).finalize_xof().fill(out);
}

/// Inputs of fewer bytes than this in all are hashed on one core.
const PARALLEL_FROM: usize = 1 << 16;

/// BLAKE3 hashes of many inputs, 32 bytes each, on all cores where that pays. With a
/// key, the keyed hash.
pub fn hash_many<I: AsRef<[u8]> + Sync>(inputs: &[I], key: Option<&[u8; 32]>) -> Vec<[u8; 32]> {
    let one = |input: &I| match key {
        None => hash(input.as_ref()),
        Some(key) => *blake3::keyed_hash(key, input.as_ref()).as_bytes(),
    };
    let total: usize = inputs.iter().map(|input| input.as_ref().len() + 64).sum();
    if total < PARALLEL_FROM {
        return inputs.iter().map(one).collect();
    }
    inputs.par_iter().with_min_len(64).map(one).collect()
}

/// BLAKE3 in pieces, in any of its three modes. A hasher is not wiped: drop keyed
/// ones early.
#[derive(Clone)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// The plain hash.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Hasher(blake3::Hasher::new())
    }

    /// The keyed hash.
    pub fn new_keyed(key: &[u8; 32]) -> Self {
        Hasher(blake3::Hasher::new_keyed(key))
    }

    /// Key derivation under a context.
    pub fn new_derive_key(context: &str) -> Self {
        Hasher(blake3::Hasher::new_derive_key(context))
    }

    /// Absorbs more data.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Forgets all data, but not the mode.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Fills `out` with the output from byte `position` on; the hasher can go on.
    pub fn output(&self, position: u64, out: &mut [u8]) {
        let mut reader = self.0.finalize_xof();
        reader.set_position(position);
        reader.fill(out);
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher(..)")
    }
}

/// BLAKE3 `derive_key`: 32 bytes of key from key material, under a context.
/// The caller keeps (and wipes) the result.
pub fn derive_key(context: &str, material: &[u8]) -> [u8; 32] {
    blake3::derive_key(context, material)
}

/// BLAKE3 `derive_key` with an output of any length; fills `out`. A shorter
/// output is a prefix of a longer one: bind the length in `material` where
/// that matters.
pub fn derive_xof(context: &str, material: &[u8], out: &mut [u8]) {
    blake3::Hasher::new_derive_key(context)
        .update(material)
        .finalize_xof()
        .fill(out);
}

/// BLAKE3 keyed hash with an output of any length; fills `out`. A
/// pseudo-random function of `data` for whoever does not know `key`.
pub fn keyed_xof(key: &[u8; 32], data: &[u8], out: &mut [u8]) {
    blake3::Hasher::new_keyed(key)
        .update(data)
        .finalize_xof()
        .fill(out);
}

/// A scalar from data under a context: 64 bytes of [`derive_xof`], read
/// big-endian, modulo r. The data may be secret: constant time but for its
/// length, and the wide bytes are wiped.
pub fn hash_to_scalar(context: &str, data: &[u8]) -> Scalar {
    let mut wide = Zeroizing::new([0; WIDE]);
    derive_xof(context, data, wide.as_mut_slice());
    Scalar::from_wide_be(wide.as_slice())
}
