//! Sums of scalars that are reduced modulo r once, at their end.
//!
//! A scalar's limbs are a representative of it in Montgomery form, an integer below r.
//! Sums of such integers with integer factors represent the sums of the scalars, so that
//! a term costs a product of integers, without a reduction and without a copy.

use super::Scalar;

/// `Σ weight·scalar` as an integer below 2^448: room for 2^65 terms. No branches on values.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WideSum([u64; 7]);

impl WideSum {
    /// Adds `weight·scalar`.
    #[inline]
    pub(crate) fn add_product(&mut self, weight: u128, scalar: &Scalar) {
        for (at, word) in [weight as u64, (weight >> 64) as u64].iter().enumerate() {
            let (lower, upper) = self.0[at..].split_at_mut(4);
            let mut carry = 0;
            for (sum, limb) in lower.iter_mut().zip(scalar.limbs()) {
                // Below 2^128: (2^64 − 1)² + 2·(2^64 − 1).
                let product = u128::from(*word) * u128::from(*limb);
                let total = product.wrapping_add(u128::from(*sum) + u128::from(carry));
                (*sum, carry) = (total as u64, (total >> 64) as u64);
            }
            add_carry(upper, carry);
        }
    }

    /// Adds all terms of another sum.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut carry = 0;
        for (sum, addend) in self.0.iter_mut().zip(other.0) {
            let total = u128::from(*sum) + u128::from(addend) + u128::from(carry);
            (*sum, carry) = (total as u64, (total >> 64) as u64);
        }
    }

    /// The sum modulo r.
    pub(crate) fn reduced(&self) -> Scalar {
        let [a, b, c, d, e, f, g] = self.0;
        Scalar::from_wide_montgomery([a, b, c, d], [e, f, g, 0])
    }
}

#[inline]
fn add_carry(limbs: &mut [u64], mut carry: u64) {
    for limb in limbs {
        let (sum, overflow) = limb.overflowing_add(carry);
        (*limb, carry) = (sum, u64::from(overflow));
    }
}

/// Most digits of [`from_binary`].
pub(crate) const MOST_DIGITS: usize = 64;

/// `Σ 2^i·d_i` of at most [`MOST_DIGITS`] digits, which may be any scalars, given from the
/// highest to d_0. No branches on values.
pub(crate) fn from_binary<'a>(digits: impl ExactSizeIterator<Item = &'a Scalar>) -> Scalar {
    assert!(digits.len() <= MOST_DIGITS, "a digit shifts by one bit");
    let mut sum = [0u64; 5];
    for digit in digits {
        let [a, b, c, d] = *digit.limbs();
        let mut carry = 0;
        for (limb, addend) in sum.iter_mut().zip([a, b, c, d, 0]) {
            let total = (u128::from(*limb) << 1) + u128::from(addend) + u128::from(carry);
            (*limb, carry) = (total as u64, (total >> 64) as u64);
        }
    }
    let [a, b, c, d, e] = sum;
    Scalar::from_wide_montgomery([a, b, c, d], [e, 0, 0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0, ±1, ±2, and others of all lengths.
    fn scalars() -> Vec<Scalar> {
        let mut all = vec![Scalar::ZERO, Scalar::ONE, Scalar::MINUS_ONE];
        all.extend([Scalar::from_u64(2), -Scalar::from_u64(2)]);
        all.extend((0..40u8).map(|i| Scalar::from_wide_be(&[i.wrapping_mul(37) | 1; 32])));
        // The largest representative.
        let one = Scalar::from_wide_montgomery([1, 0, 0, 0], [0; 4]);
        all.push(-one);
        all
    }

    #[test]
    fn sums_of_products_are_exact() {
        let mut state = 1u128;
        for rounds in [1, 2, 50] {
            let (mut sum, mut other, mut expected) = <(WideSum, WideSum, Scalar)>::default();
            for scalar in (0..rounds).flat_map(|_| scalars()) {
                state = state.wrapping_mul(0xda94_2042_e4dd_58b5).wrapping_add(1) ^ (state >> 64);
                for weight in [0, 1, state, u128::MAX, 1 << 64, u128::from(u64::MAX)] {
                    sum.add_product(weight, &scalar);
                    other.add_product(weight, &scalar);
                    expected += Scalar::from_u128(weight) * scalar;
                }
            }
            assert_eq!(sum.reduced(), expected);
            sum.merge(&other);
            assert_eq!(sum.reduced(), expected + expected);
        }
    }

    #[test]
    fn the_fullest_sum_is_reduced() {
        let full = WideSum([u64::MAX; 7]);
        let expected = Scalar::pow2(448) - Scalar::ONE;
        // The sum is a representative in Montgomery form, off by 2^256.
        assert_eq!(full.reduced() * Scalar::pow2(256), expected);
    }

    #[test]
    fn binary_digits_are_added_up() {
        let all = scalars();
        let many: Vec<&Scalar> = all.iter().cycle().take(MOST_DIGITS).collect();
        let largest = vec![all.last().expect("one"); MOST_DIGITS];
        for digits in [many, largest] {
            for count in 0..=MOST_DIGITS {
                let weigh = |(i, digit): (usize, &&Scalar)| **digit * Scalar::pow2(i as u32);
                let expected: Scalar = digits[..count].iter().enumerate().map(weigh).sum();
                assert_eq!(from_binary(digits[..count].iter().rev().copied()), expected);
            }
        }
    }
}
