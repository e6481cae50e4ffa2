//! Published vectors of the BBS draft (key pair, generators, hashing, signatures).

use serde_json::Value;
use zkcredit_core::bbs::signature::{sign, sign_scalars, verify};
use zkcredit_core::bbs::{MAX_MESSAGES, PublicKey, SecretKey, Signature, Suite};
use zkcredit_core::group::Scalar;

const SUITES: [(Suite, &str); 2] = [
    (Suite::Sha256, "bls12-381-sha-256"),
    (Suite::Shake256, "bls12-381-shake-256"),
];

fn directory(suite: &str) -> String {
    format!(
        "{}/../../tests/vectors/bbs/{suite}",
        env!("CARGO_MANIFEST_DIR")
    )
}

fn load(path: &str) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{path}"));
    serde_json::from_str(&text).expect(path)
}

fn cases(suite: &str, kind: &str) -> Vec<Value> {
    let mut paths: Vec<_> = std::fs::read_dir(format!("{}/{kind}", directory(suite)))
        .expect("the vectors")
        .map(|entry| entry.expect("readable").path())
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| load(path.to_str().expect("plain name")))
        .collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("text")).expect("hex")
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("length")
}

fn messages(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().expect("list").iter().map(bytes).collect()
}

#[test]
fn hashing_vectors() {
    for (suite, name) in SUITES {
        let case = load(&format!("{}/h2s.json", directory(name)));
        let scalar = suite.hash_to_scalar(&bytes(&case["message"]), &bytes(&case["dst"]));
        assert_eq!(
            scalar.expect("short tag").to_bytes_be(),
            array(&case["scalar"])
        );
        let map = load(&format!(
            "{}/MapMessageToScalarAsHash.json",
            directory(name)
        ));
        for case in map["cases"].as_array().expect("cases") {
            let scalars = suite.messages_to_scalars(&[bytes(&case["message"])]);
            assert_eq!(scalars[0].to_bytes_be(), array(&case["scalar"]));
        }
    }
}

#[test]
fn generator_vectors() {
    for (suite, name) in SUITES {
        let expected = load(&format!("{}/generators.json", directory(name)));
        assert_eq!(suite.p1().to_compressed(), array(&expected["P1"]));
        let list = expected["MsgGenerators"].as_array().expect("generators");
        let generators = suite.generators(list.len() + 1).expect("few");
        assert_eq!(generators[0].to_compressed(), array(&expected["Q1"]));
        for (got, expected) in generators[1..].iter().zip(list) {
            assert_eq!(got.to_compressed(), array(expected));
        }
        assert_eq!(suite.generators(3).expect("few"), generators[..3]);
        let uncached = suite.create_generators(5, suite.api_id()).expect("few");
        assert_eq!(uncached, generators[..5]);
        assert!(suite.generators(MAX_MESSAGES + 2).is_err());
    }
}

#[test]
fn key_pair_vectors() {
    for (suite, name) in SUITES {
        let case = load(&format!("{}/keypair.json", directory(name)));
        let (material, info) = (bytes(&case["keyMaterial"]), bytes(&case["keyInfo"]));
        let dst = bytes(&case["keyDst"]);
        let key = SecretKey::generate(suite, &material, &info, Some(&dst)).expect("enough bytes");
        let pair = &case["keyPair"];
        assert_eq!(*key.to_bytes(), array(&pair["secretKey"]));
        assert_eq!(key.public_key().as_bytes(), &array(&pair["publicKey"]));
        assert!(SecretKey::generate(suite, &material[..31], &info, None).is_err());
        assert!(SecretKey::generate(suite, &material, &vec![0; 65_536], None).is_err());
        assert!(SecretKey::generate(suite, &material, &info, Some(b"")).is_err());
        assert!(SecretKey::generate(suite, &material, &info, Some(&[1; 256])).is_err());
    }
}

#[test]
fn signature_vectors() {
    for (suite, name) in SUITES {
        let cases = cases(name, "signature");
        assert!(cases.len() >= 5);
        for case in cases {
            let what = format!("{name}: {}", case["caseName"]);
            let pair = &case["signerKeyPair"];
            let public = PublicKey::from_bytes(&array(&pair["publicKey"])).expect(&what);
            let messages = messages(&case["messages"]);
            let header = bytes(&case["header"]);
            let encoded: [u8; 80] = array(&case["signature"]);
            let signature = Signature::from_bytes(&encoded).expect(&what);
            assert_eq!(signature.to_bytes(), encoded);
            let verdict = verify(suite, &public, &header, &messages, &signature).is_ok();
            assert_eq!(verdict, case["result"]["valid"] == true, "{what}");
            if verdict {
                let key = SecretKey::from_bytes(&array(&pair["secretKey"])).expect(&what);
                let again = sign(suite, &key, &header, &messages).expect(&what);
                assert_eq!(again.to_bytes(), encoded, "{what}");
            }
        }
    }
}

