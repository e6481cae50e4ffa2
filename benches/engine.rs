//! Proving, verifying and signing spends.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zkcredit_benches::{Spend, scalar};
use zkcredit_core::bbs::token::{SignedCommitment, sign_commitment, verify_commitments};
use zkcredit_core::engine::{verify, verify_batch};
use zkcredit_core::group::{E1Affine, Scalar};

fn prove(c: &mut Criterion) {
    let mut group = c.benchmark_group("spend/prove");
    group.sample_size(20);
    for k in [1, 3, 12] {
        let spend = Spend::new(k);
        let prover = spend.prover();
        group.bench_function(BenchmarkId::new("witness and points, K", k), |b| {
            b.iter(|| black_box(spend.prover()));
        });
        group.bench_function(BenchmarkId::new("proof, K", k), |b| {
            b.iter(|| {
                prover
                    .prove([7; 32], [9; 32], black_box(&[5; 32]))
                    .expect("a proof")
            });
        });
    }
}

fn verify_one(c: &mut Criterion) {
    let mut group = c.benchmark_group("spend/verify one");
    group.sample_size(20);
    for k in [1, 12] {
        let (statement, proof) = Spend::new(k).prove();
        group.bench_function(BenchmarkId::new("K", k), |b| {
            b.iter(|| verify(&statement, black_box(&proof)).expect("valid"));
        });
    }
}

fn verify_many(c: &mut Criterion) {
    let (statement, proof) = Spend::new(1).prove();
    let mut group = c.benchmark_group("spend/verify batch");
    group.sample_size(10);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.expect("a pool");
        for n in [1usize, 16, 64, 256, 1024, 4096] {
            let items = vec![(&statement, proof.as_slice()); n];
            group.throughput(Throughput::Elements(n as u64));
            group.bench_function(
                BenchmarkId::new(format!("threads {threads}, size"), n),
                |b| {
                    b.iter(|| pool.install(|| verify_batch(black_box(&items)).expect("random")));
                },
            );
        }
    }
}

fn sign(c: &mut Criterion) {
    let spend = Spend::new(1);
    let (context, tweak) = (spend.context(), scalar("tweak"));
    let point = spend.prover().points()[0];
    let commitment = E1Affine::from_compressed(&point).expect("a point");
    let mut group = c.benchmark_group("token");
    group.bench_function("sign C′", |b| {
        b.iter(|| sign_commitment(&spend.key, &context, black_box(&commitment), &tweak, &[]));
    });
    let signed = sign_commitment(&spend.key, &context, &commitment, &tweak, &[]);
    let (commitment, signature) = signed.expect("signed");
    let item = SignedCommitment {
        context: &context,
        commitment: &commitment,
        tweak: Scalar::default(),
        signature: &signature,
    };
    for n in [1usize, 256] {
        let items = vec![item; n];
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("verify signatures", n), |b| {
            b.iter(|| verify_commitments(black_box(&items)));
        });
    }
}

criterion_group!(benches, prove, verify_one, verify_many, sign);
criterion_main!(benches);
