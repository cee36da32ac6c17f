//! What the test issuer answers to a request, faults included.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use serde_json::json;
use tokio::sync::watch;

use super::fault::{Endpoint, Fault, Faults, FaultyBody};
use super::keys::IssuerKeys;

pub(super) type AnswerBody = Either<Full<Bytes>, FaultyBody>;

/// How many requests a [`TestIssuer`](super::TestIssuer) has received, whatever it answered.
///
/// A request that it refused as a connection is not among them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestCounts {
    discovery: u64,
    jwks: u64,
    other: u64,
}

impl RequestCounts {
    /// Requests for metadata, at either of its two places.
    #[must_use]
    pub const fn discovery(self) -> u64 {
        self.discovery
    }

    /// Requests for the JWK Set, conditional ones included.
    #[must_use]
    pub const fn jwks(self) -> u64 {
        self.jwks
    }

    /// All requests, those for unknown paths included.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.discovery
            .saturating_add(self.jwks)
            .saturating_add(self.other)
    }

    fn count(&mut self, endpoint: Option<Endpoint>) {
        let place = match endpoint {
            Some(Endpoint::OpenIdConfiguration | Endpoint::AuthorizationServerMetadata) => {
                &mut self.discovery
            }
            Some(Endpoint::Jwks) => &mut self.jwks,
            None => &mut self.other,
        };
        *place = place.saturating_add(1);
    }
}

/// All that the issuer's handle and its server share.
#[derive(Debug)]
pub(super) struct Answers {
    issuer: String,
    keys: Mutex<Arc<IssuerKeys>>,
    /// Held while keys are made, so that no rotation gets lost. Nothing is answered under it.
    rotation: Mutex<()>,
    headers: Mutex<HeaderMap>,
    faults: watch::Sender<Faults>,
    requests: watch::Sender<RequestCounts>,
}

