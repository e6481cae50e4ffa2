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
        u32::from(bytes[0]) << 1
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