fn example() -> (SecretKey, Signature) {
    let key = SecretKey::from_bytes(&[7; 32]).expect("a key");
    let signature = sign(Suite::Sha256, &key, b"header", &[b"one", b"two"]).expect("signs");
    (key, signature)
}

#[test]
fn any_change_is_refused() {
    let (key, signature) = example();
    let public = key.public_key();
    let suite = Suite::Sha256;
    assert!(verify(suite, public, b"header", &[b"one", b"two"], &signature).is_ok());
    assert!(
        verify(
            Suite::Shake256,
            public,
            b"header",
            &[b"one", b"two"],
            &signature
        )
        .is_err()
    );
    assert!(verify(suite, public, b"Header", &[b"one", b"two"], &signature).is_err());
    assert!(verify(suite, public, b"header", &[b"two", b"one"], &signature).is_err());
    assert!(verify(suite, public, b"header", &[b"one"], &signature).is_err());
    let other = SecretKey::from_bytes(&[8; 32]).expect("a key");
    assert!(
        verify(
            suite,
            other.public_key(),
            b"header",
            &[b"one", b"two"],
            &signature
        )
        .is_err()
    );
    let mut bytes = signature.to_bytes();
    bytes[79] ^= 1;
    let changed = Signature::from_bytes(&bytes).expect("well-formed");
    assert!(verify(suite, public, b"header", &[b"one", b"two"], &changed).is_err());
}

#[test]
fn signature_decoding_is_strict() {
    let (_, signature) = example();
    let good = signature.to_bytes();
    let order = hex::decode("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001")
        .expect("hex");
    let mut identity = good;
    identity[..48].copy_from_slice(&[0; 48]);
    identity[0] = 0xc0;
    let mut uncompressed = good;
    uncompressed[0] &= 0x7f;
    let mut zero = good;
    zero[48..].copy_from_slice(&[0; 32]);
    let mut large = good;
    large[48..].copy_from_slice(&order);
    for bad in [identity, uncompressed, zero, large] {
        assert!(Signature::from_bytes(&bad).is_err());
    }
    // A point of the curve outside G1: try x = 0, 1, … until one decodes on E.
    let outside = (1u8..=255)
        .filter_map(|x| {
            let mut bytes = [0u8; 48];
            bytes[0] = 0x80;
            bytes[47] = x;
            zkcredit_core::group::E1Affine::from_compressed(&bytes)
        })
        .find(|point| !point.is_in_subgroup())
        .expect("half of all x are on the curve");
    let mut tainted = good;
    tainted[..48].copy_from_slice(&outside.to_compressed());
    assert!(Signature::from_bytes(&tainted).is_err());
}

#[test]
fn key_decoding_is_strict() {
    assert!(SecretKey::from_bytes(&[0; 32]).is_err());
    assert!(SecretKey::from_bytes(&[0xff; 32]).is_err());
    let mut identity = [0u8; 96];
    identity[0] = 0xc0;
    assert!(PublicKey::from_bytes(&identity).is_err());
    assert!(PublicKey::from_bytes(&[0; 96]).is_err());
    let key = SecretKey::from_bytes(&[7; 32]).expect("a key");
    let public = key.public_key();
    assert_eq!(PublicKey::from_bytes(public.as_bytes()), Ok(public.clone()));
}

#[test]
fn secret_keys_do_not_print() {
    let shown = format!("{:?}", SecretKey::from_bytes(&[7; 32]).expect("a key"));
    assert_eq!(shown, "SecretKey([REDACTED])");
}

#[test]
fn empty_message_list_and_zero_message() {
    let key = SecretKey::from_bytes(&[9; 32]).expect("a key");
    let none: [&[u8]; 0] = [];
    let signature = sign(Suite::Shake256, &key, b"", &none).expect("signs");
    assert!(verify(Suite::Shake256, key.public_key(), b"", &none, &signature).is_ok());
    let zero = sign_scalars(Suite::Sha256, &key, b"", &[Scalar::ZERO]).expect("signs");
    assert_ne!(zero, signature);
}