impl Answers {
    pub(super) fn new(issuer: String, keys: IssuerKeys) -> Self {
        Self {
            issuer,
            keys: Mutex::new(Arc::new(keys)),
            rotation: Mutex::default(),
            headers: Mutex::default(),
            faults: watch::Sender::default(),
            requests: watch::Sender::default(),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn keys(&self) -> Arc<IssuerKeys> {
        Arc::clone(&lock(&self.keys))
    }

    /// Publishes the keys that `rotate` makes of the current ones.
    pub(super) fn rotate(&self, rotate: impl FnOnce(&IssuerKeys) -> IssuerKeys) {
        let _turn = lock(&self.rotation);
        let keys = Arc::new(rotate(&self.keys()));
        *lock(&self.keys) = keys;
    }

    /// Headers added to every answer.
    pub(super) fn headers(&self) -> MutexGuard<'_, HeaderMap> {
        lock(&self.headers)
    }

    pub(super) fn faults(&self) -> &watch::Sender<Faults> {
        &self.faults
    }

    pub(super) fn requests(&self) -> &watch::Sender<RequestCounts> {
        &self.requests
    }

    /// Counts the request, waits out a [`Fault::Hang`] and answers; an error resets the connection.
    pub(super) async fn answer(
        &self,
        request: Request<()>,
    ) -> Result<Response<AnswerBody>, ConnectionReset> {
        let endpoint = Endpoint::ALL
            .into_iter()
            .find(|endpoint| endpoint.path() == request.uri().path());
        self.requests.send_modify(|counts| counts.count(endpoint));
        let Some(endpoint) = endpoint else {
            return Ok(self.status(StatusCode::NOT_FOUND));
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Ok(self.status(StatusCode::METHOD_NOT_ALLOWED));
        }
        let fault = self.fault(endpoint).await;
        if request.uri().query() == Some(REDIRECTED) {
            return Ok(self.document(endpoint, &request, &self.body(endpoint)));
        }
        Ok(match fault {
            None => self.document(endpoint, &request, &self.body(endpoint)),
            Some(Fault::EmptyKeySet) if endpoint == Endpoint::Jwks => {
                self.document(endpoint, &request, &json!({ "keys": [] }).to_string())
            }
            Some(Fault::WrongIssuer) if endpoint != Endpoint::Jwks => {
                let body = self.metadata(&format!("{}/another", self.issuer));
                self.document(endpoint, &request, &body)
            }
            Some(Fault::EmptyKeySet | Fault::WrongIssuer) => {
                self.document(endpoint, &request, &self.body(endpoint))
            }
            // `fault` waits while the issuer hangs; a refused connection got here before it was cut.
            Some(Fault::Refuse | Fault::Reset | Fault::Hang) => return Err(ConnectionReset),
            Some(Fault::Status(status)) => self.status(
                StatusCode::from_u16(status)
                    .expect("the handle takes statuses from 200 to 599 only"),
            ),
            Some(Fault::Redirect) => {
                let location = format!("{}{}?{REDIRECTED}", self.issuer, endpoint.path());
                let location = HeaderValue::try_from(location).expect("a loopback URL is ASCII");
                let mut response = self.status(StatusCode::FOUND);
                response.headers_mut().insert(LOCATION, location);
                response
            }
            Some(Fault::SlowDrip) => self.ok(JSON, Either::Right(FaultyBody::drip())),
            Some(Fault::Huge) => self.ok(JSON, Either::Right(FaultyBody::Endless)),
            Some(Fault::Truncated) => self.ok(
                JSON,
                Either::Right(FaultyBody::first_half_of(&self.body(endpoint))),
            ),
            Some(Fault::Empty) => self.ok(JSON, whole("")),
            Some(Fault::Garbage) => self.ok(HTML, whole(GARBAGE)),
            Some(Fault::Body(body)) => self.ok(JSON, whole(&body)),
        })
    }

    async fn fault(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut faults = self.faults.subscribe();
        let faults = faults
            .wait_for(|faults| faults.at(endpoint) != Some(&Fault::Hang))
            .await;
        faults
            .expect("the sender lives as long as self")
            .at(endpoint)
            .cloned()
    }

    fn body(&self, endpoint: Endpoint) -> String {
        match endpoint {
            Endpoint::OpenIdConfiguration | Endpoint::AuthorizationServerMetadata => {
                self.metadata(&self.issuer)
            }
            Endpoint::Jwks => self.keys().jwks(),
        }
    }

    /// The members that OpenID Connect Discovery §3 requires, so that other clients take it as well.
    fn metadata(&self, issuer: &str) -> String {
        let url = &self.issuer;
        json!({
            "issuer": issuer,
            "jwks_uri": format!("{url}{}", Endpoint::Jwks.path()),
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": self.keys().algorithm_names(),
        })
        .to_string()
    }

    /// A whole document with its entity tag, or a 304 for a client that has it already
    /// ([RFC 9110 §13.1.2](https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2)).
    fn document(
        &self,
        endpoint: Endpoint,
        request: &Request<()>,
        body: &str,
    ) -> Response<AnswerBody> {
        let tag = entity_tag(body);
        let mut response = if has(request.headers(), &tag) {
            self.status(StatusCode::NOT_MODIFIED)
        } else {
            self.ok(
                if endpoint == Endpoint::Jwks {
                    JWK_SET
                } else {
                    JSON
                },
                whole(body),
            )
        };
        response.headers_mut().insert(
            ETAG,
            HeaderValue::try_from(tag).expect("hexadecimal digits are ASCII"),
        );
        response
    }

    fn ok(&self, content_type: &'static str, body: AnswerBody) -> Response<AnswerBody> {
        let mut response = self.status(StatusCode::OK);
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        *response.body_mut() = body;
        response
    }

    fn status(&self, status: StatusCode) -> Response<AnswerBody> {
        let mut response = Response::new(whole(""));
        *response.status_mut() = status;
        *response.headers_mut() = self.headers().clone();
        response
    }
}

/// The connection is to be reset instead of answered.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
pub(super) struct ConnectionReset;

// Whatever is done under these locks leaves the value whole, also if it panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn whole(body: &str) -> AnswerBody {
    Either::Left(Full::new(Bytes::copy_from_slice(body.as_bytes())))
}

fn entity_tag(body: &str) -> String {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

/// The weak comparison of RFC 9110 §8.8.3.2, which `If-None-Match` asks for. Our tags have no commas.
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers
        .get_all(IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

const REDIRECTED: &str = "redirected";
const JSON: &str = "application/json";
const JWK_SET: &str = "application/jwk-set+json";
const HTML: &str = "text/html";
const GARBAGE: &str = "<!doctype html><title>Log in to the network</title>";

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(if_none_match: &[&'static str], expected: bool) {
        let mut headers = HeaderMap::new();
        for value in if_none_match {
            headers.append(IF_NONE_MATCH, HeaderValue::from_static(value));
        }
        assert_eq!(has(&headers, "\"a\""), expected);
    }

    #[test]
    fn a_condition_names_our_tag_or_any() {
        check(&[], false);
        check(&["\"b\""], false);
        check(&["a"], false);
        check(&["\"a\""], true);
        check(&["W/\"a\""], true);
        check(&["*"], true);
        check(&["\"b\", \"a\""], true);
        check(&["\"b\"", "\"a\""], true);
    }

    #[test]
    fn tags_differ_where_bodies_do() {
        assert_eq!(entity_tag("a"), entity_tag("a"));
        assert_ne!(entity_tag("a"), entity_tag("b"));
    }
}
