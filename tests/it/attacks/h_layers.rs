//! H, as a tower service sees it: credentials, identities, the order of layers, what is answered.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Empty};
use portcullis::middleware::{ProtectedResource, TokenSource, optional_token};
use portcullis::{
    Audience, AuthLayer, Issuer, KeySet, Rejection, TokenType, VerifiedToken, Verifier,
};
use serde_json::json;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tracing::Level;

use super::{Target, cases};
use crate::support::{Log, discovered, reason};

/// A service behind the layer that says who calls.
pub(crate) struct Door {
    layer: AuthLayer,
    admitted: Arc<AtomicUsize>,
}

/// All that a client gets, and the reason that it does not.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) body: Bytes,
    pub(crate) rejection: Option<Rejection>,
    pub(crate) reason: &'static str,
}

impl Door {
    pub(crate) fn new(verifier: Verifier) -> Self {
        Self {
            layer: AuthLayer::new(verifier),
            admitted: Arc::default(),
        }
    }

    pub(crate) fn optional(self) -> Self {
        Self {
            layer: self.layer.optional(),
            ..self
        }
    }

    pub(crate) fn resource_metadata(self, resource: &ProtectedResource) -> Self {
        Self {
            layer: self.layer.resource_metadata(resource),
            ..self
        }
    }

    pub(crate) async fn knock<B: Send + 'static>(&self, request: Request<B>) -> Answer {
        let admitted = Arc::clone(&self.admitted);
        let handler = service_fn(move |request: Request<B>| {
            admitted.fetch_add(1, Ordering::Relaxed);
            let token = optional_token(&request).unwrap();
            let caller = token.map_or("anonymous", |token| token.subject().unwrap());
            std::future::ready(Ok::<_, Infallible>(Response::new(caller.to_owned())))
        });
        let before = self.admitted.load(Ordering::Relaxed);
        let response = self.layer.layer(handler).oneshot(request).await.unwrap();
        let calls = self.admitted.load(Ordering::Relaxed) - before;
        let (parts, body) = response.into_parts();
        let rejection = parts.extensions.get::<Rejection>().cloned();
        assert!(
            parts.extensions.get::<VerifiedToken>().is_none(),
            "no identity goes back out"
        );
        assert_eq!(
            calls,
            usize::from(rejection.is_none()),
            "the service is called exactly when nothing is refused"
        );
        let collected = body.collect().await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            trailers: collected.trailers().cloned(),
            body: collected.to_bytes(),
            reason: rejection.as_ref().map_or("accepted", Rejection::reason),
            rejection,
        }
    }
}

pub(crate) fn request(path: &str, authorization: &[&str]) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = path.parse().unwrap();
    for value in authorization {
        request
            .headers_mut()
            .append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    request
}

/// With this header, over HTTP and as a gRPC call.
pub(crate) fn both_ways(authorization: &HeaderValue) -> [Request<Empty<Bytes>>; 2] {
    [request("/", &[]), call()].map(|mut request| {
        request
            .headers_mut()
            .insert(AUTHORIZATION, authorization.clone());
        request
    })
}

fn call() -> Request<Empty<Bytes>> {
    let mut request = request("/test.Caller/Name", &[]);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request
}

#[tokio::test]
async fn h2_a_token_anywhere_but_in_the_header_is_not_looked_at() {
    let target = Target::shared();
    let door = Door::new(target.verifier.clone());
    let optional = Door::new(target.verifier.clone()).optional();
    let good = target.good();
    let bearer = format!("Bearer {good}");
    for query in [
        format!("access_token={good}"),
        format!("a=b&access_token={good}"),
        format!("access%5ftoken={good}"),
        format!("ACCESS_TOKEN={good}"),
        format!("token={good}"),
        format!("authorization=Bearer%20{good}"),
    ] {
        let path = format!("/?{query}");
        assert_eq!(
            door.knock(request(&path, &[])).await.reason,
            "no_credentials"
        );
        let anonymous = optional.knock(request(&path, &[])).await;
        assert_eq!(anonymous.body, "anonymous", "{path}");
        let both = door.knock(request(&path, &[&bearer])).await;
        let expected = match query.to_lowercase().replace("%5f", "_") {
            _ if query.starts_with("ACCESS") => "accepted",
            query if query.contains("access_token") => "several_credentials",
            _ => "accepted",
        };
        assert_eq!(both.reason, expected, "{path}");
    }
    let mut cookie = request("/", &[]);
    for value in [format!("access_token={good}"), format!("Bearer {good}")] {
        cookie.headers_mut().append(COOKIE, value.parse().unwrap());
    }
    for name in [
        "proxy-authorization",
        "x-authorization",
        "x-forwarded-authorization",
        "x-access-token",
        "x-original-authorization",
    ] {
        cookie.headers_mut().insert(name, bearer.parse().unwrap());
    }
    assert_eq!(door.knock(cookie).await.reason, "no_credentials");
}

