//! Batches of BBS proofs: verdicts as one by one, and every culprit named.

mod support;

use std::sync::OnceLock;

use support::point_of_order;

use zkcredit_core::bbs::proof::{
    BatchItem, Presentation, proof_gen, proof_verify, proof_verify_batch,
};
use zkcredit_core::bbs::signature::sign;
use zkcredit_core::bbs::{PublicKey, SecretKey, Suite};
use zkcredit_core::group::E1Affine;

const MESSAGES: [&[u8]; 4] = [b"name", b"born", b"score", b""];

/// A proof with all that its verifier needs.
#[derive(Clone)]
struct Proven {
    suite: Suite,
    key: PublicKey,
    nonce: Vec<u8>,
    disclosed: Vec<usize>,
    shown: Vec<&'static [u8]>,
    proof: Vec<u8>,
}

/// The n-th proof: suites, keys, numbers of messages and shown positions vary.
fn proven(n: usize) -> Proven {
    let suite = [Suite::Sha256, Suite::Shake256][n % 2];
    let key = SecretKey::from_bytes(&[n as u8 % 3 + 1; 32]).expect("a key");
    let messages = &MESSAGES[..1 + n % 4];
    let disclosed: Vec<usize> = (0..messages.len())
        .filter(|i| (n + i).is_multiple_of(3))
        .collect();
    let nonce = n.to_be_bytes().to_vec();
    let signature = sign(suite, &key, b"header", messages).expect("signs");
    let presentation = Presentation {
        header: b"header",
        presentation_header: &nonce,
        disclosed: &disclosed,
    };
    let proof = proof_gen(suite, key.public_key(), &signature, &presentation, messages);
    Proven {
        suite,
        key: key.public_key().clone(),
        shown: disclosed.iter().map(|&i| messages[i]).collect(),
        proof: proof.expect("proves"),
        nonce,
        disclosed,
    }
}

impl Proven {
    fn item(&self) -> BatchItem<'_> {
        BatchItem {
            suite: self.suite,
            key: &self.key,
            proof: &self.proof,
            presentation: Presentation {
                header: b"header",
                presentation_header: &self.nonce,
                disclosed: &self.disclosed,
            },
            disclosed_messages: &self.shown,
        }
    }
}

fn refused(batch: &[Proven]) -> Vec<usize> {
    let items: Vec<BatchItem<'_>> = batch.iter().map(Proven::item).collect();
    proof_verify_batch(&items).expect("a random source")
}

fn batch(size: usize) -> Vec<Proven> {
    static PROVEN: OnceLock<Vec<Proven>> = OnceLock::new();
    PROVEN.get_or_init(|| (0..40).map(proven).collect())[..size].to_vec()
}

#[test]
fn good_batches_of_all_sizes_verify() {
    for size in [0, 1, 2, 3, 7, 15, 16, 17, 40] {
        assert!(refused(&batch(size)).is_empty(), "{size}");
    }
}

/// Tables are used from 16 proofs on; both ways must agree with one by one.
#[test]
fn culprits_are_named_and_are_those_refused_alone() {
    for size in [5, 20] {
        for culprit in [0, 3, size - 1] {
            let changes: [fn(&mut Proven); 6] = [
                |p| p.nonce.push(0),
                |p| p.proof[150] ^= 1,
                |p| p.proof.truncate(100),
                |p| p.key = batch(2)[0].key.clone(),
                |p| p.disclosed.push(9),
                |p| *p.proof.last_mut().expect("bytes") ^= 1,
            ];
            for (number, change) in changes.iter().enumerate() {
                let mut batch = batch(size);
                change(&mut batch[culprit]);
                let alone: Vec<usize> = batch
                    .iter()
                    .enumerate()
                    .filter(|(_, p)| {
                        let item = p.item();
                        let what = item.presentation;
                        proof_verify(item.suite, item.key, &p.proof, &what, &p.shown).is_err()
                    })
                    .map(|(index, _)| index)
                    .collect();
                assert_eq!(refused(&batch), alone, "{size} {culprit} {number}");
            }
        }
    }
}

#[test]
fn many_culprits() {
    let mut bad = batch(20);
    for index in [1, 2, 9, 19] {
        bad[index].nonce.push(1);
    }
    assert_eq!(refused(&bad), [1, 2, 9, 19]);
    let (one, other) = (bad[4].proof.clone(), bad[10].proof.clone());
    (bad[4].proof, bad[10].proof) = (other, one);
    assert_eq!(refused(&bad), [1, 2, 4, 9, 10, 19]);
    bad.iter_mut().for_each(|p| p.nonce.clear());
    assert_eq!(refused(&bad), (0..20).collect::<Vec<_>>());
}

#[test]
fn points_outside_the_subgroup_are_refused() {
    let shift = |proof: &mut Vec<u8>, at: usize| {
        let point: [u8; 48] = proof[at..at + 48].try_into().expect("48 bytes");
        let point = E1Affine::from_compressed(&point).expect("a point");
        let shifted = point.to_e1() + point_of_order(3).to_e1();
        let bytes = shifted.to_affine().expect("not zero").to_compressed();
        proof[at..at + 48].copy_from_slice(&bytes);
    };
    for size in [4, 40] {
        let mut bad = batch(size);
        shift(&mut bad[1].proof, 0);
        shift(&mut bad[2].proof, 48);
        shift(&mut bad[3].proof, 96);
        assert_eq!(refused(&bad), [1, 2, 3]);
    }
}
