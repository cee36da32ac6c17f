//! Requests whose keys are not there yet.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use serde_json::json;
use tokio::sync::Semaphore;
use tower::{Layer as _, Service as _, ServiceExt, service_fn};

use super::support::{self, ISSUER, JWKS};
use super::{Strict, bearer, never};
use crate::middleware::{AuthLayer, Rejection};
use crate::{
    Audience, Fetch, FetchError, FetchErrorKind, FetchFuture, FetchRequest, FetchResponse, Issuer,
    Verifier,
};

/// Answers once for each permit.
#[derive(Clone, Debug)]
struct Held {
    permits: Arc<Semaphore>,
    answer: Result<&'static str, FetchErrorKind>,
}

impl Held {
    fn new(answer: Result<&'static str, FetchErrorKind>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
            answer,
        }
    }

    fn release(&self) {
        self.permits.add_permits(1);
    }

    fn layer(&self) -> AuthLayer {
        let issuer = Issuer::jwks_uri(
            ISSUER,
            "https://id.example.com/keys",
            Audience::of("orders"),
        );
        AuthLayer::new(
            Verifier::builder()
                .issuer(issuer)
                .fetch(self.clone())
                .build()
                .unwrap(),
        )
    }
}

impl Fetch for Held {
    fn fetch(&self, _: FetchRequest) -> FetchFuture<'_> {
        Box::pin(async {
            self.permits.acquire().await.unwrap().forget();
            self.answer
                .map(FetchResponse::document)
                .map_err(FetchError::new)
        })
    }
}

fn is_waiting(future: std::pin::Pin<&mut impl Future>) -> bool {
    future
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_on_when_its_keys_have_come() {
    let fetch = Held::new(Ok(JWKS));
    let service = fetch.layer().layer(Strict::new());
    let mut response = pin!(service.oneshot(bearer(&support::token(&json!({})))));
    assert!(is_waiting(response.as_mut()));
    fetch.release();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "alice"
    );
}

#[tokio::test(start_paused = true)]
async fn the_next_request_is_served_by_a_service_that_is_ready_too() {
    let fetch = Held::new(Ok(JWKS));
    let mut service = fetch.layer().layer(Strict::new());
    let token = support::token(&json!({}));
    let mut futures = Vec::new();
    for _ in 0..3 {
        ServiceExt::<Request<Empty<Bytes>>>::ready(&mut service)
            .await
            .unwrap();
        futures.push(Box::pin(service.call(bearer(&token))));
        assert!(is_waiting(futures.last_mut().unwrap().as_mut()));
    }
    fetch.release();
    for future in futures {
        assert_eq!(future.await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_refused_when_its_key_has_not_come() {
    let fetch = Held::new(Ok(JWKS));
    let service = fetch.layer().layer(service_fn(never));
    let mut response = pin!(service.oneshot(bearer(&support::token_of_unknown_key())));
    assert!(is_waiting(response.as_mut()));
    fetch.release();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().reason(),
        "unknown_key"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_is_unavailable_when_keys_cannot_be_had() {
    let fetch = Held::new(Err(FetchErrorKind::Connection));
    let service = fetch.layer().optional().layer(service_fn(never));
    let mut response = pin!(service.oneshot(bearer(&support::token(&json!({})))));
    assert!(is_waiting(response.as_mut()));
    fetch.release();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert_eq!(
        response.extensions().get::<Rejection>().unwrap().reason(),
        "keys_unavailable"
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_does_not_wait_for_ever() {
    let fetch = Held::new(Ok(JWKS));
    let service = fetch.layer().layer(service_fn(never));
    let response = service
        .oneshot(bearer(&support::token(&json!({}))))
        .await
        .unwrap();
    assert_eq!(response.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_it_waits_stops_nobody_else() {
    let fetch = Held::new(Ok(JWKS));
    let layer = fetch.layer();
    let token = support::token(&json!({}));
    {
        let mut dropped = pin!(layer.layer(service_fn(never)).oneshot(bearer(&token)));
        assert!(is_waiting(dropped.as_mut()));
    }
    let mut other = pin!(layer.layer(Strict::new()).oneshot(bearer(&token)));
    assert!(is_waiting(other.as_mut()));
    fetch.release();
    assert_eq!(other.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_anonymous_or_malformed_request_waits_for_nothing() {
    async fn ok(_: Request<Empty<Bytes>>) -> Result<Response<String>, Infallible> {
        Ok(Response::new(String::new()))
    }
    let layer = Held::new(Ok(JWKS)).layer().optional();
    let mut anonymous = pin!(layer.layer(service_fn(ok)).oneshot(super::request(&[])));
    let poll = anonymous
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Ok(response)) if response.status() == 200));
    let mut malformed = pin!(layer.layer(service_fn(never)).oneshot(bearer("a.b.c")));
    let poll = malformed
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Ok(response)) if response.status() == 401));
}
