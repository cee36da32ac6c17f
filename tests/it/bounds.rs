//! Each limit from outside: what is below it or at it is served, what is above is refused for it. Limits
//! of settings stand in build_errors.rs, those of waiting and fetching with the faults and floods.

use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{
    Audience, FetchErrorKind, FetchResponse, Issuer, KeySeed, KeySet, SeedError, SkipReason,
    Verifier,
};
use serde_json::{Value, json};

use crate::support::{KEYS, Scene, reason};

const KIB: usize = 1024;

/// An issuer of tokens, and a verifier that has its keys.
struct Gate {
    issuer: TestIssuer,
    verifier: Verifier,
}

impl Gate {
    async fn open() -> Self {
        let issuer = TestIssuer::start().await.unwrap();
        let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
        let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
        Self {
            verifier: Verifier::new(trusted).unwrap(),
            issuer,
        }
    }

    #[track_caller]
    fn check(&self, token: &str, expected: &str) {
        let found = reason(&self.verifier.verify_now(token));
        assert_eq!(found, expected, "{} bytes", token.len());
    }

    /// A header of so many bytes with this `kid`.
    fn header(&self, key_id: &str, bytes: usize) -> String {
        let header = format!(r#"{{"alg":"ES256","kid":"{key_id}"}}"#);
        header.clone() + &" ".repeat(bytes - header.len())
    }

    fn key_id(&self) -> String {
        let jwks: Value = serde_json::from_str(&self.issuer.jwks()).unwrap();
        jwks["keys"][0]["kid"].as_str().unwrap().to_owned()
    }
}

/// A good token of exactly so many bytes. Base64url has no text of every length, so the header grows, too.
fn of_length(gate: &Gate, bytes: usize) -> String {
    let header = gate.header(&gate.key_id(), 80);
    let token = |spaces, padding| {
        let header = header.clone() + &" ".repeat(spaces);
        let token = gate.issuer.token().raw_header(header);
        token.claim("padding", "x".repeat(padding)).sign()
    };
    let room = (bytes - token(0, 0).len()) * 3 / 4;
    let paddings = room.saturating_sub(8)..=room + 8;
    let mut shapes = paddings.flat_map(|padding| (0..4).map(move |spaces| (spaces, padding)));
    let found = shapes.find_map(|(spaces, padding)| {
        let token = token(spaces, padding);
        (token.len() == bytes).then_some(token)
    });
    found.unwrap()
}

#[tokio::test]
async fn a_token_has_at_most_16_kib() {
    let gate = Gate::open().await;
    gate.check(&of_length(&gate, 16 * KIB - 1), "accepted");
    gate.check(&of_length(&gate, 16 * KIB), "accepted");
    gate.check(&of_length(&gate, 16 * KIB + 1), "too_large");
    gate.check(&of_length(&gate, 1024 * KIB), "too_large");
}

#[tokio::test]
async fn a_header_has_at_most_2_kib() {
    let gate = Gate::open().await;
    for (bytes, expected) in [
        (2 * KIB - 1, "accepted"),
        (2 * KIB, "accepted"),
        (2 * KIB + 1, "too_large"),
        (8 * KIB, "too_large"),
    ] {
        let header = gate.header(&gate.key_id(), bytes);
        gate.check(&gate.issuer.token().raw_header(header).sign(), expected);
    }
}

#[tokio::test]
async fn a_key_id_has_at_most_256_bytes() {
    let gate = Gate::open().await;
    for (bytes, expected) in [
        (255, "unknown_key"),
        (256, "unknown_key"),
        (257, "too_large"),
        (1_900, "too_large"),
    ] {
        let header = gate.header(&"k".repeat(bytes), 2 * KIB);
        gate.check(&gate.issuer.token().raw_header(header).sign(), expected);
    }
    // Bytes are counted after unescaping, and characters are not.
    for (key_id, expected) in [
        ("\\u0061".repeat(256), "unknown_key"),
        ("\\u0061".repeat(257), "too_large"),
        ("é".repeat(128), "unknown_key"),
        ("é".repeat(129), "too_large"),
    ] {
        let header = gate.header(&key_id, 2 * KIB);
        gate.check(&gate.issuer.token().raw_header(header).sign(), expected);
    }
}

#[tokio::test]
async fn dots_are_no_token_however_many() {
    let gate = Gate::open().await;
    for (dots, expected) in [
        (1, "malformed"),
        (2, "malformed"),
        (3, "malformed"),
        (10_000, "malformed"),
        (16 * KIB, "malformed"),
        (16 * KIB + 1, "too_large"),
        (1_000_000, "too_large"),
    ] {
        gate.check(&".".repeat(dots), expected);
    }
}

/// What is nested as deeply as length allows costs no stack: the signature is right, so everything that looks at
/// claims has looked.
#[tokio::test]
async fn the_deepest_signed_claims_fit_a_small_stack() {
    let gate = Gate::open().await;
    let mut tokens = Vec::new();
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for (claim, expected) in [
            ("tenant", "malformed"),
            ("sub", "invalid_claim"),
            ("aud", "invalid_claim"),
            ("exp", "invalid_claim"),
            ("scope", "invalid_claim"),
            ("cnf", "malformed"),
            ("events", "malformed"),
        ] {
            let rest: String = [
                ("iss", format!("{:?}", gate.issuer.issuer())),
                ("aud", format!("{AUDIENCE:?}")),
                ("exp", "9999999999".to_owned()),
            ]
            .iter()
            .filter(|(name, _)| *name != claim)
            .map(|(name, value)| format!(r#","{name}":{value}"#))
            .collect();
            let depth = (11 * KIB - rest.len()) / (open.len() + close.len());
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            let payload = format!(r#"{{"{claim}":{open}1{close}{rest}}}"#);
            tokens.push((gate.issuer.token().raw_payload(payload).sign(), expected));
        }
    }
    let small_stack = std::thread::Builder::new().stack_size(64 * KIB);
    let checks = move || {
        for (token, expected) in tokens {
            gate.check(&token, expected);
        }
    };
    small_stack.spawn(checks).unwrap().join().unwrap();
}

/// A claim is 126 levels deep at most, which are 127 with the claims themselves: as deep as a handler can read.
#[tokio::test]
async fn a_claim_is_as_deep_as_can_be_read() {
    let gate = Gate::open().await;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        for (depth, expected) in [(125, "accepted"), (126, "accepted"), (127, "malformed")] {
            let claim = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let payload = format!(
                r#"{{"iss":{:?},"aud":"{AUDIENCE}","exp":9999999999,"tenant":{claim}}}"#,
                gate.issuer.issuer()
            );
            let token = gate.issuer.token().raw_payload(payload).sign();
            gate.check(&token, expected);
        }
    }
}

/// The scene's issuer publishes this document; what a good token hears, and why keys could not be had.
async fn with_document(scene: &Scene, document: String) -> (&'static str, Option<FetchErrorKind>) {
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::document(document)));
    let good = scene.good().await;
    (good, scene.status().last_error().map(|error| error.kind()))
}

