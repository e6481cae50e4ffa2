//! Reading points eight at a time: uncompressed encodings, and points in blst's form.

use blst::{blst_fp, blst_p1_affine};

use super::E1Affine;
use super::lane_add::Point;
use super::lanes::{Element, INVERSE_TO_OURS, Lanes, Mask, P, narrowed};

/// 2^800 modulo p: what takes a number to blst's form.
const NUMBER_TO_BLST: Element = Element(narrowed(&[
    0x3dc5_5103_9a1d_2c25,
    0xe8da_66c8_57a9_8437,
    0xb82e_8f65_1333_1128,
    0xb197_b625_2a29_ba38,
    0x5dcb_e4f4_e329_28cb,
    0x0e91_f80e_f81f_158c,
]));
/// What takes blst's form to ours.
const BLST_TO_OURS: Element = Element(narrowed(&INVERSE_TO_OURS.l));
/// s = 2^-32 in our form, 2^384 modulo p. A number a in blst's form is s·a in ours.
const SCALE: Element = Element(narrowed(&[
    0x7609_0000_0002_fffd,
    0xebf4_000b_c40c_0002,
    0x5f48_9857_53c7_58ba,
    0x77ce_5853_7052_5745,
    0x5c07_1a97_a256_ec6d,
    0x15f6_5ec3_fa80_e493,
]));
/// 4·s³ in our form, 2^322.
const SCALED_FOUR: Element = Element(narrowed(&[0, 0, 0, 0, 0, 1 << 2]));

/// A big-endian number below p.
fn number(bytes: &[u8; 48]) -> Option<Element> {
    let mut limbs = [0; 6];
    for (limb, word) in limbs.iter_mut().rev().zip(bytes.as_chunks().0) {
        *limb = u64::from_be_bytes(*word);
    }
    // Below p if subtracting p borrows.
    let borrow = limbs.iter().zip(P).fold(false, |borrow, (limb, p)| {
        let (difference, first) = limb.overflowing_sub(p);
        first | difference.overflowing_sub(u64::from(borrow)).1
    });
    borrow.then(|| Element(narrowed(&limbs)))
}

/// Points of one to eight encodings x ‖ y, and the lanes of those that are encodings of
/// finite points of the curve, their flag bits zero: numbers below p leave no room for
/// flags.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn decoded(encodings: &[&[u8; 96]]) -> ([blst_p1_affine; 8], Mask) {
    let mut elements = [[Element::default(); 8]; 2];
    let mut canonical: Mask = 0;
    for (lane, encoding) in encodings.iter().enumerate() {
        let mut numbers = encoding.as_chunks().0.iter().map(number);
        if let (Some(Some(x)), Some(Some(y))) = (numbers.next(), numbers.next()) {
            (elements[0][lane], elements[1][lane]) = (x, y);
            canonical |= 1 << lane;
        }
    }
    let to_blst = Lanes::all(&NUMBER_TO_BLST);
    let [x, y] = elements.map(|e| Lanes::gather(e.each_ref()).times(&to_blst).reduced());
    // s³·y² = s³·(x³ + 4)
    let left = y.square().times(&Lanes::all(&SCALE));
    let right = x.square().times(&x).plus(&Lanes::all(&SCALED_FOUR));
    let on_curve = left.minus_below::<3>(&right).is_zero();
    let mut points = [blst_p1_affine::default(); 8];
    for (point, (x, y)) in points.iter_mut().zip(x.scatter().iter().zip(&y.scatter())) {
        (point.x, point.y) = (x.widened(), y.widened());
    }
    (points, canonical & on_curve)
}

