//! Digests and proofs frozen in `circuits/pins/`: a change of a circuit or of the format
//! shows here. `ZKCREDIT_REGENERATE_PINS=1` writes them anew.

mod scenario;

use std::sync::Arc;

use scenario::{CONTEXT, DEFAULT, HEADER, LABEL, LEDGER, NAMES, Scenario, Size};
use scenario::{circuit, parameters, text};
use serde_json::{Value, json};
use zkcredit_core::engine::{Instance, Statement, compile, verify};
use zkcredit_core::group::Scalar;

const SIZES: [Size; 3] = [
    DEFAULT,
    Size {
        k: 3,
        m: 2,
        bits: 32,
    },
    Size {
        k: 0,
        m: 0,
        bits: 32,
    },
];

fn root() -> String {
    format!("{}/../../circuits", env!("CARGO_MANIFEST_DIR"))
}

fn path(name: &str) -> String {
    format!("{}/pins/{name}.json", root())
}

fn regenerate() -> bool {
    std::env::var("ZKCREDIT_REGENERATE_PINS").is_ok_and(|value| value == "1")
}

/// A size and its digest; none where the circuit does not exist.
fn digests(name: &str) -> Vec<Value> {
    let mut list: Vec<Value> = Vec::new();
    for size in SIZES {
        let parameters = parameters(name, size);
        let Ok(circuit) = compile(&text(name), &parameters) else {
            assert_eq!((name, size.k), ("statement", 0));
            continue;
        };
        let entry = json!({
            "parameters": parameters,
            "digest": hex::encode(circuit.digest()),
            "proof_length": circuit.proof_length(),
        });
        if !list.contains(&entry) {
            list.push(entry);
        }
    }
    list
}

fn frozen(name: &str) -> Value {
    let s = Scenario::new(name, DEFAULT);
    let (statement, proof) = s.prove();
    let key = s.key.public_key().as_bytes();
    let keys = s.circuit.signatures.iter();
    let keys: Vec<Value> = keys
        .map(|_| json!({"key": hex::encode(key), "header": hex::encode(HEADER)}))
        .collect();
    let publics = s.circuit.publics.iter();
    let nullifier = hex::encode(s.nullifier.to_bytes_be());
    json!({
        "parameters": parameters(name, DEFAULT),
        "ledger_id": hex::encode(LEDGER),
        "context": hex::encode(CONTEXT),
        "keys": keys,
        "labels": s.circuit.labels.iter().map(|_| hex::encode(LABEL)).collect::<Vec<_>>(),
        "publics": publics.map(|_| nullifier.clone()).collect::<Vec<_>>(),
        "points": statement.points.iter().map(hex::encode).collect::<Vec<_>>(),
        "proof": hex::encode(proof),
    })
}

fn pinned(name: &str) -> Value {
    let text = std::fs::read_to_string(path(name)).expect("a file of pins");
    serde_json::from_str(&text).expect("JSON")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("a text")).expect("hex")
}

fn list<T>(value: &Value, read: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().expect("a list").iter().map(read).collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the right length")
}

/// The statement, from the pinned bytes alone.
fn statement(name: &str, pin: &Value) -> Statement {
    let circuit = circuit(name, DEFAULT);
    let keys = list(&pin["keys"], |k| {
        (array::<96>(&k["key"]), bytes(&k["header"]))
    });
    let keys: Vec<(&[u8; 96], &[u8])> = keys.iter().map(|(k, h)| (k, h.as_slice())).collect();
    let publics = list(&pin["publics"], |p| {
        Scalar::from_bytes_be(&array(p)).expect("a scalar")
    });
    let instance = Instance::new(
        Arc::clone(&circuit),
        &keys,
        list(&pin["labels"], bytes),
        publics,
    );
    let points = list(&pin["points"], array::<48>);
    let instance = instance.expect("an instance");
    Statement::new(
        instance,
        array(&pin["ledger_id"]),
        array(&pin["context"]),
        points,
    )
    .expect("a statement")
}

#[test]
fn circuits_and_proofs_are_those_of_this_version() {
    for name in NAMES {
        if regenerate() {
            let pins = json!({"digests": digests(name), "frozen": frozen(name)});
            let text = serde_json::to_string_pretty(&pins).expect("JSON") + "\n";
            std::fs::write(path(name), text).expect("written");
        }
        let pins = pinned(name);
        assert_eq!(pins["digests"], Value::from(digests(name)), "{name}");
        let pin = &pins["frozen"];
        assert_eq!(pin["parameters"], json!(parameters(name, DEFAULT)));
        let statement = statement(name, pin);
        assert_eq!(verify(&statement, &bytes(&pin["proof"])), Ok(()), "{name}");
        // What is not random about it is made again, byte for byte.
        let points = frozen(name)["points"].clone();
        assert_eq!(pin["points"], points, "{name}");
    }
}

#[test]
fn the_readme_of_the_circuits_explains_every_clause() {
    let readme = std::fs::read_to_string(format!("{}/README.md", root())).expect("a README");
    for name in NAMES {
        for size in SIZES {
            let Ok(circuit) = compile(&text(name), &parameters(name, size)) else {
                continue;
            };
            for (id, _) in &circuit.clauses {
                assert!(readme.contains(&format!("| `{id}` |")), "{id} is missing");
            }
        }
        let row = readme
            .lines()
            .find(|l| l.starts_with(&format!("| {name} |")));
        let row = row.expect("a row of sizes").replace(',', "");
        for size in &SIZES[..2] {
            let length = circuit(name, *size).proof_length();
            assert!(row.contains(&format!("| {length} ")), "{name}: {length}");
        }
    }
    // And no clause that is gone.
    let known: Vec<String> = NAMES
        .iter()
        .flat_map(|n| SIZES[..2].iter().map(|s| circuit(n, *s)))
        .flat_map(|c| c.clauses.clone())
        .map(|(id, _)| id)
        .collect();
    for line in readme
        .lines()
        .filter(|l| l.starts_with("| `") && l.contains('.'))
    {
        let id = line.split('`').nth(1).expect("an id");
        if NAMES.iter().any(|n| id.starts_with(&format!("{n}."))) {
            assert!(known.contains(&id.to_owned()), "{id} is gone");
        }
    }
}