#[tokio::test]
async fn a_fetched_key_set_has_at_most_512_kib() {
    for (bytes, expected) in [
        (512 * KIB - 1, ("accepted", None)),
        (512 * KIB, ("accepted", None)),
        (
            512 * KIB + 1,
            ("keys_unavailable", Some(FetchErrorKind::TooLarge)),
        ),
    ] {
        let scene = Scene::set().await;
        let jwks = scene.issuer.jwks();
        let padding = " ".repeat(bytes - jwks.len());
        let found = with_document(&scene, jwks + &padding).await;
        assert_eq!(found, expected, "{bytes}");
    }
}

#[tokio::test]
async fn a_seeded_key_set_has_at_most_512_kib() {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    let mut seed: Value = serde_json::from_str(&scene.verifier.export_keys().to_json()).unwrap();
    let published = seed["issuers"][0]["jwks"].clone();
    for (bytes, is_taken) in [(512 * KIB, true), (512 * KIB + 1, false)] {
        let mut jwks = published.clone();
        jwks["padding"] = json!("");
        let padding = bytes - jwks.to_string().len();
        jwks["padding"] = json!("x".repeat(padding));
        seed["issuers"][0]["jwks"] = jwks;
        let seed = KeySeed::from_json(seed.to_string().as_bytes()).unwrap();
        let outcome = scene.verifier.seed_keys(&seed);
        let issuer = scene.issuer.issuer().to_owned();
        let expected = is_taken
            .then_some(())
            .ok_or(SeedError::NotAKeySet { issuer });
        assert_eq!(outcome, expected, "{bytes}");
    }
}

#[tokio::test]
async fn of_a_fetched_key_set_100_keys_serve() {
    for (before, expected) in [
        (98, ("accepted", 99, 0)),
        (99, ("accepted", 100, 0)),
        (100, ("unknown_key", 100, 1)),
    ] {
        let scene = Scene::set().await;
        let jwks: Value = serde_json::from_str(&scene.issuer.jwks()).unwrap();
        let own = &jwks["keys"][0];
        let mut keys: Vec<_> = (0..before)
            .map(|number| {
                let mut key = own.clone();
                key["kid"] = json!(format!("another-{number}"));
                key
            })
            .collect();
        keys.push(own.clone());
        let (good, _) = with_document(&scene, json!({ "keys": keys }).to_string()).await;
        let status = scene.status();
        let skipped = status.skipped();
        assert_eq!((good, status.key_count(), skipped.len()), expected);
        let reasons = skipped.iter().map(|skipped| skipped.reason());
        assert!(reasons.eq(vec![SkipReason::TooManyKeys; skipped.len()]));
    }
}
