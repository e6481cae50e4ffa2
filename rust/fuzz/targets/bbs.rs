//! BBS keys, signatures, proofs, blind signing requests and pseudonyms from anybody.
//!
//! Input: the suite and numbers of messages (3 bytes), then what is decoded in every role.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use zkcredit_core::bbs::blind02::{BlindPresentation, Disclosure, blind_proof_verify, blind_sign};
use zkcredit_core::bbs::proof::{Presentation, proof_verify};
use zkcredit_core::bbs::pseudonym02::{Claim, blind_sign_with_nym, proof_verify_with_nym};
use zkcredit_core::bbs::{PublicKey, SecretKey, Signature, Suite};
use zkcredit_core::error::{Error, Result};
use zkcredit_core::group::Scalar;

fn closed<T>(result: Result<T>) -> Option<T> {
    if let Err(error) = &result {
        assert!(
            matches!(
                error,
                Error::Misuse(_) | Error::Malformed(_) | Error::Refused(_)
            ),
            "{error:?}"
        );
    }
    result.ok()
}

fn keys(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<96>()
        && let Some(key) = closed(PublicKey::from_bytes(bytes))
    {
        assert_eq!(key.as_bytes(), bytes);
    }
    if let Some(bytes) = data.first_chunk::<32>()
        && let Some(key) = closed(SecretKey::from_bytes(bytes))
    {
        assert_eq!(*key.to_bytes(), *bytes);
    }
    if let Some(bytes) = data.first_chunk::<80>()
        && let Some(signature) = closed(Signature::from_bytes(bytes))
    {
        assert_eq!(signature.to_bytes(), *bytes);
    }
}

fuzz_target!(|data: &[u8]| {
    static KEY: OnceLock<SecretKey> = OnceLock::new();
    let key = KEY.get_or_init(|| SecretKey::from_bytes(&[7; 32]).expect("a key"));
    let Some(([suite, shown, own], data)) = data.split_first_chunk::<3>() else {
        return;
    };
    let suite = if suite & 1 == 0 {
        Suite::Sha256
    } else {
        Suite::Shake256
    };
    keys(data);
    let disclosed: Vec<usize> = (0..usize::from(shown % 4)).collect();
    let messages = vec![b"message".as_slice(); disclosed.len()];
    let presentation = Presentation {
        header: b"header",
        presentation_header: b"nonce",
        disclosed: &disclosed,
    };
    closed(proof_verify(
        suite,
        key.public_key(),
        data,
        &presentation,
        &messages,
    ));
    let blind = BlindPresentation {
        header: b"header",
        presentation_header: b"nonce",
        disclosed: &disclosed,
        disclosed_committed: &[],
    };
    let disclosure = Disclosure {
        message_count: usize::from(own % 8),
        messages: &messages,
        committed_messages: &[],
    };
    closed(blind_proof_verify(
        suite,
        key.public_key(),
        data,
        &blind,
        &disclosure,
    ));
    if let Some((pseudonym, proof)) = data.split_first_chunk::<48>() {
        let claim = Claim {
            pseudonym,
            context_id: b"context",
            nym_count: 1,
        };
        let public = key.public_key();
        closed(proof_verify_with_nym(
            suite,
            public,
            proof,
            &blind,
            &disclosure,
            &claim,
        ));
    }
    closed(blind_sign(suite, key, Some(data), b"header", &messages));
    let entropy = Scalar::from_bytes_be(&[1; 32]).expect("reduced");
    closed(blind_sign_with_nym(
        suite, key, data, 1, &entropy, b"header", &messages,
    ));
});