/// One to eight points in our form.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn imported(points: &[E1Affine]) -> [Point; 8] {
    let mut elements = [[Element::default(); 8]; 2];
    for (lane, point) in points.iter().enumerate() {
        let narrow = |a: &blst_fp| Element(narrowed(&a.l));
        (elements[0][lane], elements[1][lane]) = (narrow(&point.0.x), narrow(&point.0.y));
    }
    let to_ours = Lanes::all(&BLST_TO_OURS);
    let [x, y] = elements.map(|e| {
        let ours = Lanes::gather(e.each_ref()).times(&to_ours);
        ours.reduced().scatter()
    });
    std::array::from_fn(|lane| Point {
        x: x[lane],
        y: y[lane],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::group::{G1Affine, Scalar, ffi};

    /// p − 1 and p, big-endian.
    fn largest() -> [[u8; 48]; 2] {
        [P[0] - 1, P[0]].map(|lowest| {
            let mut bytes = [0; 48];
            let limbs = [lowest, P[1], P[2], P[3], P[4], P[5]];
            for (chunk, limb) in bytes.chunks_exact_mut(8).rev().zip(limbs) {
                chunk.copy_from_slice(&limb.to_be_bytes());
            }
            bytes
        })
    }

    /// Good encodings, and each with something wrong.
    fn encodings() -> Vec<[u8; 96]> {
        let member = |k: u64| {
            let multiple = G1Affine::generator().mul(&Scalar::from_u64(k));
            multiple.to_affine().expect("finite")
        };
        let mut points: Vec<E1Affine> = (1..30).map(member).collect();
        let mut small = [0; 48];
        small[0] = 0x80;
        for x in 0..30 {
            small[47] = x;
            points.extend(E1Affine::from_compressed(&small));
        }
        let good: Vec<[u8; 96]> = points.iter().map(E1Affine::to_uncompressed).collect();
        let mut all = good.clone();
        for (i, encoding) in good.iter().enumerate() {
            let mut wrong = [*encoding; 5];
            wrong[0][95 - i % 90] ^= 1;
            wrong[1][0] |= 0x20 << (i % 3);
            wrong[2][48] |= 0x20 << (i % 3);
            let [minus_one, p] = largest();
            wrong[3][..48].copy_from_slice(if i % 2 == 0 { &p } else { &minus_one });
            wrong[4][48..].copy_from_slice(if i % 2 == 0 { &p } else { &minus_one });
            all.extend(wrong);
        }
        // (0, 2) with x + p, the identity, and nothing but ones.
        let mut order_three = [0; 96];
        order_three[95] = 2;
        all.push(order_three);
        order_three[..48].copy_from_slice(&largest()[1]);
        all.extend([order_three, [0; 96], [0xff; 96]]);
        all
    }

    #[test]
    fn eight_are_decoded_as_one_is() {
        let Some(ifma) = ffi::Ifma::detect() else {
            return;
        };
        let all = encodings();
        let (mut good, mut bad) = (0, 0);
        for size in [1, 3, 7, 8] {
            // Neighbours in the list, and encodings far apart.
            for step in [1, all.len() / 8 - 1] {
                let order: Vec<&[u8; 96]> = (0..step)
                    .flat_map(|start| all.iter().skip(start).step_by(step))
                    .collect();
                for encodings in order.chunks(size) {
                    let (points, found) = ifma.decoded(encodings);
                    for (lane, encoding) in encodings.iter().enumerate() {
                        let expected = E1Affine::from_uncompressed(encoding);
                        let own = (found >> lane & 1 == 1).then(|| E1Affine(points[lane]));
                        assert_eq!(own, expected, "{encoding:02x?}");
                        good += usize::from(expected.is_some());
                        bad += usize::from(expected.is_none());
                    }
                }
            }
        }
        assert!(good > 300 && bad > 1000, "{good} {bad}");
    }

    #[test]
    fn eight_are_imported_as_one_is() {
        let Some(ifma) = ffi::Ifma::detect() else {
            return;
        };
        let points = encodings();
        let points = points.iter().filter_map(E1Affine::from_uncompressed);
        let mut points: Vec<E1Affine> = points.collect();
        // Infinity, which tests of additions use.
        points.insert(3, E1Affine(blst_p1_affine::default()));
        for size in [1, 5, 8] {
            for some in points.chunks(size) {
                let ours = ifma.imported(some);
                for (point, ours) in some.iter().zip(&ours) {
                    assert_eq!(ours.x, Element::new(&point.0.x));
                    assert_eq!(ours.y, Element::new(&point.0.y));
                }
            }
        }
    }
}
