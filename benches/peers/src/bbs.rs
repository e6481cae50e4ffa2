//! BBS signatures on ten messages, five of them shown.

use std::collections::BTreeMap;

use ark_bls12_381::{Bls12_381, Fr};
use ark_ff::UniformRand;
use ark_serialize::CanonicalDeserialize;
use bbs_plus::prelude::{
    KeypairG2, PreparedPublicKeyG2, PreparedSignatureParams23G1, Signature23G1, SignatureParams23G1,
};
use bbs_plus::proof_23_ietf::{PoKOfSignature23G1Proof, PoKOfSignature23G1Protocol};
use blake2::Blake2b512;
use dock_crypto_utils::randomized_pairing_check::RandomizedPairingChecker;
use dock_crypto_utils::signature::MessageOrBlinding;
use rand::thread_rng;
use schnorr_pok::compute_random_oracle_challenge;
use zkcredit_core::bbs::proof::{
    BatchItem, Presentation, proof_gen, proof_verify, proof_verify_batch,
};
use zkcredit_core::bbs::signature::{sign, verify};
use zkcredit_core::bbs::{SecretKey, Signature, Suite};
use zkryptium::bbsplus::keys::{BBSplusPublicKey, BBSplusSecretKey};
use zkryptium::schemes::algorithms::BbsBls12381Sha256;
use zkryptium::schemes::generics;

use crate::range::encode;
use crate::track::{BATCH, OURS, POOL, Place, Track, keep};

const COUNT: usize = 10;
const SHOWN: [usize; 5] = [0, 2, 4, 6, 8];
const NONCE: &[u8] = b"nonce";
const SUITE: Suite = Suite::Sha256;

const ZKRYPTIUM: &str = "zkryptium";
const DOCK: &str = "bbs_plus";

/// Signing, verifying, proving, verifying proofs.
pub fn run(track: &mut Track) {
    let own = Own::new();
    let zkryptium = Zkryptium::new(&own);
    let dock = Dock::new();
    let place = |work| Place {
        table: "bbs",
        work,
        at: COUNT,
    };
    track.race(
        place("sign"),
        1,
        &[
            (OURS, Box::new(|| keep(own.sign()))),
            (ZKRYPTIUM, Box::new(|| keep(zkryptium.sign()))),
            (DOCK, Box::new(|| keep(dock.sign()))),
        ],
    );
    track.race(
        place("verify"),
        1,
        &[
            (OURS, Box::new(|| own.verify())),
            (ZKRYPTIUM, Box::new(|| zkryptium.verify())),
            (DOCK, Box::new(|| dock.verify())),
        ],
    );
    track.race(
        place("prove"),
        1,
        &[
            (OURS, Box::new(|| keep(own.prove()))),
            (ZKRYPTIUM, Box::new(|| keep(zkryptium.prove()))),
            (DOCK, Box::new(|| keep(dock.prove()))),
        ],
    );
    track.race(
        place("verify proof"),
        1,
        &[
            (OURS, Box::new(|| own.verify_proof(&own.proofs[0]))),
            (
                ZKRYPTIUM,
                Box::new(|| zkryptium.verify_proof(&own.proofs[0])),
            ),
            (DOCK, Box::new(|| dock.verify_proof())),
        ],
    );
    track.race(
        place("verify proofs in batch"),
        BATCH,
        &[
            (OURS, Box::new(|| own.verify_batch(BATCH))),
            (DOCK, Box::new(|| dock.verify_batch(BATCH))),
        ],
    );
    track.size(place("proof"), OURS, own.proofs[0].len());
    track.size(place("proof"), ZKRYPTIUM, zkryptium.prove().len());
    track.size(place("proof"), DOCK, dock.proofs[0].len());
}

/// The curve of cost against batch size.
pub fn batches(track: &mut Track, sizes: impl Iterator<Item = usize>) {
    let (own, dock) = (Own::new(), Dock::new());
    for size in sizes {
        let place = Place {
            table: "batch",
            work: "BBS, 5 of 10 shown",
            at: size,
        };
        track.race(
            place,
            size,
            &[
                (OURS, Box::new(|| own.verify_batch(size))),
                (DOCK, Box::new(|| dock.verify_batch(size))),
            ],
        );
    }
}

