//! Hashing to G1, G2 and uniform bytes (RFC 9380).

use sha2::{Digest, Sha256};
use sha3::Shake256;
use sha3::digest::{ExtendableOutput, Update, XofReader};

use super::{E1, G1Affine, G2, G2Affine, ffi};
use crate::error::{Error, Result};

/// Bytes per field element: ⌈(381 + 128)/8⌉ (RFC 9380 §5.1).
const FIELD_BYTES: usize = 64;
/// Domain separation tags longer than this are hashed first (§5.3.3).
const MAX_DST: usize = 255;
/// Security level in bits, which sets the length of a hashed tag.
const SECURITY_BITS: usize = 128;
const OVERSIZE: &[u8] = b"H2C-OVERSIZE-DST-";

/// Hash to G1, suite `BLS12381G1_XMD:SHA-256_SSWU_RO_` (RFC 9380 §8.8.1).
///
/// # Panics
/// If the hash is the identity: a message for which nobody knows how to look.
pub fn hash_to_g1(msg: &[u8], dst: &[u8]) -> G1Affine {
    member(ffi::hash_to_g1(msg, dst))
}

/// Hash to G1 with SHAKE-256 as expander, suite
/// `BLS12381G1_XOF:SHAKE-256_SSWU_RO_` of the BBS draft.
///
/// # Panics
/// As [`hash_to_g1`].
pub fn hash_to_g1_shake256(msg: &[u8], dst: &[u8]) -> G1Affine {
    let mut uniform = [0; 2 * FIELD_BYTES];
    xof_shake256(msg, dst, &mut uniform, 2 * FIELD_BYTES as u16);
    let (u, v) = uniform.split_at(FIELD_BYTES);
    member(ffi::map_to_g1(
        &ffi::fp_from_wide_be(u),
        &ffi::fp_from_wide_be(v),
    ))
}

/// Hash to G2, suite `BLS12381G2_XMD:SHA-256_SSWU_RO_` (RFC 9380 §8.8.2).
///
/// # Panics
/// As [`hash_to_g1`].
pub fn hash_to_g2(msg: &[u8], dst: &[u8]) -> G2Affine {
    let point = G2::from_hash(ffi::hash_to_g2(msg, dst)).to_affine();
    point.expect("a hash to the identity of G2")
}

/// The map clears the cofactor, so its result is in the subgroup.
fn member(point: blst::blst_p1) -> G1Affine {
    E1(point)
        .to_g1_trusted()
        .expect("a hash to the identity of G1")
}

/// `expand_message_xmd` with SHA-256 (RFC 9380 §5.3.1); fills `out`.
///
/// # Errors
/// `Misuse` for an empty tag or more than 255·32 bytes.
pub fn expand_message_xmd(msg: &[u8], dst: &[u8], out: &mut [u8]) -> Result<()> {
    const BLOCK: usize = 64;
    const HASH: usize = 32;
    if dst.is_empty() || out.len() > 255 * HASH {
        return Err(Error::Misuse(
            "expand_message_xmd: empty tag or output too long",
        ));
    }
    let tag = if dst.len() > MAX_DST {
        Sha256::new()
            .chain_update(OVERSIZE)
            .chain_update(dst)
            .finalize()
            .to_vec()
    } else {
        dst.to_vec()
    };
    let tag_len = [tag.len() as u8];
    let b_0 = Sha256::new()
        .chain_update([0; BLOCK])
        .chain_update(msg)
        .chain_update((out.len() as u16).to_be_bytes())
        .chain_update([0])
        .chain_update(&tag)
        .chain_update(tag_len)
        .finalize();
    let mut mixed = b_0;
    for (index, chunk) in (1u8..=255).zip(out.chunks_mut(HASH)) {
        let b_i = Sha256::new()
            .chain_update(mixed)
            .chain_update([index])
            .chain_update(&tag)
            .chain_update(tag_len)
            .finalize();
        chunk.copy_from_slice(&b_i[..chunk.len()]);
        mixed = b_0;
        mixed.iter_mut().zip(b_i).for_each(|(a, b)| *a ^= b);
    }
    Ok(())
}

/// `expand_message_xof` with SHAKE-256 (RFC 9380 §5.3.2); fills `out`.
///
/// # Errors
/// `Misuse` for an empty tag or more than 65,535 bytes.
pub fn expand_message_xof(msg: &[u8], dst: &[u8], out: &mut [u8]) -> Result<()> {
    let length = u16::try_from(out.len());
    let (Ok(length), false) = (length, dst.is_empty()) else {
        return Err(Error::Misuse(
            "expand_message_xof: empty tag or output too long",
        ));
    };
    xof_shake256(msg, dst, out, length);
    Ok(())
}

fn xof_shake256(msg: &[u8], dst: &[u8], out: &mut [u8], length: u16) {
    let mut hashed = [0; 2 * SECURITY_BITS / 8];
    let tag = if dst.len() > MAX_DST {
        let hasher = Shake256::default().chain(OVERSIZE).chain(dst);
        hasher.finalize_xof().read(&mut hashed);
        &hashed
    } else {
        dst
    };
    Shake256::default()
        .chain(msg)
        .chain(length.to_be_bytes())
        .chain(tag)
        .chain([tag.len() as u8])
        .finalize_xof()
        .read(out);
}
