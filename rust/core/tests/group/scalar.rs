//! The scalar field against constants computed elsewhere and its own laws.

use proptest::prelude::*;
use zeroize::Zeroize;
use zkcredit_core::group::Scalar;

use crate::support::{R_MINUS_1, minus_one};

fn from_hex(text: &str) -> Scalar {
    let bytes: [u8; 32] = hex::decode(text).unwrap().try_into().unwrap();
    Scalar::from_bytes_be(&bytes).expect("below r")
}

#[test]
fn constants_are_what_they_say() {
    assert_eq!(Scalar::ONE, Scalar::from_u64(1));
    assert_eq!(Scalar::ZERO, Scalar::from_u64(0));
    assert_eq!(Scalar::default(), Scalar::ZERO);
    assert_eq!(minus_one() + Scalar::ONE, Scalar::ZERO);
    assert_eq!(-Scalar::ONE, minus_one());
    assert_eq!(-Scalar::ZERO, Scalar::ZERO);
    assert!(Scalar::ZERO.is_zero() && !Scalar::ONE.is_zero());
}

/// Computed with Python's integers.
#[test]
fn products_and_inverses_of_another_implementation() {
    let a = from_hex("123456789abcdef0fedcba98765432100f1e2d3c4b5a69788796a5b4c3d2e1f0");
    let b = -Scalar::from_u64(0xdead_beef);
    let product = "14b7ed56809ad34c03666bdd9f69f626effaa870331e0f24bb6e3543fe36a922";
    let inverse = "127603b6e1be4453b2433aaf655f43f38f0a3b842ba88d9b01297272e0f75999";
    assert_eq!(a * b, from_hex(product));
    assert_eq!(a.invert(), Some(from_hex(inverse)));
    assert_eq!(a.square(), a * a);
    let power = "388ee50c622b4772288bb55c977f6ccda91403d67dca8d8708513f1b1fac64d1";
    assert_eq!(Scalar::pow2(1000), from_hex(power));
    assert_eq!(Scalar::pow2(0), Scalar::ONE);
    assert_eq!(Scalar::pow2(63), Scalar::from_u64(1 << 63));
    assert_eq!(Scalar::ZERO.invert(), None);
}

#[test]
fn wide_values_reduce() {
    let all_512 = "0748d9d99f59ff1105d314967254398f2b6cedcb87925c23c999e990f3f29c6c";
    let all_256 = "1824b159acc5056f998c4fefecbc4ff55884b7fa0003480200000001fffffffd";
    assert_eq!(Scalar::from_wide_be(&[0xff; 64]), from_hex(all_512));
    assert_eq!(Scalar::from_wide_le(&[0xff; 64]), from_hex(all_512));
    assert_eq!(Scalar::from_wide_be(&[0xff; 32]), from_hex(all_256));
    assert_eq!(Scalar::from_wide_be(&[]), Scalar::ZERO);
    assert_eq!(Scalar::from_wide_le(&[]), Scalar::ZERO);
}

#[test]
fn only_values_below_r_decode() {
    let mut bytes: [u8; 32] = hex::decode(R_MINUS_1).unwrap().try_into().unwrap();
    assert!(Scalar::from_bytes_be(&bytes).is_some());
    bytes[31] += 1;
    assert!(Scalar::from_bytes_be(&bytes).is_none(), "r itself");
    bytes[31] += 1;
    assert!(Scalar::from_bytes_be(&bytes).is_none(), "r + 1");
    assert!(Scalar::from_bytes_be(&[0xff; 32]).is_none());
    assert_eq!(Scalar::from_bytes_be(&[0; 32]), Some(Scalar::ZERO));
}

#[test]
fn signed_values_embed() {
    assert_eq!(Scalar::from_i128(-1), minus_one());
    assert_eq!(Scalar::from_i128(7), Scalar::from_u64(7));
    let lowest = Scalar::from_i128(i128::MIN);
    assert_eq!(lowest, -Scalar::pow2(127));
    assert_eq!(
        Scalar::from_u128(u128::MAX) + Scalar::ONE,
        Scalar::pow2(128)
    );
}

#[test]
fn zeroize_leaves_zero() {
    let mut secret = minus_one();
    secret.zeroize();
    assert_eq!(secret, Scalar::ZERO);
}

/// Σ b_i·256^i with scalar arithmetic alone.
fn horner(bytes: &[u8]) -> Scalar {
    let base = Scalar::from_u64(256);
    bytes.iter().fold(Scalar::ZERO, |acc, &b| {
        acc * base + Scalar::from_u64(b.into())
    })
}

proptest! {
    #[test]
    fn any_length_reduces_like_horner(bytes in proptest::collection::vec(any::<u8>(), 0..=64)) {
        let expected = horner(&bytes);
        prop_assert_eq!(Scalar::from_wide_be(&bytes), expected);
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        prop_assert_eq!(Scalar::from_wide_le(&reversed), expected);
    }

    #[test]
    fn field_laws(a in any::<[u8; 64]>(), b in any::<[u8; 64]>(), c in any::<[u8; 64]>()) {
        let [a, b, c] = [a, b, c].map(|x| Scalar::from_wide_be(&x));
        prop_assert_eq!((a + b) * c, a * c + b * c);
        prop_assert_eq!(a - b, a + -b);
        prop_assert_eq!((a * b) * c, a * (b * c));
        if let Some(inverse) = a.invert() {
            prop_assert_eq!(a * inverse, Scalar::ONE);
        }
        prop_assert_eq!(Scalar::from_bytes_be(&a.to_bytes_be()), Some(a));
        let mut sum = a;
        sum += b;
        sum -= c;
        sum *= c;
        prop_assert_eq!(sum, (a + b - c) * c);
        prop_assert_eq!([a, b, c].iter().sum::<Scalar>(), a + b + c);
    }

    #[test]
    fn small_integers_agree(a in any::<u64>(), b in any::<u64>()) {
        let product = u128::from(a) * u128::from(b);
        prop_assert_eq!(Scalar::from_u64(a) * Scalar::from_u64(b), Scalar::from_u128(product));
        let difference = i128::from(a) - i128::from(b);
        prop_assert_eq!(Scalar::from_u64(a) - Scalar::from_u64(b), Scalar::from_i128(difference));
    }
}
