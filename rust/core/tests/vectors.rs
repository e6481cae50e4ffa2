//! The published vectors of the engine (`tests/vectors/engine`), which the reference made:
//! circuits, challenges, quadratic values and verdicts are the same here.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use zkcredit_core::engine::{Circuit, Instance, Statement, compile, verify, verify_batch};
use zkcredit_core::error::{Error, Result};
use zkcredit_core::group::Scalar;

const POINT: usize = 96;

fn root() -> String {
    format!("{}/../..", env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", root())).expect(path)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(text(value)).expect("hexadecimal")
}

fn array<const N: usize>(value: &Value) -> Result<[u8; N]> {
    bytes(value)
        .try_into()
        .map_err(|_| Error::Malformed("length"))
}

fn scalar(value: &Value) -> Result<Scalar> {
    Scalar::from_bytes_be(&array(value)?).ok_or(Error::Malformed("scalar"))
}

fn scalars<'a>(values: impl IntoIterator<Item = &'a Value>) -> Vec<Scalar> {
    values
        .into_iter()
        .map(|v| scalar(v).expect("reduced"))
        .collect()
}

fn circuit(file: &Value, parameters: &Value) -> Arc<Circuit> {
    let parameters: BTreeMap<String, i64> = parameters
        .as_object()
        .expect("parameters")
        .iter()
        .map(|(name, value)| (name.clone(), value.as_i64().expect("an integer")))
        .collect();
    let source = read(&format!("circuits/{}.toml", text(&file["circuit"])));
    Arc::new(compile(&source, &parameters).expect("a circuit"))
}

/// The statement of a case: each field is that of `change` if it has one, else that of `base`.
fn statement(circuit: Arc<Circuit>, base: &Value, change: &Value) -> Result<Statement> {
    let field = |name: &str| change.get(name).unwrap_or(&base[name]);
    let keys: Vec<([u8; 96], Vec<u8>)> = list(field("keys"))
        .iter()
        .map(|pair| Ok((array(&pair[0])?, bytes(&pair[1]))))
        .collect::<Result<_>>()?;
    let keys: Vec<(&[u8; 96], &[u8])> = keys.iter().map(|(k, h)| (k, h.as_slice())).collect();
    let labels = circuit
        .labels
        .iter()
        .map(|name| bytes(&field("labels")[name]));
    let publics = circuit
        .publics
        .iter()
        .map(|name| scalar(&field("publics")[name]));
    let points = circuit.commitments.iter();
    let points = points.map(|item| array(&field("points")[&item.point]));
    Statement::new(
        Instance::new(
            circuit.clone(),
            &keys,
            labels.collect(),
            publics.collect::<Result<_>>()?,
        )?,
        array(field("ledger_id"))?,
        array(field("context"))?,
        points.collect::<Result<_>>()?,
    )
}

/// The proof of a refused case: that of its base with some bytes exchanged.
fn spliced(base: &Value, change: &Value) -> Vec<u8> {
    let mut proof = bytes(&base["proof"]);
    if let Some(splice) = change.get("splice") {
        let number = |name: &str| usize::try_from(splice[name].as_u64().expect("a number"));
        let at = number("at").expect("small");
        let end = at + number("remove").expect("small");
        proof.splice(at..end, bytes(&splice["insert"]));
    }
    proof
}

/// Challenge, responses and quadratic values on the way to the verdict.
fn check_steps(statement: &Statement, proof: &[u8], steps: &Value) {
    let circuit = &statement.instance.circuit;
    let shown = POINT * circuit.commitments.len();
    let cut = shown + POINT * circuit.message_points();
    let challenge = statement.challenge(&proof[shown..cut]);
    assert_eq!(challenge, scalar(&steps["challenge"]).expect("reduced"));
    let (chunks, rest) = proof[cut..].as_chunks::<32>();
    assert!(rest.is_empty());
    let mut responses: Vec<Scalar> = chunks
        .iter()
        .map(|bytes| Scalar::from_bytes_be(bytes).expect("reduced"))
        .collect();
    if circuit.has_vector() {
        assert_eq!(responses.pop(), scalar(&steps["z"]).ok());
    }
    let mut named: Vec<Vec<u8>> = steps["responses"]
        .as_object()
        .expect("responses by name")
        .values()
        .map(bytes)
        .collect();
    let mut own: Vec<Vec<u8>> = responses.iter().map(|f| f.to_bytes_be().to_vec()).collect();
    named.sort();
    own.sort();
    assert_eq!(own, named);
    let quadratics: Vec<Scalar> = circuit
        .quadratic_forms
        .iter()
        .map(|form| form.homogeneous(&responses, challenge, &statement.instance.publics))
        .collect();
    assert_eq!(quadratics, scalars(list(&steps["quadratics"])));
}

fn check_file(name: &str) {
    let file: Value =
        serde_json::from_str(&read(&format!("tests/vectors/engine/{name}.json"))).expect("JSON");
    let own = circuit(&file, &file["parameters"]);
    let lines: Vec<&str> = list(&file["canonical text"]).iter().map(text).collect();
    assert_eq!(own.describe().lines().collect::<Vec<_>>(), lines);
    assert_eq!(hex::encode(own.digest()), text(&file["digest"]));
    assert_eq!(
        Some(own.proof_length() as u64),
        file["proof length"].as_u64()
    );
    let accepted = file["accepted"].as_object().expect("accepted cases");
    for (title, case) in accepted {
        let statement = statement(own.clone(), case, &Value::Null).expect(title);
        let proof = bytes(&case["proof"]);
        verify(&statement, &proof).expect(title);
        check_steps(&statement, &proof, &case["steps"]);
    }
    let refused = list(&file["refused"]);
    assert!(
        refused.len() > 20,
        "{name} has {} refused cases",
        refused.len()
    );
    for case in refused {
        check_refused(&file, accepted[text(&case["base"])].clone(), case);
    }
}

/// Malformed statements have no verdict; proofs are refused, alone and in a batch.
fn check_refused(file: &Value, base: Value, case: &Value) {
    let parameters = case.get("parameters").unwrap_or(&file["parameters"]);
    let what = text(&case["change"]);
    match statement(circuit(file, parameters), &base, case) {
        Err(error) => {
            assert!(matches!(error, Error::Malformed(_)), "{what}: {error}");
            assert_eq!(text(&case["code"]), "malformed", "{what}");
        }
        Ok(statement) => {
            let proof = spliced(&base, case);
            let error = verify(&statement, &proof).expect_err(what);
            assert!(
                matches!(error, Error::Malformed(_) | Error::Refused(_)),
                "{what}: {error}"
            );
            let culprits = verify_batch(&[(&statement, &proof)]).expect("a random source");
            assert_eq!(culprits, [0], "{what}");
            assert_eq!(text(&case["code"]), "refused", "{what}");
        }
    }
}

#[test]
fn open() {
    check_file("open");
}

#[test]
fn spend() {
    check_file("spend");
}

#[test]
fn spend_in_parts() {
    check_file("spend-in-parts");
}

#[test]
fn refresh() {
    check_file("refresh");
}

#[test]
fn update() {
    check_file("update");
}

#[test]
fn statement_of_a_bill() {
    check_file("statement");
}

#[test]
fn settle() {
    check_file("settle");
}

#[test]
fn request() {
    check_file("request");
}

#[test]
fn no_file_is_left_out() {
    let files = std::fs::read_dir(format!("{}/tests/vectors/engine", root())).expect("the folder");
    let paths = files.map(|file| file.expect("a file").path());
    assert_eq!(
        paths
            .filter(|path| path.extension().is_some_and(|e| e == "json"))
            .count(),
        8
    );
}
