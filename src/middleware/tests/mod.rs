//! The layer around services that watch how they are called.

mod policies;
pub(crate) mod support;
mod token_sources;
#[cfg(feature = "remote")]
mod waiting;

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use serde_json::json;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

use super::{
    AuthLayer, AuthService, ProtectedResource, Rejection, ResponseBody, ResponseFuture,
    optional_token, verified_token,
};
use crate::{VerifiedToken, Verifier, VerifyError};

/// Says who calls, or refuses as a handler would.
async fn whoami(request: Request<Empty<Bytes>>) -> Result<Response<String>, Infallible> {
    match optional_token(&request) {
        Ok(Some(token)) => Ok(Response::new(token.subject().unwrap().to_owned())),
        Ok(None) => Ok(Response::new("anonymous".to_owned())),
        Err(rejection) => Ok(rejection.respond().map(|_| String::new())),
    }
}

async fn never(_: Request<Empty<Bytes>>) -> Result<Response<String>, Infallible> {
    panic!("the service was called for a request that must be refused");
}

fn request(authorization: &[&str]) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    for value in authorization {
        request
            .headers_mut()
            .append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    request
}

fn bearer(token: &str) -> Request<Empty<Bytes>> {
    request(&[&format!("Bearer {token}")])
}

#[track_caller]
fn check_refused(layer: &AuthLayer, request: Request<Empty<Bytes>>, status: u16, reason: &str) {
    let response = now(layer.layer(service_fn(never)).oneshot(request)).unwrap();
    assert_eq!(response.status(), status);
    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().reason(),
        reason
    );
}

#[track_caller]
fn check_admitted(layer: &AuthLayer, request: Request<Empty<Bytes>>, caller: &str) {
    let response = now(layer.layer(service_fn(whoami)).oneshot(request)).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        now(response.into_body().collect()).unwrap().to_bytes(),
        caller
    );
}

/// The outcome of a future that has no reason to wait; there is not even a runtime.
#[track_caller]
fn now<F: Future>(future: F) -> F::Output {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the future waits"),
    }
}

#[test]
fn a_verified_token_reaches_the_service() {
    let layer = AuthLayer::new(support::verifier());
    check_admitted(&layer, bearer(&support::token(&json!({}))), "alice");
    check_admitted(
        &layer.optional(),
        bearer(&support::token(&json!({ "sub": "bob" }))),
        "bob",
    );
}

#[test]
fn whatever_is_not_one_acceptable_token_is_refused() {
    let good = support::token(&json!({}));
    for optional in [false, true] {
        let layer = AuthLayer::new(support::verifier());
        let layer = if optional { layer.optional() } else { layer };
        check_refused(&layer, bearer("a.b.c"), 401, "malformed");
        check_refused(
            &layer,
            bearer(&support::token(&json!({ "exp": 1 }))),
            401,
            "expired",
        );
        check_refused(
            &layer,
            bearer(&support::token(&json!({ "aud": "bills" }))),
            401,
            "audience_mismatch",
        );
        check_refused(
            &layer,
            bearer(&support::token_of_unknown_key()),
            401,
            "unknown_key",
        );
        check_refused(&layer, bearer(&"a".repeat(17 * 1024)), 401, "too_large");
        check_refused(
            &layer,
            request(&[&format!("Basic {good}")]),
            401,
            "other_scheme",
        );
        check_refused(
            &layer,
            request(&[&format!("DPoP {good}")]),
            401,
            "other_scheme",
        );
        check_refused(&layer, request(&["Bearer"]), 400, "malformed_credentials");
        check_refused(
            &layer,
            request(&[&format!("Bearer {good} ")]),
            400,
            "malformed_credentials",
        );
        let one = format!("Bearer {good}");
        check_refused(&layer, request(&[&one, &one]), 400, "several_credentials");
        check_refused(
            &layer,
            request(&["Basic a", &one]),
            400,
            "several_credentials",
        );
        check_refused(
            &layer,
            request(&[&format!("{one}, {one}")]),
            400,
            "several_credentials",
        );
    }
}

