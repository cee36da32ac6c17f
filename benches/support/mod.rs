//! What the benchmarks measure, and what they measure it against.
#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    reason = "each benchmark uses a part of it, and some read the time"
)]

use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use portcullis::testing::{AUDIENCE, TestIssuer, TokenBuilder};
use portcullis::{Algorithm, Audience, AuthLayer, Issuer, KeySet, TokenCache, Verifier};
use tokio::runtime::Runtime;
use tower::{Layer as _, Service};

/// An issuer on loopback, with a key an algorithm.
pub(crate) struct Scene {
    pub(crate) runtime: Runtime,
    pub(crate) issuer: TestIssuer,
}

impl Scene {
    /// Three keys are published, as most issuers do. The first one signs.
    pub(crate) fn of(algorithm: Algorithm) -> Self {
        let others = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];
        let others = others.into_iter().filter(|&other| other != algorithm);
        let runtime = Runtime::new().unwrap();
        let issuer = TestIssuer::start_with([algorithm].into_iter().chain(others));
        let issuer = runtime.block_on(issuer).unwrap();
        Self { runtime, issuer }
    }

    /// A usual access token: some 820 bytes with an RSA-2048 signature.
    pub(crate) fn token(&self) -> TokenBuilder {
        self.issuer
            .token()
            .subject("248289761001")
            .scope("orders:read orders:write profile email")
            .claim("client_id", "s6BhdRkqt3")
            .claim("tenant", "0d6f2b3a-5c1e-4d7a-9b8f-2e4c6a8d0f1b")
            .claim("roles", ["reader", "writer"])
            .claim("locale", "en-GB")
            .expires_in(Duration::from_secs(86_400))
    }

    /// So many tokens that differ.
    pub(crate) fn tokens(&self, count: usize) -> Vec<String> {
        (0..count)
            .map(|n| self.token().claim("n", 10_000 + n).sign())
            .collect()
    }

    /// A verifier with the issuer's keys at hand, as in a service that runs.
    pub(crate) fn verifier(&self, cache_bytes: u64) -> Verifier {
        let issuer = Issuer::discover(self.issuer.issuer(), Audience::of(AUDIENCE));
        let builder = Verifier::builder().issuer(issuer);
        let verifier = builder
            .cache(TokenCache::bytes(cache_bytes))
            .build()
            .unwrap();
        self.runtime.block_on(verifier.warm_up()).unwrap();
        verifier
    }
}

impl Scene {
    /// A verifier of this issuer with so many keys, of which the first has signed.
    pub(crate) fn among_keys(&self, count: usize) -> Verifier {
        let issuer = trust(self.issuer.issuer(), self.keys(count));
        let builder = Verifier::builder().issuer(issuer);
        builder.cache(TokenCache::off()).build().unwrap()
    }

    /// A verifier of so many issuers, this one being the last.
    pub(crate) fn among_issuers(&self, count: usize) -> Verifier {
        let others = (1..count).map(|n| format!("https://{n}.example.com"));
        let names = others.chain([self.issuer.issuer().to_owned()]);
        let builder = names.fold(Verifier::builder(), |builder, name| {
            builder.issuer(trust(&name, self.keys(1)))
        });
        builder.cache(TokenCache::off()).build().unwrap()
    }

    fn keys(&self, count: usize) -> KeySet {
        let jwks: serde_json::Value = serde_json::from_str(&self.issuer.jwks()).unwrap();
        let mut keys = vec![jwks["keys"][0].clone(); count];
        for (n, key) in keys.iter_mut().enumerate().skip(1) {
            key["kid"] = format!("another-{n}").into();
        }
        let document = serde_json::json!({ "keys": keys }).to_string();
        KeySet::from_json(document.as_bytes()).unwrap()
    }
}

fn trust(issuer: &str, keys: KeySet) -> Issuer {
    Issuer::keys(issuer, keys, Audience::of(AUDIENCE))
}

/// Whether each benchmark is only to show that it runs, as under `cargo test --benches`.
pub(crate) fn is_test() -> bool {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    given("--test") || !given("--bench")
}

/// As much as the default.
pub(crate) const CACHE: u64 = 8 << 20;

