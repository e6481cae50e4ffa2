//! Published vectors of the BBS draft's proofs, and what must not verify.

use serde_json::Value;
use zkcredit_core::bbs::proof::{PROOF_LEN_MIN, Presentation, proof_gen, proof_verify};
use zkcredit_core::bbs::signature::sign;
use zkcredit_core::bbs::{MAX_MESSAGES, PublicKey, SecretKey, Signature, Suite};
use zkcredit_core::error::Error;

const SUITES: [(Suite, &str); 2] = [
    (Suite::Sha256, "bls12-381-sha-256"),
    (Suite::Shake256, "bls12-381-shake-256"),
];

fn load(path: &str) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{path}"));
    serde_json::from_str(&text).expect(path)
}

fn directory(suite: &str) -> String {
    format!(
        "{}/../../tests/vectors/bbs/{suite}",
        env!("CARGO_MANIFEST_DIR")
    )
}

/// The proof cases of a suite, in order of their file names.
fn cases(suite: &str) -> Vec<Value> {
    let mut paths: Vec<_> = std::fs::read_dir(format!("{}/proof", directory(suite)))
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

/// One published case with its fields decoded.
struct Case {
    name: String,
    key: PublicKey,
    header: Vec<u8>,
    presentation_header: Vec<u8>,
    disclosed: Vec<usize>,
    messages: Vec<Vec<u8>>,
    proof: Vec<u8>,
    valid: bool,
}

impl Case {
    fn new(suite: &str, value: &Value) -> Self {
        let list = |key: &str| value[key].as_array().expect("list").clone();
        Case {
            name: format!("{suite}: {}", value["caseName"]),
            key: PublicKey::from_bytes(&array(&value["signerPublicKey"])).expect("a key"),
            header: bytes(&value["header"]),
            presentation_header: bytes(&value["presentationHeader"]),
            disclosed: list("disclosedIndexes")
                .iter()
                .map(|index| index.as_u64().expect("number") as usize)
                .collect(),
            messages: list("messages").iter().map(bytes).collect(),
            proof: bytes(&value["proof"]),
            valid: value["result"]["valid"] == true,
        }
    }

    fn presentation(&self) -> Presentation<'_> {
        Presentation {
            header: &self.header,
            presentation_header: &self.presentation_header,
            disclosed: &self.disclosed,
        }
    }

    fn shown(&self) -> Vec<&[u8]> {
        let message = |index: &usize| self.messages[*index].as_slice();
        self.disclosed.iter().map(message).collect()
    }
}

#[test]
fn proof_vectors() {
    for (suite, name) in SUITES {
        let values = cases(name);
        assert!(values.len() >= 9);
        for value in values {
            let case = Case::new(name, &value);
            let verdict = proof_verify(
                suite,
                &case.key,
                &case.proof,
                &case.presentation(),
                &case.shown(),
            );
            assert_eq!(verdict.is_ok(), case.valid, "{}: {verdict:?}", case.name);
        }
    }
}

/// The draft's `seeded_random_scalars`; the seam is absent from release builds.
#[cfg(debug_assertions)]
#[test]
fn valid_proofs_are_made_byte_for_byte() {
    use zkcredit_core::bbs::proof::proof_gen_with_scalars;
    use zkcredit_core::group::Scalar;

    for (suite, name) in SUITES {
        let mocked = load(&format!("{}/mockedRng.json", directory(name)));
        let scalars = |count: usize| -> Vec<Scalar> {
            let mut wide = vec![0u8; 48 * count];
            suite
                .expand_message(&bytes(&mocked["seed"]), &bytes(&mocked["dst"]), &mut wide)
                .expect("few");
            wide.chunks(48).map(Scalar::from_wide_be).collect()
        };
        let expected = mocked["mockedScalars"].as_array().expect("list");
        for (scalar, expected) in scalars(expected.len()).iter().zip(expected) {
            assert_eq!(scalar.to_bytes_be(), array(expected));
        }
        let values = cases(name);
        let mut made = 0;
        for value in values
            .iter()
            .filter(|value| value["result"]["valid"] == true)
        {
            let case = Case::new(name, value);
            let signature = Signature::from_bytes(&array(&value["signature"])).expect("valid");
            let hidden = case.messages.len() - case.disclosed.len();
            let proof = proof_gen_with_scalars(
                suite,
                &case.key,
                &signature,
                &case.presentation(),
                &case.messages,
                &scalars(5 + hidden),
            );
            assert_eq!(proof.as_ref(), Ok(&case.proof), "{}", case.name);
            made += 1;
        }
        assert!(made >= 3);
    }
}

struct Signed {
    key: SecretKey,
    signature: Signature,
}

const MESSAGES: [&[u8]; 4] = [b"name", b"born", b"score", b""];

fn signed(suite: Suite) -> Signed {
    let key = SecretKey::from_bytes(&[11; 32]).expect("a key");
    let signature = sign(suite, &key, b"header", &MESSAGES).expect("signs");
    Signed { key, signature }
}