#[tokio::test]
async fn h3_an_identity_from_further_out_opens_nothing() {
    let target = Target::shared();
    let fake = target
        .verifier
        .verify_now(&target.token().subject("mallory").sign());
    let fake = fake.unwrap();
    let asserted = VerifiedToken::dangerously_assert_verified(&json!({ "sub": "root" }));
    let good = format!("Bearer {}", target.good());
    // With keys at hand, and with keys that have to be waited for.
    let fetching = || {
        let builder = Verifier::builder().issuer(discovered(&target.issuer));
        builder.clock(target.clock.clone()).build().unwrap()
    };
    for smuggled in [&fake, &asserted] {
        for wait in [false, true] {
            let verifier = || {
                if wait {
                    fetching()
                } else {
                    target.verifier.clone()
                }
            };
            let strict = Door::new(verifier());
            let optional = Door::new(verifier()).optional();
            let with = |authorization: &[&str]| {
                let mut request = request("/", authorization);
                request.extensions_mut().insert(smuggled.clone());
                for name in [
                    "x-user",
                    "x-auth-request-user",
                    "x_user",
                    "x-forwarded-user",
                ] {
                    request
                        .headers_mut()
                        .insert(name, HeaderValue::from_static("root"));
                }
                request
            };
            let unknown = format!("Bearer {}", target.token().key_id("x").sign());
            for refused in [&[][..], &["Bearer a.b.c"], &["Basic cm9vdDo="], &[&unknown]] {
                assert_eq!(strict.knock(with(refused)).await.status, 401, "{refused:?}");
                let answer = optional.knock(with(refused)).await;
                match refused {
                    [] => assert_eq!(answer.body, "anonymous"),
                    _ => assert_eq!(answer.status, 401, "{refused:?}"),
                }
            }
            assert_eq!(strict.knock(with(&[&good])).await.body, "alice");
            assert_eq!(optional.knock(with(&[&good])).await.body, "alice");
        }
    }
}

/// A body that must not be read.
struct Unread;

impl Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body was read");
    }
}

#[tokio::test]
async fn h6_a_refused_body_is_not_read_and_what_is_invalid_is_not_absent() {
    let target = Target::shared();
    let optional = Door::new(target.verifier.clone()).optional();
    let mut refused = 0;
    for case in cases(target) {
        let Some(value) = case.bearer() else { continue };
        let mut request = Request::new(Unread);
        request.headers_mut().insert(AUTHORIZATION, value);
        let answer = optional.knock(request).await;
        assert!(
            answer.status.is_client_error(),
            "{}: {}",
            case.what,
            answer.status
        );
        refused += 1;
    }
    assert!(refused > 400, "{refused}");
    for value in [
        "",
        " ",
        "Bearer",
        "Bearer ",
        "Basic Og==",
        "null",
        "undefined",
    ] {
        let mut request = Request::new(Unread);
        request
            .headers_mut()
            .insert(AUTHORIZATION, HeaderValue::from_static(value));
        let answer = optional.knock(request).await;
        assert!(answer.status.is_client_error(), "{value:?}");
    }
    assert_eq!(optional.knock(Request::new(Unread)).await.body, "anonymous");
}

