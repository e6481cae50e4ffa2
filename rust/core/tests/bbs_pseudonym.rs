//! Pseudonyms -02: published vectors, and what must not be accepted.

mod support;

use serde_json::Value;
use support::bbs::{SUITES, check_generators, list, shown};
use support::{array, cases, unhex};
use zkcredit_core::bbs::blind02::{BlindPresentation, Disclosure, Holding};
use zkcredit_core::bbs::pseudonym02::{
    Claim, blind_sign_with_nym, commit_with_nym, proof_gen_with_nym, proof_verify_with_nym,
    pseudonym, verify_finalize_with_nym,
};
use zkcredit_core::bbs::{PublicKey, SecretKey, Signature, Suite};
use zkcredit_core::error::Error;
use zkcredit_core::group::{G1Affine, Scalar};

/// A number in hexadecimal: some of the files leave leading zeros out.
fn number(value: &Value) -> Scalar {
    let bytes = hex::decode(format!("{:0>64}", value.as_str().expect("text"))).expect("hex");
    Scalar::from_bytes_be(&bytes.try_into().expect("32 bytes")).expect("canonical")
}

fn numbers(value: &Value) -> Vec<Scalar> {
    value.as_array().expect("list").iter().map(number).collect()
}

#[test]
fn generator_vectors() {
    check_generators("bbs/pseudonym");
}

#[test]
fn signature_vectors() {
    for (suite, name) in SUITES {
        for (file, case) in cases(&format!("bbs/pseudonym/{name}/nymSignature")) {
            let what = format!("{name}/{file}");
            let key = SecretKey::from_bytes(&array(&case["signerKeyPair"]["secretKey"]));
            let key = key.expect(&what);
            let (header, messages) = (unhex(&case["header"]), list(&case["messages"]));
            let committed = list(&case["committedMessages"]);
            let nyms = numbers(&case["proverNyms"]);
            let entropy = number(&case["signer_nym_entropy"]);
            let commitment = unhex(&case["commitmentWithProof"]);
            let given = Signature::from_bytes(&array(&case["signature"])).expect(&what);
            let made = blind_sign_with_nym(
                suite,
                &key,
                &commitment,
                nyms.len(),
                &entropy,
                &header,
                &messages,
            );
            let valid = case["result"]["valid"] == true;
            assert_eq!(made.is_ok_and(|made| made == given), valid, "{what}");
            let holding = Holding {
                messages: &messages,
                committed_messages: &committed,
                prover_blind: Some(&number(&case["proverBlind"])),
            };
            let secrets = verify_finalize_with_nym(
                suite,
                key.public_key(),
                &given,
                &header,
                &holding,
                &nyms,
                &entropy,
            );
            assert_eq!(secrets.is_ok(), valid, "{what}");
            if let Ok(secrets) = secrets {
                assert_eq!(*secrets, numbers(&case["nym_secrets"]), "{what}");
            }
        }
    }
}

/// A published proof with its parts decoded.
struct Case {
    key: PublicKey,
    signature: Signature,
    header: Vec<u8>,
    presentation_header: Vec<u8>,
    disclosed: (Vec<usize>, Vec<Vec<u8>>),
    disclosed_committed: (Vec<usize>, Vec<Vec<u8>>),
    messages: Vec<Vec<u8>>,
    committed: Vec<Vec<u8>>,
    blind: Scalar,
    secrets: Vec<Scalar>,
    context_id: Vec<u8>,
    pseudonym: [u8; 48],
    proof: Vec<u8>,
}

impl Case {
    fn new(case: &Value) -> Self {
        Case {
            key: PublicKey::from_bytes(&array(&case["signerPublicKey"])).expect("a key"),
            signature: Signature::from_bytes(&array(&case["signature"])).expect("a signature"),
            header: unhex(&case["header"]),
            presentation_header: unhex(&case["presentationHeader"]),
            disclosed: shown(&case["revealedMessages"]),
            disclosed_committed: shown(&case["revealedCommittedMessages"]),
            messages: list(&case["messages"]),
            committed: list(&case["committedMessages"]),
            blind: number(&case["proverBlind"]),
            secrets: numbers(&case["nym_secrets"]),
            context_id: unhex(&case["context_id"]),
            pseudonym: array(&case["pseudonym"]),
            proof: unhex(&case["proof"]),
        }
    }

