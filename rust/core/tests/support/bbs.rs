//! Shared by the programs that read vectors of BBS signatures and their extensions.

use serde_json::Value;
use zkcredit_core::bbs::Suite;

use super::{json, unhex, vectors};

/// Both suites with the names of their folders.
pub const SUITES: [(Suite, &str); 2] = [
    (Suite::Sha256, "bls12-381-sha-256"),
    (Suite::Shake256, "bls12-381-shake-256"),
];

/// Byte strings of a list; none where there is no list.
pub fn list(value: &Value) -> Vec<Vec<u8>> {
    value.as_array().into_iter().flatten().map(unhex).collect()
}

/// Positions and values of an object such as `{"0": "…", "2": "…"}`.
pub fn shown(value: &Value) -> (Vec<usize>, Vec<Vec<u8>>) {
    let mut pairs: Vec<(usize, Vec<u8>)> = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(position, message)| (position.parse().expect("number"), unhex(message)))
        .collect();
    pairs.sort();
    pairs.into_iter().unzip()
}

/// Compares both sets of generators with the published ones of each suite in `folder`.
pub fn check_generators(folder: &str) {
    for (suite, name) in SUITES {
        let file = json(&vectors(&format!("{folder}/{name}/generators.json")));
        for set in ["generators", "blindGenerators"] {
            let set = &file[set];
            let expected = list(&set["MsgGenerators"]);
            let api_id = set["api_id"].as_str().expect("text");
            let got = suite
                .create_generators(expected.len() + 1, api_id)
                .expect("few");
            assert_eq!(suite.p1().to_compressed()[..], unhex(&set["P1"]));
            assert_eq!(got[0].to_compressed()[..], unhex(&set["Q1"]));
            assert!(!expected.is_empty());
            for (got, expected) in got[1..].iter().zip(expected) {
                assert_eq!(got.to_compressed()[..], expected);
            }
        }
    }
}
