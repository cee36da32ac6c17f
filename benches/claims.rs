//! Payloads from 200 bytes to 8 KiB, of a few long claims and of many short ones.
//!
//! Run with: `cargo bench --bench claims --features testing`. The signature of a longer token takes longer,
//! too: what is beside it is what the crate costs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod support;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use portcullis::Algorithm;
use support::{Raw, Scene};

/// What every token has here, and a longer one beside other claims.
const LEAST: usize = 200;

fn claims(criterion: &mut Criterion) {
    let scene = Scene::of(Algorithm::Es256);
    let verifier = scene.verifier(0);
    let mut group = criterion.benchmark_group("claims");
    for bytes in [200, 512, 1_024, 2_048, 4_096, 8_192] {
        let long = scene
            .issuer
            .token()
            .claim("text", "x".repeat(bytes - LEAST));
        let many = (0..(bytes - LEAST) / 20).fold(scene.issuer.token(), |token, n| {
            token.claim(&format!("claim_{n:03}"), "1234567")
        });
        for (kind, token) in [("a long one", long), ("many", many)] {
            let token = token.sign();
            let raw = Raw::new(&scene, Algorithm::Es256, std::slice::from_ref(&token));
            group.throughput(Throughput::Bytes(token.len().try_into().unwrap()));
            group.bench_function(
                BenchmarkId::new(format!("{kind}, signature"), bytes),
                |bencher| {
                    bencher.iter(|| raw.check(0));
                },
            );
            group.bench_function(
                BenchmarkId::new(format!("{kind}, first seen"), bytes),
                |bencher| {
                    bencher.iter(|| assert!(verifier.verify_now(&token).is_ok()));
                },
            );
        }
    }
}

criterion_group!(benches, claims);
criterion_main!(benches);
