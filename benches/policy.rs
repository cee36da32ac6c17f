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

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{Algorithm, Audience, Facts, Issuer, KeySet, Policy, TokenCache, Verifier};

const ROUNDS: usize = 31;
/// Long enough that a reading of the clock is nothing beside it.
const ROUND: Duration = Duration::from_millis(4);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let issuer = TestIssuer::start_with([Algorithm::Rs256]);
    let issuer = runtime.block_on(issuer).unwrap();
    let jwt = token(&issuer);
    let floor = Raw::new(&issuer.jwks(), &jwt);
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    // Each token is another one, with nothing parsed of its claims.
    let verifier = Verifier::builder().issuer(trusted).cache(TokenCache::off());
    let verifier = verifier.build().unwrap();
    let token = verifier.verify_now(&jwt).unwrap();

    let rows = rows(&issuer);
    let mut columns = vec![Vec::new(); rows.len() + 2];
    let facts = Facts::new().fact("tenant", TENANT);
    // Once, to show that it runs, under `cargo test --benches`.
    let measures = std::env::args().any(|argument| argument == "--bench");
    for _ in 0..if measures { ROUNDS } else { 1 } {
        let raw = per_call(|| floor.check());
        columns[0].push(raw);
        columns[1].push(per_call(|| floor.check()) / raw);
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

/// The raw check.
struct Raw {
    key: ParsedPublicKey,
    signing_input: String,
    signature: Vec<u8>,
}

impl Raw {
    fn new(jwks: &str, token: &str) -> Self {
        let jwks: serde_json::Value = serde_json::from_str(jwks).unwrap();
        let member = |name: &str| {
            let text = jwks["keys"][0][name].as_str().unwrap();
            BASE64URL.decode(text).unwrap()
        };
        let (n, e) = (member("n"), member("e"));
        let key = RsaPublicKeyComponents { n, e };
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        Self {
            key: key
                .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                .unwrap(),
            signing_input: signing_input.to_owned(),
            signature: BASE64URL.decode(signature).unwrap(),
        }
    }

    fn check(&self) {
        let input = black_box(self.signing_input.as_bytes());
        assert!(self.key.verify_sig(input, &self.signature).is_ok());
    }
}

/// Nanoseconds a call.
fn per_call(mut call: impl FnMut()) -> f64 {
    let (started, mut calls) = (Instant::now(), 0_u32);
    loop {
        for _ in 0..32 {
            call();
        }
        calls += 32;
        if started.elapsed() >= ROUND {
            return started.elapsed().as_secs_f64() * 1e9 / f64::from(calls);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