#[test]
fn a_token_in_header_and_query_is_one_too_many() {
    let at = |path: &str, mut request: Request<Empty<Bytes>>| {
        *request.uri_mut() = path.parse().unwrap();
        request
    };
    let good = support::token(&json!({}));
    for optional in [false, true] {
        let layer = AuthLayer::new(support::verifier());
        let layer = if optional { layer.optional() } else { layer };
        for path in [
            "/me?access_token=a.b.c",
            "/me?page=2&access_token=",
            "/me?access%5Ftoken=a",
            "/me?a%6eother=1&%61ccess_token",
            "https://api.example.com/?access_token&page=2",
        ] {
            check_refused(&layer, at(path, bearer(&good)), 400, "several_credentials");
        }
        for path in [
            "/access_token=a",
            "/me?page=access_token",
            "/me?access_tokens=a&my_access_token=b",
            "/me?",
        ] {
            check_admitted(&layer, at(path, bearer(&good)), "alice");
        }
    }
    // Alone in the query it is not looked at.
    let alone = || at("/me?access_token=a.b.c", request(&[]));
    let layer = AuthLayer::new(support::verifier());
    check_refused(&layer, alone(), 401, "no_credentials");
    check_admitted(&layer.optional(), alone(), "anonymous");
}

#[test]
fn only_an_absent_header_is_anonymous_and_only_on_demand() {
    let layer = AuthLayer::new(support::verifier());
    check_refused(&layer, request(&[]), 401, "no_credentials");
    check_admitted(&layer.clone().optional(), request(&[]), "anonymous");
    // The setter changed the clone alone.
    check_refused(&layer, request(&[]), 401, "no_credentials");
}

#[test]
fn no_method_is_let_through_by_itself() {
    let layer = AuthLayer::new(support::verifier());
    for method in [
        Method::OPTIONS,
        Method::HEAD,
        Method::TRACE,
        Method::CONNECT,
    ] {
        let mut request = request(&[]);
        *request.method_mut() = method;
        check_refused(&layer, request, 401, "no_credentials");
    }
}

#[test]
fn a_token_from_further_out_is_removed() {
    let verifier = support::verifier();
    let smuggled = verifier
        .verify_now(&support::token(&json!({ "sub": "mallory" })))
        .unwrap();
    let with_smuggled = |mut request: Request<Empty<Bytes>>| {
        request.extensions_mut().insert(smuggled.clone());
        request
    };
    let layer = AuthLayer::new(verifier);
    check_refused(&layer, with_smuggled(request(&[])), 401, "no_credentials");
    check_admitted(
        &layer,
        with_smuggled(bearer(&support::token(&json!({})))),
        "alice",
    );
    check_admitted(&layer.optional(), with_smuggled(request(&[])), "anonymous");
}

#[test]
fn the_inner_layer_of_two_decides() {
    let optional = AuthLayer::new(support::verifier()).optional();
    let strict = AuthLayer::new(support::verifier());
    let service = optional.layer(strict.layer(service_fn(never)));
    assert_eq!(now(service.oneshot(request(&[]))).unwrap().status(), 401);
}

#[test]
fn a_grpc_call_is_refused_in_the_headers() {
    let mut request = request(&[]);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    request
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    let layer = AuthLayer::new(support::verifier());
    let response = now(layer.layer(service_fn(never)).oneshot(request)).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "16");
    assert!(response.body().is_end_stream());
}

#[test]
fn the_response_is_the_layers_own() {
    let layer = AuthLayer::new(support::verifier())
        .realm("orders")
        .on_rejection(|rejection| {
            let mut response = rejection.to_response();
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        });
    let response = now(layer.layer(service_fn(never)).oneshot(bearer("a.b.c"))).unwrap();
    assert_eq!(response.status(), 404);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="orders", error="invalid_token""#
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(matches!(
        response.extensions().get(),
        Some(VerifyError::Malformed(_))
    ));
}

#[test]
fn every_challenge_says_where_the_metadata_is() {
    let resource = ProtectedResource::new("https://api.example.com/mcp", &support::verifier());
    let layer = AuthLayer::new(support::verifier()).resource_metadata(&resource.unwrap());
    let url = "https://api.example.com/.well-known/oauth-protected-resource/mcp";
    for (authorization, error) in [
        (&[][..], ""),
        (&["Basic cm9vdDo="], ""),
        (&["Bearer"], r#", error="invalid_request""#),
        (&["Bearer a.b.c"], r#", error="invalid_token""#),
    ] {
        let mut call = request(authorization);
        *call.method_mut() = Method::POST;
        *call.version_mut() = Version::HTTP_2;
        call.headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        for request in [request(authorization), call] {
            let response = now(layer.layer(service_fn(never)).oneshot(request)).unwrap();
            let expected = format!(r#"Bearer realm="api"{error}, resource_metadata="{url}""#);
            assert_eq!(response.headers()["www-authenticate"], expected);
        }
    }
    // A handler's refusal, and the default one that a custom one starts from, say so too.
    let layer = layer
        .optional()
        .on_rejection(|rejection| rejection.clone().respond());
    let service = layer.layer(service_fn(async |request: Request<Empty<Bytes>>| {
        let rejection = verified_token(&request).unwrap_err();
        Ok::<_, Infallible>(rejection.respond().map(|_| String::new()))
    }));
    let response = now(service.oneshot(request(&[]))).unwrap();
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains(url), "{challenge}");
}

#[test]
fn a_handler_refuses_as_the_layer_would() {
    async fn strict(request: Request<Empty<Bytes>>) -> Result<Response<String>, Infallible> {
        let rejection = verified_token(&request).unwrap_err();
        Ok(rejection
            .respond()
            .map(|body| String::from_utf8(body.into()).unwrap()))
    }
    let layer = AuthLayer::new(support::verifier())
        .optional()
        .realm("orders");
    let response = now(layer.layer(service_fn(strict)).oneshot(request(&[]))).unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="orders""#
    );
}

#[test]
fn an_unguarded_request_is_not_an_anonymous_one() {
    let response = now(service_fn(whoami).oneshot(request(&[]))).unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().reason(),
        "layer_missing"
    );
}

