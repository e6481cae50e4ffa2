//! Strict decoding: one encoding of a proof, and every bit of it counts.

use zkcredit_core::engine::{verify, verify_batch};
use zkcredit_core::error::Error;

use crate::scenario::Scenario;
use crate::{scenario, small_spend};

/// p and r, big-endian.
const P: &str = "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab";
const R: &str = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";

/// `bytes + modulus` in the same number of bytes, if it fits below `limit` in the top
/// byte.
fn plus(bytes: &[u8], modulus: &str, limit: u16) -> Option<Vec<u8>> {
    let modulus = hex::decode(modulus).expect("hex");
    let mut carry = 0u16;
    let mut sum = bytes.to_vec();
    for (byte, add) in sum.iter_mut().zip(&modulus).rev() {
        let total = u16::from(*byte) + u16::from(*add) + carry;
        (*byte, carry) = (total as u8, total >> 8);
    }
    (carry == 0 && u16::from(sum[0]) < limit).then_some(sum)
}

#[test]
fn a_bit_changed_in_any_byte_is_refused() {
    let (statement, proof) = small_spend().prove();
    assert_eq!(verify(&statement, &proof), Ok(()));
    let accepted = |at: usize| {
        let mut other = proof.clone();
        other[at] ^= 1 << (at % 8);
        verify(&statement, &other).is_ok()
    };
    let wrong: Vec<usize> = (0..proof.len()).filter(|at| accepted(*at)).collect();
    assert_eq!(wrong, Vec::<usize>::new());
}

#[test]
fn a_byte_changed_in_any_element_of_a_default_spend_is_refused() {
    let (statement, proof) = Scenario::new("spend", scenario::DEFAULT).prove();
    let points = (0..9).map(|i| 96 * i);
    let scalars = (0..75).map(|i| 9 * 96 + 32 * i);
    for start in points.chain(scalars) {
        let mut other = proof.clone();
        other[start + 31] ^= 1;
        assert!(verify(&statement, &other).is_err(), "byte {}", start + 31);
    }
}

#[test]
fn the_length_is_exact() {
    let (statement, proof) = small_spend().prove();
    let refused = Err(Error::Malformed("proof: wrong length for its circuit"));
    for length in [
        0,
        1,
        96,
        proof.len() - 96,
        proof.len() - 32,
        proof.len() - 1,
    ] {
        assert_eq!(verify(&statement, &proof[..length]), refused);
    }
    for more in [1, 32, 96, 4096] {
        let longer = [proof.as_slice(), &vec![0; more]].concat();
        assert_eq!(verify(&statement, &longer), refused);
        assert_eq!(verify_batch(&[(&statement, &longer)]), Ok(vec![0]));
    }
}

#[test]
fn scalars_are_below_the_group_order() {
    let (statement, proof) = small_spend().prove();
    let mut tried = 0;
    for start in (9 * 96..proof.len()).step_by(32) {
        let Some(same) = plus(&proof[start..start + 32], R, 256) else {
            continue;
        };
        tried += 1;
        let mut other = proof.clone();
        other[start..start + 32].copy_from_slice(&same);
        assert_eq!(
            verify(&statement, &other),
            Err(Error::Malformed("proof: a scalar"))
        );
    }
    assert!(tried > 5);
    for value in [hex::decode(R).expect("hex"), vec![0xff; 32]] {
        let mut other = proof.clone();
        other[9 * 96..9 * 96 + 32].copy_from_slice(&value);
        assert_eq!(
            verify(&statement, &other),
            Err(Error::Malformed("proof: a scalar"))
        );
    }
}

#[test]
fn coordinates_are_below_p_and_flags_are_zero() {
    let malformed = Err(Error::Malformed("proof: a point"));
    let mut tried = 0;
    for _ in 0..3 {
        let (statement, proof) = small_spend().prove();
        for start in (0..9 * 96).step_by(48) {
            let Some(same) = plus(&proof[start..start + 48], P, 0x20) else {
                continue;
            };
            tried += 1;
            let mut other = proof.clone();
            other[start..start + 48].copy_from_slice(&same);
            assert_eq!(verify(&statement, &other), malformed, "byte {start}");
        }
        for start in (0..9 * 96).step_by(96) {
            for flag in [0x80, 0x40, 0x20, 0xe0] {
                let mut other = proof.clone();
                other[start] |= flag;
                assert_eq!(verify(&statement, &other), malformed, "byte {start}");
            }
        }
    }
    assert!(tried > 3);
}

#[test]
fn the_identity_is_no_point() {
    let (statement, proof) = small_spend().prove();
    for start in (0..9 * 96).step_by(96) {
        for first in [0x40, 0x00, 0xc0] {
            let mut other = proof.clone();
            other[start..start + 96].fill(0);
            other[start] = first;
            let malformed = Err(Error::Malformed("proof: a point"));
            assert_eq!(verify(&statement, &other), malformed, "{start} {first:x}");
        }
    }
    let mut identity = [0; 48];
    identity[0] = 0xc0;
    for index in 0..2 {
        let mut other = statement.clone();
        other.points[index] = identity;
        assert!(verify(&other, &proof).is_err());
    }
}

#[test]
fn the_points_are_those_of_the_statement() {
    let (statement, proof) = small_spend().prove();
    let refused = Err(Error::Malformed("proof: a point is not the statement's"));
    for index in 0..2 {
        // The other square root: −V instead of V.
        let mut other = statement.clone();
        other.points[index][0] ^= 0x20;
        assert_eq!(verify(&other, &proof), refused);
        let mut other = statement.clone();
        other.points.swap(0, 1);
        assert_eq!(verify(&other, &proof), refused);
        // Another encoding of the same coordinate.
        let mut other = statement.clone();
        other.points[index][0] ^= 0x80;
        assert_eq!(verify(&other, &proof), refused);
    }
}
