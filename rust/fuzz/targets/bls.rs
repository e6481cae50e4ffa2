//! BLS keys and signatures from anybody: what decodes encodes to the same bytes, nothing
//! verifies but what was signed, and a batch agrees with single verification.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use zkcredit_core::bls::{PublicKey, SecretKey, Signature, aggregate_verify, verify_batch};

fuzz_target!(|data: &[u8]| {
    static SIGNED: OnceLock<(PublicKey, [u8; 96])> = OnceLock::new();
    let (own, signed) = SIGNED.get_or_init(|| {
        let key = SecretKey::key_gen(&[7; 32], b"fuzz").expect("a key");
        (key.public_key(), key.sign(b"message").to_bytes())
    });
    let (first, rest) = data.split_at(data.len().min(48));
    let key = PublicKey::from_bytes(first);
    if let Ok(key) = &key {
        assert_eq!(key.to_bytes().as_slice(), first);
    }
    let many = PublicKey::from_bytes_many(&[first, rest]);
    assert_eq!(many[0].is_ok(), key.is_ok());
    for bytes in [data, rest] {
        let Ok(signature) = Signature::from_bytes(bytes) else {
            continue;
        };
        assert_eq!(signature.to_bytes().as_slice(), bytes);
        let alone = own.verify(b"message", &signature);
        assert_eq!(alone.is_ok(), bytes == signed);
        assert!(own.pop_verify(&signature).is_err());
        if let Ok(key) = &key {
            let alone = key.verify(b"message", &signature).is_ok();
            let entries = [(key.clone(), b"message".as_slice(), signature.clone())];
            let culprits = verify_batch(&entries).expect("a random source");
            assert_eq!(culprits.is_empty(), alone);
            let together = aggregate_verify(&[key.clone()], &[b"message"], &signature);
            assert_eq!(together.is_ok(), alone);
        }
    }
});
