//! Statements of ours with a true witness, from circuit texts or from the product's spend.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;
use zkcredit_benches::{Spend, scalar};
use zkcredit_core::bbs::token::{self, SigningContext, sign_commitment};
use zkcredit_core::bbs::{SecretKey, Signature, Suite};
use zkcredit_core::engine::{Instance, Prover, Statement, Witness, compile, verify, verify_batch};
use zkcredit_core::group::{E1Affine, Scalar};

const HEADER: &[u8] = b"header of the benchmarks";
const LEDGER: [u8; 32] = [7; 32];
const CONTEXT: [u8; 32] = [9; 32];

/// A commitment to a value, and the value's range.
const RANGE: &str = r#"
name = "range"
version = 1
parameters = ["bits"]

[[label]]
name = "value"
meaning = "what the commitment counts"

[[secret]]
name = "rho"
meaning = "blinding of the commitment"

[[secret]]
name = "amount"
meaning = "the committed value"

[[commitment]]
id = "range.commitment"
point = "claim"
terms = { value = "amount", blinding = "rho" }
subgroup = true
reason = "the commitment holds the value"

[[constraint]]
id = "range.in-range"
range = "amount"
bits = "bits"
reason = "the value has so many bits"
"#;

/// What a spend of anonymous credit tokens says: the amount is public.
const CHARGE: &str = r#"
name = "charge"
version = 1
parameters = ["bits"]

[[public]]
name = "nullifier"
meaning = "serial of the token that is used up"

[[public]]
name = "amount"
meaning = "what is spent"

[[secret]]
name = "blind"
meaning = "blinding of the old token"

[[secret]]
name = "owner"
meaning = "the wallet's secret"

[[secret]]
name = "blind_next"
meaning = "blinding of the next token"

[[secret]]
name = "serial_next"
meaning = "serial of the next token"

[[secret]]
name = "available_next"
meaning = "credit left afterwards"

[[secret]]
name = "available"
meaning = "credit left before, as signed"

[[signature]]
id = "charge.old-token"
name = "old"
messages = ["blind", "owner", "nullifier", "available"]
reason = "the issuer signed the token that is used up"

[[commitment]]
id = "charge.next-token"
point = "next"
messages = ["blind_next", "owner", "serial_next", "available_next"]
subgroup = false
reason = "the next token has the same owner and the new balance"

[[constraint]]
id = "charge.credit-left"
range = "available_next"
bits = "bits"
reason = "nobody spends more than was signed"

[[constraint]]
id = "charge.balance"
assert = "available == available_next + amount"
reason = "what is spent is taken from the credit"
"#;

/// A statement that can be proved again and again.
pub struct Relation {
    instance: Instance,
    signatures: Vec<Signature>,
    witness: Witness,
    key: SecretKey,
}

/// A statement and its proof.
pub type Proved = (Statement, Vec<u8>);

impl From<Spend> for Relation {
    fn from(spend: Spend) -> Self {
        Relation {
            instance: spend.instance,
            signatures: vec![spend.signature],
            witness: spend.witness,
            key: spend.key,
        }
    }
}

impl Relation {
    /// A committed value of at most `bits` bits.
    pub fn range(bits: usize, value: u64) -> Self {
        let values = BTreeMap::from([("rho", scalar("rho")), ("amount", Scalar::from_u64(value))]);
        Self::compiled(
            RANGE,
            bits,
            &values,
            vec![b"value of the benchmarks".into()],
        )
    }

    /// A spend of a public amount.
    pub fn charge(bits: usize) -> Self {
        let mut values: BTreeMap<_, _> =
            ["blind", "owner", "nullifier", "blind_next", "serial_next"]
                .map(|name| (name, scalar(name)))
                .into();
        for (name, value) in [("available", 100), ("available_next", 60), ("amount", 40)] {
            values.insert(name, Scalar::from_u64(value));
        }
        Self::compiled(CHARGE, bits, &values, Vec::new())
    }

