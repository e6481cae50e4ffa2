//! Hashing: BLAKE3 in its three modes, and hashing to scalars.
//!
//! Contexts are constants of the program in BLAKE3's sense: fixed strings
//! that name an application and purpose, never data.

use zeroize::Zeroizing;

use crate::group::Scalar;

/// Bytes reduced modulo r for one scalar: 512 bits keep the bias below 2^−256.
const WIDE: usize = 64;

/// BLAKE3 hash, 32 bytes.
pub fn hash(data: &[u8]) -> [u8; 32] {
    *blake3::hash(data).as_bytes()
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
