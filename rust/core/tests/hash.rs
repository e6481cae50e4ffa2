//! BLAKE3 against its published vectors, and secrets.

mod support;

use serde_json::Value;
use support::{cases, unhex};
use zeroize::Zeroize;
use zkcredit_core::group::Scalar;
use zkcredit_core::hash::{derive_key, derive_xof, hash, hash_to_scalar, keyed_xof};
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
        }
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
