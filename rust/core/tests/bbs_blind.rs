//! Blind BBS -02: published vectors, and what must not be accepted.

mod support;

use serde_json::Value;
use support::bbs::{SUITES, check_generators, list, shown};
use support::{array, cases, json, unhex, vectors};
use zkcredit_core::bbs::blind02::{
    BlindPresentation, COMMITMENT_LEN_MIN, Disclosure, Holding, blind_proof_gen,
    blind_proof_verify, blind_sign, commit, verify_blind_sign,
};
use zkcredit_core::bbs::{MAX_MESSAGES, PublicKey, SecretKey, Signature, Suite};
use zkcredit_core::error::Error;
use zkcredit_core::group::{G1Affine, Scalar};

fn blind_of(value: &Value) -> Option<Scalar> {
    value
        .is_string()
        .then(|| Scalar::from_bytes_be(&array(value)).expect("canonical"))
}

#[test]
fn generator_vectors() {
    check_generators("bbs/blind");
}

#[test]
fn signature_vectors() {
    for (suite, name) in SUITES {
        for (file, case) in cases(&format!("bbs/blind/{name}/signature")) {
            let what = format!("{name}/{file}");
            let key = SecretKey::from_bytes(&array(&case["signerKeyPair"]["secretKey"]));
            let key = key.expect(&what);
            assert_eq!(
                key.public_key().as_bytes(),
                &array(&case["signerKeyPair"]["publicKey"])
            );
            let (header, messages) = (unhex(&case["header"]), list(&case["messages"]));
            let committed = list(&case["committedMessages"]);
            let commitment = &case["commitmentWithProof"];
            let commitment = commitment.is_string().then(|| unhex(commitment));
            let made = blind_sign(suite, &key, commitment.as_deref(), &header, &messages);
            let valid = case["result"]["valid"] == true;
            let given = Signature::from_bytes(&array(&case["signature"])).expect(&what);
            assert_eq!(made.is_ok_and(|made| made == given), valid, "{what}");
            let blind = blind_of(&case["proverBlind"]);
            let holding = Holding {
                messages: &messages,
                committed_messages: &committed,
                prover_blind: blind.as_ref(),
            };
            let verdict = verify_blind_sign(suite, key.public_key(), &given, &header, &holding);
            assert_eq!(verdict.is_ok(), valid, "{what}");
        }
    }
}

#[test]
fn proof_vectors() {
    for (suite, name) in SUITES {
        for (file, case) in cases(&format!("bbs/blind/{name}/proof")) {
            let key = PublicKey::from_bytes(&array(&case["signerPublicKey"])).expect("a key");
            let (disclosed, messages) = shown(&case["revealedMessages"]);
            let (disclosed_committed, committed) = shown(&case["revealedCommittedMessages"]);
            let presentation = BlindPresentation {
                header: &unhex(&case["header"]),
                presentation_header: &unhex(&case["presentationHeader"]),
                disclosed: &disclosed,
                disclosed_committed: &disclosed_committed,
            };
            let disclosure = Disclosure {
                message_count: case["L"].as_u64().expect("number") as usize,
                messages: &messages,
                committed_messages: &committed,
            };
            let proof = unhex(&case["proof"]);
            let verdict = blind_proof_verify(suite, &key, &proof, &presentation, &disclosure);
            let valid = case["result"]["valid"] == true;
            assert_eq!(verdict.is_ok(), valid, "{name}/{file}: {verdict:?}");
        }
    }
}

/// With the draft's mocked random source; the seams are absent from release builds.
#[cfg(debug_assertions)]
mod byte_for_byte {
    use super::*;
    use support::mocked_scalars;
    use zkcredit_core::bbs::blind02::{blind_proof_gen_with_scalars, commit_with_scalars};

    #[test]
    fn commitments() {
        for (suite, name) in SUITES {
            for (file, case) in cases(&format!("bbs/blind/{name}/commit")) {
                let messages = list(&case["committedMessages"]);
                let mock = &case["mockRngParameters"];
                let random = mocked_scalars(suite, mock, "commit", messages.len() + 2);
                let made = commit_with_scalars(suite, &messages, &random).expect("commits");
                let expected = unhex(&case["commitmentWithProof"]);
                assert_eq!(made.commitment_with_proof, expected, "{name}/{file}");
                let blind = made.prover_blind.expose().to_bytes_be();
                assert_eq!(blind, array(&case["proverBlind"]), "{name}/{file}");
            }
        }
    }

