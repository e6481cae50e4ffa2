//! RFC 9380 vectors (appendices J.9, J.10, K.1, K.6).

use serde_json::Value;
use zkcredit_core::error::Error;
use zkcredit_core::group::{
    expand_message_xmd, expand_message_xof, hash_to_g1, hash_to_g1_shake256, hash_to_g2,
};

use crate::support::{cases, unhex};

fn text(value: &Value) -> &[u8] {
    value.as_str().expect("a string").as_bytes()
}

/// "c0,c1" of an Fp2 coordinate as c1 ‖ c0, the order of the encoding.
fn fp2(value: &Value) -> Vec<u8> {
    let (c0, c1) = value
        .as_str()
        .expect("a string")
        .split_once(',')
        .expect("two parts");
    [c1, c0]
        .into_iter()
        .flat_map(|c| hex::decode(&c[2..]).unwrap())
        .collect()
}

#[test]
fn rfc_9380_suites() {
    let mut seen = 0;
    for (name, file) in cases("h2c") {
        let Some(suite) = file["ciphersuite"].as_str() else {
            continue;
        };
        if file["randomOracle"] != Value::Bool(true) {
            continue;
        }
        let dst = text(&file["dst"]);
        for vector in file["vectors"].as_array().unwrap() {
            let (msg, p) = (text(&vector["msg"]), &vector["P"]);
            match suite {
                "BLS12381G1_XMD:SHA-256_SSWU_RO_" => {
                    let expected = [unhex(&p["x"]), unhex(&p["y"])].concat();
                    assert_eq!(
                        hash_to_g1(msg, dst).to_uncompressed()[..],
                        expected,
                        "{name}"
                    );
                }
                "BLS12381G2_XMD:SHA-256_SSWU_RO_" => {
                    let expected = [fp2(&p["x"]), fp2(&p["y"])].concat();
                    assert_eq!(
                        hash_to_g2(msg, dst).to_uncompressed()[..],
                        expected,
                        "{name}"
                    );
                }
                other => panic!("no code for suite {other}"),
            }
            seen += 1;
        }
    }
    assert!(seen >= 10);
}

#[test]
fn rfc_9380_expanders() {
    let mut seen = 0;
    for (name, file) in cases("h2c") {
        let Some(kind) = file["name"].as_str() else {
            continue;
        };
        let dst = text(&file["DST"]);
        for vector in file["tests"].as_array().unwrap() {
            let length = unhex(&vector["len_in_bytes"]);
            let length = length.iter().fold(0, |acc, &b| acc << 8 | usize::from(b));
            let mut out = vec![0; length];
            match kind {
                "expand_message_xmd" => expand_message_xmd(text(&vector["msg"]), dst, &mut out),
                "expand_message_xof" => expand_message_xof(text(&vector["msg"]), dst, &mut out),
                other => panic!("no code for {other}"),
            }
            .unwrap();
            assert_eq!(out, unhex(&vector["uniform_bytes"]), "{name}");
            seen += 1;
        }
    }
    assert!(seen >= 30);
}

#[test]
fn ethereum_hash_to_g2() {
    let dst = b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_";
    for (name, case) in cases("bls/hash_to_G2") {
        let point = hash_to_g2(text(&case["input"]["msg"]), dst);
        let expected = [fp2(&case["output"]["x"]), fp2(&case["output"]["y"])].concat();
        assert_eq!(point.to_uncompressed()[..], expected, "{name}");
    }
}

/// A tag of more than 255 bytes is hashed first (§5.3.3), by blst as by us.
#[test]
fn long_tags_are_hashed() {
    let tag = [b'x'; 256];
    let short = b"short tag";
    let mut out = [0; 32];
    expand_message_xmd(b"", &tag, &mut out).unwrap();
    let mut other = [0; 32];
    expand_message_xmd(b"", &tag[..255], &mut other).unwrap();
    assert_ne!(out, other);
    for dst in [&tag[..], short] {
        assert!(hash_to_g1(b"msg", dst).as_e1().is_in_subgroup());
        assert!(hash_to_g1_shake256(b"msg", dst).as_e1().is_in_subgroup());
    }
    assert_ne!(
        hash_to_g1_shake256(b"msg", &tag),
        hash_to_g1_shake256(b"msg", &tag[..255])
    );
    assert_ne!(
        hash_to_g1(b"msg", short),
        hash_to_g1_shake256(b"msg", short)
    );
}

#[test]
fn expanders_refuse_what_the_rfc_excludes() {
    let refused = |result| matches!(result, Err(Error::Misuse(_)));
    assert!(refused(expand_message_xmd(b"", b"", &mut [0; 32])));
    assert!(refused(expand_message_xof(b"", b"", &mut [0; 32])));
    assert!(refused(expand_message_xmd(
        b"",
        b"t",
        &mut vec![0; 255 * 32 + 1]
    )));
    assert!(refused(expand_message_xof(b"", b"t", &mut vec![0; 65536])));
    assert!(expand_message_xmd(b"", b"t", &mut vec![0; 255 * 32]).is_ok());
    assert!(expand_message_xof(b"", b"t", &mut vec![0; 65535]).is_ok());
    assert!(expand_message_xmd(b"", b"t", &mut []).is_ok());
}
