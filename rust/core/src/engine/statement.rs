//! What is proved: an instantiated circuit with its public data, and the
//! transcript over it.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use crate::bbs::{PublicKey, token};
use crate::engine::circuit::Circuit;
use crate::error::{Error, Result};
use crate::generators;
use crate::group::{G1Affine, Scalar};
use crate::transcript::{Absorb, Recording, Transcript};

/// Version tag of proof format and transcript.
pub const PROTOCOL: &str = "zkcredit-engine-v1-DSFS-with-Shake128_BLS12381";

/// An issuer's key together with the header under which it signed.
#[derive(Debug)]
pub struct IssuerKey {
    /// The decoded key.
    pub public: PublicKey,
    /// The header of the signature.
    pub header: Vec<u8>,
    /// The draft's domain of (key, message count, header).
    pub domain: Scalar,
}

type KeyCache = RwLock<HashMap<([u8; 96], Vec<u8>, usize), Arc<IssuerKey>>>;

/// Most keys kept decoded: older ones are decoded anew.
const MAX_CACHED_KEYS: usize = 4096;

impl IssuerKey {
    /// Decodes a key (96 bytes, tested) and derives its domain; cached per process.
    pub fn new(key: &[u8; 96], header: &[u8], message_count: usize) -> Result<Arc<IssuerKey>> {
        static CACHE: OnceLock<KeyCache> = OnceLock::new();
        let cache = CACHE.get_or_init(KeyCache::default);
        let index = (*key, header.to_vec(), message_count);
        if let Some(found) = cache
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&index)
        {
            return Ok(Arc::clone(found));
        }
        let public = PublicKey::from_bytes(key)?;
        let domain = token::domain(&public, message_count, header)?;
        let decoded = Arc::new(IssuerKey {
            public,
            header: header.to_vec(),
            domain,
        });
        let mut entries = cache.write().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_CACHED_KEYS {
            entries.clear();
        }
        entries.insert(index, Arc::clone(&decoded));
        Ok(decoded)
    }
}

/// Public data that prover and verifier share before there is a commitment.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The instantiated circuit.
    pub circuit: Arc<Circuit>,
    /// One key per signature of the circuit.
    pub keys: Vec<Arc<IssuerKey>>,
    /// One public string per label of the circuit.
    pub labels: Vec<Vec<u8>>,
    /// Generators derived from the labels.
    pub label_bases: Vec<G1Affine>,
    /// Values of the public scalars.
    pub publics: Vec<Scalar>,
}

impl Instance {
    /// Checks that everything the circuit declares is there, and nothing else.
    ///
    /// `keys` are (96-byte key, header) per signature.
    pub fn new(
        circuit: Arc<Circuit>,
        keys: &[(&[u8; 96], &[u8])],
        labels: Vec<Vec<u8>>,
        publics: Vec<Scalar>,
    ) -> Result<Self> {
        if keys.len() != circuit.signatures.len() {
            return Err(Error::Misuse("one issuer key per signature of the circuit"));
        }
        if labels.len() != circuit.labels.len() || publics.len() != circuit.publics.len() {
            return Err(Error::Misuse(
                "one value per label and per public of the circuit",
            ));
        }
        let distinct: BTreeSet<&Vec<u8>> = labels.iter().collect();
        if distinct.len() != labels.len() {
            // Equal generators would bind only the sum of what stands on them.
            return Err(Error::Misuse("two labels are equal"));
        }
        let decode = |((key, header), s): (&(&[u8; 96], &[u8]), &super::SignatureClause)| {
            IssuerKey::new(key, header, s.messages.len())
        };
        let keys = keys
            .iter()
            .zip(&circuit.signatures)
            .map(decode)
            .collect::<Result<_>>()?;
        let label_bases = labels.iter().map(|l| generators::derived(l)).collect();
        Ok(Instance {
            circuit,
            keys,
            labels,
            label_bases,
            publics,
        })
    }
}

/// A full statement: the instance, its points, and what the proof is bound to.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The public data.
    pub instance: Instance,
    /// The ledger for which the proof is made.
    pub ledger_id: [u8; 32],
    /// Digest of everything else the proof is bound to.
    pub context: [u8; 32],
    /// The commitments of the circuit, compressed.
    pub points: Vec<[u8; 48]>,
}

impl Statement {
    /// Joins an instance with its points (compressed, decoded only by the verifier).
    pub fn new(
        instance: Instance,
        ledger_id: [u8; 32],
        context: [u8; 32],
        points: Vec<[u8; 48]>,
    ) -> Result<Self> {
        if points.len() != instance.circuit.commitments.len() {
            return Err(Error::Misuse("one point per commitment of the circuit"));
        }
        Ok(Statement {
            instance,
            ledger_id,
            context,
            points,
        })
    }

    /// The transcript before the statement.
    fn fresh() -> Transcript {
        // The session identifier fills the sponge's first block.
        static FRESH: OnceLock<Transcript> = OnceLock::new();
        FRESH.get_or_init(|| Transcript::new(PROTOCOL)).clone()
    }

    /// The transcript after the whole statement; only prover messages may follow.
    pub fn transcript(&self) -> Transcript {
        let mut transcript = Self::fresh();
        self.absorb_into(&mut transcript);
        transcript
    }

    /// Every item of the statement, in order.
    fn absorb_into(&self, transcript: &mut impl Absorb) {
        let instance = &self.instance;
        transcript.absorb("circuit", instance.circuit.digest());
        transcript.absorb("ledger", &self.ledger_id);
        transcript.absorb("context", &self.context);
        for key in &instance.keys {
            transcript.absorb("key", key.public.as_bytes());
            transcript.absorb("header", &key.header);
        }
        for label in &instance.labels {
            transcript.absorb("label", label);
        }
        for public in &instance.publics {
            transcript.absorb("public", &public.to_bytes_be());
        }
        for point in &self.points {
            transcript.absorb("point", point);
        }
    }

    /// The statement and the prover's first messages.
    fn absorb_all(&self, messages: &[u8], transcript: &mut impl Absorb) {
        self.absorb_into(transcript);
        transcript.absorb("messages", messages);
    }

    /// The challenge after the prover's first messages (uncompressed points).
    pub fn challenge(&self, messages: &[u8]) -> Scalar {
        let mut transcript = Self::fresh();
        self.absorb_all(messages, &mut transcript);
        transcript.challenge()
    }

    /// The challenges of many statements after their first messages.
    pub(super) fn challenges(items: &[(&Statement, &[u8])]) -> Vec<Scalar> {
        static FRESH: OnceLock<Recording> = OnceLock::new();
        let fresh = FRESH.get_or_init(|| Recording::new(PROTOCOL));
        let record = |(statement, messages): &(&Statement, &[u8])| {
            let mut recording = fresh.clone();
            statement.absorb_all(messages, &mut recording);
            recording
        };
        let recordings: Vec<Recording> = items.iter().map(record).collect();
        Recording::challenges(&recordings)
    }
}
