//! BLS signatures of registrations and receipts.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zkcredit_core::bls::{PublicKey, SecretKey, Signature, verify_batch};

fn bls(c: &mut Criterion) {
    let key = SecretKey::key_gen(&[3; 32], b"").expect("a key");
    let (public, message) = (key.public_key(), b"a registration".as_slice());
    let signature = key.sign(message);
    let mut group = c.benchmark_group("bls");
    group.sample_size(20);
    group.bench_function("sign", |b| b.iter(|| key.sign(black_box(message))));
    group.bench_function("verify", |b| {
        b.iter(|| {
            public
                .verify(message, black_box(&signature))
                .expect("valid")
        });
    });
    let bytes = (public.to_bytes(), signature.to_bytes());
    group.bench_function("decode key and signature", |b| {
        b.iter(|| {
            let (key, signature) = black_box(&bytes);
            (PublicKey::from_bytes(key), Signature::from_bytes(signature))
        });
    });
    for n in [16usize, 256] {
        let messages: Vec<String> = (0..n).map(|i| format!("message {i}")).collect();
        let entry = |m: &String| (public, key.sign(m.as_bytes()));
        let signed: Vec<_> = messages.iter().map(entry).collect();
        let entries = signed.iter().zip(&messages);
        let entries: Vec<_> = entries.map(|((k, s), m)| (*k, m.as_bytes(), *s)).collect();
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("verify batch", n), |b| {
            b.iter(|| verify_batch(black_box(&entries)).expect("valid"));
        });
    }
}

criterion_group!(benches, bls);
criterion_main!(benches);
