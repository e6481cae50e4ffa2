//! Honest scenarios of every circuit, read from `circuits/` at run time.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;
use zkcredit_core::bbs::{SecretKey, Signature, Suite, token};
use zkcredit_core::engine::{Circuit, Instance, Prover, Statement, Witness, compile};
use zkcredit_core::error::Result;
use zkcredit_core::group::Scalar;
use zkcredit_core::hash;

pub const LEDGER: [u8; 32] = [7; 32];
pub const CONTEXT: [u8; 32] = [9; 32];
pub const SEED: [u8; 32] = [5; 32];
pub const HEADER: &[u8] = b"token header";
pub const LABEL: &[u8] = b"value of the tests";
pub const NAMES: [&str; 7] = [
    "open",
    "spend",
    "refresh",
    "update",
    "statement",
    "settle",
    "request",
];

/// The text of a circuit.
pub fn text(name: &str) -> String {
    let path = format!("{}/../../circuits/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("the circuit is readable")
}

/// Parameters K, M and bits.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub k: usize,
    pub m: usize,
    pub bits: i64,
}

pub const DEFAULT: Size = Size {
    k: 1,
    m: 0,
    bits: 32,
};

pub fn parameters(name: &str, size: Size) -> BTreeMap<String, i64> {
    if ["settle", "request"].contains(&name) {
        return BTreeMap::new();
    }
    let entries = [
        ("K", size.k as i64),
        ("M", size.m as i64),
        ("bits", size.bits),
    ];
    entries.map(|(n, v)| (n.to_owned(), v)).into()
}

pub fn circuit(name: &str, size: Size) -> Arc<Circuit> {
    Arc::new(compile(&text(name), &parameters(name, size)).expect("the circuit compiles"))
}

/// A deterministic scalar per label.
pub fn random(label: &str) -> Scalar {
    hash::hash_to_scalar("zkcredit tests", label.as_bytes())
}

pub fn number(value: i128) -> Scalar {
    Scalar::from_i128(value)
}

pub fn issuer(seed: u8) -> SecretKey {
    SecretKey::generate(Suite::Sha256, &[seed; 32], b"", None).expect("a key")
}

/// Everything needed to prove and verify one statement.
pub struct Scenario {
    pub circuit: Arc<Circuit>,
    pub key: SecretKey,
    pub witness: Witness,
    pub nullifier: Scalar,
    /// Messages of the old token, in order; empty without one.
    pub old: Vec<Scalar>,
}

impl Scenario {
    pub fn new(name: &str, size: Size) -> Self {
        Self::with(circuit(name, size), size, 1)
    }

    /// An honest scenario for this circuit text (possibly a changed one).
    pub fn with(circuit: Arc<Circuit>, size: Size, issuer_seed: u8) -> Self {
        let due: Vec<i128> = (0..size.k as i128).map(|j| 100 + 10 * j).collect();
        let part: Vec<i128> = (0..size.k as i128).rev().map(|j| 5 + j).collect();
        let amount = if size.k > 1 { part.iter().sum() } else { 250 };
        let shifted: Vec<i128> = due.iter().skip(1).copied().chain([0]).collect();
        let after: Vec<i128> = match size.k {
            1 => vec![due[0] + amount],
            _ => due.iter().zip(&part).map(|(d, p)| d + p).collect(),
        };
        let billed = circuit.name == "statement";
        let due_next = if billed { shifted } else { after };
        let values = |list: Vec<i128>| list.into_iter().map(number).collect::<Vec<_>>();
        let attr: Vec<Scalar> = (0..size.m).map(|i| random(&format!("attr {i}"))).collect();
        let mut all: BTreeMap<&str, Vec<Scalar>> = BTreeMap::new();
        for name in [
            "blind",
            "owner",
            "serial",
            "blind_next",
            "serial_next",
            "rho",
            "key",
        ] {
            all.insert(name, vec![random(name)]);
        }
        for name in ["rho_owner", "rho_tag", "rho_due"] {
            all.insert(name, vec![random(name)]);
        }
        all.insert("account", values(vec![77]));
        all.insert("available", values(vec![10_000]));
        all.insert("available_next", values(vec![10_000 - amount]));
        all.insert("amount", values(vec![amount]));
        all.insert("part", values(part));
        all.insert("due", values(due));
        all.insert("due_next", values(due_next));
        all.insert("attr", attr);
        let nullifier = random("nullifier");
        let mut old = Vec::new();
        if !circuit.signatures.is_empty() {
            old = vec![all["blind"][0], all["owner"][0], nullifier];
            old.extend([all["account"][0], all["available"][0]]);
            old.extend(&all["due"]);
            old.extend(&all["attr"]);
        }
        let declared = circuit.secrets.iter();
        let witness = declared
            .map(|s| {
                let value = all.get(s.name.as_str()).cloned();
                (
                    s.name.clone(),
                    Zeroizing::new(value.unwrap_or_else(|| vec![random(&s.name)])),
                )
            })
            .collect();
        Scenario {
            circuit,
            key: issuer(issuer_seed),
            witness,
            nullifier,
            old,
        }
    }

    pub fn signature(&self) -> Vec<Signature> {
        if self.old.is_empty() {
            return Vec::new();
        }
        vec![token::sign_messages(&self.key, HEADER, &self.old).expect("signed")]
    }

    pub fn instance(&self) -> Instance {
        let key = *self.key.public_key().as_bytes();
        let keys: Vec<(&[u8; 96], &[u8])> = self
            .circuit
            .signatures
            .iter()
            .map(|_| (&key, HEADER))
            .collect();
        let labels = self.circuit.labels.iter().map(|_| LABEL.to_vec()).collect();
        let publics = self
            .circuit
            .publics
            .iter()
            .map(|_| self.nullifier)
            .collect();
        Instance::new(Arc::clone(&self.circuit), &keys, labels, publics).expect("an instance")
    }

    /// Changes one element of a secret.
    pub fn change(&mut self, name: &str, index: usize, difference: i128) {
        let values = self.witness.get_mut(name).expect("a secret of the circuit");
        values[index] += number(difference);
    }

    pub fn set(&mut self, name: &str, index: usize, value: Scalar) {
        self.witness.get_mut(name).expect("a secret of the circuit")[index] = value;
    }

    pub fn prover(&self) -> Result<Prover> {
        Prover::new(self.instance(), self.signature(), &self.witness)
    }

    pub fn forger(&self) -> Prover {
        let signature = self.signature();
        Prover::unchecked(self.instance(), signature, &self.witness).expect("a forger")
    }

    pub fn statement(&self, prover: &Prover) -> Statement {
        Statement::new(self.instance(), LEDGER, CONTEXT, prover.points()).expect("a statement")
    }

    pub fn prove(&self) -> (Statement, Vec<u8>) {
        let prover = self.prover().expect("a true witness");
        self.finish(&prover)
    }

    pub fn finish(&self, prover: &Prover) -> (Statement, Vec<u8>) {
        let proof = prover.prove(LEDGER, CONTEXT, &SEED).expect("a proof");
        (self.statement(prover), proof)
    }
}
