//! Square roots for decoding points, eight at a time in [`lanes`](super::lanes).
//!
//! As p = 3 mod 4, a square s has the roots ±s^((p+1)/4).

use super::lanes::{Element, Lanes, P};

/// Bits of a digit of the exponent.
const WIDTH: usize = 4;
/// Digits of (p + 1)/4 that are not all zero.
const DIGITS: usize = 379usize.div_ceil(WIDTH);
/// (p + 1)/4, 64 bits each, the lowest first.
const EXPONENT: [u64; 6] = {
    let mut out = [0; 6];
    let mut i = 0;
    while i < 6 {
        // The lowest limb of p ends in two ones, so p + 1 carries into no other limb.
        let limb = if i == 0 { P[0] + 1 } else { P[i] };
        let above = if i < 5 { P[i + 1] } else { 0 };
        out[i] = limb >> 2 | above << 62;
        i += 1;
    }
    out
};

/// A square root of x³ + 4 for each x, or what is not one where there is none.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn ordinates(xs: &[Element; 8]) -> [Element; 8] {
    let x = Lanes::gather(xs.each_ref());
    let one = Lanes::all(&Element::ONE);
    let two = one.plus(&one);
    let square = x.square().times(&x).plus(&two).plus(&two);
    let mut powers = [one; 1 << WIDTH];
    for i in 1..powers.len() {
        powers[i] = powers[i - 1].times(&square);
    }
    let mut root = powers[digit(DIGITS - 1)];
    for i in (0..DIGITS - 1).rev() {
        for _ in 0..WIDTH {
            root = root.square();
        }
        root = root.times(&powers[digit(i)]);
    }
    root.reduced().scatter()
}

/// Digit i of the exponent, the lowest first.
fn digit(i: usize) -> usize {
    let per_limb = 64 / WIDTH;
    (EXPONENT[i / per_limb] >> (i % per_limb * WIDTH)) as usize % (1 << WIDTH)
}