/// The floor: signatures of the same tokens, checked with aws-lc-rs alone and a key that was parsed before.
/// The same ones, because to check one takes longer than to check another.
pub(crate) struct Raw {
    key: ParsedPublicKey,
    signed: Vec<(String, Vec<u8>)>,
}

impl Raw {
    pub(crate) fn new(scene: &Scene, algorithm: Algorithm, tokens: &[String]) -> Self {
        let jwks: serde_json::Value = serde_json::from_str(&scene.issuer.jwks()).unwrap();
        let member = |name: &str| {
            BASE64URL
                .decode(jwks["keys"][0][name].as_str().unwrap())
                .unwrap()
        };
        let point = || [&[4], &member("x")[..], &member("y")].concat();
        let rsa = |parameters| {
            let (n, e) = (member("n"), member("e"));
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
        };
        let key = match algorithm {
            Algorithm::Rs256 => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => rsa(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => rsa(&signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => rsa(&signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point()),
            Algorithm::Es384 => ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point()),
            Algorithm::Es512 => ParsedPublicKey::new(&signature::ECDSA_P521_SHA512_FIXED, point()),
            Algorithm::EdDsa | Algorithm::Ed25519 => {
                ParsedPublicKey::new(&signature::ED25519, member("x"))
            }
            Algorithm::MlDsa44 => ParsedPublicKey::new(&signature::ML_DSA_44, member("pub")),
            Algorithm::MlDsa65 => ParsedPublicKey::new(&signature::ML_DSA_65, member("pub")),
            Algorithm::MlDsa87 => ParsedPublicKey::new(&signature::ML_DSA_87, member("pub")),
            other => panic!("no floor for {other}"),
        };
        let signed = tokens.iter().map(|token| {
            let (signing_input, signature) = token.rsplit_once('.').unwrap();
            (
                signing_input.to_owned(),
                BASE64URL.decode(signature).unwrap(),
            )
        });
        Self {
            key: key.unwrap(),
            signed: signed.collect(),
        }
    }

    pub(crate) fn check(&self, index: usize) {
        let (signing_input, signature) = &self.signed[index];
        let input = black_box(signing_input.as_bytes());
        assert!(self.key.verify_sig(input, signature).is_ok());
    }
}

/// A service that does nothing, behind the layer or bare.
pub(crate) struct Edge<S>(S);

pub(crate) fn bare() -> Edge<impl Service<Request<()>, Response: Status>> {
    Edge(empty())
}

pub(crate) fn guarded(verifier: Verifier) -> Edge<impl Service<Request<()>, Response: Status>> {
    Edge(AuthLayer::new(verifier).layer(empty()))
}

fn empty()
-> impl Service<Request<()>, Response = Response<()>, Error = std::convert::Infallible, Future: Send>
+ Clone
+ Send {
    tower::service_fn(|_| std::future::ready(Ok(Response::new(()))))
}

/// The status of a response, whatever its body.
pub(crate) trait Status {
    fn is_success(&self) -> bool;
}

impl<B> Status for Response<B> {
    fn is_success(&self) -> bool {
        self.status().is_success()
    }
}

impl<S: Service<Request<()>, Response: Status>> Edge<S> {
    /// One request, made and answered here and now.
    pub(crate) fn call(&mut self, authorization: &http::HeaderValue) {
        let mut request = Request::new(());
        request
            .headers_mut()
            .insert(AUTHORIZATION, authorization.clone());
        let mut context = Context::from_waker(Waker::noop());
        assert!(self.0.poll_ready(&mut context).is_ready());
        let response = pin!(self.0.call(request)).poll(&mut context);
        match response {
            Poll::Ready(Ok(response)) => assert!(response.is_success()),
            _ => panic!("the keys are at hand, so nothing is waited for"),
        }
    }
}

pub(crate) fn authorization(token: &str) -> http::HeaderValue {
    http::HeaderValue::from_str(&format!("Bearer {token}")).unwrap()
}

/// Long enough that a reading of the clock is nothing beside it.
pub(crate) const ROUND: Duration = Duration::from_millis(4);

/// Nanoseconds a call.
pub(crate) fn per_call(mut call: impl FnMut()) -> f64 {
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
