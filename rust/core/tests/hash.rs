//! BLAKE3 against its published vectors, and secrets.

mod support;

use serde_json::Value;
use support::{cases, unhex};
use zeroize::Zeroize;
use zkcredit_core::group::Scalar;
use zkcredit_core::hash::{
    Hasher, derive_key, derive_xof, hash, hash_many, hash_to_scalar, hash_xof, keyed_xof,
};
use zkcredit_core::secret::Secret;

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

#[test]
fn blake3_vectors() {
    for (_, file) in cases("blake3") {
        let key: [u8; 32] = text(&file["key"]).as_bytes().try_into().unwrap();
        let context = text(&file["context_string"]);
        for case in file["cases"].as_array().unwrap() {
            let length = case["input_len"].as_u64().unwrap() as usize;
            let input: Vec<u8> = (0..=250).cycle().take(length).collect();
            assert_eq!(hash(&input)[..], unhex(&case["hash"])[..32]);
            let mut out = vec![0; unhex(&case["keyed_hash"]).len()];
            keyed_xof(&key, &input, &mut out);
            assert_eq!(out, unhex(&case["keyed_hash"]));
            derive_xof(context, &input, &mut out);
            assert_eq!(out, unhex(&case["derive_key"]));
            assert_eq!(derive_key(context, &input)[..], out[..32]);
            hash_xof(&input, &mut out);
            assert_eq!(out, unhex(&case["hash"]));
            assert_eq!(hash_many(&[&input], None)[0][..], out[..32]);
            assert_eq!(
                hash_many(&[&input], Some(&key))[0][..],
                unhex(&case["keyed_hash"])[..32]
            );
        }
    }
}

#[test]
fn blake3_in_pieces() {
    for (_, file) in cases("blake3") {
        let key: [u8; 32] = text(&file["key"]).as_bytes().try_into().unwrap();
        let modes = [
            (Hasher::new(), "hash"),
            (Hasher::new_keyed(&key), "keyed_hash"),
            (
                Hasher::new_derive_key(text(&file["context_string"])),
                "derive_key",
            ),
        ];
        for case in file["cases"].as_array().unwrap() {
            let length = case["input_len"].as_u64().unwrap() as usize;
            let input: Vec<u8> = (0..=250).cycle().take(length).collect();
            for (start, name) in &modes {
                let mut hasher = start.clone();
                hasher.update(b"forgotten");
                hasher.reset();
                for piece in input.chunks(777) {
                    hasher.update(piece);
                }
                let expected = unhex(&case[name]);
                let mut out = vec![0; expected.len() - 5];
                hasher.output(5, &mut out);
                assert_eq!(out, expected[5..], "{name} of {length}");
            }
        }
    }
}

#[test]
fn many_hashes_are_those_of_each() {
    for (count, size) in [(0, 0), (1, 0), (3, 100), (5000, 40), (300, 5000)] {
        let inputs: Vec<Vec<u8>> = (0..count)
            .map(|i: usize| i.to_be_bytes().repeat(size / 8 + i % 3))
            .collect();
        let expected: Vec<[u8; 32]> = inputs.iter().map(|input| hash(input)).collect();
        assert_eq!(hash_many(&inputs, None), expected);
    }
}

#[test]
fn scalars_are_wide_reductions_and_separated() {
    let mut wide = [0; 64];
    derive_xof("zkcredit test a", b"data", &mut wide);
    assert_eq!(
        hash_to_scalar("zkcredit test a", b"data"),
        Scalar::from_wide_be(&wide)
    );
    assert_ne!(
        hash_to_scalar("zkcredit test a", b"data"),
        hash_to_scalar("zkcredit test b", b"data")
    );
    assert_ne!(
        hash_to_scalar("zkcredit test a", b"data"),
        hash_to_scalar("zkcredit test a", b"data ")
    );
}

/// Tells through a counter when it is wiped.
struct Spy<'a>(&'a std::cell::Cell<u32>);

impl Zeroize for Spy<'_> {
    fn zeroize(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn secrets_are_wiped_once_and_never_printed() {
    let wiped = std::cell::Cell::new(0);
    let secret = Secret::new(Spy(&wiped));
    assert_eq!(secret.expose().0.get(), 0);
    drop(secret);
    assert_eq!(wiped.get(), 1);

    let secret = Secret::from(Scalar::from_u64(0x5ec2e7));
    assert_eq!(format!("{secret:?}"), "Secret(..)");
    assert_eq!(format!("{:#?}", Secret::new(*b"hunter2")), "Secret(..)");
    assert_eq!(secret.expose(), &Scalar::from_u64(0x5ec2e7));
}
