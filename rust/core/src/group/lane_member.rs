//! Membership in G1, eight points at a time, each by itself.
//!
//! φ(x, y) = (β·x, y) with β³ = 1 is an endomorphism of E(Fp) with φ² + φ + 1 = 0. If
//! φ(P) = −x0²·P for the curve's parameter x0, then 0 = (x0⁴ − x0² + 1)·P = r·P. Members
//! of G1 have that eigenvalue (Scott, "A note on group membership tests for G1, G2 and GT
//! on BLS pairing-friendly curves", 2021). So the test is exact, and needs no more than
//! multiplying by |x0| twice, 126 doublings and ten additions.

use super::lane_add::Point;
use super::lanes::{Element, Lanes, Mask, narrowed};

/// |x0|, the curve's parameter without its sign.
const X0: u64 = 0xd201_0000_0001_0000;
/// The cube root β of 1 with (β·x, y) = −x0²·(x, y) on G1, x0 the curve's parameter.
const BETA: Element = Element(narrowed(&[
    0xbb6d_75aa_ff33_455f,
    0xfa07_9fd0_9535_6b7c,
    0xcf0a_3d69_7953_a2f6,
    0xf7de_3465_fe7c_1080,
    0x4701_f71f_d689_6ec3,
    0x07d9_1d9d_d9cc_1727,
]));

/// Eight points in Jacobian coordinates; Z = 0 is infinity, or an addition went wrong.
/// Coordinates are at most 10.1·p.
struct Jacobian {
    x: Lanes,
    y: Lanes,
    z: Lanes,
}

impl Jacobian {
    /// 2·self (dbl-2009-l of the Explicit-Formulas Database, but for 4·X·Y²).
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn double(&self) -> Self {
        let a = self.x.square();
        let b = self.y.square();
        let c = b.square();
        let product = self.x.times(&b);
        let e = a.plus(&a).plus(&a);
        let z = self.y.times(&self.z);
        let x = e.square().minus_below::<9>(&product.doubled::<3>());
        let back = product.doubled::<2>().minus_below::<11>(&x);
        Jacobian {
            y: e.times(&back).minus_below::<9>(&c.doubled::<3>()),
            z: z.plus(&z),
            x,
        }
    }

    /// self + (x, y), coordinates at most 10.1·p, but with Z = 0 if the points have the
    /// same x-coordinate (madd-2004-hmv). Once Z is 0 it stays so.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add(&self, [x, y]: [&Lanes; 2]) -> Self {
        let zz = self.z.square();
        let h = x.times(&zz).minus_below::<11>(&self.x);
        let r = y.times(&zz.times(&self.z)).minus_below::<11>(&self.y);
        let hh = h.square();
        let hhh = h.times(&hh);
        let v = self.x.times(&hh);
        let sum = r.square().minus_below::<4>(&hhh.plus(&v).plus(&v));
        let back = v.minus_below::<6>(&sum);
        Jacobian {
            y: r.times(&back).minus_below::<2>(&self.y.times(&hhh)),
            z: self.z.times(&h),
            x: sum,
        }
    }
}

/// |x0|·(x, y) on a curve y² = x³ + b with any b; coordinates at most 10.1·p.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
fn multiplied(x: &Lanes, y: &Lanes) -> Jacobian {
    let mut acc = Jacobian {
        x: *x,
        y: *y,
        z: Lanes::all(&Element::ONE),
    };
    for bit in (0..X0.ilog2()).rev() {
        acc = acc.double();
        if X0 >> bit & 1 == 1 {
            acc = acc.add([x, y]);
        }
    }
    acc
}

/// The lanes whose points, one to eight of them, were found to be members. Where no
/// addition goes wrong that is all members but infinity, and it never does for members.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn members(points: &[Point]) -> Mask {
    let [mut xs, mut ys] = [[&points[0].x; 8], [&points[0].y; 8]];
    for (point, (x, y)) in points.iter().zip(xs.iter_mut().zip(&mut ys)) {
        (*x, *y) = (&point.x, &point.y);
    }
    let [x, y] = [Lanes::gather(xs), Lanes::gather(ys)];
    let once = multiplied(&x, &y);
    // X and Y alone are an affine point of an isomorphic curve, for which the formulas are
    // the same; Z takes the result back.
    let twice = multiplied(&once.x, &once.y);
    let z = once.z.times(&twice.z);
    let zz = z.square();
    let image = x.times(&Lanes::all(&BETA)).times(&zz);
    let same_x = twice.x.minus_below::<2>(&image).is_zero();
    let opposite_y = twice.y.plus(&y.times(&zz.times(&z))).is_zero();
    same_x & opposite_y & !z.is_zero()
}

