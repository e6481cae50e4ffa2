//! Encodings of draft-irtf-cfrg-fiat-shamir, §§ "Codecs" and "Non-interactive
//! argument string", for integers modulo any odd `M` of at most 64 bytes.
//!
//! The proof systems of this crate need the BLS12-381 scalar field only, whose
//! big-endian encoding [`crate::group::Scalar`] has; this module is the draft's
//! general form, kept to its published vectors. Moduli and integers are
//! big-endian byte strings without a fixed length here. All values are public
//! and the running time depends on them.

use crate::error::{Error, Result};

/// Bytes squeezed beyond the modulus' length, against bias.
pub const EXTRA_LEN: usize = 16;

/// Number of bytes of the smallest `Ns` with `256^Ns >= M`, for a big-endian `M > 1`
/// that is not a power of 256.
fn modulus_len(modulus_be: &[u8]) -> usize {
    strip_zeros(modulus_be).len()
}

fn strip_zeros(be: &[u8]) -> &[u8] {
    let first = be.iter().position(|byte| *byte != 0).unwrap_or(be.len());
    &be[first..]
}

/// `a < b` for big-endian integers of any lengths.
fn less_than(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (strip_zeros(a), strip_zeros(b));
    (a.len(), a) < (b.len(), b)
}

/// `SerializeVarLenString`: a 4-byte little-endian length before the bytes.
///
/// # Errors
/// [`Error::Misuse`] for 2^32 bytes or more.
pub fn serialize_var_len_string(bytes: &[u8]) -> Result<Vec<u8>> {
    let len = u32::try_from(bytes.len()).map_err(|_| Error::Misuse("string of 4 GiB or more"))?;
    let mut out = Vec::with_capacity(4 + bytes.len());
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
    Ok(out)
}

/// `DeserializeVarLenString`: the string and the unread rest of the input.
///
/// # Errors
/// [`Error::Malformed`] if the input ends before the stated length.
pub fn deserialize_var_len_string(input: &[u8]) -> Result<(&[u8], &[u8])> {
    let (prefix, rest) = input
        .split_first_chunk::<4>()
        .ok_or(Error::Malformed("length prefix"))?;
    usize::try_from(u32::from_le_bytes(*prefix))
        .ok()
        .and_then(|len| rest.split_at_checked(len))
        .ok_or(Error::Malformed("length-prefixed string"))
}

/// `SerializeUint`: the little-endian bytes, as many as the modulus has.
///
/// # Errors
/// [`Error::Misuse`] if the value is not below the modulus.
pub fn serialize_uint(value_be: &[u8], modulus_be: &[u8]) -> Result<Vec<u8>> {
    let mut out = serialize_uint_be(value_be, modulus_be)?;
    out.reverse();
    Ok(out)
}

/// The big-endian variant (`I2OSP`) that P-256 and BLS12-381 scalars use.
///
/// # Errors
/// [`Error::Misuse`] if the value is not below the modulus.
pub fn serialize_uint_be(value_be: &[u8], modulus_be: &[u8]) -> Result<Vec<u8>> {
    if !less_than(value_be, modulus_be) {
        return Err(Error::Misuse("integer not below the modulus"));
    }
    let value = strip_zeros(value_be);
    let mut out = vec![0u8; modulus_len(modulus_be) - value.len()];
    out.extend_from_slice(value);
    Ok(out)
}

/// `DeserializeUint`: the canonical integer (big-endian, as long as the modulus)
/// and the unread rest of the input.
///
/// # Errors
/// [`Error::Malformed`] for too short an input or an integer not below the modulus.
pub fn deserialize_uint<'a>(input: &'a [u8], modulus_be: &[u8]) -> Result<(Vec<u8>, &'a [u8])> {
    let (bytes, rest) = input
        .split_at_checked(modulus_len(modulus_be))
        .ok_or(Error::Malformed("integer"))?;
    let value_be: Vec<u8> = bytes.iter().rev().copied().collect();
    if !less_than(&value_be, modulus_be) {
        return Err(Error::Malformed("integer"));
    }
    Ok((value_be, rest))
}

/// `DeserializeField`: `degree` coordinates, least significant first, and the rest.
///
/// # Errors
/// [`Error::Malformed`] if any coordinate is missing or not below the modulus.
pub fn deserialize_field<'a>(
    input: &'a [u8],
    modulus_be: &[u8],
    degree: usize,
) -> Result<(Vec<Vec<u8>>, &'a [u8])> {
    let mut coordinates = Vec::new();
    let mut rest = input;
    for _ in 0..degree {
        let (value_be, unread) = deserialize_uint(rest, modulus_be)?;
        coordinates.push(value_be);
        rest = unread;
    }
    Ok((coordinates, rest))
}

/// `DecodeUint`: little-endian bytes reduced modulo `M`, big-endian, as long as `M`.
/// Bit-serial: meant for conformance, not for speed.
///
/// # Errors
/// [`Error::Misuse`] unless the input has 16 bytes more than the modulus.
pub fn decode_uint(buf: &[u8], modulus_be: &[u8]) -> Result<Vec<u8>> {
    let modulus = strip_zeros(modulus_be);
    if modulus.is_empty() || buf.len() != modulus.len() + EXTRA_LEN {
        return Err(Error::Misuse("decoding needs Ns + 16 bytes"));
    }
    // One byte more than the modulus, so that doubling never overflows.
    let mut acc = vec![0u8; modulus.len() + 1];
    for byte in buf.iter().rev() {
        for bit in (0..8).rev() {
            double_and_add_bit(&mut acc, (byte >> bit) & 1);
            if !less_than(&acc, modulus) {
                subtract(&mut acc, modulus);
            }
        }
    }
    Ok(acc[1..].to_vec())
}

fn double_and_add_bit(acc_be: &mut [u8], bit: u8) {
    let mut carry = bit;
    for byte in acc_be.iter_mut().rev() {
        let next = *byte >> 7;
        *byte = (*byte << 1) | carry;
        carry = next;
    }
}

fn subtract(acc_be: &mut [u8], other_be: &[u8]) {
    let mut borrow = false;
    let others = other_be.iter().rev().chain(std::iter::repeat(&0));
    for (byte, other) in acc_be.iter_mut().rev().zip(others) {
        let (partial, first) = byte.overflowing_sub(*other);
        let (value, second) = partial.overflowing_sub(u8::from(borrow));
        *byte = value;
        borrow = first || second;
    }
}
