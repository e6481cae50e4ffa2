//! Multi-scalar multiplication against naive sums, for all kinds of points.

use proptest::prelude::*;
use zkcredit_core::group::{
    E1, E1Affine, FixedBaseTable, G1Affine, G2, G2Affine, Scalar, SecretBases, msm, msm_128,
    msm_g2_128, sum_vartime,
};

use crate::support::{
    curve_point, g1_point, minus_one, naive_sum, point_of_order, scalar, times_scalar, times_u128,
    torsion_point,
};

/// Around the sizes at which blst changes its method or its windows.
const SIZES: [usize; 17] = [
    0, 1, 2, 3, 7, 8, 16, 31, 32, 33, 63, 64, 65, 255, 256, 257, 1000,
];

/// Members and non-members of G1, repeated and negated ones, tiny orders.
fn points(size: usize) -> Vec<E1Affine> {
    let three = point_of_order(3);
    let eleven = point_of_order(11);
    let base = curve_point("repeated", 0);
    (0..size)
        .map(|i| match i % 11 {
            0 => base,
            1 => base.negate(),
            2 => three,
            3 => eleven,
            4 => torsion_point("msm", i % 3),
            5 => *G1Affine::generator().as_e1(),
            6 => three.negate(),
            7 => *g1_point("msm", i).as_e1(),
            _ => curve_point("msm", i),
        })
        .collect()
}

fn scalars(size: usize) -> Vec<Scalar> {
    (0..size)
        .map(|i| match i % 7 {
            0 => minus_one(),
            1 => Scalar::ZERO,
            2 => Scalar::ONE,
            3 => Scalar::from_u64(i as u64),
            _ => scalar("msm", i),
        })
        .collect()
}

#[test]
fn sums_equal_naive_ones() {
    for size in SIZES {
        let (points, scalars) = (points(size), scalars(size));
        assert_eq!(
            msm(&points, &scalars),
            naive_sum(&points, &scalars),
            "size {size}"
        );
    }
}

#[test]
fn sums_with_random_scalars_equal_naive_ones() {
    for size in SIZES {
        let points = points(size);
        let scalars: Vec<Scalar> = (0..size).map(|i| scalar("random", i)).collect();
        assert_eq!(
            msm(&points, &scalars),
            naive_sum(&points, &scalars),
            "size {size}"
        );
    }
}

#[test]
fn sums_with_128_bit_scalars_equal_naive_ones() {
    for size in SIZES {
        let points = points(size);
        let weights: Vec<u128> = (0..size)
            .map(|i| match i % 5 {
                0 => u128::MAX,
                1 => 0,
                2 => 1,
                _ => u128::from_be_bytes(scalar("w", i).to_bytes_be()[16..].try_into().unwrap()),
            })
            .collect();
        let naive: E1 = points
            .iter()
            .zip(&weights)
            .map(|(p, &k)| times_u128(&p.to_e1(), k))
            .sum();
        assert_eq!(msm_128(&points, &weights), naive, "size {size}");
    }
}

#[test]
fn small_and_zero_scalars_shorten_the_sum_but_not_the_result() {
    for size in [1, 2, 31, 32, 33, 100] {
        let points = points(size);
        assert!(msm(&points, &vec![Scalar::ZERO; size]).is_identity());
        assert!(msm_128(&points, &vec![0; size]).is_identity());
        for bits in [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 31, 32, 33, 64, 254] {
            let top = Scalar::pow2(bits - 1);
            let scalars: Vec<Scalar> = (0..size)
                .map(|i| {
                    if i % 2 == 0 {
                        top
                    } else {
                        Scalar::from_u64((i % 2) as u64)
                    }
                })
                .collect();
            let expected = naive_sum(&points, &scalars);
            assert_eq!(msm(&points, &scalars), expected, "size {size}, {bits} bits");
        }
    }
}

#[test]
fn sums_that_cancel_are_the_identity() {
    for pairs in [1, 2, 16, 20, 500] {
        let mut all = points(pairs);
        let negated: Vec<E1Affine> = all.iter().map(E1Affine::negate).collect();
        all.extend(negated);
        let mut ks = scalars(pairs);
        ks.extend(ks.clone());
        assert!(msm(&all, &ks).is_identity(), "{pairs} pairs");
        assert!(sum_vartime(&all).is_identity());
    }
    let same = vec![curve_point("same", 0); 64];
    let ones = vec![Scalar::ONE; 64];
    let mut six = same[0].to_e1();
    (0..6).for_each(|_| six = six.double());
    assert_eq!(msm(&same, &ones), six);
    assert_eq!(sum_vartime(&same), six);
}

