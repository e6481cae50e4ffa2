//! Ratios that survive a busy machine: what is compared runs in turns in one process,
//! on one core, and the least processor time of several runs counts (of the whole
//! process: blst starts threads of its own). Prints a table.
//!
//! `taskset -c 0 cargo bench --package zkcredit-benches --bench ratios`
//! The last lines need all cores and are measured by the clock; `-- wall` prints them
//! alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use blst::min_pk::{self, PublicKey};
use blst::{MultiPoint, blst_p1_affine};
use cpu_time::ProcessTime;
use zkcredit_benches::{Spend, scalar, terms};
use zkcredit_core::bbs::token::sign_commitment;
use zkcredit_core::bls::{self, SecretKey};
use zkcredit_core::engine::{Statement, verify_batch};
use zkcredit_core::generators;
use zkcredit_core::group::{E1Affine, Scalar, SecretBases, all_in_subgroup, msm, msm_128};

/// Runs of each candidate.
const RUNS: usize = 15;

/// Keeps the compiler from leaving out what nobody looks at.
fn keep<T>(result: T) {
    black_box(result);
}

type Work<'a> = &'a dyn Fn();

/// Least processor time of each candidate in microseconds, all run in turns.
fn cpu(candidates: &[Work<'_>]) -> Vec<f64> {
    let mut least = vec![Duration::MAX; candidates.len()];
    for _ in 0..RUNS {
        for (least, work) in least.iter_mut().zip(candidates) {
            let start = ProcessTime::now();
            work();
            *least = start.elapsed().min(*least);
        }
    }
    least.iter().map(|t| t.as_secs_f64() * 1e6).collect()
}

fn one(name: &str, count: usize, work: Work<'_>) {
    println!("{name}: {:.2} µs each", cpu(&[work])[0] / count as f64);
}

fn against(name: &str, count: usize, own: Work<'_>, other: Work<'_>) {
    let times = cpu(&[own, other]);
    let each = |i: usize| times[i] / count as f64;
    let ratio = times[1] / times[0];
    println!(
        "{name}: {:.2} µs each, the other {:.2}, ratio {ratio:.2}",
        each(0),
        each(1)
    );
}

fn little_endian(k: &Scalar) -> [u8; 32] {
    let mut bytes = k.to_bytes_be();
    bytes.reverse();
    bytes
}

fn sums() {
    let (points, scalars) = terms(16_384);
    let low = |k: &Scalar| u128::from_be_bytes(k.to_bytes_be()[16..].try_into().expect("16"));
    let weights: Vec<u128> = scalars.iter().map(low).collect();
    let raw = |p: &E1Affine| {
        let key = PublicKey::deserialize(&p.to_uncompressed()).expect("a point");
        blst_p1_affine::from(key)
    };
    let raw: Vec<blst_p1_affine> = points.iter().map(raw).collect();
    let long: Vec<u8> = scalars.iter().flat_map(little_endian).collect();
    let short: Vec<u8> = weights.iter().flat_map(|k| k.to_le_bytes()).collect();
    for n in [32, 64, 256, 1024, 4096, 10_240, 16_384] {
        against(
            &format!("sum of {n}, 255 bits, own and blst"),
            n,
            &|| keep(msm(&points[..n], &scalars[..n])),
            &|| keep(raw[..n].mult(&long[..32 * n], 255)),
        );
        against(
            &format!("sum of {n}, 128 bits, own and blst"),
            n,
            &|| keep(msm_128(&points[..n], &weights[..n])),
            &|| keep(raw[..n].mult(&short[..16 * n], 128)),
        );
    }
    for n in [192, 256, 1024, 4096] {
        let test = |p: &E1Affine| assert!(p.is_in_subgroup());
        against(
            &format!("subgroup test of {n}, together and apart"),
            n,
            &|| assert!(all_in_subgroup(&points[..n])),
            &|| points[..n].iter().for_each(test),
        );
    }
    let bases = generators::vector(generators::CROSS_FAMILY, 140);
    for n in [2, 8, 40, 140] {
        let tables = SecretBases::new(&bases[..n]);
        let apart = || {
            let terms = bases.iter().zip(&scalars[..n]).map(|(base, k)| base.mul(k));
            black_box(terms.sum::<zkcredit_core::group::E1>());
        };
        let together = || keep(tables.msm(&scalars[..n]));
        against(
            &format!("secret sum of {n}, together and apart"),
            n,
            &together,
            &apart,
        );
    }
}

/// Different proofs, as a ledger gets them: equal points would meet in the sums.
fn proved(spend: &Spend) -> Vec<(Statement, Vec<u8>)> {
    (0..1024).map(|_| spend.prove()).collect()
}

fn batch(proved: &[(Statement, Vec<u8>)], n: usize) -> Vec<(&Statement, &[u8])> {
    let items = proved.iter().map(|(s, p)| (s, p.as_slice()));
    items.cycle().take(n).collect()
}

/// One BLS signature from bytes, decoding and tests included.
fn signatures() {
    let key = SecretKey::key_gen(&[3; 32], b"").expect("a key");
    let message = b"a registration".as_slice();
    let (public, signature) = (key.public_key().to_bytes(), key.sign(message).to_bytes());
    let own = || {
        let public = bls::PublicKey::from_bytes(&public).expect("a key");
        let signature = bls::Signature::from_bytes(&signature).expect("a signature");
        public.verify(message, &signature).expect("valid");
    };
    let other = || {
        let public = PublicKey::key_validate(&public).expect("a key");
        let signature = min_pk::Signature::from_bytes(&signature).expect("a signature");
        let tag = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
        let verdict = signature.verify(true, message, tag, &[], &public, false);
        assert_eq!(verdict, blst::BLST_ERROR::BLST_SUCCESS);
    };
    against("BLS verification, own and blst", 1, &own, &other);
}

fn spends() {
    for k in [1, 3, 12] {
        let spend = Spend::new(k);
        let prover = spend.prover();
        one(&format!("K = {k}: witness and points"), 1, &|| {
            keep(spend.prover())
        });
        let prove = || keep(prover.prove([7; 32], [9; 32], &[5; 32]));
        one(&format!("K = {k}: proof"), 1, &prove);
    }
    let spend = Spend::new(1);
    let (context, tweak) = (spend.context(), scalar("tweak"));
    let point = E1Affine::from_compressed(&spend.prover().points()[0]).expect("a point");
    let sign = || {
        keep(black_box(sign_commitment(
            &spend.key,
            &context,
            &point,
            &tweak,
            &[],
        )))
    };
    one("sign C′", 1, &sign);
    let proved = proved(&spend);
    for n in [1, 16, 64, 256, 1024, 4096] {
        let items = batch(&proved, n);
        let check = || assert!(verify_batch(&items).expect("random").is_empty());
        one(&format!("verify {n} spends"), n, &check);
    }
}

/// One core and all of them, by the clock.
fn cores() {
    let proved = proved(&Spend::new(1));
    let items = batch(&proved, 1024);
    let mut least = [Duration::MAX; 2];
    for _ in 0..RUNS {
        for (least, threads) in least.iter_mut().zip([1, 0]) {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let pool = pool.expect("a pool");
            let start = Instant::now();
            assert!(
                pool.install(|| verify_batch(&items))
                    .expect("random")
                    .is_empty()
            );
            *least = start.elapsed().min(*least);
        }
    }
    let [one, all] = least.map(|t| t.as_secs_f64() * 1e6 / 1024.0);
    println!(
        "1,024 spends, clock: one thread {one:.1} µs each, all {all:.1}, ratio {:.2}",
        one / all
    );
}

fn main() {
    if std::env::args().any(|argument| argument == "wall") {
        cores();
        return;
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread();
    pool.build_global().expect("the first use of the pool");
    signatures();
    spends();
    sums();
}