#[cfg(test)]
mod tests {
    use blst::blst_p1_affine;

    use super::*;
    use crate::group::adder::{Adder, is_member};
    use crate::group::batch_add::{Batch, Exact};
    use crate::group::lane_add::LaneBatch;
    use crate::group::{E1Affine, G1Affine, Scalar, ffi, msm, msm_128};

    /// Points of E(Fp), most of them of composite order, from small x-coordinates.
    fn outside() -> Vec<E1Affine> {
        let encoded = |x: u8| {
            let mut bytes = [0; 48];
            (bytes[0], bytes[47]) = (0x80, x);
            bytes
        };
        let points = (0..60).filter_map(|x| E1Affine::from_compressed(&encoded(x)));
        points.collect()
    }

    /// factor·r·P: outside G1, of an order that divides the cofactor through the factor.
    fn torsion(point: &E1Affine, factor: u128) -> Option<E1Affine> {
        let multiple = msm(&[*point], &[Scalar::MINUS_ONE]) + point.to_e1();
        msm_128(&[multiple.to_affine()?], &[factor]).to_affine()
    }

    fn points() -> Vec<E1Affine> {
        let outside = outside();
        let mut all: Vec<E1Affine> = outside.clone();
        // Of orders 3, 11, 121 and others, and the sums of those with members.
        let cofactor = u128::from(X0 + 1).pow(2) / 3;
        for order in [1, 3, 11, 121, 10_177, 859_267 * 859_267, 52_437_899] {
            let points = outside.iter().filter_map(|p| torsion(p, cofactor / order));
            all.extend(points.take(5));
        }
        let member = |k: u64| {
            let multiple = G1Affine::generator().mul(&Scalar::from_u64(k * k + 1));
            multiple.to_affine().expect("finite")
        };
        let mixed = |(i, p): (usize, &E1Affine)| (p.to_e1() + member(i as u64).to_e1()).to_affine();
        let mixed: Vec<E1Affine> = all.iter().enumerate().filter_map(mixed).collect();
        all.extend(mixed);
        all.extend((0..50).map(member));
        all
    }

    #[test]
    fn eight_tests_at_once_are_exact() {
        let Some(ifma) = ffi::Ifma::detect() else {
            return;
        };
        let plain = points();
        let is_mixed = |eight: &[E1Affine]| {
            let members = eight.iter().filter(|point| is_member(&point.0)).count();
            0 < members && members < eight.len()
        };
        // As they are, and the first beside the last.
        let (first, last) = plain.split_at(plain.len() / 2);
        let pairs = first.iter().zip(last.iter().rev());
        let beside: Vec<E1Affine> = pairs.flat_map(|(p, q)| [*p, *q]).collect();
        assert!(beside.chunks(8).any(is_mixed));
        for plain in [plain, beside] {
            let imported = LaneBatch::new(ifma).import(&plain);
            for size in [1, 3, 8] {
                for (points, plain) in imported.chunks(size).zip(plain.chunks(size)) {
                    let found = ifma.members(points);
                    for (lane, point) in plain.iter().enumerate() {
                        assert_eq!(found >> lane & 1 == 1, is_member(&point.0));
                    }
                }
            }
        }
    }

    #[test]
    fn every_adder_finds_the_one_outside() {
        let adder = ffi::Ifma::detect().map(LaneBatch::new);
        let member = *G1Affine::generator().as_e1();
        let bad = outside().into_iter().find(|p| !p.is_in_subgroup());
        let bad = bad.expect("most are outside");
        for count in 1..20 {
            let mut points = vec![member; count];
            points[count / 3] = E1Affine(blst_p1_affine::default());
            let all = |points: &[E1Affine]| {
                let lanes = adder.as_ref().map(|a| a.are_members(&a.import(points)));
                let exact = Batch::<Exact>::new();
                let verdict = exact.are_members(&exact.import(points));
                assert_eq!(lanes.unwrap_or(verdict), verdict);
                verdict
            };
            assert!(all(&points), "infinity is a member");
            for at in 0..count {
                let good = std::mem::replace(&mut points[at], bad);
                assert!(!all(&points));
                points[at] = good;
            }
        }
    }
}
