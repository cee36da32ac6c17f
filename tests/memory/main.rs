//! Memory is bounded by our limits and not by what is sent: peaks on the heap while hostile input is
//! judged, counted by an allocator. Only the thread that judges is counted, so tests run side by side.
//!
//! `cargo test --all-features --test memory -- --nocapture` shows the peaks.
#![expect(clippy::print_stdout, reason = "a measurement is shown")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::convert::Infallible;
use std::future::ready;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Request, Response};
use portcullis::middleware::{TokenSource, caller};
use portcullis::policy::AuthorizationDetail;
use portcullis::testing::{AUDIENCE, ScriptedFetch, TestIssuer};
use portcullis::{
    Algorithm, Audience, AuthLayer, BearerToken, Facts, FetchErrorKind, FetchResponse, Issuer,
    KeySet, Policy, RequireLayer, VerifiedToken, Verifier, VerifyError, verify_jws,
};
use tower::{Layer as _, Service, service_fn};

const TOKEN_CAP: usize = 16 * 1024;
/// What it takes to look among the tokens that are remembered, where the cache tidies up on the way.
const LOOK_UP: usize = 8 * 1024;
const DOCUMENT_CAP: usize = 512 * 1024;

/// What is parsed takes at most so many times the limit on its text: `0,` is 2 bytes as an element of a list
/// and 16 when found, and a list that grows is there twice.
const TIMES: usize = 20;

/// Runs this and checks its peak.
#[track_caller]
fn check(what: &str, limit: usize, run: impl FnOnce()) {
    let peak = usize::try_from(allocation_counter::measure(run).bytes_max).unwrap();
    println!("{what}: {peak} bytes at the peak");
    assert!(
        peak <= limit,
        "{what}: {peak} bytes, and {limit} are the limit"
    );
}

fn issuer() -> TestIssuer {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(TestIssuer::start()).unwrap()
}

/// Checks what it takes to refuse a token for this reason.
#[track_caller]
fn check_token(what: &str, token: &str, reason: &str, limit: usize) {
    let issuer = issuer();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let trusted = Issuer::keys(issuer.issuer(), keys.clone(), Audience::of(AUDIENCE));
    let verifier = Verifier::new(trusted).unwrap();
    check(what, limit, || {
        let error = verifier.verify_now(token).err();
        assert_eq!(
            error.as_ref().map(VerifyError::reason),
            Some(reason),
            "{what}"
        );
        assert!(verify_jws(token, &keys, Algorithm::ALL).is_err());
    });
}

