//! Engine proofs: points and a proof of a known statement. Nothing but the proofs of the
//! vectors verifies, and one proof alone gets the verdict that it gets in a batch.
//!
//! Input: which statement (1 byte), its points (48 bytes each), the proof.

#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use zkcredit_core::engine::{Instance, Statement, compile, verify, verify_batch};
use zkcredit_core::error::Error;
use zkcredit_core::group::Scalar;

const FILES: [(&str, &str); 4] = [
    (
        include_str!("../../../circuits/open.toml"),
        include_str!("../../../tests/vectors/engine/open.json"),
    ),
    (
        include_str!("../../../circuits/settle.toml"),
        include_str!("../../../tests/vectors/engine/settle.json"),
    ),
    (
        include_str!("../../../circuits/spend.toml"),
        include_str!("../../../tests/vectors/engine/spend.json"),
    ),
    (
        include_str!("../../../circuits/update.toml"),
        include_str!("../../../tests/vectors/engine/update.json"),
    ),
];

struct Known {
    instance: Instance,
    ledger_id: [u8; 32],
    context: [u8; 32],
    points: usize,
    accepted: Vec<u8>,
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a string")).expect("hexadecimal")
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the right length")
}

fn values<'a>(object: &'a Value, names: impl Iterator<Item = &'a str>) -> Vec<Vec<u8>> {
    names.map(|name| bytes(&object[name])).collect()
}

fn load((circuit, vectors): &(&str, &str)) -> Known {
    let file: Value = serde_json::from_str(vectors).expect("JSON");
    let parameters: BTreeMap<String, i64> = file["parameters"]
        .as_object()
        .expect("an object")
        .iter()
        .map(|(name, value)| (name.clone(), value.as_i64().expect("an integer")))
        .collect();
    let circuit = Arc::new(compile(circuit, &parameters).expect("a circuit"));
    let case = &file["accepted"][file["circuit"].as_str().expect("a name")];
    let keys: Vec<([u8; 96], Vec<u8>)> = case["keys"]
        .as_array()
        .expect("an array")
        .iter()
        .map(|key| (array(&key[0]), bytes(&key[1])))
        .collect();
    let keys: Vec<(&[u8; 96], &[u8])> = keys.iter().map(|(k, h)| (k, h.as_slice())).collect();
    let order = |field: &str| -> Vec<String> {
        let text = file["canonical text"].as_array().expect("lines");
        let names = text.iter().filter_map(Value::as_str);
        let names = names.filter_map(|line| line.strip_prefix(field));
        names
            .filter_map(|rest| rest.split(' ').next().map(str::to_owned))
            .collect()
    };
    let labels = values(&case["labels"], order("label ").iter().map(String::as_str));
    let publics = values(
        &case["publics"],
        order("public ").iter().map(String::as_str),
    )
    .into_iter()
    .map(|value| Scalar::from_bytes_be(&value.try_into().expect("32 bytes")).expect("reduced"))
    .collect();
    let points = values(
        &case["points"],
        order("commitment ").iter().map(String::as_str),
    );
    let mut accepted = points.concat();
    accepted.extend(bytes(&case["proof"]));
    let known = Known {
        instance: Instance::new(circuit, &keys, labels, publics).expect("an instance"),
        ledger_id: array(&case["ledger_id"]),
        context: array(&case["context"]),
        points: points.len(),
        accepted,
    };
    assert!(known.verdict(&known.accepted), "the vector verifies");
    known
}

impl Known {
    fn verdict(&self, input: &[u8]) -> bool {
        let Some((points, proof)) = input.split_at_checked(48 * self.points) else {
            return false;
        };
        let points = points.as_chunks::<48>().0.to_vec();
        let statement = Statement::new(self.instance.clone(), self.ledger_id, self.context, points);
        let statement = statement.expect("one point per commitment");
        let alone = verify(&statement, proof);
        assert!(
            matches!(alone, Ok(()) | Err(Error::Malformed(_) | Error::Refused(_))),
            "{alone:?}"
        );
        let together = verify_batch(&[(&statement, proof)]).expect("a random source");
        assert_eq!(together.is_empty(), alone.is_ok(), "alone and in a batch");
        alone.is_ok()
    }
}

fuzz_target!(|data: &[u8]| {
    static KNOWN: OnceLock<Vec<Known>> = OnceLock::new();
    let known = KNOWN.get_or_init(|| FILES.iter().map(load).collect());
    if let Some((selector, input)) = data.split_first() {
        let known = &known[usize::from(*selector) % known.len()];
        assert_eq!(
            known.verdict(input),
            input == known.accepted,
            "another proof verifies"
        );
    }
});
