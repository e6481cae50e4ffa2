//! Strict decoding: what decodes encodes to the same bytes.

use proptest::prelude::*;
use zkcredit_core::group::{E1, E1Affine, G1Affine, G2, G2Affine, batch_to_affine};

use crate::support::{P, curve_point, g1_point, point_of_order, scalar, torsion_point};

fn p_bytes() -> [u8; 48] {
    hex::decode(P.replace(' ', "")).unwrap().try_into().unwrap()
}

/// a + b as big-endian integers of the same length.
fn add_be(a: &[u8; 48], b: &[u8; 48]) -> [u8; 48] {
    let mut out = [0; 48];
    let mut carry = 0;
    for i in (0..48).rev() {
        let sum = u16::from(a[i]) + u16::from(b[i]) + carry;
        out[i] = sum as u8;
        carry = sum >> 8;
    }
    out
}

#[test]
fn points_come_back() {
    for i in 0..20 {
        for point in [*g1_point("encode", i).as_e1(), curve_point("encode", i)] {
            assert_eq!(
                E1Affine::from_uncompressed(&point.to_uncompressed()),
                Some(point)
            );
            assert_eq!(
                E1Affine::from_compressed(&point.to_compressed()),
                Some(point)
            );
            assert_eq!(point.negate().to_e1(), -point.to_e1());
            assert_eq!(&point.to_uncompressed()[1..48], &point.to_compressed()[1..]);
        }
        let point = g1_point("encode", i);
        assert_eq!(
            G1Affine::from_uncompressed(&point.to_uncompressed()),
            Some(point)
        );
        assert_eq!(
            G1Affine::from_compressed(&point.to_compressed()),
            Some(point)
        );
    }
}

#[test]
fn checked_types_refuse_what_lies_outside_the_subgroup() {
    for i in 0..5 {
        for point in [curve_point("outside", i), torsion_point("outside", i)] {
            assert!(!point.is_in_subgroup() && point.to_g1().is_none());
            assert!(point.to_e1().to_g1().is_none());
            assert!(G1Affine::from_uncompressed(&point.to_uncompressed()).is_none());
            assert!(G1Affine::from_compressed(&point.to_compressed()).is_none());
            assert!(E1::from_compressed(&point.to_compressed()).is_none());
        }
    }
    for order in [3, 11, 10177, 859_267, 52_437_899] {
        assert!(point_of_order(order).to_g1().is_none(), "order {order}");
    }
}

/// (0, 2) and (0, −2) are on the curve: unchecked decoding takes them like any
/// other point, so that all verifiers agree on what decodes.
#[test]
fn the_points_with_x_zero_decode_but_are_not_in_g1() {
    let mut bytes = [0; 96];
    bytes[95] = 2;
    let point = E1Affine::from_uncompressed(&bytes).expect("on the curve");
    assert_eq!(point.to_uncompressed(), bytes);
    assert!(!point.is_in_subgroup());
    assert!(
        (point.to_e1().double() + point.to_e1()).is_identity(),
        "order 3"
    );
    for sign in [0x80, 0xa0] {
        let mut bytes = [0; 48];
        bytes[0] = sign;
        let half = E1Affine::from_compressed(&bytes).expect("on the curve");
        assert_eq!(half.to_compressed(), bytes);
        assert!(half == point || half == point.negate());
    }
    assert_eq!(point_of_order(3).to_uncompressed()[..48], [0; 48]);
}

#[test]
fn uncompressed_flags_are_refused() {
    let good = g1_point("flags", 0).to_uncompressed();
    for flags in 1..8u8 {
        let mut bytes = good;
        bytes[0] |= flags << 5;
        assert!(
            E1Affine::from_uncompressed(&bytes).is_none(),
            "flags {flags:03b}"
        );
    }
    let mut compressed_in_96 = [0; 96];
    compressed_in_96[..48].copy_from_slice(&g1_point("flags", 0).to_compressed());
    assert!(E1Affine::from_uncompressed(&compressed_in_96).is_none());
    let mut y_flag = good;
    y_flag[48] |= 0x80;
    assert!(E1Affine::from_uncompressed(&y_flag).is_none());
}

