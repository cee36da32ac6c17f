//! So many calls of one kind and nothing else, for a profiler: what is counted repeats where clocks do not.
//!
//! ```sh
//! cargo bench --no-run --bench instructions --features testing   # says where the program is
//! valgrind --tool=callgrind --toggle-collect='*instructions*measured*' PROGRAM RS256 first 640
//! ```
//!
//! Kinds are `signature`, `first`, `repeated`, `empty`, `layer-first` and `layer-repeated`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod support;

use std::hint::black_box;

use portcullis::Algorithm;
use support::{CACHE, Raw, Scene, authorization, bare, guarded};

/// Distinct tokens, few, because each is signed under the profiler, too.
const TOKENS: usize = 64;

fn main() {
    let given: Vec<_> = std::env::args().skip(1).collect();
    let [algorithm, kind, calls, ..] = &given[..] else {
        return; // as under `cargo bench` and `cargo test --benches`
    };
    let Some(&algorithm) = Algorithm::ALL
        .iter()
        .find(|known| known.to_string() == *algorithm)
    else {
        return;
    };
    let calls: usize = calls.parse().unwrap();
    let scene = Scene::of(algorithm);
    let tokens = scene.tokens(TOKENS);
    let headers: Vec<_> = tokens.iter().map(|token| authorization(token)).collect();
    let (off, on) = (scene.verifier(0), scene.verifier(CACHE));
    let verify = |verifier: &portcullis::Verifier, n: usize| {
        assert!(verifier.verify_now(black_box(&tokens[n])).is_ok());
    };
    let repeat = |mut call: Box<dyn FnMut(usize) + '_>| {
        // Each in succession, or five that share a place of those seen once would never be remembered.
        (0..3 * TOKENS).for_each(|n| call(n / 3));
        measured(&mut *call, calls);
    };
    match &**kind {
        "signature" => {
            let raw = Raw::new(&scene, algorithm, &tokens);
            repeat(Box::new(move |n| raw.check(n)));
        }
        "first" => repeat(Box::new(|n| verify(&off, n))),
        "repeated" => repeat(Box::new(|n| verify(&on, n))),
        "empty" => {
            let mut service = bare();
            repeat(Box::new(move |n| service.call(&headers[n])));
        }
        "layer-first" => {
            let mut service = guarded(off);
            repeat(Box::new(move |n| service.call(&headers[n])));
        }
        "layer-repeated" => {
            let mut service = guarded(on);
            repeat(Box::new(move |n| service.call(&headers[n])));
        }
        other => panic!("no kind {other}"),
    }
}

/// What the profiler looks at: not keys and signatures being made.
#[inline(never)]
fn measured(call: &mut dyn FnMut(usize), calls: usize) {
    (0..calls).for_each(|n| call(n % TOKENS));
}