    #[test]
    fn proofs() {
        let all = json(&vectors("bbs/blind/messages.json"));
        for (suite, name) in SUITES {
            for (file, case) in cases(&format!("bbs/blind/{name}/proof")) {
                if case["result"]["valid"] != true {
                    continue;
                }
                let key = PublicKey::from_bytes(&array(&case["signerPublicKey"])).expect("a key");
                let signature = Signature::from_bytes(&array(&case["signature"])).expect("valid");
                let blind = blind_of(&case["proverBlind"]);
                let messages = list(&all["messages"]);
                let mut committed = list(&all["committedMessages"]);
                if blind.is_none() {
                    committed.clear();
                }
                let (disclosed, _) = shown(&case["revealedMessages"]);
                let (disclosed_committed, _) = shown(&case["revealedCommittedMessages"]);
                let hidden = messages.len() + 1 + committed.len()
                    - disclosed.len()
                    - disclosed_committed.len();
                let presentation = BlindPresentation {
                    header: &unhex(&case["header"]),
                    presentation_header: &unhex(&case["presentationHeader"]),
                    disclosed: &disclosed,
                    disclosed_committed: &disclosed_committed,
                };
                let holding = Holding {
                    messages: &messages,
                    committed_messages: &committed,
                    prover_blind: blind.as_ref(),
                };
                let random = mocked_scalars(suite, &case["mockRngParameters"], "proof", 5 + hidden);
                let proof = blind_proof_gen_with_scalars(
                    suite,
                    &key,
                    &signature,
                    &presentation,
                    &holding,
                    &random,
                );
                assert_eq!(proof, Ok(unhex(&case["proof"])), "{name}/{file}");
            }
        }
    }
}

const SIGNED: [&[u8]; 3] = [b"country", b"born", b""];
const COMMITTED: [&[u8]; 2] = [b"owner", b"device"];

struct Issued {
    key: SecretKey,
    commitment: Vec<u8>,
    blind: Scalar,
    signature: Signature,
}

fn issued(suite: Suite) -> Issued {
    let key = SecretKey::from_bytes(&[13; 32]).expect("a key");
    let made = commit(suite, &COMMITTED).expect("commits");
    let commitment = made.commitment_with_proof;
    let signature = blind_sign(suite, &key, Some(&commitment), b"header", &SIGNED).expect("signs");
    Issued {
        key,
        commitment,
        blind: *made.prover_blind.expose(),
        signature,
    }
}

impl Issued {
    fn holding(&self) -> Holding<'_, &'static [u8]> {
        Holding {
            messages: &SIGNED,
            committed_messages: &COMMITTED,
            prover_blind: Some(&self.blind),
        }
    }
}

fn presentation<'a>(own: &'a [usize], committed: &'a [usize]) -> BlindPresentation<'a> {
    BlindPresentation {
        header: b"header",
        presentation_header: b"nonce",
        disclosed: own,
        disclosed_committed: committed,
    }
}

#[test]
fn every_choice_of_messages_proves() {
    for (suite, _) in SUITES {
        let issued = issued(suite);
        let public = issued.key.public_key();
        for mask in 0usize..32 {
            let own: Vec<usize> = (0..3).filter(|i| mask >> i & 1 == 1).collect();
            let committed: Vec<usize> = (0..2).filter(|i| mask >> (3 + i) & 1 == 1).collect();
            let what = presentation(&own, &committed);
            let holding = issued.holding();
            let proof = blind_proof_gen(suite, public, &issued.signature, &what, &holding);
            let messages: Vec<&[u8]> = own.iter().map(|&i| SIGNED[i]).collect();
            let others: Vec<&[u8]> = committed.iter().map(|&i| COMMITTED[i]).collect();
            let mut disclosure = Disclosure {
                message_count: 3,
                messages: &messages,
                committed_messages: &others,
            };
            let proof = proof.expect("proves");
            let verify = |d: &Disclosure<'_, &[u8]>, p: &BlindPresentation<'_>| {
                blind_proof_verify(suite, public, &proof, p, d)
            };
            assert_eq!(verify(&disclosure, &what), Ok(()));
            for count in [2, 4, 6, 9, usize::MAX] {
                disclosure.message_count = count;
                assert!(verify(&disclosure, &what).is_err());
            }
            disclosure.message_count = 3;
            let other = BlindPresentation {
                presentation_header: b"Nonce",
                ..what
            };
            assert!(verify(&disclosure, &other).is_err());
        }
    }
}

