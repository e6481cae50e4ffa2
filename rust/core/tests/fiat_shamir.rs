//! Published vectors of draft-irtf-cfrg-fiat-shamir (SHAKE128) and properties of
//! the engine's transcript.

use serde_json::Value;
use zkcredit_core::group::Scalar;
use zkcredit_core::transcript::codec::{
    decode_uint, deserialize_field, deserialize_uint, deserialize_var_len_string, serialize_uint,
    serialize_uint_be, serialize_var_len_string,
};
use zkcredit_core::transcript::{Sponge, Transcript, derive_session_id};

fn records(name: &str) -> Vec<Value> {
    let path = format!(
        "{}/../../tests/vectors/sigma/{name}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(&path).expect(&path);
    serde_json::from_str(&text).expect("a JSON list")
}

fn text<'a>(record: &'a Value, key: &str) -> &'a str {
    record[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

fn bytes(record: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(record, key)).expect("hex")
}

fn integer(value: &str) -> Vec<u8> {
    let digits = value.strip_prefix("0x").expect("0x");
    hex::decode(format!(
        "{}{digits}",
        if digits.len() % 2 == 1 { "0" } else { "" }
    ))
    .expect("hex")
}

fn modulus(record: &Value) -> Vec<u8> {
    integer(text(record, "Modulus"))
}

fn significant(be: &[u8]) -> &[u8] {
    let first = be.iter().position(|byte| *byte != 0).unwrap_or(be.len());
    &be[first..]
}

fn replay(record: &Value) -> Vec<u8> {
    let mut sponge = Sponge::new(&bytes(record, "SessionId").try_into().expect("32 bytes"));
    let mut out = Vec::new();
    for operation in record["Operations"].as_array().expect("operations") {
        if operation["type"] == "absorb" {
            sponge.absorb(&bytes(operation, "data"));
        } else {
            let len = operation["length"].as_u64().expect("length") as usize;
            let mut part = vec![0u8; len];
            sponge.squeeze(&mut part);
            out.extend_from_slice(&part);
        }
    }
    out
}

/// `SumcheckVerify` of the draft's example, over Mersenne31: the evaluation left to
/// check, or `None` if the proof is refused before that.
fn sumcheck(record: &Value, session_id: &[u8; 32]) -> Option<u64> {
    const P: u64 = (1 << 31) - 1;
    let modulus = modulus(record);
    let narg = bytes(record, "Narg");
    let number = |be: &[u8]| {
        be.iter()
            .fold(0u64, |acc, byte| acc << 8 | u64::from(*byte))
    };
    let mut claim = number(&integer(text(record, "ClaimedSum")));
    let rounds = record["NumVariables"].as_u64().expect("rounds");
    let mut sponge = Sponge::new(session_id);
    sponge.absorb(&(rounds as u32).to_le_bytes());
    sponge.absorb(&(claim as u32).to_le_bytes());
    let mut rest = narg.as_slice();
    for _ in 0..rounds {
        let (message, unread) = deserialize_field(rest, &modulus, 2).ok()?;
        sponge.absorb(&rest[..rest.len() - unread.len()]);
        rest = unread;
        let (a0, a1) = (number(&message[0]), number(&message[1]));
        if (2 * a0 + a1) % P != claim {
            return None;
        }
        let mut squeezed = [0u8; 4];
        sponge.squeeze(&mut squeezed);
        claim = (a0 + a1 * (u64::from(u32::from_le_bytes(squeezed)) % P)) % P;
    }
    rest.is_empty().then_some(claim)
}

fn check_sumcheck(record: &Value) {
    let session_id: [u8; 32] = bytes(record, "SessionId").try_into().expect("32 bytes");
    if record["Tag"].is_string() {
        assert_eq!(derive_session_id(&bytes(record, "Tag")), session_id);
    }
    let expected = (record["Expected"] != "reject").then(|| {
        let be = integer(text(record, "FinalEvaluation"));
        be.iter()
            .fold(0u64, |acc, byte| acc << 8 | u64::from(*byte))
    });
    assert_eq!(sumcheck(record, &session_id), expected);
}

