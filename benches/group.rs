//! Multi-scalar multiplication, decoding and subgroup tests, on one thread, with blst's
//! own routines beside ours where there are any. blst starts threads by itself: pin the
//! process to one core (`taskset -c 0`) for a fair comparison.

use std::hint::black_box;

use blst::min_pk::PublicKey;
use blst::{MultiPoint, blst_p1_affine};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zkcredit_benches::{scalar, terms};
use zkcredit_core::generators;
use zkcredit_core::group::{
    E1Affine, FixedBaseTable, G1Affine, Scalar, SecretBases, all_in_subgroup, msm, msm_128,
};

const SIZES: [usize; 6] = [16, 64, 256, 1024, 4096, 16_384];

fn little_endian(k: &Scalar) -> [u8; 32] {
    let mut bytes = k.to_bytes_be();
    bytes.reverse();
    bytes
}

fn sums(c: &mut Criterion) {
    let (points, scalars) = terms(16_384);
    let short = |k: &Scalar| {
        let bytes = little_endian(k);
        u128::from_le_bytes(bytes[..16].try_into().expect("16 bytes"))
    };
    let weights: Vec<u128> = scalars.iter().map(short).collect();
    let raw = |p: &E1Affine| {
        let key = PublicKey::deserialize(&p.to_uncompressed()).expect("a point");
        blst_p1_affine::from(key)
    };
    let raw: Vec<blst_p1_affine> = points.iter().map(raw).collect();
    let long_bytes: Vec<u8> = scalars.iter().flat_map(little_endian).collect();
    let short_bytes: Vec<u8> = weights.iter().flat_map(|k| k.to_le_bytes()).collect();
    let mut group = c.benchmark_group("msm");
    group.sample_size(10);
    for n in SIZES {
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("255 bits, own", n), |b| {
            b.iter(|| msm(black_box(&points[..n]), &scalars[..n]));
        });
        group.bench_function(BenchmarkId::new("255 bits, blst", n), |b| {
            b.iter(|| black_box(&raw[..n]).mult(&long_bytes[..32 * n], 255));
        });
        group.bench_function(BenchmarkId::new("128 bits, own", n), |b| {
            b.iter(|| msm_128(black_box(&points[..n]), &weights[..n]));
        });
        group.bench_function(BenchmarkId::new("128 bits, blst", n), |b| {
            b.iter(|| black_box(&raw[..n]).mult(&short_bytes[..16 * n], 128));
        });
    }
}

fn secret_sums(c: &mut Criterion) {
    // Independent bases, as secret sums have them: related ones cost more.
    let (bases, (_, scalars)) = (
        generators::vector(generators::CROSS_FAMILY, 140),
        terms(140),
    );
    let mut group = c.benchmark_group("secret sum");
    for n in [2usize, 8, 40, 140] {
        let tables = SecretBases::new(&bases[..n]);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("terms", n), |b| {
            b.iter(|| tables.msm(black_box(&scalars[..n])));
        });
    }
}

fn points(c: &mut Criterion) {
    let (points, _) = terms(4096);
    let (long, short) = (points[7].to_uncompressed(), points[7].to_compressed());
    let (base, k) = (G1Affine::generator(), scalar("one"));
    let table = FixedBaseTable::new(&base);
    let bytes = k.to_bytes_be();
    let mut group = c.benchmark_group("point");
    group.bench_function("decode 96 bytes", |b| {
        b.iter(|| E1Affine::from_uncompressed(black_box(&long)));
    });
    group.bench_function("decode 48 bytes", |b| {
        b.iter(|| E1Affine::from_compressed(black_box(&short)));
    });
    group.bench_function("decode a scalar", |b| {
        b.iter(|| Scalar::from_bytes_be(black_box(&bytes)))
    });
    group.bench_function("multiply, secret scalar", |b| {
        b.iter(|| base.mul(black_box(&k)))
    });
    group.bench_function("multiply, table", |b| b.iter(|| table.mul(black_box(&k))));
    group.bench_function("subgroup test", |b| {
        b.iter(|| black_box(&points[7]).is_in_subgroup())
    });
    group.sample_size(10);
    for n in [64usize, 192, 256, 1024, 4096] {
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("subgroup test of many", n), |b| {
            b.iter(|| all_in_subgroup(black_box(&points[..n])));
        });
    }
}

fn on_one_thread(c: &mut Criterion) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    pool.build_global().expect("the first use of the pool");
    sums(c);
    secret_sums(c);
    points(c);
}

criterion_group!(benches, on_one_thread);
criterion_main!(benches);
