//! Circuits, proving and verifying.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use zeroize::Zeroizing;
use zkcredit_core::bbs::Signature;
use zkcredit_core::engine::{self, Instance, Witness};
use zkcredit_core::group::Scalar;

use crate::convert::{bytes, fixed, scalar, scalars};
use crate::errors::{ProofRefused, misuse, raise, refused};
use crate::secrets::Seed;

/// The relations that come with the package.
const BUILTIN: [(&str, &str); 7] = [
    ("open", include_str!("../../../circuits/open.toml")),
    ("spend", include_str!("../../../circuits/spend.toml")),
    ("refresh", include_str!("../../../circuits/refresh.toml")),
    ("update", include_str!("../../../circuits/update.toml")),
    (
        "statement",
        include_str!("../../../circuits/statement.toml"),
    ),
    ("settle", include_str!("../../../circuits/settle.toml")),
    ("request", include_str!("../../../circuits/request.toml")),
];

/// A compiled circuit.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct Circuit(Arc<engine::Circuit>);

#[pymethods]
impl Circuit {
    /// Compiles a circuit text with its parameters.
    #[staticmethod]
    fn compile(py: Python<'_>, text: &str, parameters: BTreeMap<String, i64>) -> PyResult<Self> {
        let compiled = py
            .detach(|| engine::compile(text, &parameters))
            .map_err(raise)?;
        Ok(Circuit(Arc::new(compiled)))
    }

    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        bytes(py, self.0.digest())
    }

    #[getter]
    fn parameters(&self) -> BTreeMap<String, i64> {
        self.0.parameters.clone()
    }

    #[getter]
    fn proof_length(&self) -> usize {
        self.0.proof_length()
    }

    #[getter]
    fn constraints(&self) -> Vec<(String, String)> {
        self.0.clauses.clone()
    }

    /// The canonical text whose hash is the digest.
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn __repr__(&self) -> String {
        format!("Circuit({}, {:?})", self.0.name, self.0.parameters)
    }
}

/// The text of a relation that comes with the package.
#[pyfunction]
pub fn builtin_circuit_text(name: &str) -> PyResult<&'static str> {
    let found = BUILTIN.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, text)| *text)
        .ok_or_else(|| misuse(format!("there is no circuit '{name}'")))
}

type Compiled = Mutex<HashMap<(String, BTreeMap<String, i64>), Arc<engine::Circuit>>>;

/// A relation that comes with the package, compiled once per parameters.
#[pyfunction]
pub fn builtin_circuit(
    py: Python<'_>,
    name: &str,
    parameters: BTreeMap<String, i64>,
) -> PyResult<Circuit> {
    static COMPILED: OnceLock<Compiled> = OnceLock::new();
    let cache = COMPILED.get_or_init(Compiled::default);
    let key = (name.to_owned(), parameters);
    let known = cache
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get(&key)
        .cloned();
    if let Some(circuit) = known {
        return Ok(Circuit(circuit));
    }
    let circuit = Circuit::compile(py, builtin_circuit_text(name)?, key.1.clone())?;
    let mut entries = cache.lock().unwrap_or_else(PoisonError::into_inner);
    entries.insert(key, Arc::clone(&circuit.0));
    Ok(circuit)
}

/// Issuer keys with headers.
type Keys = Vec<(Vec<u8>, Vec<u8>)>;

/// Values by name, in the order of `names`; unknown or missing names are refused.
fn ordered<'py, T>(
    given: Option<&Bound<'py, PyDict>>,
    names: impl Iterator<Item = &'py str>,
    what: &str,
    convert: impl Fn(&Bound<'py, PyAny>) -> PyResult<T>,
) -> PyResult<Vec<T>> {
    let mut values = Vec::new();
    for name in names {
        let item = given.map_or(Ok(None), |g| g.get_item(name))?;
        let item = item.ok_or_else(|| misuse(format!("the {what} '{name}' is missing")))?;
        values.push(convert(&item)?);
    }
    match given.map_or(0, |g| g.len()) == values.len() {
        true => Ok(values),
        false => Err(misuse(format!(
            "there is a {what} that the circuit does not declare"
        ))),
    }
}

