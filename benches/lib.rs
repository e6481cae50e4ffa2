//! Inputs of the benchmarks: an honest spend of any size, and points and scalars.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;
use zkcredit_core::bbs::{SecretKey, Signature, Suite, token};
use zkcredit_core::engine::{Circuit, Instance, Prover, Statement, Witness, compile};
use zkcredit_core::group::{E1Affine, G1Affine, Scalar, batch_to_affine};
use zkcredit_core::hash::hash_to_scalar;

const HEADER: &[u8] = b"header of the benchmarks";
const LABEL: &[u8] = b"value of the benchmarks";

/// A deterministic scalar.
pub fn scalar(label: &str) -> Scalar {
    hash_to_scalar("zkcredit benchmarks", label.as_bytes())
}

/// `count` points of G1 and as many scalars.
pub fn terms(count: usize) -> (Vec<E1Affine>, Vec<Scalar>) {
    let step = G1Affine::generator().mul(&scalar("step"));
    let points = std::iter::successors(Some(step), |last| Some(*last + step));
    let points: Vec<_> = points.take(count).collect();
    let affine = batch_to_affine(&points);
    let first = scalar("first");
    let scalars = std::iter::successors(Some(first), |last| Some(*last * first));
    let points = affine.into_iter().map(|p| p.expect("finite"));
    (points.collect(), scalars.take(count).collect())
}

/// A spend with K due buckets that holds.
pub struct Spend {
    /// The compiled relation.
    pub circuit: Arc<Circuit>,
    /// The lender's key.
    pub key: SecretKey,
    /// Public data.
    pub instance: Instance,
    /// The lender's signature on the old token.
    pub signature: Signature,
    /// All secrets.
    pub witness: Witness,
}

impl Spend {
    /// A spend of 32-bit amounts without attributes.
    pub fn new(k: usize) -> Self {
        Self::sized(k, 0, 32)
    }

    /// A spend with K due buckets, M attributes and amounts of this many bits.
    pub fn sized(k: usize, m: usize, bits: u8) -> Self {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../circuits/spend.toml");
        let text = std::fs::read_to_string(path).expect("the circuit is readable");
        let parameters = [("K", k as i64), ("M", m as i64), ("bits", bits.into())];
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value));
        let circuit = Arc::new(compile(&text, &parameters.into()).expect("the circuit compiles"));
        let key = SecretKey::generate(Suite::Sha256, &[1; 32], b"", None).expect("a key");
        let values = Self::values(k, m);
        let mut old: Vec<Scalar> = ["blind", "owner", "nullifier", "account", "available"]
            .map(|name| values[name][0])
            .into();
        old.extend(values["due"].iter().chain(&values["attr"]));
        let signature = token::sign_messages(&key, HEADER, &old).expect("signed");
        let keys: [(&[u8; 96], &[u8]); 1] = [(key.public_key().as_bytes(), HEADER)];
        let publics = vec![values["nullifier"][0]];
        let instance = Instance::new(Arc::clone(&circuit), &keys, vec![LABEL.to_vec()], publics);
        let secret = |name: &String| Zeroizing::new(values[name.as_str()].clone());
        let witness = circuit
            .secrets
            .iter()
            .map(|s| (s.name.clone(), secret(&s.name)));
        Spend {
            witness: witness.collect(),
            instance: instance.expect("an instance"),
            circuit,
            key,
            signature,
        }
    }

    /// All parts are equal and the old debts zero.
    fn values(k: usize, m: usize) -> BTreeMap<&'static str, Vec<Scalar>> {
        let number = |value: usize| Scalar::from_u64(value as u64);
        let amount = 40 * k.max(1);
        let mut values: BTreeMap<&str, Vec<Scalar>> = BTreeMap::new();
        for name in [
            "blind",
            "owner",
            "nullifier",
            "blind_next",
            "serial_next",
            "rho",
        ] {
            values.insert(name, vec![scalar(name)]);
        }
        values.insert("account", vec![number(7)]);
        values.insert("available", vec![number(100_000)]);
        values.insert("available_next", vec![number(100_000 - amount)]);
        values.insert("amount", vec![number(amount)]);
        values.insert("due", vec![Scalar::ZERO; k]);
        values.insert("due_next", vec![number(40); k]);
        values.insert("part", vec![number(40); k]);
        values.insert("attr", (0..m).map(number).collect());
        values
    }

    /// A prover: the witness checked, the statement's points computed.
    pub fn prover(&self) -> Prover {
        let signatures = vec![self.signature.clone()];
        Prover::new(self.instance.clone(), signatures, &self.witness).expect("a true witness")
    }

    /// A statement and its proof.
    pub fn prove(&self) -> (Statement, Vec<u8>) {
        let prover = self.prover();
        let proof = prover.prove([7; 32], [9; 32], &[5; 32]).expect("a proof");
        let statement = Statement::new(self.instance.clone(), [7; 32], [9; 32], prover.points());
        (statement.expect("a statement"), proof)
    }

    /// The context in which the lender signs.
    pub fn context(&self) -> token::SigningContext {
        let messages = self.circuit.signatures[0].messages.len();
        token::SigningContext::new(self.key.public_key(), messages, HEADER).expect("a context")
    }
}
