//! Sums beyond the sizes at which doubling and adding is affordable: against blst's
//! bucket method and against sums known beforehand; and secret sums.

use blst::min_pk::PublicKey;
use blst::{MultiPoint, blst_p1_affine, p1_affines};
use proptest::prelude::*;
use zkcredit_core::group::{
    E1, E1Affine, G1Affine, Scalar, SecretBases, batch_to_affine, msm, msm_128, msm_mixed,
};

use crate::support::{
    curve_point, g1_point, minus_one, naive_sum, point_of_order, scalar, times_scalar,
};

/// `count` different points, most of them outside G1.
fn progression(label: &str, count: usize) -> Vec<E1Affine> {
    let (first, step) = (curve_point(label, 0).to_e1(), curve_point(label, 1));
    let points = std::iter::successors(Some(first), |last| Some(last.add_affine(&step)));
    let points: Vec<E1> = points.take(count).collect();
    let affine = batch_to_affine(&points);
    affine.into_iter().map(|p| p.expect("finite")).collect()
}

fn scalars(label: &str, count: usize) -> Vec<Scalar> {
    let first = scalar(label, 0);
    let powers = std::iter::successors(Some(first), |last| Some(*last * first));
    powers.take(count).collect()
}

fn little_endian(k: &Scalar) -> [u8; 32] {
    let mut bytes = k.to_bytes_be();
    bytes.reverse();
    bytes
}

fn low(k: &Scalar) -> u128 {
    u128::from_le_bytes(little_endian(k)[..16].try_into().expect("16 bytes"))
}

/// blst's own sum, an independent implementation.
fn blst_sum(points: &[E1Affine], scalars: &[u8], bits: usize) -> E1 {
    let raw = |p: &E1Affine| {
        let key = PublicKey::deserialize(&p.to_uncompressed()).expect("a point");
        blst_p1_affine::from(key)
    };
    let points: Vec<blst_p1_affine> = points.iter().map(raw).collect();
    let sum = points.as_slice().mult(scalars, bits);
    let affine = p1_affines::from(&[sum]).as_slice()[0];
    let bytes = PublicKey::from(affine).serialize();
    E1Affine::from_uncompressed(&bytes).expect("finite").into()
}

/// Around the sizes at which the window grows, up to the largest of real batches.
const SIZES: [usize; 22] = [
    32, 33, 40, 41, 48, 49, 64, 96, 97, 160, 161, 224, 500, 501, 1023, 1024, 1025, 2047, 2048,
    4095, 4096, 10_240,
];

#[test]
fn large_sums_equal_those_of_blst() {
    let (points, scalars) = (progression("large", 10_240), scalars("large", 10_240));
    let full: Vec<u8> = scalars.iter().flat_map(little_endian).collect();
    let short: Vec<u128> = scalars.iter().map(low).collect();
    let short_bytes: Vec<u8> = short.iter().flat_map(|k| k.to_le_bytes()).collect();
    for n in SIZES {
        let expected = blst_sum(&points[..n], &full[..32 * n], 255);
        assert_eq!(msm(&points[..n], &scalars[..n]), expected, "size {n}");
        let expected = blst_sum(&points[..n], &short_bytes[..16 * n], 128);
        assert_eq!(msm_128(&points[..n], &short[..n]), expected, "size {n}");
    }
}

#[test]
fn mixed_sums_are_the_sums_of_both() {
    let (points, scalars) = (progression("mixed", 700), scalars("mixed", 700));
    let weights: Vec<u128> = scalars.iter().map(low).collect();
    for (long, short) in [
        (0, 0),
        (1, 0),
        (0, 1),
        (3, 4),
        (16, 16),
        (31, 40),
        (300, 400),
    ] {
        let (first, second) = (&points[..long], &points[long..long + short]);
        let expected = msm(first, &scalars[..long]) + msm_128(second, &weights[..short]);
        let sum = msm_mixed((first, &scalars[..long]), (second, &weights[..short]));
        assert_eq!(sum, expected, "{long} and {short}");
    }
}

#[test]
fn one_bucket_may_hold_everything() {
    for point in [
        curve_point("one bucket", 0),
        point_of_order(3),
        point_of_order(11),
    ] {
        for n in [33usize, 8191, 8192, 8193, 20_000] {
            for k in [Scalar::ONE, minus_one(), scalar("one bucket", 1)] {
                let once = times_scalar(&point.to_e1(), &k);
                let expected = times_scalar(&once, &Scalar::from_u64(n as u64));
                let sum = msm(&vec![point; n], &vec![k; n]);
                assert_eq!(sum, expected, "{n} times {k:?}");
            }
        }
    }
}

#[test]
fn many_points_of_order_three_and_their_opposites() {
    // Σ ±k·T depends on Σ ±k modulo 3 alone; few different sums meet in every bucket.
    let point = point_of_order(3);
    for n in [40usize, 300, 3000] {
        let points: Vec<E1Affine> = (0..n)
            .map(|i| if i % 3 == 0 { point.negate() } else { point })
            .collect();
        let weights: Vec<u128> = scalars("three", n).iter().map(low).collect();
        let total = weights.iter().enumerate().fold(0u128, |acc, (i, k)| {
            let k = k % 3;
            (acc + if i % 3 == 0 { 3 - k } else { k }) % 3
        });
        let expected = times_scalar(&point.to_e1(), &Scalar::from_u128(total));
        assert_eq!(msm_128(&points, &weights), expected, "{n} points");
    }
}