fn instance(
    circuit: &Circuit,
    keys: &Keys,
    labels: Option<&Bound<'_, PyDict>>,
    publics: Vec<Scalar>,
) -> PyResult<Instance> {
    let decoded: Vec<[u8; 96]> = keys
        .iter()
        .map(|(k, _)| fixed(k, "an issuer key"))
        .collect::<PyResult<_>>()?;
    let pairs: Vec<(&[u8; 96], &[u8])> = decoded
        .iter()
        .zip(keys)
        .map(|(k, (_, header))| (k, header.as_slice()))
        .collect();
    let own = &circuit.0;
    let to_bytes = |v: &Bound<'_, PyAny>| Ok(v.cast::<PyBytes>()?.as_bytes().to_vec());
    let labels = ordered(
        labels,
        own.labels.iter().map(String::as_str),
        "label",
        to_bytes,
    )?;
    Instance::new(Arc::clone(own), &pairs, labels, publics).map_err(raise)
}

/// The circuit's public scalars by name.
fn public_scalars(
    circuit: &engine::Circuit,
    given: Option<&Bound<'_, PyDict>>,
) -> PyResult<Vec<Scalar>> {
    let names = circuit.publics.iter().map(String::as_str);
    ordered(given, names, "public", |value| Ok(*scalar(value)?))
}

/// A checked witness with the statement's points computed from it.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct Prover {
    inner: engine::Prover,
    circuit: Arc<engine::Circuit>,
}

#[pymethods]
impl Prover {
    #[new]
    #[pyo3(signature = (circuit, *, keys=vec![], signatures=vec![], labels=None, publics=None, witness))]
    fn new(
        circuit: &Circuit,
        keys: Keys,
        signatures: Vec<Vec<u8>>,
        labels: Option<&Bound<'_, PyDict>>,
        publics: Option<&Bound<'_, PyDict>>,
        witness: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let publics = public_scalars(&circuit.0, publics)?;
        let instance = instance(circuit, &keys, labels, publics)?;
        let decode = |s: &Vec<u8>| Signature::from_bytes(&fixed(s, "a signature")?).map_err(raise);
        let signatures = signatures
            .iter()
            .map(decode)
            .collect::<PyResult<Vec<_>>>()?;
        let witness = read_witness(circuit, witness)?;
        let py =
            Python::attach(|py| py.detach(|| engine::Prover::new(instance, signatures, &witness)));
        Ok(Prover {
            inner: py.map_err(raise)?,
            circuit: Arc::clone(&circuit.0),
        })
    }

    /// The statement's points by name.
    #[getter]
    fn points<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let points = PyDict::new(py);
        for (commitment, point) in self.circuit.commitments.iter().zip(self.inner.points()) {
            points.set_item(&commitment.point, bytes(py, &point))?;
        }
        Ok(points)
    }

    /// Proves the statement for a ledger and a context of 32 bytes each.
    fn prove<'py>(
        &self,
        py: Python<'py>,
        ledger_id: &[u8],
        context: &[u8],
        seed: &Seed,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let ledger_id = fixed(ledger_id, "a ledger id")?;
        let context = fixed(context, "a context")?;
        let proof = py.detach(|| self.inner.prove(ledger_id, context, seed.bytes()));
        Ok(bytes(py, &proof.map_err(raise)?))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.inner)
    }
}

