//! One thread and two, with tokens seen for the first time and before: the time of so many calls in all.
//!
//! Run with: `cargo bench --bench contention --features testing`, on a machine with two cores to spare.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use portcullis::{Algorithm, Verifier};
use support::{CACHE, Raw, Scene};

fn contention(criterion: &mut Criterion) {
    let scene = Scene::of(Algorithm::Rs256);
    let tokens = scene.tokens(1_000);
    let raw = Raw::new(&scene, Algorithm::Rs256, &tokens);
    let (without, hot) = (scene.verifier(0), scene.verifier(CACHE));
    let accepts = |verifier: &Verifier, n: usize| {
        assert!(verifier.verify_now(&tokens[n % tokens.len()]).is_ok());
    };
    let mut group = criterion.benchmark_group("contention");
    for threads in [1, 2] {
        group.bench_function(BenchmarkId::new("signature", threads), |bencher| {
            bencher.iter_custom(|calls| timed(threads, calls, |n| raw.check(n % tokens.len())));
        });
        for (name, verifier, distinct) in [
            ("first seen", &without, tokens.len()),
            ("repeated, 1,000 tokens", &hot, tokens.len()),
            ("repeated, one token", &hot, 1),
        ] {
            group.bench_function(BenchmarkId::new(name, threads), |bencher| {
                bencher.iter_custom(|calls| {
                    timed(threads, calls, |n| accepts(verifier, n % distinct))
                });
            });
        }
    }
}

/// How long so many threads take for so many calls in all.
fn timed(threads: usize, calls: u64, call: impl Fn(usize) + Sync) -> Duration {
    let each = usize::try_from(calls).unwrap().div_ceil(threads);
    let start = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let (start, call) = (&start, &call);
                scope.spawn(move || {
                    start.wait();
                    (0..each).for_each(|n| call(n + thread * 500));
                })
            })
            .collect();
        start.wait();
        let started = Instant::now();
        running
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        started.elapsed()
    })
}

criterion_group!(benches, contention);
criterion_main!(benches);
