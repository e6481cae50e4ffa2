//! Spending credit: ours beside anonymous credit tokens, and our cost against K and M.

use anonymous_credit_tokens::{CreditToken, Params, PreIssuance, PrivateKey, SpendProof};
use curve25519_dalek::scalar::Scalar;
use rand::thread_rng;
use zkcredit_benches::Spend;

use crate::own::{Pool, Relation, Signer};
use crate::track::{BATCH, Contestant, OURS, POOL, Place, Track, keep};

/// Bits of amounts.
const BITS: usize = 32;

/// Proofs in a batch of the curves against K and M.
const CURVE_BATCH: usize = 64;

const PEER: &str = "anonymous-credit-tokens";

/// Ours, from the peer's own statement to the product's, and the peer.
pub fn run(track: &mut Track) {
    let names = [
        "zkcredit, amount public",
        "zkcredit, K = 0",
        "zkcredit, K = 1",
    ];
    let relations: [Relation; 3] = [
        Relation::charge(BITS),
        Spend::new(0).into(),
        Spend::new(1).into(),
    ];
    let pools = relations.each_ref().map(|relation| relation.pool(POOL));
    let signers = relations.each_ref().map(Relation::signer);
    let tokens = Tokens::new();
    let place = |work| Place {
        table: "spend",
        work,
        at: BITS,
    };
    let own = |work: fn(&Relation, &Pool, &Signer<'_>)| -> Vec<Contestant<'_>> {
        let all = relations.iter().zip(&pools).zip(&signers);
        let work = all.map(|((r, p), s)| Box::new(move || work(r, p, s)) as Box<dyn Fn()>);
        names.into_iter().zip(work).collect()
    };
    let mut contestants = own(|relation, _, _| keep(relation.prove()));
    contestants.push((PEER, Box::new(|| keep(tokens.prove()))));
    track.race(place("prove"), 1, &contestants);
    track.race(place("verify"), 1, &own(|_, pool, _| pool.verify()));
    track.race(
        place("verify in batch"),
        BATCH,
        &own(|_, pool, _| pool.verify_batch(BATCH)),
    );
    let mut contestants = own(|_, pool, signer| answer(pool, signer, 1));
    contestants.push((PEER, Box::new(|| tokens.answer())));
    track.race(place("verify and sign"), 1, &contestants);
    let batch = own(|_, pool, signer| answer(pool, signer, BATCH));
    track.race(place("verify and sign in batch"), BATCH, &batch);
    for (name, pool) in names.into_iter().zip(&pools) {
        track.size(place("sent"), name, pool.sent_len());
    }
    track.size(place("sent"), PEER, tokens.proof.len());
}

/// What the issuer does: verifies the spends and signs the next tokens.
fn answer(pool: &Pool, signer: &Signer<'_>, count: usize) {
    match count {
        1 => pool.verify(),
        _ => pool.verify_batch(count),
    }
    pool.take(count).for_each(|proved| signer.sign(proved));
}

/// Our cost against the number of due buckets and of attributes.
pub fn sizes(track: &mut Track) {
    for k in [0, 1, 2, 3, 6, 12, 24, 36] {
        curve(track, "buckets", k, &Spend::sized(k, 0, 32).into());
    }
    for m in [0, 1, 2, 4, 8, 16, 32] {
        curve(track, "attributes", m, &Spend::sized(1, m, 32).into());
    }
}

fn curve(track: &mut Track, table: &'static str, at: usize, relation: &Relation) {
    let pool = relation.pool(16);
    let place = |work| Place { table, work, at };
    let prove: Contestant<'_> = (OURS, Box::new(|| keep(relation.prove())));
    let verify: Contestant<'_> = (OURS, Box::new(|| pool.verify()));
    let batch: Contestant<'_> = (OURS, Box::new(|| pool.verify_batch(CURVE_BATCH)));
    track.race(place("prove"), 1, &[prove]);
    track.race(place("verify"), 1, &[verify]);
    track.race(place("verify in batch"), CURVE_BATCH, &[batch]);
    track.size(place("proof"), OURS, pool.proof_len());
}

/// The curve of cost against batch size, K = 1.
pub fn batches(track: &mut Track, sizes: impl Iterator<Item = usize>) {
    let pool = Relation::from(Spend::new(1)).pool(POOL);
    for size in sizes {
        let place = Place {
            table: "batch",
            work: "spend, K = 1",
            at: size,
        };
        track.race(place, size, &[(OURS, Box::new(|| pool.verify_batch(size)))]);
    }
}

/// A token of the peer, its issuer and an encoded spend.
struct Tokens {
    params: Params,
    key: PrivateKey,
    token: CreditToken,
    proof: Vec<u8>,
}

impl Tokens {
    fn new() -> Self {
        let params = Params::new("zkcredit", "benchmark", "peers", "2026-01-01");
        let key = PrivateKey::random(thread_rng());
        let secrets = PreIssuance::random(thread_rng());
        let request = secrets.request(&params, thread_rng());
        let credit = Scalar::from(100u64);
        let response = key
            .issue::<BITS>(&params, &request, credit, Scalar::ZERO, thread_rng())
            .expect("issued");
        let token = secrets
            .to_credit_token::<BITS>(&params, key.public(), &request, &response)
            .expect("a token");
        let mut new = Tokens {
            params,
            key,
            token,
            proof: Vec::new(),
        };
        new.proof = new.prove();
        new
    }

    fn prove(&self) -> Vec<u8> {
        let amount = Scalar::from(40u64);
        let spend = self
            .token
            .prove_spend::<BITS>(&self.params, amount, thread_rng());
        spend.expect("a proof").0.to_cbor().expect("encoded")
    }

    /// Decodes, verifies and signs the next token: one call of the peer's.
    fn answer(&self) {
        let proof = SpendProof::<BITS>::from_cbor(&self.proof).expect("canonical");
        self.key
            .refund(&self.params, &proof, Scalar::ZERO, thread_rng())
            .expect("a true proof");
    }
}