    fn presentation(&self) -> BlindPresentation<'_> {
        BlindPresentation {
            header: &self.header,
            presentation_header: &self.presentation_header,
            disclosed: &self.disclosed.0,
            disclosed_committed: &self.disclosed_committed.0,
        }
    }

    fn disclosure(&self) -> Disclosure<'_, Vec<u8>> {
        Disclosure {
            message_count: self.messages.len(),
            messages: &self.disclosed.1,
            committed_messages: &self.disclosed_committed.1,
        }
    }

    fn holding(&self) -> Holding<'_, Vec<u8>> {
        Holding {
            messages: &self.messages,
            committed_messages: &self.committed,
            prover_blind: Some(&self.blind),
        }
    }

    fn claim(&self) -> Claim<'_> {
        Claim {
            pseudonym: &self.pseudonym,
            context_id: &self.context_id,
            nym_count: self.secrets.len(),
        }
    }

    fn verify(&self, suite: Suite, claim: &Claim<'_>) -> Result<(), Error> {
        proof_verify_with_nym(
            suite,
            &self.key,
            &self.proof,
            &self.presentation(),
            &self.disclosure(),
            claim,
        )
    }
}

#[test]
fn proof_vectors() {
    for (suite, name) in SUITES {
        for (file, value) in cases(&format!("bbs/pseudonym/{name}/nymProof")) {
            let case = Case::new(&value);
            assert_eq!(value["L"], case.messages.len());
            let verdict = case.verify(suite, &case.claim());
            let valid = value["result"]["valid"] == true;
            assert_eq!(verdict.is_ok(), valid, "{name}/{file}: {verdict:?}");
            let own = pseudonym(suite, &case.context_id, &case.secrets);
            assert_eq!(own, Ok(case.pseudonym), "{name}/{file}");
        }
    }
}

/// With the draft's mocked random source; the seams are absent from release builds.
#[cfg(debug_assertions)]
mod byte_for_byte {
    use super::*;
    use support::mocked_scalars;
    use zkcredit_core::bbs::pseudonym02::{
        commit_with_nym_and_scalars, proof_gen_with_nym_and_scalars,
    };

    #[test]
    fn commitments() {
        for (suite, name) in SUITES {
            for (file, case) in cases(&format!("bbs/pseudonym/{name}/nymCommit")) {
                let messages = list(&case["committedMessages"]);
                let nyms = numbers(&case["proverNyms"]);
                let mock = &case["mockRngParameters"];
                let count = messages.len() + nyms.len() + 2;
                let random = mocked_scalars(suite, mock, "commit", count);
                let made = commit_with_nym_and_scalars(suite, &messages, &nyms, &random);
                let made = made.expect("commits");
                let expected = unhex(&case["commitmentWithProof"]);
                assert_eq!(made.commitment_with_proof, expected, "{name}/{file}");
                assert_eq!(*made.prover_blind.expose(), number(&case["proverBlind"]));
            }
        }
    }

    #[test]
    fn proofs() {
        for (suite, name) in SUITES {
            for (file, value) in cases(&format!("bbs/pseudonym/{name}/nymProof")) {
                if value["result"]["valid"] != true {
                    continue;
                }
                let case = Case::new(&value);
                let hidden = case.messages.len() + 1 + case.committed.len() + case.secrets.len()
                    - case.disclosed.0.len()
                    - case.disclosed_committed.0.len();
                let mock = &value["mockRngParameters"];
                let proof = proof_gen_with_nym_and_scalars(
                    suite,
                    &case.key,
                    &case.signature,
                    &case.presentation(),
                    &case.holding(),
                    &case.secrets,
                    &case.context_id,
                    &mocked_scalars(suite, mock, "proof", 5 + hidden),
                );
                assert_eq!(proof.as_ref(), Ok(&case.proof), "{name}/{file}");
            }
        }
    }
}

/// A fresh signature of one secret, proven in a context.
fn fresh(suite: Suite, context_id: &[u8]) -> Case {
    let key = SecretKey::from_bytes(&[17; 32]).expect("a key");
    let messages: Vec<Vec<u8>> = vec![b"country".to_vec(), b"born".to_vec()];
    let committed = vec![b"owner".to_vec()];
    let nym = [Scalar::from_u64(77)];
    let made = commit_with_nym(suite, &committed, &nym).expect("commits");
    let entropy = Scalar::from_u64(99);
    let commitment = &made.commitment_with_proof;
    let signature = blind_sign_with_nym(suite, &key, commitment, 1, &entropy, b"header", &messages);
    let signature = signature.expect("signs");
    let mut case = Case {
        key: key.public_key().clone(),
        signature,
        header: b"header".to_vec(),
        presentation_header: b"nonce".to_vec(),
        disclosed: (vec![1], vec![b"born".to_vec()]),
        disclosed_committed: (vec![], vec![]),
        messages,
        committed,
        blind: *made.prover_blind.expose(),
        secrets: vec![],
        context_id: context_id.to_vec(),
        pseudonym: [0; 48],
        proof: vec![],
    };
    let (public, signature) = (&case.key, &case.signature);
    let secrets = verify_finalize_with_nym(
        suite,
        public,
        signature,
        b"header",
        &case.holding(),
        &nym,
        &entropy,
    );
    case.secrets = secrets.expect("verifies").to_vec();
    assert_eq!(case.secrets, [Scalar::from_u64(176)]);
    (case.proof, case.pseudonym) = proof_gen_with_nym(
        suite,
        &case.key,
        &case.signature,
        &case.presentation(),
        &case.holding(),
        &case.secrets,
        context_id,
    )
    .expect("proves");
    case
}