/// Ours.
struct Own {
    key: SecretKey,
    messages: Vec<Vec<u8>>,
    signature: [u8; 80],
    proofs: Vec<Vec<u8>>,
}

impl Own {
    const PRESENTATION: Presentation<'static> = Presentation {
        header: b"",
        presentation_header: NONCE,
        disclosed: &SHOWN,
    };

    fn new() -> Self {
        let message = |n| format!("field {n}: some value").into_bytes();
        let mut new = Own {
            key: SecretKey::generate(SUITE, &[1; 32], b"", None).expect("a key"),
            messages: (0..COUNT).map(message).collect(),
            signature: [0; 80],
            proofs: Vec::new(),
        };
        new.signature = new.sign();
        new.proofs = (0..POOL).map(|_| new.prove()).collect();
        new
    }

    fn sign(&self) -> [u8; 80] {
        sign(SUITE, &self.key, b"", &self.messages)
            .expect("signed")
            .to_bytes()
    }

    fn verify(&self) {
        let signature = Signature::from_bytes(&self.signature).expect("canonical");
        let key = self.key.public_key();
        verify(SUITE, key, b"", &self.messages, &signature).expect("verifies");
    }

    fn prove(&self) -> Vec<u8> {
        let signature = Signature::from_bytes(&self.signature).expect("canonical");
        let key = self.key.public_key();
        proof_gen(SUITE, key, &signature, &Self::PRESENTATION, &self.messages).expect("a proof")
    }

    fn shown(&self) -> [&[u8]; 5] {
        SHOWN.map(|n| self.messages[n].as_slice())
    }

    fn verify_proof(&self, proof: &[u8]) {
        let key = self.key.public_key();
        proof_verify(SUITE, key, proof, &Self::PRESENTATION, &self.shown()).expect("verifies");
    }

    fn verify_batch(&self, count: usize) {
        let shown = self.shown();
        let item = |proof| BatchItem {
            suite: SUITE,
            key: self.key.public_key(),
            proof,
            presentation: Self::PRESENTATION,
            disclosed_messages: &shown,
        };
        let proofs = self.proofs.iter().cycle().take(count);
        let items: Vec<_> = proofs.map(|proof| item(proof.as_slice())).collect();
        assert!(proof_verify_batch(&items).expect("random").is_empty());
    }
}

/// The same draft: same key, same messages, same signature; proofs are exchanged.
struct Zkryptium {
    secret: BBSplusSecretKey,
    public: BBSplusPublicKey,
    messages: Vec<Vec<u8>>,
    shown: Vec<Vec<u8>>,
    signature: [u8; 80],
}

impl Zkryptium {
    fn new(own: &Own) -> Self {
        let new = Zkryptium {
            secret: BBSplusSecretKey::from_bytes(own.key.to_bytes().as_slice()).expect("a key"),
            public: BBSplusPublicKey::from_bytes(own.key.public_key().as_bytes()).expect("a key"),
            messages: own.messages.clone(),
            shown: SHOWN.map(|n| own.messages[n].clone()).into(),
            signature: own.signature,
        };
        assert_eq!(new.sign(), own.signature, "the same draft");
        own.verify_proof(&new.prove());
        new
    }

    fn sign(&self) -> [u8; 80] {
        let messages = Some(self.messages.as_slice());
        generics::Signature::<BbsBls12381Sha256>::sign(messages, &self.secret, &self.public, None)
            .expect("signed")
            .to_bytes()
    }

    fn verify(&self) {
        generics::Signature::<BbsBls12381Sha256>::from_bytes(&self.signature)
            .and_then(|s| s.verify(&self.public, Some(&self.messages), None))
            .expect("verifies");
    }

    fn prove(&self) -> Vec<u8> {
        generics::PoKSignature::<BbsBls12381Sha256>::proof_gen(
            &self.public,
            &self.signature,
            None,
            Some(NONCE),
            Some(&self.messages),
            Some(&SHOWN),
        )
        .expect("a proof")
        .to_bytes()
    }

    fn verify_proof(&self, proof: &[u8]) {
        generics::PoKSignature::<BbsBls12381Sha256>::from_bytes(proof)
            .and_then(|proof| {
                let shown = Some(self.shown.as_slice());
                proof.proof_verify(&self.public, shown, Some(&SHOWN), None, Some(NONCE))
            })
            .expect("verifies");
    }
}

