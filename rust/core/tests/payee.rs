//! Settling many claims at once: the rogue-key attack, and what the weights bind.

use zkcredit_core::error::Error;
use zkcredit_core::generators;
use zkcredit_core::group::{E1, Scalar};
use zkcredit_core::payee::{MAX_KEYS, aggregate_keys, aggregate_secrets};

fn secret(i: u64) -> Scalar {
    Scalar::from_u64(1_000 + i)
}

fn public(k: &Scalar) -> [u8; 48] {
    let point = generators::named(generators::PAYEE).mul(k);
    point.to_affine().expect("not zero").to_compressed()
}

fn keys(n: u64) -> (Vec<Scalar>, Vec<[u8; 48]>) {
    let secrets: Vec<Scalar> = (0..n).map(secret).collect();
    let keys = secrets.iter().map(public).collect();
    (secrets, keys)
}

/// The weights: what unit secrets aggregate to.
fn weights(keys: &[[u8; 48]], context: &[u8]) -> Vec<Scalar> {
    let unit = |i: usize| {
        let secrets: Vec<Scalar> = (0..keys.len())
            .map(|j| if i == j { Scalar::ONE } else { Scalar::ZERO })
            .collect();
        let secrets: Vec<&Scalar> = secrets.iter().collect();
        aggregate_secrets(&secrets, keys, context).expect("weights")
    };
    (0..keys.len()).map(unit).collect()
}

#[test]
fn the_sum_of_the_secrets_belongs_to_the_sum_of_the_keys() {
    for n in [1, 2, 5, 40] {
        let (secrets, keys) = keys(n);
        let secrets: Vec<&Scalar> = secrets.iter().collect();
        let sum = aggregate_secrets(&secrets, &keys, b"payout").expect("as many");
        let point = aggregate_keys(&keys, b"payout").expect("keys");
        assert_eq!(point.to_compressed(), public(&sum));
    }
}

#[test]
fn a_rogue_key_does_not_cancel_another() {
    let (_, mut all) = keys(1);
    // The rogue key is k·G minus the victim's: unweighted, the sum is k·G.
    let k = secret(77);
    let victim = generators::named(generators::PAYEE).mul(&secret(0));
    let rogue = generators::named(generators::PAYEE).mul(&k) - victim;
    all.push(rogue.to_affine().expect("a point").to_compressed());
    let w = weights(&all, b"payout");
    assert_ne!(w[0], w[1]);
    let sum = aggregate_keys(&all, b"payout").expect("keys").to_e1();
    for claimed in [k, w[1] * k, w[0] * k] {
        assert_ne!(sum, generators::named(generators::PAYEE).mul(&claimed));
    }
    // A key and its inverse do not cancel either.
    let (_, pair) = keys(1);
    let inverse = public(&-secret(0));
    assert!(aggregate_keys(&[pair[0], inverse], b"payout").is_ok());
}

#[test]
fn every_weight_depends_on_the_whole_ordered_set_and_the_context() {
    let (_, own) = keys(4);
    let first = weights(&own, b"payout");
    let mut swapped = own.clone();
    swapped.swap(2, 3);
    let mut other = own.clone();
    other[3] = public(&secret(9));
    for (set, context) in [
        (&swapped, b"payout".as_slice()),
        (&other, b"payout"),
        (&own[..3].to_vec(), b"payout"),
        (&own, b"Payout"),
        (&own, b"payout 2"),
        (&own, b""),
    ] {
        let second = weights(set, context);
        assert!(first.iter().zip(&second).all(|(a, b)| a != b));
    }
    // 128 bits, all of them used, no two alike.
    let (_, many) = keys(60);
    let weights = weights(&many, b"payout");
    assert!(weights.iter().all(|w| w.to_bytes_be()[..16] == [0; 16]));
    for byte in 16..32 {
        assert!(weights.iter().any(|w| w.to_bytes_be()[byte] != 0));
    }
    for (i, w) in weights.iter().enumerate() {
        assert!(!weights[..i].contains(w));
    }
}

#[test]
fn keys_are_points_of_the_subgroup_and_not_too_many() {
    let (_, own) = keys(2);
    let mut order_three = [0; 48];
    order_three[0] = 0x80;
    let mut identity = [0; 48];
    identity[0] = 0xc0;
    let key = E1::from_compressed(&own[1]).expect("a point");
    let three = zkcredit_core::group::E1Affine::from_compressed(&order_three).expect("a point");
    let tainted = (key + E1::from(three)).to_affine().expect("a point");
    for bad in [order_three, identity, [0; 48], tainted.to_compressed()] {
        let verdict = aggregate_keys(&[own[0], bad], b"");
        assert_eq!(verdict, Err(Error::Malformed("payee key")));
    }
    assert!(matches!(aggregate_keys(&[], b""), Err(Error::Misuse(_))));
    let too_many = vec![own[0]; MAX_KEYS + 1];
    assert!(matches!(
        aggregate_keys(&too_many, b""),
        Err(Error::Misuse(_))
    ));
    let secrets = [&Scalar::ONE];
    assert!(matches!(
        aggregate_secrets(&secrets, &own, b""),
        Err(Error::Misuse(_))
    ));
}
