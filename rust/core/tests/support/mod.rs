//! Shared by the test programs: vectors from files and points of all kinds.
#![allow(dead_code, reason = "each test program uses its own part")]

pub mod bbs;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use zkcredit_core::group::{E1, E1Affine, G1Affine, Scalar};
use zkcredit_core::hash::{derive_xof, hash_to_scalar};

/// r − 1, big-endian.
pub const R_MINUS_1: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000";
/// The field's modulus p, big-endian.
pub const P: &str = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf\
                     6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
/// h_eff = 1 − x = 3·11·10177·859267·52437899.
pub const H_EFF: u64 = 0xd201_0000_0001_0001;

pub fn vectors(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors")
        .join(folder)
}

pub fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("readable vector file")).expect("JSON")
}

/// Every JSON file of a folder with its name; at least one.
pub fn cases(folder: &str) -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(vectors(folder))
        .expect("vector folder")
        .map(|entry| entry.expect("folder entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no vectors in {folder}");
    paths
        .iter()
        .map(|p| (p.file_name().unwrap().to_string_lossy().into(), json(p)))
        .collect()
}

/// Bytes of a hexadecimal string with or without 0x.
pub fn unhex(text: &Value) -> Vec<u8> {
    let text = text.as_str().expect("a string");
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).expect("hexadecimal")
}

/// Bytes of a hexadecimal string of exactly this length.
pub fn array<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().expect("length")
}

pub fn scalar(label: &str, index: usize) -> Scalar {
    hash_to_scalar(
        "zkcredit test scalars",
        format!("{label}/{index}").as_bytes(),
    )
}

pub fn minus_one() -> Scalar {
    let bytes: [u8; 32] = hex::decode(R_MINUS_1).unwrap().try_into().unwrap();
    Scalar::from_bytes_be(&bytes).expect("below r")
}

/// Double and add over the bits, with nothing but complete additions.
pub fn times(point: &E1, bits: impl Iterator<Item = bool>) -> E1 {
    bits.fold(E1::identity(), |acc, bit| {
        if bit {
            acc.double() + point
        } else {
            acc.double()
        }
    })
}

pub fn times_scalar(point: &E1, k: &Scalar) -> E1 {
    let bytes = k.to_bytes_be();
    times(
        point,
        bytes
            .into_iter()
            .flat_map(|b| (0..8).rev().map(move |i| (b >> i) & 1 == 1)),
    )
}

pub fn times_u128(point: &E1, k: u128) -> E1 {
    times(point, (0..128).rev().map(|i| (k >> i) & 1 == 1))
}

/// Σ scalars[i]·points[i] by double and add.
pub fn naive_sum(points: &[E1Affine], scalars: &[Scalar]) -> E1 {
    points
        .iter()
        .zip(scalars)
        .map(|(p, k)| times_scalar(&p.to_e1(), k))
        .sum()
}

pub fn g1_point(label: &str, index: usize) -> G1Affine {
    let k = scalar(label, index);
    G1Affine::generator()
        .mul(&k)
        .to_g1()
        .expect("a member of G1")
}

/// A point of E(Fp) from a random x: outside G1 all but surely.
pub fn curve_point(label: &str, index: usize) -> E1Affine {
    for attempt in 0.. {
        let mut bytes = [0; 48];
        let data = format!("{label}/{index}/{attempt}");
        derive_xof("zkcredit test curve points", data.as_bytes(), &mut bytes);
        bytes[0] = bytes[0] & 0x2f | 0x80;
        if let Some(point) = E1Affine::from_compressed(&bytes) {
            return point;
        }
    }
    unreachable!()
}

/// r·P for a curve point: no component in G1 is left.
pub fn torsion_point(label: &str, index: usize) -> E1Affine {
    let point = curve_point(label, index).to_e1();
    (times_scalar(&point, &minus_one()) + point)
        .to_affine()
        .expect("torsion")
}

/// A point whose order is exactly the prime `order`, a factor of h_eff.
pub fn point_of_order(order: u64) -> E1Affine {
    assert_eq!(H_EFF % order, 0);
    (0..)
        .find_map(|i| {
            let point = torsion_point("small order", i).to_e1();
            times_u128(&point, u128::from(H_EFF / order)).to_affine()
        })
        .expect("some point with that component")
}

/// The BBS drafts' `seeded_random_scalars` with a fixture's `mockRngParameters`.
pub fn mocked_scalars(
    suite: zkcredit_core::bbs::Suite,
    parameters: &Value,
    step: &str,
    count: usize,
) -> Vec<Scalar> {
    let seed = parameters["SEED"].as_str().expect("a seed").as_bytes();
    let tag = parameters[step]["DST"].as_str().expect("a tag").as_bytes();
    let mut wide = vec![0u8; 48 * count];
    suite
        .expand_message(seed, tag, &mut wide)
        .expect("few scalars");
    wide.chunks(48).map(Scalar::from_wide_be).collect()
}