/// So many members with names of their own, as they stand between the braces of an object.
fn members(count: usize) -> String {
    let members: Vec<_> = (0..count)
        .map(|number| format!(r#""{number:x}":0"#))
        .collect();
    members.join(",")
}

fn token(header: &str, payload: &str) -> String {
    let [header, payload] = [header, payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{payload}.AA")
}

#[test]
fn what_is_too_large_or_no_token_takes_no_memory() {
    for size in [20_000, 1_000_000, 16_000_000] {
        check_token("letters", &"a".repeat(size), "too_large", 0);
        check_token("dots", &".".repeat(size), "too_large", 0);
        let part = "a".repeat(size / 3);
        check_token("parts", &format!("{part}.{part}.{part}"), "too_large", 0);
    }
    check_token("dots", &".".repeat(TOKEN_CAP), "malformed", LOOK_UP);
    check_token(
        "a long header",
        &token(&" ".repeat(10_000), ""),
        "too_large",
        LOOK_UP,
    );
    let header = format!(r#"{{"alg":"ES256",{}}}"#, members(10_000));
    check_token(
        "10,000 members in the header",
        &token(&header, ""),
        "too_large",
        LOOK_UP,
    );
}

#[test]
fn a_header_takes_some_times_its_limit() {
    let of = |member: &str| format!(r#"{{"alg":"ES256",{member}}}"#);
    let limit = TIMES * 2 * 1024;
    for (what, member, reason) in [
        ("members", members(262), "missing_claim"),
        (
            "members in a member",
            format!(r#""x":{{{}}}"#, members(262)),
            "missing_claim",
        ),
        (
            "numbers in a list",
            format!(r#""x":[{}0]"#, "0,".repeat(1_000)),
            "missing_claim",
        ),
        (
            "escapes",
            format!(r#""x":"{}""#, "\\u0061".repeat(330)),
            "missing_claim",
        ),
        (
            "a kid that is too long",
            format!(r#""kid":"{}""#, "\\n".repeat(900)),
            "too_large",
        ),
        (
            "depth",
            format!(r#""x":{}"#, "[".repeat(2_000)),
            "malformed",
        ),
    ] {
        let header = of(&member);
        assert!(
            (1_700..=2_048).contains(&header.len()),
            "{what}: {}",
            header.len()
        );
        check_token(what, &token(&header, "{}"), reason, limit);
    }
}

#[test]
fn claims_take_some_times_the_limit_of_a_token() {
    let of = |member: &str| token(r#"{"alg":"ES256"}"#, &format!("{{{member}}}"));
    let limit = TIMES * TOKEN_CAP;
    for (what, member, reason) in [
        ("members", members(1_500), "missing_claim"),
        (
            "members that are escaped",
            format!(r#"{},"\u0067":0"#, members(1_500)),
            "missing_claim",
        ),
        (
            "names of escapes",
            format!(r#""{}":0"#, "\\u0061".repeat(2_000)),
            "missing_claim",
        ),
        (
            "audiences",
            format!(r#""aud":[{}""]"#, r#""","#.repeat(3_900)),
            "missing_claim",
        ),
        (
            "audiences of escapes",
            format!(r#""aud":[{}""]"#, r#""\n","#.repeat(2_300)),
            "missing_claim",
        ),
        (
            "depth",
            format!(r#""x":{}"#, "[".repeat(12_000)),
            "malformed",
        ),
        (
            "depth in aud",
            format!(r#""aud":{}{}"#, "[".repeat(5_900), "]".repeat(5_900)),
            "missing_claim",
        ),
    ] {
        let token = of(&member);
        assert!(
            (15_000..=TOKEN_CAP).contains(&token.len()),
            "{what}: {}",
            token.len()
        );
        check_token(what, &token, reason, limit);
    }
}

#[test]
fn a_header_of_the_request_takes_no_memory() {
    for value in [
        "Bearer ".to_owned() + &"a".repeat(1_000_000),
        "Bearer ".repeat(100_000),
        ",".repeat(1_000_000),
    ] {
        let headers =
            HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&value).unwrap())]);
        check("an Authorization header", 0, || {
            assert!(BearerToken::from_headers(&headers).is_ok() == value.ends_with('a'))
        });
    }
}

/// Documents of the largest size whose parts take more room in memory than in text.
fn expanding() -> Vec<(&'static str, String)> {
    let fill = |before: &str, part: &str, after: &str| {
        let times = (DOCUMENT_CAP - before.len() - after.len()) / part.len();
        format!("{before}{}{after}", part.repeat(times))
    };
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"#;
    vec![
        ("no keys", fill(r#"{"keys":["#, "0,", "0]}")),
        ("empty keys", fill(r#"{"keys":["#, "{},", "{}]}")),
        ("good keys", fill(r#"{"keys":["#, key, "0]}")),
        (
            "one key of many members",
            fill(r#"{"keys":[{"#, r#""":0,"#, r#""":0}]}"#),
        ),
        (
            "one key of many operations",
            fill(r#"{"keys":[{"kty":"EC","key_ops":["#, r#""","#, r#"""]}]}"#),
        ),
        (
            "a long modulus",
            fill(r#"{"keys":[{"kty":"RSA","e":"AQAB","n":""#, "_", r#""}]}"#),
        ),
        (
            "a long kid of escapes",
            fill(r#"{"keys":[{"kty":"RSA","kid":""#, "\\n", r#""}]}"#),
        ),
        (
            "many members",
            fill(r#"{"keys":[],"#, r#""":0,"#, r#""":0}"#),
        ),
        ("depth", fill("", "[", "")),
    ]
}

#[test]
fn a_key_set_takes_some_times_the_limit_of_a_document() {
    for (what, document) in expanding() {
        check(what, TIMES * DOCUMENT_CAP, || {
            drop(KeySet::from_json(document.as_bytes()))
        });
    }
}

/// A verifier that finds its issuer's metadata, and nothing else, at a network that answers so.
fn discover(document: String) -> (Verifier, tokio::runtime::Runtime) {
    let network = ScriptedFetch::new();
    network.answer(
        "https://id.example.com/.well-known/openid-configuration",
        Ok(FetchResponse::document(document)),
    );
    let issuer = Issuer::discover("https://id.example.com", Audience::of(AUDIENCE));
    let verifier = Verifier::builder()
        .issuer(issuer)
        .fetch(network)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    (verifier, runtime)
}

#[test]
fn metadata_takes_some_times_the_limit_of_a_document() {
    for (what, document) in expanding() {
        let (verifier, runtime) = discover(document);
        check(what, TIMES * DOCUMENT_CAP, || {
            assert!(runtime.block_on(verifier.warm_up()).is_err())
        });
    }
}

/// The network has the document already and hands out a copy; nothing is made of it.
#[test]
fn a_document_that_is_too_large_takes_no_more_than_itself() {
    let bytes = 32 * DOCUMENT_CAP;
    let (verifier, runtime) = discover("[0,".repeat(bytes / 3));
    check("32 times the limit", bytes + 64 * 1024, || {
        let error = runtime.block_on(verifier.warm_up()).unwrap_err();
        let kinds: Vec<_> = error.failures().map(|(_, error)| error.kind()).collect();
        assert_eq!(kinds, [FetchErrorKind::TooLarge]);
    });
}

/// Looking for a token in more places asks for no memory, wherever the token is.
#[test]
fn finding_a_token_allocates_nothing() {
    let issuer = issuer();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    let usual = AuthLayer::new(Verifier::new(trusted).unwrap());
    let everywhere = usual
        .clone()
        .token_from(TokenSource::cookie("__Host-token", &["https://app.example.com"]).unwrap())
        .token_from(TokenSource::dangerously_query("access_token").unwrap())
        .token_from(TokenSource::custom(|_| Ok(None)))
        .token_from(TokenSource::header());
    let token = issuer.token().sign();
    let in_header = || Request::get("/me?page=2").header(AUTHORIZATION, format!("Bearer {token}"));
    let in_cookie = Request::post("/me")
        .header("cookie", format!("a=1; __Host-token={token}"))
        .header("origin", "https://app.example.com");
    let in_query = Request::get(format!("/me?access_token={token}"));
    let expected = allocations(&usual, in_header());
    println!("a request with a known token, through the layer: {expected} allocations");
    for request in [in_header(), in_cookie, in_query] {
        assert_eq!(allocations(&everywhere, request), expected);
    }
}

/// A policy in the layer, in one behind it, in a table of methods, and in the handler.
#[test]
fn a_request_that_a_policy_allows_allocates_nothing_for_it() {
    let issuer = issuer();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    let layer = AuthLayer::new(Verifier::new(trusted).unwrap());
    let policy = Policy::scope("orders:read")
        .and(Policy::role("admin").or(Policy::claim("tenant").equals("acme")));
    let required = layer.clone().require(policy.clone()).unwrap();
    let inner = RequireLayer::new(policy.clone()).unwrap();
    let method = "/shop.Orders/List";
    let methods = RequireLayer::grpc_methods([(method, policy.clone())]).unwrap();

    let token = issuer.token().scope("orders:read").claim("tenant", "acme");
    let token = token.sign();
    let request = || Request::get(method).header(AUTHORIZATION, format!("Bearer {token}"));
    let handler = |_| ready(Ok::<_, Infallible>(Response::new(String::new())));
    let asking = |request: Request<()>| {
        caller(&request).unwrap().check(&policy).unwrap();
        ready(Ok::<_, Infallible>(Response::new(String::new())))
    };
    let expected = allocations_within(layer.layer(service_fn(handler)), request());
    let within = layer.layer(inner.layer(methods.layer(service_fn(handler))));
    assert_eq!(allocations_within(within, request()), expected);
    let required = required.layer(service_fn(handler));
    assert_eq!(allocations_within(required, request()), expected);
    let asked = layer.layer(service_fn(asking));
    assert_eq!(allocations_within(asked, request()), expected);
}

/// How often memory is asked for on the way of a request whose token is known.
fn allocations(layer: &AuthLayer, request: http::request::Builder) -> u64 {
    let handler = |_| ready(Ok::<_, Infallible>(Response::new(String::new())));
    allocations_within(layer.layer(service_fn(handler)), request)
}

fn allocations_within<S, B>(mut service: S, request: http::request::Builder) -> u64
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let request = request.body(()).unwrap();
    // It takes more than one look at a token to know it.
    let mut counts = [0; 5];
    for count in &mut counts {
        let request = request.clone();
        let measured = allocation_counter::measure(|| {
            let response = pin!(service.call(request));
            let polled = response.poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Ok(response)) if response.status() == 200));
        });
        *count = measured.count_total;
    }
    counts[4]
}

/// A span that says nothing of authentication costs nothing, whoever listens.
#[test]
fn a_span_without_the_fields_takes_no_memory() {
    let issuer = issuer();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    let layer = AuthLayer::new(Verifier::new(trusted).unwrap());
    let token = issuer.token().claim("client_id", "console").sign();
    let request = || Request::get("/me").header(AUTHORIZATION, format!("Bearer {token}"));
    let expected = allocations(&layer, request());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::sink)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        assert_eq!(allocations(&layer, request()), expected, "no span");
        let _span =
            tracing::info_span!("request", path = "/me", status = tracing::field::Empty).entered();
        assert_eq!(allocations(&layer, request()), expected, "another span");
        drop(_span);
        let _span =
            tracing::info_span!("request", portcullis.outcome = tracing::field::Empty).entered();
        assert!(
            allocations(&layer, request()) > expected,
            "the counter counts"
        );
    });
}

/// What is counted on the way of most requests, and of what anybody can send, is counted without memory of
/// ours, with a recorder that takes none.
#[cfg(feature = "metrics")]
#[test]
fn counting_takes_no_memory() {
    let issuer = issuer();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    let verifier = Verifier::new(trusted).unwrap();
    let layer = AuthLayer::new(verifier.clone());
    let token = issuer.token().scope("orders:read").sign();
    let request = || Request::get("/me").header(AUTHORIZATION, format!("Bearer {token}"));
    let expected = allocations(&layer, request());
    let policy = Policy::scope("orders:read").named("counting_takes_no_memory");
    let verified = verifier.verify_now(&token).unwrap();
    policy.check(&verified).unwrap();
    let recorder = OneCounter::default();
    metrics::with_local_recorder(&recorder, || {
        let before = recorder.count();
        assert_eq!(allocations(&layer, request()), expected);
        assert_eq!(
            recorder.count() - before,
            10,
            "five hits, each a token and a hit"
        );
        for times in 0..2 {
            let decision = policy.check(&verified);
            let measured = allocation_counter::measure(|| {
                portcullis::telemetry::policy_decision(&policy, &decision);
            });
            assert!(times == 0 || measured.count_total == 0);
        }
        assert_eq!(recorder.count() - before, 12);
        let large = "a".repeat(20_000);
        check("a token that is too large, counted", 0, || {
            assert!(verifier.verify_now(&large).is_err());
        });
        assert_eq!(recorder.count() - before, 13);
    });
}

/// Counts all that is counted, and measures nothing.
#[cfg(feature = "metrics")]
#[derive(Default)]
struct OneCounter(std::sync::Arc<std::sync::atomic::AtomicU64>);

#[cfg(feature = "metrics")]
impl OneCounter {
    fn count(&self) -> u64 {
        self.0.load(std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(feature = "metrics")]
impl metrics::Recorder for OneCounter {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(std::sync::Arc::clone(&self.0))
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(
        &self,
        _: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[test]
fn a_decision_that_allows_takes_no_memory() {
    let claims = serde_json::json!({
        "iss": "https://id.example.com",
        "sub": "alice",
        "scope": "profile orders:read",
        "realm_access": { "roles": ["clerk", "admin"] },
        "tenant": "acme",
        "azp": "app",
        "act": { "sub": "svc" },
        "acr": "gold",
        "amr": ["pwd", "otp"],
        "auth_time": 4_000_000_000_u32,
        "authorization_details": [{ "type": "pay", "actions": ["a", "b"] }],
    });
    let pay = AuthorizationDetail::of_type("pay").action("b");
    let now = UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let facts = Facts::new().owner("https://id.example.com", "alice");
    let facts = facts.fact("tenant", "acme").now(now);
    for policy in [
        Policy::scope("orders:read"),
        Policy::role_at("realm_access.roles", "admin"),
        Policy::claim("tenant").is_one_of(["other", "acme"]),
        Policy::claim("tenant").equals_fact("tenant"),
        Policy::claim("tenant").shares_fact("tenant"),
        Policy::issuer("https://id.example.com"),
        Policy::client("app"),
        Policy::actor("svc"),
        Policy::acr_at_least("silver", ["bronze", "silver", "gold"]),
        Policy::all_amr(["otp", "pwd"]),
        Policy::auth_time_within(Duration::from_secs(60)),
        Policy::authorization_detail(pay),
        Policy::owner(),
        Policy::scope("none").or(Policy::role("none")).not(),
    ] {
        let token = VerifiedToken::dangerously_assert_verified(&claims);
        let first = allocation_counter::measure(|| {
            policy.check_on(&token, &facts).unwrap();
        });
        let later = allocation_counter::measure(|| {
            policy.check_on(&token, &facts).unwrap();
        });
        println!("{policy}: {} allocations the first time", first.count_total);
        assert_eq!(later.count_total, 0, "{policy}");
    }
}

/// A claim of a signed token that expands the most in memory, read by a policy.
#[test]
fn a_claim_that_a_policy_reads_takes_some_times_the_limit_of_a_token() {
    // Of the base64url of a token 3 bytes are left in 4.
    let most = TOKEN_CAP / 4 * 3;
    let of = |part: &str| format!("[{}0]", part.repeat(most / part.len()));
    for (what, list) in [
        ("numbers", of("0,")),
        ("empty lists", of("[],")),
        ("texts", of(r#""","#)),
        ("objects", of(r#"{"":0},"#)),
    ] {
        let list: &serde_json::value::RawValue = serde_json::from_str(&list).unwrap();
        let token = VerifiedToken::dangerously_assert_verified(&serde_json::json!({ "x": list }));
        check(what, TIMES * TOKEN_CAP, || {
            assert!(Policy::role_at("x", "a").check(&token).is_err());
        });
    }
}
