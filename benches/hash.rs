//! Hashing: transcripts, weights, hashing to the curve and to scalars.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zkcredit_core::group::hash_to_g1;
use zkcredit_core::hash::{hash, hash_to_scalar, keyed_xof};
use zkcredit_core::transcript::Transcript;

fn hashing(c: &mut Criterion) {
    // As much as a spend's proof puts into its transcript.
    let data = vec![0x5a; 1200];
    let mut group = c.benchmark_group("hash");
    group.throughput(Throughput::Bytes(data.len() as u64));
    group.bench_function("BLAKE3, 1,200 bytes", |b| b.iter(|| hash(black_box(&data))));
    let fresh = Transcript::new("benchmarks");
    group.bench_function("SHAKE128 transcript, 1,200 bytes", |b| {
        b.iter(|| {
            let mut transcript = fresh.clone();
            transcript.absorb("messages", black_box(&data));
            transcript.challenge()
        });
    });
    let mut masks = vec![0; 6000];
    group.throughput(Throughput::Bytes(masks.len() as u64));
    group.bench_function("BLAKE3 masks, 6,000 bytes", |b| {
        b.iter(|| keyed_xof(&[1; 32], black_box(&data[..32]), &mut masks));
    });
    group.finish();
    let mut group = c.benchmark_group("hash to");
    group.bench_function("scalar", |b| {
        b.iter(|| hash_to_scalar("a context", black_box(&data)))
    });
    group.bench_function("G1", |b| {
        b.iter(|| hash_to_g1(black_box(b"name"), b"ZKCREDIT-BENCH"))
    });
}

criterion_group!(benches, hashing);
criterion_main!(benches);