/// The reason for an own routine below 32 points.
#[test]
fn one_point_of_tiny_order() {
    for order in [3, 11] {
        let point = point_of_order(order);
        for k in 0..3 * order {
            let k = Scalar::from_u64(k);
            assert_eq!(msm(&[point], &[k]), times_scalar(&point.to_e1(), &k));
            assert_eq!(
                msm(&[point; 40], &[k; 40]),
                naive_sum(&[point; 40], &[k; 40])
            );
        }
        assert_eq!(
            msm(&[point], &[minus_one()]),
            times_scalar(&point.to_e1(), &minus_one())
        );
    }
}

#[test]
#[should_panic(expected = "as many scalars as points")]
fn lengths_must_agree() {
    msm(&points(2), &scalars(3));
}

#[test]
fn secret_bases_equal_naive_sums() {
    let bases: Vec<G1Affine> = (0..40).map(|i| g1_point("secret", i % 30)).collect();
    let points: Vec<E1Affine> = bases.iter().map(|b| *b.as_e1()).collect();
    let secret = SecretBases::new(&bases);
    assert_eq!(secret.len(), 40);
    for size in [0, 1, 2, 3, 7, 31, 32, 33, 40] {
        for ks in [
            scalars(size),
            (0..size).map(|i| scalar("secret", i)).collect(),
        ] {
            assert_eq!(
                secret.msm(&ks),
                naive_sum(&points[..size], &ks),
                "size {size}"
            );
        }
        assert!(secret.msm(&vec![Scalar::ZERO; size]).is_identity());
    }
    let idx = [3, 0, 39, 3, 17];
    let ks = scalars(5);
    let chosen = idx.map(|i| points[i]);
    assert_eq!(secret.msm_subset(&idx, &ks), naive_sum(&chosen, &ks));
    assert!(secret.msm_subset(&[], &[]).is_identity());
    assert!(SecretBases::new(&[]).is_empty());
}

#[test]
fn every_window_digit_of_secret_and_fixed_bases() {
    let base = g1_point("digits", 0);
    let secret = SecretBases::new(&[base]);
    let fixed = FixedBaseTable::new(&base);
    let small = (0..200).map(Scalar::from_u64);
    let powers = (0..255).map(Scalar::pow2);
    let near = (0..255).map(|n| Scalar::pow2(n) - Scalar::ONE);
    let top = (0..70).map(|i| -Scalar::from_u64(i));
    for k in small.chain(powers).chain(near).chain(top) {
        let expected = times_scalar(&base.to_e1(), &k);
        assert_eq!(secret.msm(&[k]), expected, "{k:?}");
        assert_eq!(fixed.mul(&k), expected, "{k:?}");
        assert_eq!(base.mul(&k), expected, "{k:?}");
    }
}

#[test]
fn opposite_secret_terms_cancel() {
    let base = g1_point("cancel", 0);
    let secret = SecretBases::new(&[base, base.negate(), base]);
    let k = scalar("cancel", 0);
    assert!(secret.msm(&[k, k]).is_identity());
    assert_eq!(secret.msm(&[k, k, k]), base.mul(&k));
    assert_eq!(secret.msm(&[k, -k, Scalar::ZERO]), base.mul(&(k + k)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sums_are_linear(size in 0..70usize, split in 0..70usize) {
        let (points, ks) = (points(size), scalars(size));
        let at = split.min(size);
        let halves = msm(&points[..at], &ks[..at]) + msm(&points[at..], &ks[at..]);
        prop_assert_eq!(msm(&points, &ks), halves);
        let twice: Vec<Scalar> = (0..size).map(|i| scalar("linear", i)).collect();
        let sums: Vec<Scalar> = twice.iter().map(|k| k.square()).collect();
        prop_assert_eq!(msm(&points, &sums), naive_sum(&points, &sums));
    }
}

/// Sizes around the change of methods; repeated and opposite points, small and full
/// weights.
#[test]
fn sums_in_g2_agree_with_single_multiplications() {
    let base = G2Affine::generator();
    let points: Vec<G2Affine> = (0..70)
        .map(|i| match i % 7 {
            3 => base,
            4 => (-base.to_g2()).to_affine().expect("not zero"),
            _ => base.mul(&scalar("g2", i)).to_affine().expect("not zero"),
        })
        .collect();
    let weights: Vec<u128> = (0..70u128)
        .map(|i| match i % 5 {
            0 => i,
            1 => u128::MAX - i,
            _ => (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        })
        .collect();
    for size in [0, 1, 2, 7, 8, 9, 31, 32, 33, 70] {
        let expected: G2 = points[..size]
            .iter()
            .zip(&weights)
            .map(|(point, weight)| point.mul(&Scalar::from_u128(*weight)))
            .sum();
        assert_eq!(
            msm_g2_128(&points[..size], &weights[..size]),
            expected,
            "{size}"
        );
    }
    let opposite = [points[3], points[4]].repeat(20);
    assert!(msm_g2_128(&opposite, &[u128::MAX; 40]).is_identity());
}
