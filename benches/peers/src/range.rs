//! Range proofs: one committed value of 8 to 64 bits.

use ark_bls12_381::{Fr, G1Affine};
use ark_ff::UniformRand;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use blake2::Blake2b512;
use bulletproofs::{BulletproofGens, PedersenGens, RangeProof};
use bulletproofs_plus_plus::prelude::{Proof, Prover, SetupParams};
use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek_5 as dalek5;
use dock_crypto_utils::transcript::new_merlin_transcript;
use rand::thread_rng;
use tari::commitment_opening::CommitmentOpening;
use tari::generators::pedersen_gens::ExtensionDegree;
use tari::range_parameters::RangeParameters;
use tari::range_proof::VerifyAction;
use tari::range_statement::RangeStatement;
use tari::range_witness::RangeWitness;
use tari::ristretto::{RistrettoRangeProof, create_pedersen_gens_with_extension_degree};
use tari_bulletproofs_plus as tari;

use crate::own::Relation;
use crate::track::{BATCH, Contestant, OURS, POOL, Place, Track, keep};

const LABEL: &[u8] = b"benchmark";
const DALEK: &str = "bulletproofs";
const TARI: &str = "tari_bulletproofs_plus";
const DOCK: &str = "bulletproofs_plus_plus";

/// Ours for all widths, the peers for those that all of them have.
pub fn run(track: &mut Track) {
    for bits in (8..=64).step_by(8) {
        let value = u64::MAX >> (64 - bits) >> 1;
        let relation = Relation::range(bits, value);
        let pool = relation.pool(POOL);
        let peers = bits.is_power_of_two().then(|| Peers::new(bits, value));
        let place = |work| Place {
            table: "range",
            work,
            at: bits,
        };
        let mut contestants: Vec<Contestant<'_>> =
            vec![(OURS, Box::new(|| keep(relation.prove())))];
        contestants.extend(peers.iter().flat_map(Peers::prove));
        track.race(place("prove"), 1, &contestants);
        let mut contestants: Vec<Contestant<'_>> = vec![(OURS, Box::new(|| pool.verify()))];
        contestants.extend(peers.iter().flat_map(Peers::verify));
        track.race(place("verify"), 1, &contestants);
        let mut contestants: Vec<Contestant<'_>> =
            vec![(OURS, Box::new(|| pool.verify_batch(BATCH)))];
        contestants.extend(peers.iter().flat_map(Peers::verify_batch));
        track.race(place("verify in batch"), BATCH, &contestants);
        track.size(place("proof"), OURS, pool.proof_len());
        for (who, bytes) in peers.iter().flat_map(Peers::proof_lens) {
            track.size(place("proof"), who, bytes);
        }
    }
}

/// All peers with the same value, of 8, 16, 32 or 64 bits.
struct Peers {
    dalek: Dalek,
    tari: Tari,
    dock: Dock,
}

impl Peers {
    fn new(bits: usize, value: u64) -> Self {
        Peers {
            dalek: Dalek::new(bits, value),
            tari: Tari::new(bits, value),
            dock: Dock::new(bits, value),
        }
    }

    fn prove(&self) -> [Contestant<'_>; 3] {
        [
            (DALEK, Box::new(|| keep(self.dalek.prove()))),
            (TARI, Box::new(|| keep(self.tari.prove()))),
            (DOCK, Box::new(|| keep(self.dock.prove()))),
        ]
    }

    fn verify(&self) -> [Contestant<'_>; 3] {
        [
            (DALEK, Box::new(|| self.dalek.verify())),
            (TARI, Box::new(|| self.tari.verify_batch(1))),
            (DOCK, Box::new(|| self.dock.verify())),
        ]
    }

    fn verify_batch(&self) -> [Contestant<'_>; 1] {
        [(TARI, Box::new(|| self.tari.verify_batch(BATCH)))]
    }

    fn proof_lens(&self) -> [(&'static str, usize); 3] {
        [
            (DALEK, self.dalek.proved.0.len()),
            (TARI, self.tari.proved[0].0.len()),
            (DOCK, self.dock.proved.0.len()),
        ]
    }
}

/// The curve of cost against batch size, 64 bits.
pub fn batches(track: &mut Track, sizes: impl Iterator<Item = usize>) {
    let value = u64::MAX >> 1;
    let pool = Relation::range(64, value).pool(POOL);
    let tari = Tari::new(64, value);
    for size in sizes {
        let place = Place {
            table: "batch",
            work: "range, 64 bits",
            at: size,
        };
        track.race(
            place,
            size,
            &[
                (OURS, Box::new(|| pool.verify_batch(size))),
                (TARI, Box::new(|| tari.verify_batch(size))),
            ],
        );
    }
}

/// Bulletproofs on ristretto255.
struct Dalek {
    bits: usize,
    value: u64,
    vectors: BulletproofGens,
    bases: PedersenGens,
    proved: (Vec<u8>, CompressedRistretto),
}

impl Dalek {
    fn new(bits: usize, value: u64) -> Self {
        let mut new = Dalek {
            bits,
            value,
            vectors: BulletproofGens::new(64, 1),
            bases: PedersenGens::default(),
            proved: Default::default(),
        };
        new.proved = new.prove();
        new
    }

    fn prove(&self) -> (Vec<u8>, CompressedRistretto) {
        let blinding = Scalar::random(&mut thread_rng());
        let transcript = &mut merlin::Transcript::new(LABEL);
        let (vectors, bases) = (&self.vectors, &self.bases);
        let (proof, commitment) =
            RangeProof::prove_single(vectors, bases, transcript, self.value, &blinding, self.bits)
                .expect("a proof");
        (proof.to_bytes(), commitment)
    }

