//! Every algorithm: the signature alone, a token seen for the first time and one seen before, in a plain call
//! and through the layer.
//!
//! Run with: `cargo bench --bench verify --features testing [-- FILTER]`. Ratios within one run are in
//! `ratios`; these are times, for comparing one's own changes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis::Algorithm;
use support::{CACHE, Raw, Scene, authorization, guarded};

fn verify(criterion: &mut Criterion) {
    for &algorithm in Algorithm::ALL {
        let scene = Scene::of(algorithm);
        let token = scene.token().sign();
        let raw = Raw::new(&scene, algorithm, std::slice::from_ref(&token));
        let header = authorization(&token);
        let mut group = criterion.benchmark_group(algorithm.to_string());
        group.bench_function("signature", |bencher| bencher.iter(|| raw.check(0)));
        for (name, cache) in [("first seen", 0), ("repeated", CACHE)] {
            let verifier = scene.verifier(cache);
            group.bench_function(format!("{name}, plain"), |bencher| {
                bencher.iter(|| assert!(verifier.verify_now(&token).is_ok()));
            });
            let mut service = guarded(verifier);
            group.bench_function(format!("{name}, layer"), |bencher| {
                bencher.iter(|| service.call(&header));
            });
        }
    }
}

criterion_group!(benches, verify);
criterion_main!(benches);