#[test]
fn a_signer_refuses_commitments_that_are_not_proven() {
    for (suite, _) in SUITES {
        let Issued {
            key, commitment, ..
        } = issued(suite);
        assert_eq!(commitment.len(), COMMITMENT_LEN_MIN + 2 * 32);
        let sign = |bytes: &[u8]| blind_sign(suite, &key, Some(bytes), b"", &SIGNED);
        assert!(sign(&commitment).is_ok());
        for at in 0..commitment.len() {
            let mut changed = commitment.clone();
            changed[at] ^= 1;
            assert!(sign(&changed).is_err(), "byte {at}");
        }
        for length in [
            0,
            47,
            48,
            80,
            111,
            112,
            commitment.len() - 32,
            commitment.len() - 1,
        ] {
            assert!(sign(&commitment[..length]).is_err(), "{length} bytes");
        }
        let extended = [commitment.as_slice(), &[0; 32]].concat();
        assert_eq!(sign(&extended), Err(Error::Malformed("commitment")));
        let long = [commitment.as_slice(), &vec![1; 32 * MAX_MESSAGES]].concat();
        assert_eq!(sign(&long), Err(Error::Malformed("commitment")));
        // The same proof with the generator added to the point.
        let point = G1Affine::from_compressed(commitment[..48].try_into().unwrap()).unwrap();
        let moved = (point.to_e1() + G1Affine::generator().to_e1())
            .to_affine()
            .unwrap();
        let moved = [moved.to_compressed().as_slice(), &commitment[48..]].concat();
        assert_eq!(sign(&moved), Err(Error::Refused("commitment")));
        let mut identity = commitment.clone();
        identity[..48].fill(0);
        identity[0] = 0xc0;
        assert_eq!(sign(&identity), Err(Error::Malformed("commitment")));
    }
}

#[test]
fn holdings_that_do_not_fit_are_refused() {
    let suite = Suite::Sha256;
    let issued = issued(suite);
    let public = issued.key.public_key();
    let verify = |holding: &Holding<'_, &[u8]>| {
        verify_blind_sign(suite, public, &issued.signature, b"header", holding)
    };
    assert_eq!(verify(&issued.holding()), Ok(()));
    let wrong = Scalar::from_u64(5);
    let swapped = [COMMITTED[1], COMMITTED[0]];
    for holding in [
        Holding {
            prover_blind: None,
            ..issued.holding()
        },
        Holding {
            prover_blind: Some(&wrong),
            ..issued.holding()
        },
        Holding {
            committed_messages: &swapped,
            ..issued.holding()
        },
        Holding {
            committed_messages: &COMMITTED[..1],
            ..issued.holding()
        },
        Holding {
            messages: &SIGNED[1..],
            ..issued.holding()
        },
    ] {
        assert_eq!(verify(&holding), Err(Error::Refused("signature")));
        let what = presentation(&[], &[]);
        let proof = blind_proof_gen(suite, public, &issued.signature, &what, &holding);
        assert_eq!(proof, Err(Error::Refused("signature")));
    }
    for (own, committed) in [
        (&[3][..], &[][..]),
        (&[], &[2]),
        (&[1, 1], &[]),
        (&[], &[1, 0]),
    ] {
        let what = presentation(own, committed);
        let proof = blind_proof_gen(suite, public, &issued.signature, &what, &issued.holding());
        assert_eq!(proof, Err(Error::Misuse("disclosed positions")));
    }
}

#[test]
fn interfaces_do_not_mix() {
    let suite = Suite::Sha256;
    let key = SecretKey::from_bytes(&[13; 32]).expect("a key");
    let blind = blind_sign(suite, &key, None, b"", &SIGNED).expect("signs");
    let plain = zkcredit_core::bbs::signature::sign(suite, &key, b"", &SIGNED).expect("signs");
    assert_ne!(blind, plain);
    let verify =
        zkcredit_core::bbs::signature::verify(suite, key.public_key(), b"", &SIGNED, &blind);
    assert!(verify.is_err());
}