fn check(record: &Value) {
    let rejected = record["Expected"] == "reject";
    match text(record, "Function") {
        "DuplexSponge" => assert_eq!(replay(record), bytes(record, "Output")),
        "DeriveSessionID" => assert_eq!(
            derive_session_id(&bytes(record, "Tag")).to_vec(),
            bytes(record, "Output")
        ),
        "DecodeUint" => {
            let buf = if record["Operations"].is_array() {
                assert_eq!(replay(record), bytes(record, "Output"));
                bytes(record, "Output")
            } else {
                bytes(record, "Input")
            };
            let decoded = decode_uint(&buf, &modulus(record)).expect("decodes");
            let expected = integer(text(record, "Challenge"));
            assert_eq!(significant(&decoded), significant(&expected));
        }
        "SerializeVarLenString" => {
            let input = bytes(record, "Input");
            let output = serialize_var_len_string(&input).expect("short");
            assert_eq!(output, bytes(record, "Output"));
            let (back, rest) = deserialize_var_len_string(&output).expect("reads back");
            assert_eq!((back, rest), (input.as_slice(), [].as_slice()));
        }
        "DeserializeVarLenString" => {
            assert!(rejected && deserialize_var_len_string(&bytes(record, "Input")).is_err());
        }
        "SerializeUint" => {
            let output = serialize_uint(&integer(text(record, "Value")), &modulus(record));
            assert_eq!(output, Ok(bytes(record, "Output")));
        }
        "SerializeField" => {
            assert_eq!(text(record, "ByteOrder"), "big-endian");
            let output = serialize_uint_be(&integer(text(record, "Value")), &modulus(record));
            assert_eq!(output, Ok(bytes(record, "Output")));
        }
        "DeserializeUint" => {
            assert!(
                rejected && deserialize_uint(&bytes(record, "Input"), &modulus(record)).is_err()
            );
        }
        "DeserializeField" => {
            let input = bytes(record, "Input");
            let degree = record["ExtensionDegree"].as_u64().expect("degree") as usize;
            let result = deserialize_field(&input, &modulus(record), degree);
            assert_eq!(result.is_err(), rejected);
            if let Ok((coordinates, rest)) = result {
                assert!(rest.is_empty());
                for (got, expected) in coordinates
                    .iter()
                    .zip(record["Coordinates"].as_array().expect("list"))
                {
                    let expected = integer(expected.as_str().expect("text"));
                    assert_eq!(significant(got), significant(&expected));
                }
            }
        }
        "Sumcheck" => check_sumcheck(record),
        other => panic!("unknown function {other}"),
    }
}

#[test]
fn codec_vectors() {
    let records = records("fiatShamirCodecVectors");
    assert!(records.len() >= 13);
    records.iter().for_each(check);
}

#[test]
fn shake128_vectors() {
    let records = records("fiatShamirShake128Vectors");
    assert!(records.len() >= 13);
    records.iter().for_each(check);
}

#[test]
fn scalar_challenge_is_the_general_decoding() {
    let order = hex::decode("73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001")
        .expect("hex");
    for seed in 0u8..20 {
        let mut sponge = Sponge::new(&[seed; 32]);
        let mut buf = [0u8; 48];
        sponge.clone().squeeze(&mut buf);
        let expected = decode_uint(&buf, &order).expect("48 bytes");
        assert_eq!(sponge.squeeze_scalar().to_bytes_be().to_vec(), expected);
    }
}

fn challenge(messages: &[(&'static str, &[u8])]) -> Scalar {
    let mut transcript = Transcript::new("test");
    for (label, bytes) in messages {
        transcript.absorb(label, bytes);
    }
    transcript.challenge()
}

#[test]
fn transcript_framing_is_unambiguous() {
    let base = challenge(&[("a", b"bc"), ("d", b"")]);
    assert_eq!(base, challenge(&[("a", b"bc"), ("d", b"")]));
    let others: [&[(&'static str, &[u8])]; 6] = [
        &[("ab", b"c"), ("d", b"")],
        &[("a", b"b"), ("cd", b"")],
        &[("a", b"bcd"), ("", b"")],
        &[("a", b"bc")],
        &[("d", b""), ("a", b"bc")],
        &[("a", b"bc"), ("d", b"\0")],
    ];
    for other in others {
        assert_ne!(base, challenge(other));
    }
    assert_ne!(base, {
        let mut transcript = Transcript::new("test2");
        transcript.absorb("a", b"bc");
        transcript.absorb("d", b"");
        transcript.challenge()
    });
}

#[test]
fn transcript_is_the_draft_sponge_with_frames() {
    let mut sponge = Sponge::new(&derive_session_id(b"test"));
    sponge.absorb(b"\0\x02hi\0\0\0\0\0\0\0\x03abc");
    assert_eq!(sponge.squeeze_scalar(), challenge(&[("hi", b"abc")]));
}