/// Everything a client gets, as bytes.
fn wire(answer: &Answer) -> Vec<u8> {
    let mut wire = format!("{}\r\n", answer.status).into_bytes();
    for headers in [Some(&answer.headers), answer.trailers.as_ref()]
        .into_iter()
        .flatten()
    {
        for (name, value) in headers {
            wire.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        wire.extend(b"\r\n");
    }
    wire.extend(&answer.body);
    wire
}

/// What the whole corpus is answered, by the status and the challenge: each is to be one text.
async fn answers(door: &Door, way: usize) -> BTreeMap<(u16, String), Vec<Vec<u8>>> {
    let mut answers: BTreeMap<_, Vec<Vec<u8>>> = BTreeMap::new();
    for case in cases(Target::shared()) {
        let Some(bearer) = case.bearer() else {
            continue;
        };
        let [http, grpc] = both_ways(&bearer);
        let answer = door.knock(if way == 0 { http } else { grpc }).await;
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        let kind = (answer.status.as_u16(), challenge.to_owned());
        let (wire, all) = (wire(&answer), answers.entry(kind).or_default());
        if !all.contains(&wire) {
            all.push(wire);
        }
    }
    answers
}

#[tokio::test]
async fn h7_all_faults_of_a_token_are_answered_with_the_same_bytes() {
    let door = Door::new(Target::shared().verifier.clone());
    let faults = answers(&door, 0).await;
    let kinds: Vec<_> = faults
        .iter()
        .map(|(kind, texts)| (kind.0, &*kind.1, texts.len()))
        .collect();
    assert_eq!(
        kinds,
        [
            (400, r#"Bearer realm="api", error="invalid_request""#, 1),
            (401, r#"Bearer realm="api", error="invalid_token""#, 1),
        ]
    );
    let faults = answers(&door, 1).await;
    let kinds: Vec<_> = faults.values().map(Vec::len).collect();
    assert_eq!(kinds, [1, 1]);
    for texts in faults.values() {
        let text = String::from_utf8_lossy(&texts[0]);
        assert!(text.contains("grpc-status: 16\r\n"), "{text}");
    }
}

/// "No such key" and "not its signature" look alike, and a token says nothing in between.
#[tokio::test]
async fn h8_an_answer_is_no_oracle() {
    let target = Target::shared();
    let door = Door::new(target.verifier.clone());
    let ours = target.key_id(portcullis::Algorithm::Es256);
    let mut wires = Vec::new();
    for (token, reason) in [
        (target.forged().sign(), "unknown_key"),
        (target.forged().key_id(&ours).sign(), "invalid_signature"),
        (target.mallory.token().sign(), "untrusted_issuer"),
        (target.token().audience("x").sign(), "audience_mismatch"),
        (target.token().claim("exp", 1).sign(), "expired"),
        (
            target.token().claim("cnf", json!({})).sign(),
            "binding_required",
        ),
        ("a.b.c".to_owned(), "malformed"),
    ] {
        let answer = door
            .knock(request("/", &[&format!("Bearer {token}")]))
            .await;
        assert_eq!(answer.reason, reason);
        wires.push(wire(&answer));
    }
    wires.dedup();
    assert_eq!(wires.len(), 1);
    // Which claim is wrong is only said of a token whose signature is right.
    for change in ["exp", "aud", "sub"] {
        let token = target.token().claim(change, "").with_invalid_signature();
        let outcome = target.verifier.verify_now(&token);
        assert_eq!(reason(&outcome), "invalid_signature", "{change}");
    }
}

/// Each setting that weakens a check is told of once, when the verifier is built, and none is a default.
#[test]
fn h11_no_danger_is_silent() {
    let target = Target::shared();
    let (log, _guard) = Log::start(Level::INFO);
    let keys = || KeySet::from_json(target.issuer.jwks().as_bytes()).unwrap();
    let usual = Issuer::keys("https://id.example", keys(), Audience::of("x"));
    Verifier::new(usual).unwrap();
    assert_eq!(log.take(), [""; 0]);
    let weak = Issuer::keys("https://id.example", keys(), Audience::dangerously_any())
        .token_type(TokenType::DangerouslyAny)
        .dangerously_allow_http();
    Verifier::new(weak).unwrap();
    let told: Vec<_> = log
        .take()
        .iter()
        .map(|entry| entry.trim().replace(r#" issuer="https://id.example""#, ""))
        .collect();
    let expected = [
        "tokens for any audience are accepted",
        "tokens of any type are accepted",
        "keys are fetched over plain http too",
    ]
    .map(|danger| format!("WARN portcullis::config: {danger}"));
    assert_eq!(told, expected);

    TokenSource::cookie("__Host-token", &[]).unwrap();
    assert_eq!(log.take(), [""; 0]);
    TokenSource::dangerously_cookie("token", &[]).unwrap();
    TokenSource::dangerously_query("token").unwrap();
    let told = log.take();
    assert_eq!(told.len(), 2, "{told:?}");
    for (entry, danger) in told.iter().zip(["a cookie that other hosts", "the query"]) {
        assert!(entry.contains("WARN portcullis::config"), "{entry}");
        assert!(entry.contains(danger), "{entry}");
    }
}

#[test]
fn h12_a_path_is_no_key() {
    for text in [
        "/etc/portcullis/key.pem",
        "key.pem",
        "file:///key.pem",
        "secret",
        "",
    ] {
        assert!(KeySet::from_pem(text.as_bytes()).is_err(), "{text:?}");
        assert!(KeySet::from_json(text.as_bytes()).is_err(), "{text:?}");
    }
}
