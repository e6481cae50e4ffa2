//! The Ethereum vectors of the proof-of-possession suite, and own negatives.

mod support;

use serde_json::Value;
use support::{cases, scalar, unhex};
use zkcredit_core::bls::{
    PublicKey, SecretKey, Signature, aggregate_verify, fast_aggregate_verify, verify_batch,
};
use zkcredit_core::error::{Error, Result};
use zkcredit_core::group::{G2, G2Affine};

fn keys_of(list: &Value) -> Result<Vec<PublicKey>> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|k| PublicKey::from_bytes(&unhex(k)))
        .collect()
}

fn messages_of(list: &Value) -> Vec<Vec<u8>> {
    list.as_array().unwrap().iter().map(unhex).collect()
}

fn signatures_of(list: &Value) -> Result<Vec<Signature>> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|s| Signature::from_bytes(&unhex(s)))
        .collect()
}

/// Every case of a folder must give the verdict its `output` states.
fn verdicts(folder: &str, verify: impl Fn(&Value) -> Result<()>) {
    for (name, case) in cases(&format!("bls/{folder}")) {
        let expected = case["output"].as_bool().expect("a verdict");
        assert_eq!(verify(&case["input"]).is_ok(), expected, "{folder}/{name}");
    }
}

#[test]
fn vectors_sign() {
    for (name, case) in cases("bls/sign") {
        let input = &case["input"];
        let sk: [u8; 32] = unhex(&input["privkey"]).try_into().unwrap();
        let signed = SecretKey::from_bytes(&sk).map(|sk| {
            let signature = sk.sign(&unhex(&input["message"]));
            sk.public_key()
                .verify(&unhex(&input["message"]), &signature)
                .unwrap();
            signature.to_bytes().to_vec()
        });
        let expected = (!case["output"].is_null()).then(|| unhex(&case["output"]));
        assert_eq!(signed.ok(), expected, "{name}");
    }
}

#[test]
fn vectors_verify() {
    verdicts("verify", |input| {
        let key = PublicKey::from_bytes(&unhex(&input["pubkey"]))?;
        let signature = Signature::from_bytes(&unhex(&input["signature"]))?;
        key.verify(&unhex(&input["message"]), &signature)
    });
}

