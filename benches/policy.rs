//! What a decision costs beside the signature check of the token that it is about.
//!
//! Run with: `cargo bench --bench policy --features testing`
//!
//! The floor is one RS256 check of aws-lc-rs alone, with a key that was parsed once. Short rounds of the
//! floor and of every row take turns, and a row's figure is the median of its rounds' ratios to the floor of
//! the same round, so that what slows the machine slows both. The floor is measured twice in each
//! round: what the two differ in is noise. The goal for three parts is 0.013.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

mod support;

use std::hint::black_box;
use std::time::{Duration, Instant};

use portcullis::testing::TestIssuer;
use portcullis::{Algorithm, Facts, Policy, Verifier};
use support::{Raw, Scene, is_test, per_call};

const ROUNDS: usize = 31;

fn main() {
    let scene = Scene::of(Algorithm::Rs256);
    let jwt = token(&scene.issuer);
    let floor = Raw::new(&scene, Algorithm::Rs256, std::slice::from_ref(&jwt));
    // Each token is another one, with nothing parsed of its claims.
    let verifier = scene.verifier(0);
    let token = verifier.verify_now(&jwt).unwrap();

    let rows = rows(&scene.issuer);
    let mut columns = vec![Vec::new(); rows.len() + 2];
    let facts = Facts::new().fact("tenant", TENANT);
    // Once, to show that it runs, under `cargo test --benches`.
    for _ in 0..if is_test() { 1 } else { ROUNDS } {
        let raw = per_call(|| floor.check(0));
        columns[0].push(raw);
        columns[1].push(per_call(|| floor.check(0)) / raw);
        for (column, (_, policy)) in columns[2..].iter_mut().zip(&rows) {
            let cost = per_call(|| {
                let decision = policy.check_on(black_box(&token), &facts);
                assert!(decision.is_ok());
            });
            column.push(cost / raw);
        }
    }
    let first = first_decision(&rows[2].1, &verifier, &jwt);
    let medians: Vec<_> = columns.into_iter().map(median).collect();
    println!("| what | beside one RS256 check |\n|---|---|");
    println!(
        "| the floor again (floor {:.2} µs) | {:.3} |",
        medians[0] / 1_000.0,
        medians[1]
    );
    for ((name, policy), ratio) in rows.iter().zip(&medians[2..]) {
        println!("| {name}: `{policy}` | {ratio:.4} |");
    }
    println!(
        "| {}, the first time for a token | {:.4} |",
        rows[2].0,
        first / medians[0]
    );
}

fn rows(issuer: &TestIssuer) -> Vec<(&'static str, Policy)> {
    let (scope, role) = (Policy::scope("orders:read"), Policy::role("admin"));
    let tenant = Policy::claim("tenant").equals(TENANT);
    let three = scope.clone().and(role.clone().or(tenant.clone()));
    let same_tenant = Policy::claim("tenant").equals_fact("tenant");
    let nested = Policy::role_at("realm_access.roles", "offline_access");
    vec![
        ("one part", scope.clone()),
        ("three parts", three.clone()),
        (
            "three parts that all count",
            Policy::all([scope.clone(), Policy::role("writer"), tenant]),
        ),
        (
            "three parts with a nested claim and a fact",
            Policy::all([scope, nested, same_tenant]),
        ),
        (
            "six parts",
            three.and(Policy::issuer(issuer.issuer())).and(role.not()),
        ),
    ]
}

const TENANT: &str = "0d6f2b3a-5c1e-4d7a-9b8f-2e4c6a8d0f1b";

/// About 826 bytes, as a usual access token with an RSA-2048 signature has.
fn token(issuer: &TestIssuer) -> String {
    let roles = serde_json::json!({ "roles": ["offline_access", "uma_authorization"] });
    issuer
        .token()
        .subject("248289761001")
        .scope("profile email orders:write orders:read")
        .claim("client_id", "s6BhdRkqt3")
        .claim("tenant", TENANT)
        .claim("roles", ["reader", "writer"])
        .claim("realm_access", roles)
        .expires_in(Duration::from_secs(86_400))
        .sign()
}

/// Nanoseconds that the first decision about a token takes, which parses the claims that it reads.
fn first_decision(policy: &Policy, verifier: &Verifier, jwt: &str) -> f64 {
    let mut times = Vec::new();
    for _ in 0..2_000 {
        let token = verifier.verify_now(jwt).unwrap();
        let started = Instant::now();
        let decision = policy.check(black_box(&token));
        times.push(started.elapsed().as_secs_f64() * 1e9);
        assert!(decision.is_ok());
    }
    median(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
