//! A token among many keys, and among many issuers.
//!
//! Run with: `cargo bench --bench keys --features testing`
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod support;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::Algorithm;
use support::{Raw, Scene};

fn keys(criterion: &mut Criterion) {
    let scene = Scene::of(Algorithm::Es256);
    let token = scene.token().sign();
    let raw = Raw::new(&scene, Algorithm::Es256, std::slice::from_ref(&token));
    let mut group = criterion.benchmark_group("keys");
    group.bench_function("signature", |bencher| bencher.iter(|| raw.check(0)));
    for count in [1, 10, 100, 1_000] {
        let verifier = scene.among_keys(count);
        group.bench_function(BenchmarkId::new("keys", count), |bencher| {
            bencher.iter(|| assert!(verifier.verify_now(&token).is_ok()));
        });
    }
    for count in [1, 100, 1_000] {
        let verifier = scene.among_issuers(count);
        group.bench_function(BenchmarkId::new("issuers", count), |bencher| {
            bencher.iter(|| assert!(verifier.verify_now(&token).is_ok()));
        });
    }
}

criterion_group!(benches, keys);
criterion_main!(benches);