#[test]
fn a_pseudonym_belongs_to_its_context() {
    for (suite, _) in SUITES {
        let (case, other) = (
            fresh(suite, b"shop.example"),
            fresh(suite, b"other.example"),
        );
        assert_eq!(case.verify(suite, &case.claim()), Ok(()));
        assert_eq!(fresh(suite, b"shop.example").pseudonym, case.pseudonym);
        assert_ne!(other.pseudonym, case.pseudonym);
        let foreign = Claim {
            context_id: b"other.example",
            ..case.claim()
        };
        assert!(case.verify(suite, &foreign).is_err());
        let moved = Claim {
            pseudonym: &other.pseudonym,
            ..case.claim()
        };
        assert!(case.verify(suite, &moved).is_err());
        let both = Claim {
            context_id: b"other.example",
            ..moved
        };
        assert!(case.verify(suite, &both).is_err());
    }
}

#[test]
fn wrong_claims_are_refused() {
    let suite = Suite::Sha256;
    let case = fresh(suite, b"shop.example");
    let own = case.claim();
    for nym_count in [2, 3, usize::MAX] {
        assert_eq!(
            case.verify(suite, &Claim { nym_count, ..own }),
            Err(Error::Refused("BBS proof"))
        );
    }
    let none = Claim {
        nym_count: 0,
        ..own
    };
    assert!(matches!(case.verify(suite, &none), Err(Error::Misuse(_))));
    let mut identity = [0u8; 48];
    identity[0] = 0xc0;
    for pseudonym in [identity, [0; 48], [0xff; 48]] {
        let claim = Claim {
            pseudonym: &pseudonym,
            ..own
        };
        assert_eq!(
            case.verify(suite, &claim),
            Err(Error::Malformed("pseudonym"))
        );
    }
    let point = G1Affine::from_compressed(&case.pseudonym).expect("a point");
    let negative = point.negate().to_compressed();
    assert!(
        case.verify(
            suite,
            &Claim {
                pseudonym: &negative,
                ..own
            }
        )
        .is_err()
    );
    for at in (0..case.proof.len()).step_by(7) {
        let mut changed = fresh(suite, b"shop.example");
        changed.proof[at] ^= 4;
        assert!(changed.verify(suite, &own).is_err(), "byte {at}");
    }
}

#[test]
fn a_secret_cannot_be_shown_or_left_out() {
    let suite = Suite::Sha256;
    let case = fresh(suite, b"shop.example");
    // Position 1 of the committed scalars is the secret.
    let presentation = BlindPresentation {
        disclosed_committed: &[1],
        ..case.presentation()
    };
    let (public, signature) = (&case.key, &case.signature);
    let attempt = |presentation: &BlindPresentation<'_>, secrets: &[Scalar]| {
        let holding = case.holding();
        proof_gen_with_nym(
            suite,
            public,
            signature,
            presentation,
            &holding,
            secrets,
            b"c",
        )
    };
    assert_eq!(
        attempt(&presentation, &case.secrets),
        Err(Error::Misuse("disclosed positions"))
    );
    assert!(matches!(
        attempt(&case.presentation(), &[]),
        Err(Error::Misuse(_))
    ));
    let other = [Scalar::from_u64(78)];
    assert_eq!(
        attempt(&case.presentation(), &other),
        Err(Error::Refused("signature"))
    );
    let key = SecretKey::from_bytes(&[17; 32]).expect("a key");
    let made = commit_with_nym(suite, &case.committed, &other).expect("commits");
    let sign = |count| {
        let bytes = &made.commitment_with_proof;
        blind_sign_with_nym(suite, &key, bytes, count, &other[0], b"", &case.messages)
    };
    assert!(
        sign(2).is_ok(),
        "the signer is told the number, and it is signed"
    );
    assert_eq!(sign(3), Err(Error::Refused("commitment")));
    assert!(matches!(sign(0), Err(Error::Misuse(_))));
}
