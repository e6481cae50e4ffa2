//! Bilinearity, and that torsion in the first argument changes no verdict.

use zkcredit_core::group::{
    E1, G1Affine, G2Affine, PreparedG2, Scalar, pairing_product_is_one, pairing_product_is_one_once,
};

use crate::support::{g1_point, minus_one, point_of_order, scalar, torsion_point};

fn g2_point(index: usize) -> G2Affine {
    G2Affine::generator()
        .mul(&scalar("g2", index))
        .to_affine()
        .expect("not the identity")
}

/// Both routines, which must agree.
fn is_one(pairs: &[(E1, G2Affine)]) -> bool {
    let prepared: Vec<PreparedG2> = pairs.iter().map(|(_, q)| PreparedG2::new(q)).collect();
    let by_reference: Vec<(E1, &PreparedG2)> = pairs.iter().map(|p| p.0).zip(&prepared).collect();
    let verdict = pairing_product_is_one(&by_reference);
    assert_eq!(verdict, pairing_product_is_one_once(pairs));
    verdict
}

#[test]
fn bilinear() {
    let (p, q) = (G1Affine::generator(), G2Affine::generator());
    for i in 0..5 {
        let (a, b) = (scalar("a", i), scalar("b", i));
        let left = (p.mul(&a), q.mul(&b).to_affine().unwrap());
        assert!(is_one(&[left, (p.mul(&-(a * b)), q)]));
        assert!(!is_one(&[left, (p.mul(&(a * b)), q)]));
        assert!(!is_one(&[left, (p.mul(&-(a * b + Scalar::ONE)), q)]));
        assert!(!is_one(&[left]));
    }
}

#[test]
fn many_pairs() {
    for count in [1, 2, 3, 8, 15, 16, 17, 33] {
        let mut exponent = Scalar::ZERO;
        let mut pairs: Vec<(E1, G2Affine)> = (0..count)
            .map(|i| {
                exponent += scalar("many", i) * scalar("g2", i);
                (G1Affine::generator().mul(&scalar("many", i)), g2_point(i))
            })
            .collect();
        assert!(!is_one(&pairs));
        pairs.push((G1Affine::generator().mul(&-exponent), G2Affine::generator()));
        assert!(is_one(&pairs), "{count} pairs");
        for i in 0..pairs.len() {
            let mut broken = pairs.clone();
            broken[i].0 += g1_point("broken", i).to_e1();
            assert!(!is_one(&broken), "pair {i} of {count}");
        }
    }
}

#[test]
fn the_identity_counts_as_one() {
    let q = g2_point(0);
    assert!(is_one(&[]));
    assert!(is_one(&[(E1::identity(), q)]));
    assert!(is_one(&[(E1::identity(), q), (E1::identity(), q)]));
    let p = g1_point("identity", 0).to_e1();
    assert!(!is_one(&[(E1::identity(), q), (p, q)]));
    assert!(is_one(&[(p, q), (E1::identity(), q), (-p, q)]));
}

#[test]
fn torsion_in_the_first_argument_changes_no_verdict() {
    let (p, q) = (g1_point("torsion", 0).to_e1(), g2_point(1));
    let mut torsion: Vec<E1> = (0..4)
        .map(|i| torsion_point("pairing", i).to_e1())
        .collect();
    torsion.extend([3, 11, 10177].map(|order| point_of_order(order).to_e1()));
    for t in torsion {
        assert!(is_one(&[(t, q)]));
        assert!(is_one(&[(p + t, q), (-p, q)]));
        assert!(is_one(&[(p + t, q), (t - p, q)]));
        assert!(!is_one(&[(p + t, q), (p, q)]));
    }
}

#[test]
fn prepared_points_remember_their_point() {
    let q = g2_point(2);
    assert_eq!(PreparedG2::from(q).point(), &q);
    assert_eq!(
        format!("{:?}", PreparedG2::new(&q)),
        format!("PreparedG2({q:?})")
    );
}

#[test]
fn g2_arithmetic() {
    let q = g2_point(3);
    let (a, b) = (scalar("a", 9), scalar("b", 9));
    assert_eq!(q.mul(&a) + q.mul(&b), q.mul(&(a + b)));
    assert_eq!(q.mul(&a) - q.mul(&b), q.mul(&(a - b)));
    assert_eq!(q.mul(&minus_one()), -q.to_g2());
    assert!((q.to_g2() - q.to_g2()).is_identity());
    assert_eq!(q.mul(&a).add_affine(&q), q.mul(&(a + Scalar::ONE)));
    assert!(q.mul(&Scalar::ZERO).is_identity());
    for k in [0, 1, 2, u128::from(u64::MAX), u128::MAX] {
        assert_eq!(q.mul_u128(k), q.mul(&Scalar::from_u128(k)));
    }
}