#[test]
fn the_services_own_error_passes() {
    async fn broken(_: Request<Empty<Bytes>>) -> Result<Response<String>, io::ErrorKind> {
        Err(io::ErrorKind::BrokenPipe)
    }
    let service = AuthLayer::new(support::verifier())
        .optional()
        .layer(service_fn(broken));
    assert_eq!(
        now(service.oneshot(request(&[]))).unwrap_err(),
        io::ErrorKind::BrokenPipe
    );
}

/// Panics when called without having been polled ready; a clone has to be polled by itself.
pub(crate) struct Strict {
    ready: bool,
}

impl Strict {
    pub(crate) const fn new() -> Self {
        Self { ready: false }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::new()
    }
}

impl<B> Service<Request<B>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready),
            "called without having been polled ready"
        );
        let caller = verified_token(&request)
            .unwrap()
            .subject()
            .unwrap()
            .to_owned();
        std::future::ready(Ok(Response::new(caller)))
    }
}

#[test]
fn the_service_that_was_polled_is_the_one_called() {
    let mut service = AuthLayer::new(support::verifier()).layer(Strict::new());
    for _ in 0..2 {
        now(std::future::poll_fn(|cx| {
            Service::<Request<Empty<Bytes>>>::poll_ready(&mut service, cx)
        }))
        .unwrap();
        let response = now(service.call(bearer(&support::token(&json!({}))))).unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn the_layer_is_ready_when_the_service_is() {
    #[derive(Clone)]
    struct Busy;

    impl<B> Service<Request<B>> for Busy {
        type Response = Response<String>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Response<String>, Infallible>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Pending
        }

        fn call(&mut self, _: Request<B>) -> Self::Future {
            panic!("called while busy");
        }
    }

    let mut service = AuthLayer::new(support::verifier()).layer(Busy);
    let readiness =
        Service::<Request<()>>::poll_ready(&mut service, &mut Context::from_waker(Waker::noop()));
    assert!(readiness.is_pending());
}

#[test]
fn no_log_entry_and_no_debug_output_has_anything_of_the_token() {
    let token = support::token(&json!({ "sub": "hidden-subject", "exp": 1 }));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let refuse = || {
        let service = AuthLayer::new(support::verifier()).layer(service_fn(never));
        now(service.oneshot(bearer(&token))).unwrap()
    };
    let take = || String::from_utf8(std::mem::take(&mut *log.0.lock().unwrap())).unwrap();
    let (first, response) = tracing::subscriber::with_default(subscriber, || {
        // What another test of this process logs first nobody listens to, until this thread says so.
        refuse();
        tracing::callsite::rebuild_interest_cache();
        (take(), refuse())
    });
    let log = take();
    let shown = format!("{first}{log}{response:?}");
    assert_eq!(log.matches("portcullis::rejection").count(), 1, "{log}");
    assert!(log.contains("expired"), "{log}");
    for part in token.split('.').chain(["hidden-subject"]) {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn handles_and_futures_cross_threads() {
    fn is<T: Send + Sync + 'static>() {}
    fn is_send<T: Send + 'static>() {}
    is::<AuthLayer>();
    is::<AuthService<Strict>>();
    is::<Rejection>();
    is::<ResponseBody<String>>();
    is::<VerifiedToken>();
    is::<Verifier>();
    is_send::<ResponseFuture<Strict, Bytes>>();
}

#[test]
fn a_request_that_need_not_wait_carries_little() {
    // One more word than a refusal, or than the inner future when that is larger.
    assert!(size_of::<ResponseFuture<Strict, Bytes>>() <= size_of::<Response<String>>() + 8);
}