#[test]
fn vectors_aggregate() {
    for (name, case) in cases("bls/aggregate") {
        let aggregate = signatures_of(&case["input"]).and_then(|s| Signature::aggregate(&s));
        let expected = (!case["output"].is_null()).then(|| unhex(&case["output"]));
        assert_eq!(
            aggregate.ok().map(|s| s.to_bytes().to_vec()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn vectors_aggregate_verify() {
    verdicts("aggregate_verify", |input| {
        let msgs = messages_of(&input["messages"]);
        let msgs: Vec<&[u8]> = msgs.iter().map(Vec::as_slice).collect();
        let signature = Signature::from_bytes(&unhex(&input["signature"]))?;
        aggregate_verify(&keys_of(&input["pubkeys"])?, &msgs, &signature)
    });
}

#[test]
fn vectors_fast_aggregate_verify() {
    verdicts("fast_aggregate_verify", |input| {
        let signature = Signature::from_bytes(&unhex(&input["signature"]))?;
        fast_aggregate_verify(
            &keys_of(&input["pubkeys"])?,
            &unhex(&input["message"]),
            &signature,
        )
    });
}

#[test]
fn vectors_batch_verify() {
    verdicts("batch_verify", |input| {
        let msgs = messages_of(&input["messages"]);
        let entries: Vec<(PublicKey, &[u8], Signature)> = keys_of(&input["pubkeys"])?
            .into_iter()
            .zip(&msgs)
            .zip(signatures_of(&input["signatures"])?)
            .map(|((key, msg), signature)| (key, msg.as_slice(), signature))
            .collect();
        match verify_batch(&entries)?.is_empty() {
            true => Ok(()),
            false => Err(Error::Refused("batch")),
        }
    });
}

/// The identity deserialises in G1 but is no public key: `Refused`, where all
/// other bad bytes are `Malformed`.
#[test]
fn vectors_deserialization() {
    for (name, case) in cases("bls/deserialization_G1") {
        let bytes = unhex(&case["input"]["pubkey"]);
        let decodes = match PublicKey::from_bytes(&bytes) {
            Ok(key) => key.to_bytes()[..] == bytes,
            Err(Error::Refused(_)) => true,
            Err(_) => false,
        };
        assert_eq!(decodes, case["output"].as_bool().unwrap(), "{name}");
    }
    for (name, case) in cases("bls/deserialization_G2") {
        let bytes = unhex(&case["input"]["signature"]);
        let decodes = Signature::from_bytes(&bytes).is_ok_and(|s| s.to_bytes()[..] == bytes);
        assert_eq!(decodes, case["output"].as_bool().unwrap(), "{name}");
    }
}

/// EIP-2333, test case 0: its master key is `KeyGen` of the seed.
#[test]
fn key_gen() {
    let seed = "c55257c360c07c72029aebc1b53c05ed0362ada38ead3e3e9efa3708e53495531f09a6987599d182\
                64c1e1c92f2cf141630c7a3c4ab7c81b2f001698e7463b04";
    let seed = hex::decode(seed.replace(' ', "")).unwrap();
    let sk = SecretKey::key_gen(&seed, b"").unwrap();
    let expected = "0d7359d57963ab8fbbde1852dcf553fedbc31f464d80ee7d40ae683122b45070";
    assert_eq!(hex::encode(sk.to_bytes().expose()), expected);
    let other = SecretKey::key_gen(&seed, b"info").unwrap();
    assert_ne!(other.to_bytes().expose(), sk.to_bytes().expose());
    assert!(matches!(
        SecretKey::key_gen(&seed[..31], b""),
        Err(Error::Misuse(_))
    ));
    assert!(SecretKey::key_gen(&seed[..32], b"").is_ok());
}

fn key(index: usize) -> SecretKey {
    SecretKey::from_bytes(&scalar("bls", index).to_bytes_be()).unwrap()
}

fn message(index: usize) -> Vec<u8> {
    format!("message {index}").into_bytes()
}

fn decoded(point: &G2) -> Signature {
    Signature::from_bytes(&point.to_compressed()).unwrap()
}

fn point(signature: &Signature) -> G2 {
    G2::from_compressed(&signature.to_bytes()).unwrap()
}

fn identity() -> Signature {
    decoded(&G2::identity())
}

#[test]
fn secret_keys_are_strict_and_redacted() {
    let r = "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001";
    let r: [u8; 32] = hex::decode(r).unwrap().try_into().unwrap();
    assert!(SecretKey::from_bytes(&r).is_err());
    assert!(SecretKey::from_bytes(&[0; 32]).is_err());
    assert!(SecretKey::from_bytes(&[0xff; 32]).is_err());
    let sk = key(0);
    assert_eq!(format!("{sk:?}"), "SecretKey(Secret(..))");
    assert_eq!(sk.to_bytes().expose(), &scalar("bls", 0).to_bytes_be());
}

#[test]
fn lengths_are_strict() {
    let (pk, sig) = (key(0).public_key().to_bytes(), key(0).sign(b"").to_bytes());
    for bytes in [&pk[..47], &[&pk[..], &[0]].concat(), &[], &sig[..]] {
        assert!(matches!(
            PublicKey::from_bytes(bytes),
            Err(Error::Malformed(_))
        ));
    }
    for bytes in [&sig[..95], &[&sig[..], &[0]].concat(), &[], &pk[..]] {
        assert!(matches!(
            Signature::from_bytes(bytes),
            Err(Error::Malformed(_))
        ));
    }
}

#[test]
fn signatures_bind_key_and_message() {
    let (sk, other) = (key(1), key(2));
    let signature = sk.sign(b"message");
    let pk = sk.public_key();
    assert!(pk.verify(b"message", &signature).is_ok());
    assert!(pk.verify(b"massage", &signature).is_err());
    assert!(pk.verify(b"", &signature).is_err());
    assert!(other.public_key().verify(b"message", &signature).is_err());
    assert!(
        pk.verify(b"message", &decoded(&-point(&signature)))
            .is_err()
    );
    assert!(pk.verify(b"message", &identity()).is_err());
    assert_eq!(PublicKey::from_bytes(&pk.to_bytes()), Ok(pk));
}

#[test]
fn proofs_of_possession_are_no_signatures() {
    let (sk, other) = (key(3), key(4));
    let pk = sk.public_key();
    let proof = sk.pop_prove();
    assert!(pk.pop_verify(&proof).is_ok());
    assert!(other.public_key().pop_verify(&proof).is_err());
    assert!(pk.verify(&pk.to_bytes(), &proof).is_err());
    assert!(pk.pop_verify(&sk.sign(&pk.to_bytes())).is_err());
    assert!(pk.pop_verify(&identity()).is_err());
}

#[test]
fn aggregates() {
    let sks: Vec<SecretKey> = (0..4).map(key).collect();
    let keys: Vec<PublicKey> = sks.iter().map(SecretKey::public_key).collect();
    let msgs: Vec<Vec<u8>> = (0..4).map(message).collect();
    let msgs: Vec<&[u8]> = msgs.iter().map(Vec::as_slice).collect();
    let each: Vec<Signature> = sks.iter().zip(&msgs).map(|(sk, m)| sk.sign(m)).collect();
    let all = Signature::aggregate(&each).unwrap();
    assert!(aggregate_verify(&keys, &msgs, &all).is_ok());
    let swapped = [msgs[1], msgs[0], msgs[2], msgs[3]];
    assert!(aggregate_verify(&keys, &swapped, &all).is_err());
    assert!(aggregate_verify(&keys[..3], &msgs[..3], &all).is_err());
    assert!(matches!(
        aggregate_verify(&keys[..3], &msgs, &all),
        Err(Error::Misuse(_))
    ));
    assert!(matches!(
        aggregate_verify(&[], &[], &identity()),
        Err(Error::Misuse(_))
    ));

    let same: Vec<Signature> = sks.iter().map(|sk| sk.sign(b"same")).collect();
    let all = Signature::aggregate(&same).unwrap();
    assert!(fast_aggregate_verify(&keys, b"same", &all).is_ok());
    assert!(aggregate_verify(&keys, &[b"same".as_slice(); 4], &all).is_ok());
    assert!(fast_aggregate_verify(&keys, b"other", &all).is_err());
    assert!(matches!(
        fast_aggregate_verify(&[], b"same", &all),
        Err(Error::Misuse(_))
    ));
}

/// Keys that sum to the identity would make the identity a valid aggregate.
#[test]
fn keys_that_cancel_are_refused() {
    let mut bytes = key(5).public_key().to_bytes();
    let one = PublicKey::from_bytes(&bytes).unwrap();
    bytes[0] ^= 0x20;
    let negated = PublicKey::from_bytes(&bytes).unwrap();
    let result = fast_aggregate_verify(&[one, negated], b"anything", &identity());
    assert!(matches!(result, Err(Error::Refused(_))));
}

fn batch(size: usize) -> Vec<(PublicKey, Vec<u8>, Signature)> {
    (0..size)
        .map(|i| (key(i).public_key(), message(i), key(i).sign(&message(i))))
        .collect()
}

fn verify(entries: &[(PublicKey, Vec<u8>, Signature)]) -> std::result::Result<(), Vec<usize>> {
    let entries: Vec<_> = entries
        .iter()
        .map(|(k, m, s)| (*k, m.as_slice(), *s))
        .collect();
    match verify_batch(&entries).expect("a random source") {
        culprits if culprits.is_empty() => Ok(()),
        culprits => Err(culprits),
    }
}

#[test]
fn batches_verify_and_name_each_culprit() {
    assert_eq!(verify(&[]), Ok(()));
    for size in [1, 2, 3, 4, 7, 8] {
        let good = batch(size);
        assert_eq!(verify(&good), Ok(()));
        for culprit in 0..size {
            let mut bad = good.clone();
            bad[culprit].1.push(0);
            assert_eq!(verify(&bad), Err(vec![culprit]), "{culprit} of {size}");
        }
        let mut all = good.clone();
        all.iter_mut().for_each(|entry| entry.1.push(0));
        assert_eq!(verify(&all), Err((0..size).collect()));
    }
}

/// S₁ + D and S₂ − D verify in the plain sum; the weights tell them apart.
#[test]
fn errors_that_cancel_are_found() {
    let mut bad = batch(5);
    let error = G2Affine::generator().mul(&scalar("error", 0));
    bad[1].2 = decoded(&(point(&bad[1].2) + error));
    bad[4].2 = decoded(&(point(&bad[4].2) - error));
    assert_eq!(verify(&bad), Err(vec![1, 4]));
    let sum = Signature::aggregate(&bad.iter().map(|e| e.2).collect::<Vec<_>>()).unwrap();
    let keys: Vec<PublicKey> = bad.iter().map(|e| e.0).collect();
    let msgs: Vec<&[u8]> = bad.iter().map(|e| e.1.as_slice()).collect();
    assert!(
        aggregate_verify(&keys, &msgs, &sum).is_ok(),
        "the plain sum is blind to it"
    );
}

#[test]
fn swapped_repeated_and_missing_signatures() {
    let good = batch(4);
    let mut swapped = good.clone();
    (swapped[0].2, swapped[2].2) = (good[2].2, good[0].2);
    assert_eq!(verify(&swapped), Err(vec![0, 2]));

    let mut repeated = good.clone();
    repeated.push(good[1].clone());
    repeated.push(good[1].clone());
    assert_eq!(verify(&repeated), Ok(()));
    repeated[5].2 = good[0].2;
    assert_eq!(verify(&repeated), Err(vec![5]));

    let mut missing = good;
    missing[3].2 = identity();
    assert_eq!(verify(&missing), Err(vec![3]));
}

#[test]
fn many_keys_decode_like_each() {
    let good: Vec<Vec<u8>> = (0..150)
        .map(|i| key(i % 5).public_key().to_bytes().to_vec())
        .collect();
    let outside = support::curve_point("bls", 0).to_compressed().to_vec();
    let mut identity = vec![0; 48];
    identity[0] = 0xc0;
    let bad = [outside, identity, vec![0; 48], vec![], vec![0x80; 49]];
    for size in [0, 1, 5, 127, 128, 150] {
        for bad in std::iter::once(None).chain(bad.iter().map(Some)) {
            let mut keys = good[..size].to_vec();
            if let (Some(bad), true) = (bad, size > 0) {
                keys[size / 2] = bad.clone();
            }
            let each: Vec<Result<PublicKey>> =
                keys.iter().map(|k| PublicKey::from_bytes(k)).collect();
            assert_eq!(PublicKey::from_bytes_many(&keys), each, "{size}");
        }
    }
}
