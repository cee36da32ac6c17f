//! What a token costs beside the signature check it cannot do without.
//!
//! Run with: `cargo bench --bench verify --features testing`
//!
//! The floor of a row is aws-lc-rs alone: the same signature, with a key that was parsed once. Short
//! rounds of every row take turns, and a row's figure is the median of its rounds' ratios to the floor of the
//! same round, so that what slows the machine slows both. The floor is measured twice in each round:
//! what the two differ in is noise.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a benchmark may panic"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use portcullis::testing::{AUDIENCE, TestIssuer, TokenBuilder};
use portcullis::{Algorithm, Audience, Issuer, KeySet, Verifier};

const ROUNDS: usize = 31;
/// Long enough that a reading of the clock is nothing beside it.
const ROUND: Duration = Duration::from_millis(4);

fn main() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!(
        "| algorithm | floor µs | floor / floor | first seen, no cache | first seen, cached | repeated |"
    );
    println!("|---|---|---|---|---|---|");
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let issuer = runtime
            .block_on(TestIssuer::start_with([algorithm]))
            .unwrap();
        row(&issuer, algorithm);
    }
}

fn row(issuer: &TestIssuer, algorithm: Algorithm) {
    let tokens: Vec<_> = (0..4_000)
        .map(|n| token(issuer).claim("n", n).sign())
        .collect();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let verifier = |bytes| {
        let issuer = Issuer::keys(issuer.issuer(), keys.clone(), Audience::of(AUDIENCE));
        let builder = Verifier::builder().issuer(issuer);
        builder.token_cache_bytes(bytes).build().unwrap()
    };
    let (without, with, hot) = (verifier(0), verifier(8 << 20), verifier(8 << 20));
    let raw = Raw::new(&issuer.jwks(), algorithm, &tokens[0]);
    let mut next = 0;
    let mut fresh = || {
        next = (next + 1) % tokens.len();
        &*tokens[next]
    };
    let mut columns = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        let floor = per_call(|| raw.check());
        let again = per_call(|| raw.check());
        let first = per_call(|| assert!(without.verify_now(&tokens[0]).is_ok()));
        // As many as there are, and then forgotten.
        let started = Instant::now();
        for _ in 0..100 {
            assert!(with.verify_now(black_box(fresh())).is_ok());
        }
        let cached = started.elapsed().as_nanos() as f64 / 100.0;
        let repeated = per_call(|| assert!(hot.verify_now(&tokens[0]).is_ok()));
        for (column, value) in columns.iter_mut().zip([
            floor / 1_000.0,
            again / floor,
            first / floor,
            cached / floor,
            repeated / floor,
        ]) {
            column.push(value);
        }
    }
    let [floor, again, first, cached, repeated] = columns.map(median);
    println!(
        "| {algorithm} | {floor:.2} | {again:.3} | {first:.3} | {cached:.3} | {repeated:.4} | {} B",
        tokens[0].len()
    );
}

/// About the 826 bytes of a usual access token with an RSA-2048 signature.
fn token(issuer: &TestIssuer) -> TokenBuilder {
    issuer
        .token()
        .subject("248289761001")
        .scope("orders:read orders:write profile email")
        .claim("client_id", "s6BhdRkqt3")
        .claim("tenant", "0d6f2b3a-5c1e-4d7a-9b8f-2e4c6a8d0f1b")
        .claim("roles", ["reader", "writer"])
        .expires_in(Duration::from_secs(86_400))
}

/// The raw check.
struct Raw {
    key: ParsedPublicKey,
    signing_input: String,
    signature: Vec<u8>,
}

impl Raw {
    fn new(jwks: &str, algorithm: Algorithm, token: &str) -> Self {
        let jwks: serde_json::Value = serde_json::from_str(jwks).unwrap();
        let member = |name: &str| {
            BASE64URL
                .decode(jwks["keys"][0][name].as_str().unwrap())
                .unwrap()
        };
        let key = match algorithm {
            Algorithm::Rs256 => RsaPublicKeyComponents {
                n: member("n"),
                e: member("e"),
            }
            .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Es256 => ParsedPublicKey::new(
                &signature::ECDSA_P256_SHA256_FIXED,
                [&[4], &member("x")[..], &member("y")].concat(),
            ),
            _ => ParsedPublicKey::new(&signature::ED25519, member("x")),
        };
        let (signing_input, signature) = token.rsplit_once('.').unwrap();
        Self {
            key: key.unwrap(),
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
            return started.elapsed().as_nanos() as f64 / f64::from(calls);
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