#[test]
fn compressed_flags_are_refused() {
    let good = g1_point("flags", 1).to_compressed();
    for flags in [0b000, 0b001, 0b010, 0b011, 0b110, 0b111u8] {
        let mut bytes = good;
        bytes[0] = bytes[0] & 0x1f | flags << 5;
        assert!(
            E1Affine::from_compressed(&bytes).is_none(),
            "flags {flags:03b}"
        );
    }
}

#[test]
fn infinity_decodes_only_where_it_is_legal() {
    let mut short = [0; 48];
    let mut long = [0; 96];
    for flags in [0x00, 0x40, 0xc0, 0xe0, 0x60] {
        short[0] = flags;
        long[0] = flags;
        assert!(E1Affine::from_compressed(&short).is_none());
        assert!(E1Affine::from_uncompressed(&long).is_none());
        assert!(G2Affine::from_compressed(&long).is_none());
        assert_eq!(E1::from_compressed(&short).is_some(), flags == 0xc0);
        assert_eq!(G2::from_compressed(&long).is_some(), flags == 0xc0);
    }
    short[0] = 0xc0;
    long[0] = 0xc0;
    assert_eq!(E1::from_compressed(&short), Some(E1::identity()));
    assert_eq!(
        G2::from_compressed(&long).map(|p| p.to_compressed()),
        Some(long)
    );
    short[47] = 1;
    long[95] = 1;
    assert!(E1::from_compressed(&short).is_none());
    assert!(G2::from_compressed(&long).is_none());
}

/// x + p and y + p stand for the same field element and must not decode. Only
/// small coordinates leave room for p below the flags.
#[test]
fn coordinates_of_p_or_more_are_refused() {
    let p = p_bytes();
    let mut small = [0; 48];
    let mut tried = 0;
    for x in 1..60u8 {
        small[47] = x;
        let mut bytes = small;
        bytes[0] |= 0x80;
        if let Some(point) = E1Affine::from_compressed(&bytes) {
            let mut shifted = add_be(&small, &p);
            let mut long = point.to_uncompressed();
            long[..48].copy_from_slice(&shifted);
            assert!(
                E1Affine::from_uncompressed(&long).is_none(),
                "x = {x} + p, uncompressed"
            );
            shifted[0] |= 0x80;
            assert!(E1Affine::from_compressed(&shifted).is_none(), "x = {x} + p");
            tried += 1;
        }
    }
    assert!(tried > 20);
    let mut modulus = p;
    modulus[0] |= 0x80;
    assert!(
        E1Affine::from_compressed(&modulus).is_none(),
        "x = p stands for x = 0"
    );
    let mut y_shifted = [0; 96];
    let mut two = [0; 48];
    two[47] = 2;
    y_shifted[48..].copy_from_slice(&add_be(&two, &p));
    assert!(
        E1Affine::from_uncompressed(&y_shifted).is_none(),
        "(0, 2 + p)"
    );
}

#[test]
fn points_off_the_curve_are_refused() {
    let mut bytes = g1_point("off", 0).to_uncompressed();
    bytes[95] ^= 1;
    assert!(E1Affine::from_uncompressed(&bytes).is_none());
    let off = (0..64u8).filter(|&x| {
        let mut bytes = [0; 48];
        (bytes[0], bytes[47]) = (0x80, x);
        E1Affine::from_compressed(&bytes).is_none()
    });
    assert!(off.count() > 10, "about half of all x belong to no point");
}