    fn compiled(
        text: &str,
        bits: usize,
        values: &BTreeMap<&str, Scalar>,
        labels: Vec<Vec<u8>>,
    ) -> Self {
        let parameters = BTreeMap::from([("bits".to_owned(), bits as i64)]);
        let circuit = Arc::new(compile(text, &parameters).expect("the circuit compiles"));
        let key = SecretKey::generate(Suite::Sha256, &[1; 32], b"", None).expect("a key");
        let old = ["blind", "owner", "nullifier", "available"];
        let sign = |_| {
            let messages = old.map(|name| values[name]);
            token::sign_messages(&key, HEADER, &messages).expect("signed")
        };
        let signatures: Vec<Signature> = circuit.signatures.iter().map(sign).collect();
        let keys = vec![(key.public_key().as_bytes(), HEADER); signatures.len()];
        let publics = ["nullifier", "amount"][..circuit.publics.len()].iter();
        let publics = publics.map(|name| values[name]).collect();
        let instance = Instance::new(Arc::clone(&circuit), &keys, labels, publics);
        let secret = |name: &String| Zeroizing::new(vec![values[name.as_str()]]);
        let secrets = circuit.secrets.iter();
        Relation {
            instance: instance.expect("an instance"),
            signatures,
            witness: secrets.map(|s| (s.name.clone(), secret(&s.name))).collect(),
            key,
        }
    }

    fn prover(&self, witness: &Witness) -> Prover {
        let (instance, signatures) = (self.instance.clone(), self.signatures.clone());
        Prover::new(instance, signatures, witness).expect("a true witness")
    }

    fn proved(&self, witness: &Witness) -> Proved {
        let prover = self.prover(witness);
        let proof = prover.prove(LEDGER, CONTEXT, &[5; 32]).expect("a proof");
        let statement = Statement::new(self.instance.clone(), LEDGER, CONTEXT, prover.points());
        (statement.expect("a statement"), proof)
    }

    /// Checks the witness, computes the commitments and proves.
    pub fn prove(&self) -> Proved {
        self.proved(&self.witness)
    }

    /// `count` proofs of statements that differ in the blinding of their commitments.
    pub fn pool(&self, count: usize) -> Pool {
        let mut witness = self.witness.clone();
        let prove = |index| {
            for name in ["rho", "blind_next"] {
                if let Some(value) = witness.get_mut(name) {
                    *value = Zeroizing::new(vec![scalar(&format!("{name} {index}"))]);
                }
            }
            self.proved(&witness)
        };
        Pool((0..count).map(prove).collect())
    }

    /// What the issuer needs to sign next tokens.
    pub fn signer(&self) -> Signer<'_> {
        let messages = self.instance.circuit.signatures[0].messages.len();
        let context = SigningContext::new(self.key.public_key(), messages, HEADER);
        Signer(&self.key, context.expect("a context"))
    }
}

/// The issuer that signs the next token of a spend.
pub struct Signer<'a>(&'a SecretKey, SigningContext);

impl Signer<'_> {
    /// Signs the next token, the first point of the statement.
    pub fn sign(&self, (statement, _): &Proved) {
        let point = &statement.points[0];
        let tweak = token::serial_tweak(&statement.instance.publics[0].to_bytes_be(), point);
        let point = E1Affine::from_compressed(point).expect("a point");
        sign_commitment(self.0, &self.1, &point, &tweak, &[]).expect("signed");
    }
}

/// Proofs to verify.
pub struct Pool(Vec<Proved>);

impl Pool {
    /// `count` proofs, from the first again when there are no more.
    pub fn take(&self, count: usize) -> impl Iterator<Item = &Proved> {
        self.0.iter().cycle().take(count)
    }

    /// Verifies one.
    pub fn verify(&self) {
        let (statement, proof) = &self.0[0];
        verify(statement, proof).expect("a true proof");
    }

    /// Verifies `count` at once.
    pub fn verify_batch(&self, count: usize) {
        let items: Vec<_> = self.take(count).map(|(s, p)| (s, p.as_slice())).collect();
        assert!(verify_batch(&items).expect("random").is_empty());
    }

    /// Bytes of a proof.
    pub fn proof_len(&self) -> usize {
        self.0[0].1.len()
    }

    /// Bytes of a proof and of its statement: points and public scalars.
    pub fn sent_len(&self) -> usize {
        let (statement, proof) = &self.0[0];
        proof.len() + 48 * statement.points.len() + 32 * statement.instance.publics.len()
    }
}