/// BBS of ePrint 2023/275, appendix A, on scalars; not the draft's format.
struct Dock {
    params: SignatureParams23G1<Bls12_381>,
    keys: KeypairG2<Bls12_381>,
    prepared: (
        PreparedPublicKeyG2<Bls12_381>,
        PreparedSignatureParams23G1<Bls12_381>,
    ),
    messages: Vec<Fr>,
    shown: BTreeMap<usize, Fr>,
    signature: Vec<u8>,
    proofs: Vec<Vec<u8>>,
}

impl Dock {
    fn new() -> Self {
        let random = &mut thread_rng();
        let params = SignatureParams23G1::new::<Blake2b512>(b"benchmark", COUNT as u32);
        let keys = KeypairG2::generate_using_rng_and_bbs23_params(random, &params);
        let messages: Vec<Fr> = (0..COUNT).map(|_| Fr::rand(random)).collect();
        let prepared = (keys.public_key.clone().into(), params.clone().into());
        let mut new = Dock {
            shown: SHOWN.map(|n| (n, messages[n])).into(),
            signature: Vec::new(),
            proofs: Vec::new(),
            params,
            keys,
            prepared,
            messages,
        };
        new.signature = new.sign();
        new.proofs = (0..POOL).map(|_| new.prove()).collect();
        new
    }

    fn sign(&self) -> Vec<u8> {
        let key = &self.keys.secret_key;
        let signature = Signature23G1::new(&mut thread_rng(), &self.messages, key, &self.params);
        encode(&signature.expect("signed"))
    }

    fn decoded(&self) -> Signature23G1<Bls12_381> {
        Signature23G1::deserialize_compressed(&self.signature[..]).expect("canonical")
    }

    fn verify(&self) {
        let (key, params) = self.prepared.clone();
        self.decoded()
            .verify(&self.messages, key, params)
            .expect("verifies");
    }

    fn prove(&self) -> Vec<u8> {
        let messages = self.messages.iter().enumerate();
        let messages = messages.map(|(n, message)| match self.shown.contains_key(&n) {
            true => MessageOrBlinding::RevealMessage(message),
            false => MessageOrBlinding::BlindMessageRandomly(message),
        });
        let (random, signature) = (&mut thread_rng(), self.decoded());
        let protocol = PoKOfSignature23G1Protocol::init(random, &signature, &self.params, messages)
            .expect("a protocol");
        let mut hashed = NONCE.to_vec();
        protocol
            .challenge_contribution(&self.shown, &self.params, &mut hashed)
            .expect("written to memory");
        let challenge = compute_random_oracle_challenge::<Fr, Blake2b512>(&hashed);
        encode(&protocol.gen_proof(&challenge).expect("a proof"))
    }

    fn opened(&self, proof: &[u8]) -> (PoKOfSignature23G1Proof<Bls12_381>, Fr) {
        let proof = PoKOfSignature23G1Proof::<Bls12_381>::deserialize_compressed(proof);
        let proof = proof.expect("canonical");
        let mut hashed = NONCE.to_vec();
        proof
            .challenge_contribution(&self.shown, &self.params, &mut hashed)
            .expect("written to memory");
        (
            proof,
            compute_random_oracle_challenge::<Fr, Blake2b512>(&hashed),
        )
    }

    fn verify_proof(&self) {
        let (proof, challenge) = self.opened(&self.proofs[0]);
        let (key, params) = self.prepared.clone();
        proof
            .verify(&self.shown, &challenge, key, params)
            .expect("verifies");
    }

    fn verify_batch(&self, count: usize) {
        let mut checker = RandomizedPairingChecker::new_using_rng(&mut thread_rng(), true);
        for proof in self.proofs.iter().cycle().take(count) {
            let (proof, challenge) = self.opened(proof);
            let (key, params) = self.prepared.clone();
            let (shown, checker) = (&self.shown, &mut checker);
            proof
                .verify_with_randomized_pairing_checker(shown, &challenge, key, params, checker)
                .expect("verifies");
        }
        assert!(checker.verify());
    }
}
