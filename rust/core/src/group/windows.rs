//! Signed digits of scalars.

use blst::blst_scalar;
use zeroize::Zeroizing;

/// A scalar as 34 little-endian bytes, the last two zero, so that a window
/// can be read at any bit below 256. Wiped on drop.
pub(super) fn padded(scalar: &blst_scalar) -> Zeroizing<[u8; 34]> {
    let mut bytes = Zeroizing::new([0; 34]);
    bytes[..32].copy_from_slice(&scalar.b);
    bytes
}

/// Number of signed windows of `width` bits that hold any scalar below 2^255:
/// one bit more than 255 leaves room for the last carry.
pub(super) const fn count(width: usize) -> usize {
    256usize.div_ceil(width)
}

/// Digit `index` of the signed base-2^width form, in [−2^(width−1),
/// 2^(width−1)]; the sum of digit·2^(width·index) is the scalar (Booth's
/// recoding). `width` ≤ 16. Constant time in the scalar.
#[inline]
pub(super) fn digit(bytes: &[u8; 34], index: usize, width: usize) -> i32 {
    let low = index * width;
    // Bits low−1 .. low+width−1; below bit 0 stands a 0.
    let window = if low == 0 {
        (u32::from(bytes[0]) | u32::from(bytes[1]) << 8) << 1
    } else {
        let at = (low - 1) / 8;
        let word = u32::from(bytes[at])
            | u32::from(bytes[at + 1]) << 8
            | u32::from(bytes.get(at + 2).copied().unwrap_or(0)) << 16;
        word >> ((low - 1) % 8)
    };
    let window = window & ((1 << (width + 1)) - 1);
    ((window + 1) >> 1) as i32 - ((window >> width) << width) as i32
}

/// The group order r, little-endian limbs.
pub(super) const ORDER: [u64; 4] = [
    0xffff_ffff_0000_0001,
    0x53bd_a402_fffe_5bfe,
    0x3339_d808_09a1_d805,
    0x73ed_a753_299d_7d48,
];

/// A scalar, plus r if it is even, as 34 little-endian bytes: the same multiple of a
/// point of order r, and odd. Constant time; wiped on drop.
pub(super) fn odd_padded(scalar: &blst_scalar) -> Zeroizing<[u8; 34]> {
    let mut bytes = padded(scalar);
    let is_even = u64::from(!bytes[0] & 1).wrapping_neg();
    let mut carry = 0;
    for (limb, order) in bytes.chunks_exact_mut(8).zip(ORDER) {
        let low = limb.iter().rev().fold(0, |acc, b| acc << 8 | u64::from(*b));
        let sum = u128::from(low) + u128::from(order & is_even) + carry;
        limb.copy_from_slice(&(sum as u64).to_le_bytes());
        carry = sum >> 64;
    }
    bytes
}

/// Digit `index` of the odd signed base-2^width form of an odd number: all digits are
/// odd and in (−2^width, 2^width), and the sum of digit·2^(width·index) is the number.
/// Given as j and sign of ±(2j + 1), the sign as 0 or 1. `top` marks the last digit,
/// beyond which there are no bits. `width` ≤ 8. Constant time in the number.
#[inline]
pub(super) fn odd_digit(bytes: &[u8; 34], index: usize, width: usize, top: bool) -> (u64, u64) {
    // Bits low+1 .. low+width; the digit is twice them, plus 1, minus 2^width unless
    // it is the last one.
    let at = index * width + 1;
    let byte = |i: usize| bytes.get(i).copied().unwrap_or(0);
    let word = u16::from_le_bytes([byte(at / 8), byte(at / 8 + 1)]);
    let bits = u64::from(word >> (at % 8)) & ((1 << width) - 1);
    if top {
        return (bits, 0);
    }
    let half = 1 << (width - 1);
    let negative = (bits >> (width - 1)) ^ 1;
    ((bits ^ negative.wrapping_neg()) & (half - 1), negative)
}

/// Non-adjacent form of width 5: odd digits in [−15, 15], at least four zeros
/// between two of them. `nbits` bits of little-endian `bytes` are used; the
/// result has nbits + 1 digits. Variable time.
pub(super) fn wnaf5(bytes: &[u8], nbits: usize) -> Vec<i8> {
    let bit = |at: usize| -> u32 {
        if at < nbits {
            u32::from(bytes[at / 8] >> (at % 8)) & 1
        } else {
            0
        }
    };
    let mut digits = vec![0; nbits + 1];
    let mut carry = 0;
    let mut at = 0;
    while at <= nbits {
        if bit(at) == carry {
            at += 1;
            continue;
        }
        let window = (0..5).fold(carry, |acc, i| acc + (bit(at + i) << i)) as i8;
        carry = u32::from(window > 16);
        digits[at] = if window > 16 { window - 32 } else { window };
        at += 5;
    }
    digits
}