#[test]
fn cancelling_halves_of_a_large_sum() {
    let mut points = progression("halves", 2000);
    let negated: Vec<E1Affine> = points.iter().map(E1Affine::negate).collect();
    points.extend(negated);
    let mut ks = scalars("halves", 2000);
    ks.extend(ks.clone());
    assert!(msm(&points, &ks).is_identity());
    ks[3999] += Scalar::ONE;
    assert_eq!(msm(&points, &ks), points[3999].to_e1());
}

#[test]
fn threads_do_not_change_a_sum() {
    let (points, ks) = (progression("threads", 3000), scalars("threads", 3000));
    let expected = msm(&points, &ks);
    for threads in [1, 2, 3, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let sum = pool.expect("a pool").install(|| msm(&points, &ks));
        assert_eq!(sum, expected, "{threads} threads");
    }
}

/// As many as have one table row each, and as few as have several.
const LISTS: [usize; 5] = [1, 39, 40, 41, 60];

#[test]
fn secret_sums_over_short_and_long_lists() {
    for count in LISTS {
        let bases: Vec<G1Affine> = (0..count).map(|i| g1_point("lists", i)).collect();
        let points: Vec<E1Affine> = bases.iter().map(|b| *b.as_e1()).collect();
        let tables = SecretBases::new(&bases);
        assert_eq!(tables.len(), count);
        for size in [0, 1, 2, 3, count / 2, count] {
            let mut ks = scalars("lists", size.min(count));
            let at = ks.len();
            assert_eq!(
                tables.msm(&ks),
                naive_sum(&points[..at], &ks),
                "{at} of {count}"
            );
            ks.iter_mut().step_by(2).for_each(|k| *k = Scalar::ZERO);
            ks.iter_mut().step_by(3).for_each(|k| *k = minus_one());
            assert_eq!(
                tables.msm(&ks),
                naive_sum(&points[..at], &ks),
                "{at} of {count}"
            );
        }
    }
}

#[test]
fn secret_bits_choose_bases() {
    for count in LISTS {
        let bases: Vec<G1Affine> = (0..count).map(|i| g1_point("bits", i)).collect();
        let tables = SecretBases::new(&bases);
        let idx: Vec<usize> = (0..count).rev().chain([0, 0]).collect();
        let bits: Vec<u8> = (0..idx.len()).map(|i| (i * i % 7) as u8).collect();
        let chosen = idx.iter().zip(&bits).filter(|(_, bit)| **bit & 1 == 1);
        let expected: E1 = chosen.map(|(i, _)| bases[*i].to_e1()).sum();
        assert_eq!(tables.sum_subset(&idx, &bits), expected);
        assert!(tables.sum_subset(&idx, &vec![0; idx.len()]).is_identity());
    }
}

/// Bases of known relations make sums meet that independent ones never would.
#[test]
fn dependent_secret_bases_are_summed_all_the_same() {
    let base = g1_point("dependent", 0);
    let multiple = |k: u64| base.mul(&Scalar::from_u64(k)).to_g1().expect("in G1");
    for (a, b) in [(1, 3), (1, 2), (5, 7), (1, 64), (3, 1 << 30)] {
        let bases = [multiple(a), multiple(b)];
        let points = bases.map(|b| *b.as_e1());
        let tables = SecretBases::new(&bases);
        for left in 0..24u64 {
            for right in 0..8u64 {
                let ks = [left, right].map(Scalar::from_u64);
                assert_eq!(tables.msm(&ks), naive_sum(&points, &ks), "{a} {b} {ks:?}");
                let ks = [ks[0], -ks[1]];
                assert_eq!(tables.msm(&ks), naive_sum(&points, &ks), "{a} {b} {ks:?}");
            }
        }
    }
}

#[test]
fn repeated_and_opposite_secret_bases_in_a_long_list() {
    let base = g1_point("repeated", 0);
    let mut bases: Vec<G1Affine> = (0..50).map(|i| g1_point("repeated", i)).collect();
    bases[17] = base;
    bases[33] = base.negate();
    let points: Vec<E1Affine> = bases.iter().map(|b| *b.as_e1()).collect();
    let (tables, ks) = (SecretBases::new(&bases), scalars("repeated", 50));
    assert_eq!(tables.msm(&ks), naive_sum(&points, &ks));
    let idx = [4, 4, 17, 0, 33, 4];
    let chosen = idx.map(|i| points[i]);
    assert_eq!(
        tables.msm_subset(&idx, &ks[..6]),
        naive_sum(&chosen, &ks[..6])
    );
    let same = vec![ks[0]; 6];
    assert_eq!(tables.msm_subset(&idx, &same), naive_sum(&chosen, &same));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn large_sums_are_linear(size in 32..400usize, at in 0..400usize, label in 0..1000usize) {
        let points = progression("linear", size);
        let ks = scalars(&format!("linear {label}"), size);
        let at = at.min(size);
        let halves = msm(&points[..at], &ks[..at]) + msm(&points[at..], &ks[at..]);
        prop_assert_eq!(msm(&points, &ks), halves);
    }

    #[test]
    fn secret_and_public_sums_agree(size in 1..12usize, label in 0..1000usize) {
        let bases: Vec<G1Affine> = (0..size).map(|i| g1_point("agree", i)).collect();
        let points: Vec<E1Affine> = bases.iter().map(|b| *b.as_e1()).collect();
        let ks: Vec<Scalar> = (0..size).map(|i| scalar(&format!("agree {label}"), i)).collect();
        prop_assert_eq!(SecretBases::new(&bases).msm(&ks), msm(&points, &ks));
    }
}