    fn verify(&self) {
        let (bytes, commitment) = &self.proved;
        let proof = RangeProof::from_bytes(bytes).expect("canonical");
        let transcript = &mut merlin::Transcript::new(LABEL);
        proof
            .verify_single(
                &self.vectors,
                &self.bases,
                transcript,
                commitment,
                self.bits,
            )
            .expect("a true proof");
    }
}

/// Bulletproofs+ on ristretto255.
struct Tari {
    parameters: RangeParameters<dalek5::RistrettoPoint>,
    witness: RangeWitness,
    statement: RangeStatement<dalek5::RistrettoPoint>,
    proved: Vec<(Vec<u8>, [u8; 32])>,
}

impl Tari {
    fn new(bits: usize, value: u64) -> Self {
        let bases = create_pedersen_gens_with_extension_degree(ExtensionDegree::DefaultPedersen);
        let parameters = RangeParameters::init(bits, 1, bases);
        let parameters = parameters.expect("parameters");
        let prepare = |blinding: u64| {
            let blinding = vec![dalek5::Scalar::from(blinding + 1).invert()];
            let value_scalar = dalek5::Scalar::from(value);
            let commitment = parameters.pc_gens().commit(&value_scalar, &blinding);
            let opening = CommitmentOpening::new(value, blinding);
            let witness = RangeWitness::init(vec![opening]).expect("a witness");
            (
                statement(&parameters, commitment.expect("a commitment")),
                witness,
            )
        };
        let prove = |index| {
            let (statement, witness) = prepare(index);
            let commitment = statement.commitments[0].compress().to_bytes();
            (tari_prove(&statement, &witness), commitment)
        };
        let proved = (0..POOL as u64).map(prove).collect();
        let (statement, witness) = prepare(0);
        Tari {
            parameters,
            witness,
            statement,
            proved,
        }
    }

    fn prove(&self) -> Vec<u8> {
        tari_prove(&self.statement, &self.witness)
    }

    fn verify_batch(&self, count: usize) {
        let mut transcripts = vec![tari::Transcript::new(LABEL); count];
        let decode = |(proof, commitment): &(Vec<u8>, [u8; 32])| {
            let point = dalek5::ristretto::CompressedRistretto(*commitment).decompress();
            let proof = RistrettoRangeProof::from_bytes(proof).expect("canonical");
            (statement(&self.parameters, point.expect("a point")), proof)
        };
        let (statements, proofs): (Vec<_>, Vec<_>) =
            self.proved.iter().cycle().take(count).map(decode).unzip();
        let action = VerifyAction::VerifyOnly;
        RistrettoRangeProof::verify_batch(&mut transcripts, &statements, &proofs, action)
            .expect("true proofs");
    }
}

fn statement(
    parameters: &RangeParameters<dalek5::RistrettoPoint>,
    commitment: dalek5::RistrettoPoint,
) -> RangeStatement<dalek5::RistrettoPoint> {
    let statement = RangeStatement::init(parameters.clone(), vec![commitment], vec![None], None);
    statement.expect("a statement")
}

fn tari_prove(
    statement: &RangeStatement<dalek5::RistrettoPoint>,
    witness: &RangeWitness,
) -> Vec<u8> {
    let transcript = &mut tari::Transcript::new(LABEL);
    let proof = RistrettoRangeProof::prove(transcript, statement, witness);
    proof.expect("a proof").to_bytes()
}

/// Bulletproofs++ on our curve, with digits of four bits.
struct Dock {
    bits: u16,
    value: u64,
    setup: SetupParams<G1Affine>,
    proved: (Vec<u8>, Vec<u8>),
}

impl Dock {
    const BASE: u16 = 16;

    fn new(bits: usize, value: u64) -> Self {
        let bits = bits as u16;
        let setup =
            SetupParams::new_for_perfect_range_proof::<Blake2b512>(LABEL, Self::BASE, bits, 1);
        let mut new = Dock {
            bits,
            value,
            setup,
            proved: Default::default(),
        };
        new.proved = new.prove();
        new
    }

    fn prove(&self) -> (Vec<u8>, Vec<u8>) {
        let random = &mut thread_rng();
        let blinding = Fr::rand(random);
        let commitment = self
            .setup
            .compute_pedersen_commitment(self.value, &blinding);
        let (values, blindings) = (vec![self.value], vec![blinding]);
        let prover =
            Prover::new_with_given_base(Self::BASE, self.bits, vec![commitment], values, blindings);
        let transcript = &mut new_merlin_transcript(LABEL);
        let proof = prover
            .expect("a prover")
            .prove(random, self.setup.clone(), transcript);
        (encode(&proof.expect("a proof")), encode(&commitment))
    }

    fn verify(&self) {
        let (proof, commitment) = &self.proved;
        let proof = Proof::<G1Affine>::deserialize_compressed(&proof[..]).expect("canonical");
        let commitment = G1Affine::deserialize_compressed(&commitment[..]).expect("a point");
        let transcript = &mut new_merlin_transcript(LABEL);
        proof
            .verify(self.bits, &[commitment], &self.setup, transcript)
            .expect("a true proof");
    }
}

/// Compressed bytes.
pub fn encode(value: &impl CanonicalSerialize) -> Vec<u8> {
    let mut bytes = Vec::new();
    value
        .serialize_compressed(&mut bytes)
        .expect("written to memory");
    bytes
}
