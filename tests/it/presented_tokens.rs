//! A layer looks at the characters of what is presented as a token only when it refuses it, and nobody can
//! tell: whatever bytes a header has, the answer and what is counted are those of looking at them first.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use portcullis::testing::AUDIENCE;
use portcullis::{Audience, AuthLayer, BearerToken, Issuer, Rejection, Verifier};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRng, TestRunner};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{KEYS, Scene, reason};

/// Bytes of every kind that a header may have: of base64url, of a `b64token` beside, of neither, and what is
/// no text.
const BYTES: &[u8] =
    b"Az09-_.+/~= \t,;:!\"#$%&'()*<>?@[\\]^`{|}\x80\x9f\xa0\xbf\xc2\xc3\xe2\xf0\xfe\xff";

/// What may stand before the token.
const SCHEMES: &[&[u8]] = &[b"Bearer ", b"bearer  ", b"Bearer", b"DPoP ", b""];

/// Status, challenge and reason.
type Outcome = (u16, Option<&'static str>, &'static str);

/// What is answered when the characters are looked at first.
async fn looking_first(verifier: &Verifier, headers: &HeaderMap) -> Outcome {
    let reason = match BearerToken::from_headers(headers) {
        Ok(None) => "no_credentials",
        Ok(Some(token)) => reason(&verifier.verify(token.as_str()).await),
        Err(error) => error.reason(),
    };
    let (status, challenge) = match reason {
        "accepted" => (200, None),
        "no_credentials" | "other_scheme" => (401, Some(r#"Bearer realm="api""#)),
        "malformed_credentials" | "several_credentials" => {
            (400, Some(r#"Bearer realm="api", error="invalid_request""#))
        }
        _ => (401, Some(r#"Bearer realm="api", error="invalid_token""#)),
    };
    (status, challenge, reason)
}

/// Asserts that the layer answers the same.
async fn check_layer(verifier: &Verifier, headers: HeaderMap, expected: Outcome) {
    let handler = |_| ready(Ok::<_, Infallible>(Response::new(String::new())));
    let service = AuthLayer::new(verifier.clone()).layer(service_fn(handler));
    let shown = format!(
        "{:?}",
        headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)
    );
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    let response = service.oneshot(request).await.unwrap();
    let challenge = response.headers().get(WWW_AUTHENTICATE);
    let rejection = response.extensions().get::<Rejection>();
    let outcome = (
        response.status().as_u16(),
        challenge.map(|value| value.to_str().unwrap()),
        rejection.map_or("accepted", Rejection::reason),
    );
    assert_eq!(outcome, expected, "{shown}");
}

/// What is counted and measured meanwhile, but for refused requests, which only a layer has.
fn counted<T>(run: impl FnOnce() -> T) -> (T, Vec<String>) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let outcome = metrics::with_local_recorder(&recorder, run);
    let mut lines = Vec::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let name = key.key().name();
        if name != "portcullis_rejections_total" && !matches!(value, DebugValue::Gauge(_)) {
            lines.push(format!("{} {value:?}", key.key()));
        }
    }
    lines.sort();
    (outcome, lines)
}

fn headers(values: &[&[u8]]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

fn bearer(token: &[u8]) -> HeaderMap {
    headers(&[&[b"Bearer ", token].concat()])
}

/// Two verifiers of one issuer that have seen the same: one is asked directly, one by the layer.
struct Pair {
    runtime: Runtime,
    scene: Scene,
    layer: Verifier,
}

impl Pair {
    fn set() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (scene, layer) = runtime.block_on(async {
            let scene = Scene::set().await;
            let trusted = Issuer::jwks_uri(scene.issuer.issuer(), KEYS, Audience::of(AUDIENCE));
            let builder = Verifier::builder()
                .issuer(trusted)
                .clock(scene.clock.clone());
            let layer = builder.fetch(scene.network.clone()).build().unwrap();
            scene.verifier.warm_up().await.unwrap();
            layer.warm_up().await.unwrap();
            (scene, layer)
        });
        Self {
            runtime,
            scene,
            layer,
        }
    }

    fn check(&self, headers: HeaderMap) -> &'static str {
        let first = looking_first(&self.scene.verifier, &headers);
        let (expected, lines) = counted(|| self.runtime.block_on(first));
        // What is no token is no verification.
        let is_token = matches!(BearerToken::from_headers(&headers), Ok(Some(_)));
        assert_eq!(!lines.is_empty(), is_token, "{lines:?}");
        let layer = check_layer(&self.layer, headers, expected);
        let ((), counted_by_layer) = counted(|| self.runtime.block_on(layer));
        assert_eq!(counted_by_layer, lines, "{expected:?}");
        expected.2
    }
}

/// A good token with another byte in one place, or with one more.
fn nearly(good: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let places = (0..=good.len()).flat_map(|at| BYTES.iter().map(move |&byte| (at, byte)));
    places.flat_map(move |(at, byte)| {
        let (before, after) = good.split_at(at);
        let more = [before, &[byte], after].concat();
        let another = after
            .get(1..)
            .map(|after| [before, &[byte], after].concat());
        // One more everywhere would say no more than one more here and there.
        let is_chosen = at % 16 == 0 || at + 2 >= good.len();
        another.into_iter().chain(is_chosen.then_some(more))
    })
}

#[test]
fn a_good_token_with_any_byte_anywhere_is_answered_as_ever() {
    let pair = Pair::set();
    let good = pair.scene.token().sign().into_bytes();
    let mut reasons = BTreeSet::new();
    for _ in 0..3 {
        assert_eq!(pair.check(bearer(&good)), "accepted"); // remembered from here on
    }
    for text in nearly(&good) {
        let reason = pair.check(bearer(&text));
        let token = text.strip_prefix(b" ").unwrap_or(&text);
        assert_eq!(reason == "accepted", token == good, "{text:?}");
        reasons.insert(reason);
    }
    for reason in [
        "accepted",
        "invalid_signature",
        "malformed",
        "malformed_credentials",
        "several_credentials",
    ] {
        assert!(
            reasons.contains(reason),
            "{reason} is not among {reasons:?}"
        );
    }
}

#[test]
fn what_is_both_no_token_and_refusable_is_answered_as_ever() {
    let pair = Pair::set();
    let good = pair.scene.token().sign();
    let expired = pair
        .scene
        .token()
        .expired_for(Duration::from_secs(86_400))
        .sign();
    let long = "a".repeat(17 * 1024);
    for (text, expected) in [
        (String::new(), "malformed_credentials"),
        ("=".to_owned(), "malformed_credentials"),
        ("a=b".to_owned(), "malformed_credentials"),
        (",".to_owned(), "several_credentials"),
        ("a==".to_owned(), "malformed"),
        (long.clone(), "too_large"),
        (format!("{long}$"), "malformed_credentials"),
        (format!("{long},"), "several_credentials"),
        (format!("{good} "), "malformed_credentials"),
        (format!("{good}\t"), "malformed_credentials"),
        (format!("  {good}"), "accepted"),
        (format!("{good}, Bearer {good}"), "several_credentials"),
        (format!("{good},{expired}"), "several_credentials"),
        (format!("{good}="), "malformed"),
        (format!("{good}+"), "malformed"),
        (expired.clone(), "expired"),
        (format!("{expired}$"), "malformed_credentials"),
        (format!("\u{fc}{good}"), "malformed_credentials"),
        (pair.scene.token().key_id("x").sign(), "unknown_key"),
        (pair.scene.token().unsigned(), "unsupported_algorithm"),
        (
            format!("{}%", pair.scene.token().unsigned()),
            "malformed_credentials",
        ),
    ] {
        assert_eq!(pair.check(bearer(text.as_bytes())), expected, "{text}");
    }
    let bearer = format!("Bearer {good}").into_bytes();
    for values in [
        &[][..],
        &[&b""[..]],
        &[b"Bearer"],
        &[b"Basic cm9vdDo="],
        &[b"Bearer\t"],
        &[&bearer, &bearer],
        &[&bearer, b"Bearer $"],
        &[b"Bearer $", &bearer],
    ] {
        pair.check(headers(values));
    }
}

#[test]
fn any_bytes_are_answered_as_ever() {
    let pair = Pair::set();
    let good = pair.scene.token().sign().into_bytes();
    let byte = prop_oneof![select(BYTES), 0x80..=0xff_u8, 0x20..0x7f_u8];
    let scheme = select(SCHEMES);
    let token = prop_oneof![
        Just(good),
        vec(select(&b"ab.-"[..]), 0..9),
        Just(b"a.b.c".to_vec())
    ];
    let header = (scheme, token, vec(byte, 0..4))
        .prop_map(|(scheme, token, bytes)| headers(&[&[scheme, &token, &bytes].concat()]));
    let config = Config {
        cases: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(Default::default());
    let answered = TestRunner::new_with_rng(config, rng).run(&header, |headers| {
        pair.check(headers);
        Ok(())
    });
    answered.unwrap();
}

/// Only a fetch could bring the key of a token that is one.
#[tokio::test]
async fn nothing_is_fetched_for_what_is_no_token() {
    let scene = Scene::set().await;
    let good = scene.token().sign();
    for text in nearly(good.as_bytes()) {
        let headers = bearer(&text);
        if BearerToken::from_headers(&headers).is_err() {
            let expected = looking_first(&scene.verifier, &headers).await;
            check_layer(&scene.verifier, headers, expected).await;
        }
    }
    assert_eq!(scene.fetches(), 0);
    let expected = (200, None, "accepted");
    check_layer(&scene.verifier, bearer(good.as_bytes()), expected).await;
    assert_eq!(scene.fetches(), 1);
}
