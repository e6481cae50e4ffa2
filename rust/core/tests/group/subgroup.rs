//! Group laws on E(Fp) and what clearing the cofactor does.

use zkcredit_core::group::{E1, E1Affine, G1Affine, Scalar, all_in_subgroup, batch_to_affine};

use crate::support::{
    H_EFF, curve_point, g1_point, minus_one, point_of_order, times_scalar, times_u128,
    torsion_point,
};

fn mixed_points() -> Vec<E1Affine> {
    let mut points: Vec<E1Affine> = (0..4)
        .flat_map(|i| [*g1_point("mixed", i).as_e1(), curve_point("mixed", i)])
        .collect();
    points.extend([3, 11, 10177].map(point_of_order));
    points
}

#[test]
fn additions_are_complete() {
    for a in mixed_points() {
        let p = a.to_e1();
        assert_eq!(p + E1::identity(), p);
        assert_eq!(E1::identity() + p, p);
        assert_eq!(E1::identity().add_affine(&a), p);
        assert_eq!(p + p, p.double());
        assert_eq!(p.add_affine(&a), p.double());
        assert!((p - p).is_identity() && (p + -p).is_identity());
        assert!((-p).add_affine(&a).is_identity());
        for b in mixed_points() {
            assert_eq!(p + b.to_e1(), b.to_e1() + p);
            assert_eq!(p.add_affine(&b), p + b.to_e1());
            assert_eq!(p + b.to_e1() - b.to_e1(), p);
        }
    }
    assert!(E1::identity().double().is_identity());
    assert!((E1::identity() - E1::identity()).is_identity());
    assert_eq!(E1::identity().to_affine(), None);
    assert_eq!(E1::identity().to_g1(), None);
}

#[test]
fn clearing_the_cofactor_is_multiplication_by_h_eff() {
    for point in mixed_points() {
        let cleared = point.to_e1().clear_cofactor();
        assert_eq!(cleared, times_u128(&point.to_e1(), u128::from(H_EFF)));
        assert!(cleared.is_in_subgroup());
        assert_eq!(cleared.to_g1(), point.to_e1().cleared_to_g1());
    }
    let p = g1_point("cleared", 0);
    assert_eq!(p.to_e1().clear_cofactor(), p.mul(&Scalar::from_u64(H_EFF)));
}

#[test]
fn clearing_the_cofactor_kills_torsion() {
    for i in 0..5 {
        let torsion = torsion_point("killed", i).to_e1();
        assert!(!torsion.is_identity());
        assert!(torsion.clear_cofactor().is_identity());
        assert_eq!(torsion.cleared_to_g1(), None);
        let member = g1_point("killed", i).to_e1();
        assert_eq!((member + torsion).clear_cofactor(), member.clear_cofactor());
    }
    for order in [3, 11, 10177, 859_267, 52_437_899] {
        let point = point_of_order(order).to_e1();
        assert!(times_u128(&point, order.into()).is_identity());
        assert!(point.clear_cofactor().is_identity(), "order {order}");
    }
    assert!(E1::identity().clear_cofactor().is_identity());
}

#[test]
fn multiplication_of_a_member() {
    let p = g1_point("mul", 0);
    for k in [0, 1, 2, 3, 15, 16, 17, 31, 32, 33, 63, 64, u64::MAX].map(Scalar::from_u64) {
        assert_eq!(&p * &k, times_scalar(&p.to_e1(), &k));
        assert_eq!(p.mul(&-k), -p.mul(&k));
    }
    assert_eq!(p.mul(&minus_one()), -p.to_e1());
    assert!(p.mul(&Scalar::ZERO).is_identity());
    for k in [0, 1, 2, u128::from(u64::MAX), u128::MAX] {
        assert_eq!(p.mul_u128(k), times_u128(&p.to_e1(), k));
    }
    assert!(G1Affine::generator().as_e1().is_in_subgroup());
    assert_eq!(p.negate().to_e1(), -p.to_e1());
}

/// The orders of torsion points, the smallest the hardest to find.
const ORDERS: [u64; 5] = [3, 11, 10177, 859_267, 52_437_899];

fn members(count: usize) -> Vec<E1Affine> {
    let step = g1_point("members", 1);
    let points = std::iter::successors(Some(g1_point("members", 0).to_e1()), |last| {
        Some(last.add_affine(step.as_e1()))
    });
    let points: Vec<E1> = points.take(count).collect();
    let affine = batch_to_affine(&points);
    affine.into_iter().map(|p| p.expect("finite")).collect()
}

fn plus(point: &E1Affine, torsion: &E1Affine) -> E1Affine {
    point
        .to_e1()
        .add_affine(torsion)
        .to_affine()
        .expect("finite")
}

#[test]
fn lists_of_members_are_accepted() {
    for count in [0, 1, 191, 192, 193, 500, 1500] {
        assert!(all_in_subgroup(&members(count)), "{count} points");
    }
    assert!(all_in_subgroup(&vec![g1_point("same", 0).into(); 300]));
}

#[test]
fn one_tainted_point_among_many_is_found_at_any_place_and_of_any_order() {
    for count in [1, 2, 191, 192, 300] {
        let mut points = members(count);
        for order in ORDERS {
            let torsion = point_of_order(order);
            for at in [0, 1, count / 2, count - 1] {
                let honest = points[at % count];
                for tainted in [plus(&honest, &torsion), torsion] {
                    points[at % count] = tainted;
                    assert!(!all_in_subgroup(&points), "order {order}, {at} of {count}");
                }
                points[at % count] = honest;
            }
        }
        assert!(all_in_subgroup(&points));
    }
}

/// What one random combination lets through every third time, and plain sums always.
#[test]
fn torsion_that_cancels_or_repeats_is_found() {
    let honest = members(200);
    let three = point_of_order(3);
    for _ in 0..30 {
        let mut points = honest.clone();
        points[7] = plus(&points[7], &three);
        assert!(!all_in_subgroup(&points));
        points[150] = plus(&points[150], &three.negate());
        assert!(!all_in_subgroup(&points));
    }
    for order in ORDERS {
        let torsion = point_of_order(order);
        let all: Vec<E1Affine> = honest.iter().map(|p| plus(p, &torsion)).collect();
        assert!(!all_in_subgroup(&all), "order {order} everywhere");
        assert!(!all_in_subgroup(&vec![torsion; 200]), "order {order} alone");
        let opposite = (0..200).map(|i| {
            if i % 2 == 0 {
                torsion
            } else {
                torsion.negate()
            }
        });
        let opposite: Vec<E1Affine> = opposite.zip(&honest).map(|(t, p)| plus(p, &t)).collect();
        assert!(!all_in_subgroup(&opposite), "order {order} cancelling");
    }
    let everything: Vec<E1Affine> = (0..200).map(|i| curve_point("tainted", i)).collect();
    assert!(!all_in_subgroup(&everything));
}