#[test]
fn g2_comes_back_and_is_strict() {
    for i in 0..10 {
        let point = G2Affine::generator()
            .mul(&scalar("g2", i))
            .to_affine()
            .unwrap();
        let bytes = point.to_compressed();
        assert_eq!(G2Affine::from_compressed(&bytes), Some(point));
        assert_eq!(&point.to_uncompressed()[1..96], &bytes[1..]);
        for flags in [0b000, 0b001, 0b010, 0b011, 0b110, 0b111u8] {
            let mut bad = bytes;
            bad[0] = bad[0] & 0x1f | flags << 5;
            assert!(G2Affine::from_compressed(&bad).is_none());
        }
        let mut flipped = bytes;
        flipped[0] ^= 0x20;
        let negative = G2Affine::from_compressed(&flipped).expect("−point");
        assert!((negative.to_g2() + point.to_g2()).is_identity());
    }
}

#[test]
fn batches_to_affine_keep_place_and_identity() {
    assert!(batch_to_affine(&[]).is_empty());
    for size in [1, 2, 3, 1535, 1536, 1537, 4000] {
        let mut acc = E1::identity();
        let step = g1_point("batch", 0);
        let points: Vec<E1> = (0..size)
            .map(|i| {
                acc = acc.add_affine(step.as_e1());
                if i % 7 == 3 { E1::identity() } else { acc }
            })
            .collect();
        let expected: Vec<_> = points.iter().map(E1::to_affine).collect();
        assert_eq!(batch_to_affine(&points), expected, "size {size}");
    }
    assert_eq!(batch_to_affine(&[E1::identity(); 3]), vec![None; 3]);
}

/// Encodings of every kind: points of G1 and outside, both signs, x = 0, x without a point,
/// x not below p, other flags.
fn encodings() -> Vec<[u8; 48]> {
    let mut all = Vec::new();
    for i in 0..20 {
        for point in [*g1_point("many", i).as_e1(), curve_point("many", i)] {
            all.extend([point.to_compressed(), point.negate().to_compressed()]);
        }
    }
    for x in 0..=255u8 {
        let mut bytes = [0; 48];
        bytes[47] = x;
        for sign in [0x80, 0xa0] {
            bytes[0] = sign;
            all.push(bytes);
            // The same x, unreduced.
            all.push(add_be(&bytes, &p_bytes()));
        }
    }
    for flags in [0x00, 0x20, 0x40, 0xc0, 0xe0] {
        let mut bytes = all[0];
        bytes[0] = bytes[0] & 0x1f | flags;
        all.push(bytes);
        all.push([flags; 48]);
    }
    all.push([0xff; 48]);
    all
}

#[test]
fn many_points_decode_as_each_does() {
    let all = encodings();
    let alone: Vec<_> = all.iter().map(E1Affine::from_compressed).collect();
    assert!(alone.iter().filter(|point| point.is_some()).count() > 300);
    assert!(alone.iter().filter(|point| point.is_none()).count() > 500);
    assert_eq!(E1Affine::from_compressed_many(&all), alone);
    // Every encoding in every lane, and lists that do not fill the lanes.
    for skip in 0..8 {
        assert_eq!(
            E1Affine::from_compressed_many(&all[skip..]),
            alone[skip..],
            "from {skip} on"
        );
    }
    for count in 0..18 {
        let few = E1Affine::from_compressed_many(&all[..count]);
        assert_eq!(few, alone[..count], "{count}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(mut bytes in any::<[u8; 48]>(), keep in any::<bool>()) {
        if keep {
            bytes[0] = bytes[0] & 0x2f | 0x80;
        }
        if let Some(point) = E1Affine::from_compressed(&bytes) {
            prop_assert_eq!(point.to_compressed(), bytes);
            let long = point.to_uncompressed();
            prop_assert_eq!(E1Affine::from_uncompressed(&long), Some(point));
        }
        let alone = E1Affine::from_compressed(&bytes);
        prop_assert_eq!(E1Affine::from_compressed_many(&[bytes; 9]), vec![alone; 9]);
    }

    #[test]
    fn one_changed_bit_never_decodes_to_the_same_point(bit in 0..768usize, which in 0..4usize) {
        let point = curve_point("bits", which);
        let mut bytes = point.to_uncompressed();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Some(other) = E1Affine::from_uncompressed(&bytes) {
            prop_assert_ne!(other, point);
        }
    }
}