fn read_witness(circuit: &Circuit, given: &Bound<'_, PyDict>) -> PyResult<Witness> {
    let secrets = &circuit.0.secrets;
    let names = secrets.iter().map(|s| s.name.as_str());
    let values: Vec<Zeroizing<Vec<Scalar>>> = ordered(Some(given), names, "secret", scalars)?;
    for (secret, value) in secrets.iter().zip(&values) {
        if value.len() != secret.size {
            let (name, size) = (&secret.name, secret.size);
            return Err(misuse(format!("the secret '{name}' takes {size} values")));
        }
    }
    Ok(secrets.iter().map(|s| s.name.clone()).zip(values).collect())
}

/// A statement to verify a proof against.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct Statement(engine::Statement);

impl Statement {
    /// `instance` with its circuit's points by name.
    fn join(
        instance: Instance,
        ledger_id: [u8; 32],
        context: &[u8],
        points: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let names = instance
            .circuit
            .commitments
            .iter()
            .map(|c| c.point.as_str());
        let decode = |v: &Bound<'_, PyAny>| fixed(v.cast::<PyBytes>()?.as_bytes(), "a point");
        let points = ordered(Some(points), names, "point", decode)?;
        let context = fixed(context, "a context")?;
        engine::Statement::new(instance, ledger_id, context, points)
            .map(Statement)
            .map_err(raise)
    }
}

#[pymethods]
impl Statement {
    #[new]
    #[pyo3(signature = (circuit, *, ledger_id, context, keys=vec![], labels=None, publics=None, points))]
    fn new(
        circuit: &Circuit,
        ledger_id: &[u8],
        context: &[u8],
        keys: Keys,
        labels: Option<&Bound<'_, PyDict>>,
        publics: Option<&Bound<'_, PyDict>>,
        points: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        Relation::new(circuit, ledger_id, keys, labels)?.statement(context, publics, points)
    }
}

/// What many statements have in common: circuit, ledger, issuer keys and labels.
#[pyclass(frozen, module = "zkcredit._native")]
pub struct Relation {
    /// Its public scalars stand for those of the statements.
    instance: Instance,
    ledger_id: [u8; 32],
}

#[pymethods]
impl Relation {
    #[new]
    #[pyo3(signature = (circuit, *, ledger_id, keys=vec![], labels=None))]
    fn new(
        circuit: &Circuit,
        ledger_id: &[u8],
        keys: Keys,
        labels: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let publics = vec![Scalar::default(); circuit.0.publics.len()];
        Ok(Relation {
            instance: instance(circuit, &keys, labels, publics)?,
            ledger_id: fixed(ledger_id, "a ledger id")?,
        })
    }

    /// One of the statements.
    #[pyo3(signature = (*, context, publics=None, points))]
    fn statement(
        &self,
        context: &[u8],
        publics: Option<&Bound<'_, PyDict>>,
        points: &Bound<'_, PyDict>,
    ) -> PyResult<Statement> {
        let instance = Instance {
            publics: public_scalars(&self.instance.circuit, publics)?,
            ..self.instance.clone()
        };
        Statement::join(instance, self.ledger_id, context, points)
    }
}

/// Verifies one proof.
#[pyfunction]
pub fn verify(py: Python<'_>, statement: &Statement, proof: &[u8]) -> PyResult<()> {
    py.detach(|| engine::verify(&statement.0, proof))
        .map_err(|e| match e {
            zkcredit_core::error::Error::Malformed(what) => {
                ProofRefused::new_err(format!("malformed {what}"))
            }
            other => raise(other),
        })
}

/// Verifies many proofs at once; the culprits are named.
#[pyfunction]
pub fn verify_batch(
    py: Python<'_>,
    items: Vec<(PyRef<'_, Statement>, Bound<'_, PyBytes>)>,
) -> PyResult<()> {
    let plain: Vec<(&engine::Statement, &[u8])> =
        items.iter().map(|(s, p)| (&s.0, p.as_bytes())).collect();
    let culprits = py.detach(|| engine::verify_batch(&plain)).map_err(raise)?;
    if culprits.is_empty() {
        Ok(())
    } else {
        Err(refused("proofs", culprits))
    }
}