fn presentation(disclosed: &[usize]) -> Presentation<'_> {
    Presentation {
        header: b"header",
        presentation_header: b"nonce",
        disclosed,
    }
}

#[test]
fn every_choice_of_messages_proves_and_two_proofs_differ() {
    for (suite, _) in SUITES {
        let signed = signed(suite);
        let public = signed.key.public_key();
        for mask in 0usize..16 {
            let disclosed: Vec<usize> = (0..4).filter(|i| mask >> i & 1 == 1).collect();
            let shown: Vec<&[u8]> = disclosed.iter().map(|&i| MESSAGES[i]).collect();
            let what = presentation(&disclosed);
            let make = || proof_gen(suite, public, &signed.signature, &what, &MESSAGES);
            let proof = make().expect("proves");
            assert_eq!(proof.len(), PROOF_LEN_MIN + 32 * (4 - shown.len()));
            assert_eq!(proof_verify(suite, public, &proof, &what, &shown), Ok(()));
            let again = make().expect("proves");
            assert!(
                proof
                    .chunks(16)
                    .zip(again.chunks(16))
                    .all(|(one, two)| one != two),
                "nothing may be the same in two proofs"
            );
        }
    }
}

#[test]
fn every_byte_and_every_input_counts() {
    let suite = Suite::Sha256;
    let signed = signed(suite);
    let public = signed.key.public_key();
    let good = presentation(&[0, 2]);
    let shown: [&[u8]; 2] = [b"name", b"score"];
    let proof = proof_gen(suite, public, &signed.signature, &good, &MESSAGES).expect("proves");
    let refuses = |proof: &[u8], what: &Presentation<'_>, shown: &[&[u8]]| {
        assert!(proof_verify(suite, public, proof, what, shown).is_err());
    };
    for position in 0..proof.len() {
        let mut changed = proof.clone();
        changed[position] ^= 1;
        refuses(&changed, &good, &shown);
    }
    for len in 0..proof.len() {
        refuses(&proof[..len], &good, &shown);
    }
    refuses(&[proof.as_slice(), &[0; 32]].concat(), &good, &shown);
    refuses(&proof, &good, &[b"name", b"born"]);
    refuses(&proof, &good, &[b"name"]);
    for disclosed in [[2, 0], [0, 0], [0, 1], [0, 4], [0, usize::MAX]] {
        refuses(&proof, &presentation(&disclosed), &shown);
    }
    let other_header = Presentation {
        header: b"",
        ..good
    };
    refuses(&proof, &other_header, &shown);
    let other_nonce = Presentation {
        presentation_header: b"Nonce",
        ..good
    };
    refuses(&proof, &other_nonce, &shown);
    let stranger = SecretKey::from_bytes(&[12; 32]).expect("a key");
    assert!(proof_verify(suite, stranger.public_key(), &proof, &good, &shown).is_err());
    assert!(proof_verify(Suite::Shake256, public, &proof, &good, &shown).is_err());
}

#[test]
fn proof_decoding_is_strict() {
    let suite = Suite::Sha256;
    let signed = signed(suite);
    let public = signed.key.public_key();
    let what = presentation(&[0, 1, 2, 3]);
    let proof = proof_gen(suite, public, &signed.signature, &what, &MESSAGES).expect("proves");
    let mut identity = [0u8; 48];
    identity[0] = 0xc0;
    let mut bad = Vec::new();
    for point in 0..3 {
        let mut changed = proof.clone();
        changed[48 * point..48 * (point + 1)].copy_from_slice(&identity);
        bad.push(changed);
    }
    for scalar in 0..4 {
        for filler in [0, 0xff] {
            let mut changed = proof.clone();
            changed[144 + 32 * scalar..144 + 32 * (scalar + 1)].copy_from_slice(&[filler; 32]);
            bad.push(changed);
        }
    }
    bad.push([proof.as_slice(), &vec![1; 32 * (MAX_MESSAGES + 1)]].concat());
    for changed in bad {
        let verdict = proof_verify(suite, public, &changed, &what, &MESSAGES);
        assert_eq!(verdict, Err(Error::Malformed("BBS proof")));
    }
}

#[test]
fn nothing_is_proven_about_a_bad_signature() {
    let suite = Suite::Sha256;
    let signed = signed(suite);
    let public = signed.key.public_key();
    let prove = |what: &Presentation<'_>, messages: &[&[u8]]| {
        proof_gen(suite, public, &signed.signature, what, messages)
    };
    let refused = Err(Error::Refused("signature"));
    assert_eq!(prove(&presentation(&[0]), &MESSAGES[..3]), refused);
    let other: [&[u8]; 4] = [b"Name", b"born", b"score", b""];
    assert_eq!(prove(&presentation(&[0]), &other), refused);
    for disclosed in [[1, 0], [1, 1], [0, 4]] {
        let result = prove(&presentation(&disclosed), &MESSAGES);
        assert!(matches!(result, Err(Error::Misuse(_))));
    }
}
