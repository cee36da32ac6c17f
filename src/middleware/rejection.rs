//! A refusal: why a request is refused, and the response to that. Which case gets what stands in
//! [`cause`](super::cause).

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};

use super::cause::{Cause, Demand};
use super::challenge::Challenge;
use super::grpc;
use super::responder::Responder;
use crate::error::VerifyError;
use crate::policy::Forbidden;

/// Why a request was refused, and how that is answered.
///
/// In the extensions of every refusal's response, beside the [`VerifyError`] when there is one, for
/// layers outside to log or count. [`AuthLayer::on_rejection`](super::AuthLayer::on_rejection) gets
/// one and makes another response of it. `Display` and [`source`](Error::source) are for operators.
///
/// # Security
///
/// The default response says which of the few cases of the [module's table](super) it is, and
/// nothing more: not which check failed and nothing of the token.
#[derive(Clone)]
pub struct Rejection {
    cause: Cause,
    grpc: bool,
    responder: Arc<Responder>,
}

impl Rejection {
    /// Every refusal is made here, once, so that it is logged and counted once.
    pub(super) fn new(cause: Cause, grpc: bool, responder: Arc<Responder>) -> Self {
        let rejection = Self {
            cause,
            grpc,
            responder,
        };
        let (reason, status) = (rejection.reason(), rejection.status().as_u16());
        crate::telemetry::rejected(reason, status);
        match &rejection.cause {
            Cause::LayerMissing | Cause::UnnamedIssuer(_) => {
                tracing::error!(target: LOG_TARGET, reason, status, grpc, "{rejection}")
            }
            // An entry a refusal, as with all others, and with nothing in it that came with the request.
            Cause::Forbidden(error) if error.is_fault() => {
                tracing::warn!(target: LOG_TARGET, reason, status, grpc, %error, "{rejection}")
            }
            Cause::Forbidden(error) => {
                tracing::debug!(target: LOG_TARGET, reason, status, grpc, %error, "{rejection}")
            }
            Cause::Token(error) => {
                tracing::debug!(target: LOG_TARGET, reason, status, grpc, %error, "{rejection}")
            }
            #[cfg(feature = "axum")]
            Cause::Claims(_, error) => {
                tracing::debug!(target: LOG_TARGET, reason, status, grpc, %error, "{rejection}")
            }
            Cause::NoCredentials(_)
            | Cause::Credentials(_)
            | Cause::CrossSite
            | Cause::NoPolicy
            | Cause::NotFound => {
                tracing::debug!(target: LOG_TARGET, reason, status, grpc, "{rejection}");
            }
        }
        rejection
    }

    /// The stable code of this refusal, low in cardinality, part of the crate's semantic versioning:
    /// `no_credentials`, `other_scheme`, `malformed_credentials`, `several_credentials`,
    /// `cross_site_request`, `no_policy`, `not_found`, `layer_missing`, `unnamed_issuer`, or that of the
    /// [`VerifyError`] or of the [`Forbidden`].
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match &self.cause {
            Cause::NoCredentials(_) => "no_credentials",
            Cause::Credentials(error) => error.reason(),
            Cause::CrossSite => "cross_site_request",
            Cause::Token(error) => error.reason(),
            #[cfg(feature = "axum")]
            Cause::Claims(error, _) => error.reason(),
            Cause::Forbidden(forbidden) => forbidden.reason(),
            Cause::NoPolicy => "no_policy",
            Cause::NotFound => "not_found",
            Cause::LayerMissing => "layer_missing",
            Cause::UnnamedIssuer(_) => "unnamed_issuer",
        }
    }

    /// The HTTP status of the table. A gRPC response has its own in `grpc-status` and is a 200 for HTTP.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.cause.row().status
    }

    /// Why the token was refused, if it came to that.
    #[must_use]
    pub const fn error(&self) -> Option<&VerifyError> {
        match &self.cause {
            Cause::Token(error) => Some(error),
            #[cfg(feature = "axum")]
            Cause::Claims(error, _) => Some(error),
            Cause::NoCredentials(_)
            | Cause::Credentials(_)
            | Cause::CrossSite
            | Cause::Forbidden(_)
            | Cause::NoPolicy
            | Cause::NotFound
            | Cause::LayerMissing
            | Cause::UnnamedIssuer(_) => None,
        }
    }

    /// What the policy said, if it came to that. Its `Display` is for operators.
    #[must_use]
    pub const fn forbidden(&self) -> Option<&Forbidden> {
        match &self.cause {
            Cause::Forbidden(forbidden) => Some(forbidden),
            _ => None,
        }
    }

    /// Whether the request is a gRPC call, which must be answered in gRPC's own way.
    ///
    /// That is a POST over HTTP/2 with the content type `application/grpc`, alone or followed by `+`
    /// or `;` ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).
    /// gRPC-Web is not: it is answered as HTTP.
    #[must_use]
    pub const fn is_grpc(&self) -> bool {
        self.grpc
    }

    /// When the client should try again: some time for an unavailable key, else `None`.
    ///
    /// What the failed fetch advises, in whole seconds from 1 to 3,600, else 5 seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let error = self.error().filter(|error| error.is_unavailable())?;
        let advised = match error {
            VerifyError::KeysUnavailable(fetch) => fetch.retry_after(),
            _ => None,
        };
        let delay = advised.map_or(RETRY_AFTER_DEFAULT, |advised| advised.min(RETRY_AFTER_MOST));
        let begun_second = u64::from(delay.subsec_nanos() > 0);
        Some(Duration::from_secs(delay.as_secs() + begun_second).max(RETRY_AFTER_LEAST))
    }

    /// The default response, for a custom one to start from.
    ///
    /// For HTTP its body is a problem ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) of one
    /// constant text per case; for gRPC it is empty, and the status stands in the headers.
    ///
    /// # Example
    ///
    /// A body of another shape for HTTP; what gRPC gets is left alone:
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{HeaderValue, header::CONTENT_TYPE};
    /// use portcullis::{AuthLayer, Verifier};
    ///
    /// fn layer(verifier: Verifier) -> AuthLayer {
    ///     AuthLayer::new(verifier).on_rejection(|rejection| {
    ///         let mut response = rejection.to_response();
    ///         if !rejection.is_grpc() {
    ///             response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    ///             *response.body_mut() = Bytes::from(format!("{{\"code\":{}}}", rejection.status().as_u16()));
    ///         }
    ///         response
    ///     })
    /// }
    /// ```
    #[must_use]
    pub fn to_response(&self) -> Response<Bytes> {
        let row = self.cause.row();
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        if self.grpc {
            grpc::write_status(headers, row.grpc, row.detail);
            self.write_metadata(headers);
            return response;
        }
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        self.write_shared(headers);
        if let Some(delay) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(delay.as_secs()));
        }
        *response.status_mut() = row.status;
        *response.body_mut() = row.problem();
        response
    }

    /// The response to send: that of [`AuthLayer::on_rejection`](super::AuthLayer::on_rejection) or the
    /// default, and what no refusal may lack: `Cache-Control: no-store`, and the extensions.
    ///
    /// For handlers that refuse by themselves. Within `on_rejection` it makes the default response.
    #[must_use]
    pub fn respond(self) -> Response<Bytes> {
        let mut response = match &self.responder.custom {
            // One that calls this method again must not end up where it is.
            Some(custom) => custom(&self.answered_by_default()),
            None => self.to_response(),
        };
        response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
        if let Some(error) = self.error() {
            response.extensions_mut().insert(error.clone());
        }
        response.extensions_mut().insert(self);
        response
    }

    fn answered_by_default(&self) -> Self {
        let responder = Responder {
            custom: None,
            ..Responder::clone(&self.responder)
        };
        Self {
            responder: Arc::new(responder),
            ..self.clone()
        }
    }

    /// Everything a gRPC refusal says beside its status and message.
    pub(crate) fn write_metadata(&self, headers: &mut HeaderMap) {
        self.write_shared(headers);
        if let Some(delay) = self.retry_after() {
            headers.insert(
                grpc::RETRY_PUSHBACK,
                HeaderValue::from(delay.as_secs() * 1000),
            );
        }
    }

    /// What ends a call whose response has begun.
    pub(super) fn trailers(&self) -> HeaderMap {
        let row = self.cause.row();
        let mut trailers = HeaderMap::new();
        grpc::write_trailers(&mut trailers, row.grpc, row.detail);
        self.write_metadata(&mut trailers);
        trailers
    }

    fn write_shared(&self, headers: &mut HeaderMap) {
        headers.insert(CACHE_CONTROL, NO_STORE);
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
    }

    /// Number and text of the gRPC status.
    #[cfg(feature = "tonic")]
    pub(crate) fn grpc_status(&self) -> (u16, &'static str) {
        let row = self.cause.row();
        (row.grpc, row.detail)
    }

    fn challenge(&self) -> Option<HeaderValue> {
        let challenge = Challenge::new(&self.responder.realm);
        let challenge = match self.cause.row().demand {
            Demand::Nothing => return None,
            Demand::Credentials => challenge,
            Demand::Better(code) => challenge.error(code),
        };
        let challenge = match &self.cause {
            Cause::NoCredentials(Some(policy)) => challenge.scope(policy.least_scopes()),
            Cause::Forbidden(forbidden) => {
                // All that it takes: a client that asked for the missing ones alone could lose the others.
                let scopes_help = forbidden.missing_scopes().next().is_some();
                let scopes = forbidden.required_scopes().filter(|_| scopes_help);
                let challenge = challenge.scope(scopes).acr_values(forbidden.acr_values());
                match forbidden.max_age() {
                    Some(age) => challenge.max_age(age),
                    None => challenge,
                }
            }
            _ => challenge,
        };
        Some(match &self.responder.metadata_url {
            Some(url) => challenge.resource_metadata(url).into_value(),
            None => challenge.into_value(),
        })
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("cause", &self.cause)
            .field("grpc", &self.grpc)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

const LOG_TARGET: &str = "portcullis::rejection";
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
/// About as long as one fetch of keys may take.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);
const RETRY_AFTER_LEAST: Duration = Duration::from_secs(1);
const RETRY_AFTER_MOST: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::super::responder::CustomResponse;
    use super::*;
    use crate::bearer::BearerError;
    use crate::error::{FetchError, FetchErrorKind};
    use crate::policy::Policy;

    const CHALLENGE: Option<&str> = Some(r#"Bearer realm="api""#);
    const INVALID_REQUEST: Option<&str> = Some(r#"Bearer realm="api", error="invalid_request""#);
    const INVALID_TOKEN: Option<&str> = Some(r#"Bearer realm="api", error="invalid_token""#);

    fn rejection(cause: Cause, grpc: bool) -> Rejection {
        Rejection::new(cause, grpc, Arc::default())
    }

    fn header<'r>(response: &'r Response<Bytes>, name: &str) -> Option<&'r str> {
        let mut values = response
            .headers()
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap());
        let first = values.next();
        assert_eq!(values.next(), None, "{name} twice");
        first
    }

    /// The row of a case: HTTP status and body, challenge, delay in seconds, gRPC status and message.
    #[track_caller]
    fn check(
        cause: &Cause,
        reason: &str,
        (status, body): (u16, &str),
        challenge: Option<&str>,
        delay: Option<u64>,
        (grpc_status, grpc_message): (&str, &str),
    ) {
        let http = rejection(cause.clone(), false);
        assert_eq!((http.reason(), http.status().as_u16()), (reason, status));
        let response = http.respond();
        assert_eq!(response.status(), status);
        assert_eq!(
            header(&response, "content-type"),
            Some("application/problem+json")
        );
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
        assert_eq!(header(&response, "www-authenticate"), challenge);
        assert_eq!(
            header(&response, "retry-after"),
            delay.map(|seconds| seconds.to_string()).as_deref()
        );
        assert_eq!(
            response.headers().keys_len(),
            2 + usize::from(challenge.is_some()) + usize::from(delay.is_some())
        );
        assert_eq!(response.body(), body);

        let response = rejection(cause.clone(), true).respond();
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-type"), Some("application/grpc"));
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
        assert_eq!(header(&response, "grpc-status"), Some(grpc_status));
        assert_eq!(header(&response, "grpc-message"), Some(grpc_message));
        assert_eq!(header(&response, "www-authenticate"), challenge);
        let pushback = delay.map(|seconds| format!("{seconds}000"));
        assert_eq!(
            header(&response, "grpc-retry-pushback-ms"),
            pushback.as_deref()
        );
        assert_eq!(
            response.headers().keys_len(),
            4 + usize::from(challenge.is_some()) + usize::from(delay.is_some())
        );
        assert_eq!(response.body(), "");
    }

    #[track_caller]
    fn check_required(cause: &Cause, reason: &str) {
        let detail = "A bearer access token is required.";
        let body = r#"{"title":"Unauthorized","status":401,"detail":"A bearer access token is required."}"#;
        check(cause, reason, (401, body), CHALLENGE, None, ("16", detail));
    }

    #[track_caller]
    fn check_invalid_request(error: BearerError, reason: &str) {
        let detail = "The request must carry one well-formed bearer access token.";
        let body = r#"{"title":"Bad Request","status":400,"detail":"The request must carry one well-formed bearer access token."}"#;
        check(
            &Cause::Credentials(error),
            reason,
            (400, body),
            INVALID_REQUEST,
            None,
            ("16", detail),
        );
    }

    #[track_caller]
    fn check_invalid_token(error: VerifyError) {
        let detail = "The access token is expired, revoked, malformed or not valid here.";
        let body = r#"{"title":"Unauthorized","status":401,"detail":"The access token is expired, revoked, malformed or not valid here."}"#;
        let reason = error.reason();
        check(
            &Cause::Token(error),
            reason,
            (401, body),
            INVALID_TOKEN,
            None,
            ("16", detail),
        );
    }

    #[track_caller]
    fn check_unavailable(error: VerifyError, delay: u64) {
        let detail = "The access token cannot be checked at the moment.";
        let body = r#"{"title":"Service Unavailable","status":503,"detail":"The access token cannot be checked at the moment."}"#;
        let reason = error.reason();
        check(
            &Cause::Token(error),
            reason,
            (503, body),
            None,
            Some(delay),
            ("14", detail),
        );
    }

    #[test]
    fn no_usable_credentials_are_asked_for_without_an_error_code() {
        check_required(&Cause::NoCredentials(None), "no_credentials");
        check_required(
            &Cause::Credentials(BearerError::OtherScheme),
            "other_scheme",
        );
    }

    #[test]
    fn credentials_that_are_not_one_token_are_an_invalid_request() {
        check_invalid_request(BearerError::Malformed, "malformed_credentials");
        check_invalid_request(BearerError::Several, "several_credentials");
    }

    #[test]
    fn a_request_of_another_site_is_forbidden() {
        let detail = "The request must come from an allowed origin.";
        let body = r#"{"title":"Forbidden","status":403,"detail":"The request must come from an allowed origin."}"#;
        check(
            &Cause::CrossSite,
            "cross_site_request",
            (403, body),
            None,
            None,
            ("7", detail),
        );
    }

    #[test]
    fn what_nobody_may_call_is_forbidden() {
        let detail = "The caller is not allowed to do this.";
        let body = r#"{"title":"Forbidden","status":403,"detail":"The caller is not allowed to do this."}"#;
        check(
            &Cause::NoPolicy,
            "no_policy",
            (403, body),
            None,
            None,
            ("7", detail),
        );
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let detail = "There is no such resource.";
        let body = r#"{"title":"Not Found","status":404,"detail":"There is no such resource."}"#;
        check(
            &Cause::NotFound,
            "not_found",
            (404, body),
            None,
            None,
            ("5", detail),
        );
    }

    #[test]
    fn every_fault_of_a_token_is_answered_alike() {
        check_invalid_token(VerifyError::Expired);
        check_invalid_token(VerifyError::InvalidSignature);
        check_invalid_token(VerifyError::UnknownKey);
        check_invalid_token(VerifyError::KeyAmbiguous);
        check_invalid_token(VerifyError::TooLarge);
        check_invalid_token(VerifyError::BindingRequired);
        check_invalid_token(VerifyError::missing("exp"));
    }

    #[test]
    fn missing_keys_are_no_fault_of_the_token() {
        check_unavailable(VerifyError::KeyNotCached, 5);
        check_unavailable(
            VerifyError::KeysUnavailable(FetchError::new(FetchErrorKind::Deadline)),
            5,
        );
    }

    #[cfg(feature = "remote")]
    #[test]
    fn a_fetch_that_knows_when_it_is_due_advises_the_client() {
        #[track_caller]
        fn check(advised_millis: u64, delay: u64) {
            let advised = Some(Duration::from_millis(advised_millis));
            let fetch = FetchError::with_retry_after(FetchErrorKind::CoolingDown, advised);
            check_unavailable(VerifyError::KeysUnavailable(fetch), delay);
        }
        check(0, 1);
        check(1, 1);
        check(1_000, 1);
        check(1_001, 2);
        check(60_000, 60);
        check(3_599_001, 3_600);
        check(3_600_001, 3_600);
        check(u64::MAX, 3_600);
    }

    #[test]
    fn a_missing_layer_is_our_mistake_and_none_of_the_clients_business() {
        let detail = "The request cannot be served.";
        let body = r#"{"title":"Internal Server Error","status":500,"detail":"The request cannot be served."}"#;
        check(
            &Cause::LayerMissing,
            "layer_missing",
            (500, body),
            None,
            None,
            ("13", detail),
        );
        check(
            &Cause::UnnamedIssuer(Policy::role("admin")),
            "unnamed_issuer",
            (500, body),
            None,
            None,
            ("13", detail),
        );
        assert!(
            rejection(Cause::LayerMissing, false)
                .to_string()
                .contains("portcullis::AuthLayer")
        );
    }

    #[test]
    fn an_outer_layer_finds_the_refusal_in_the_extensions() {
        let response = rejection(Cause::Token(VerifyError::Expired), false).respond();
        assert_eq!(
            response.extensions().get::<Rejection>().unwrap().reason(),
            "expired"
        );
        assert!(matches!(
            response.extensions().get(),
            Some(VerifyError::Expired)
        ));

        let response = rejection(Cause::NoCredentials(None), true).respond();
        assert!(response.extensions().get::<Rejection>().unwrap().is_grpc());
        assert!(response.extensions().get::<VerifyError>().is_none());
    }

    #[test]
    fn a_custom_response_lacks_neither_no_store_nor_the_extensions() {
        let custom: Arc<CustomResponse> = Arc::new(|rejection| {
            let mut response = Response::new(Bytes::from(rejection.reason()));
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            response
                .headers_mut()
                .insert(CACHE_CONTROL, HeaderValue::from_static("public"));
            response
        });
        let responder = Arc::new(Responder {
            custom: Some(custom),
            ..Responder::default()
        });
        let response =
            Rejection::new(Cause::Token(VerifyError::TooOld), false, responder).respond();
        assert_eq!(response.status(), 418);
        assert_eq!(response.body(), "too_old");
        assert_eq!(header(&response, "cache-control"), Some("no-store"));
        assert_eq!(response.headers().len(), 1);
        assert!(response.extensions().get::<Rejection>().is_some());
        assert!(matches!(
            response.extensions().get(),
            Some(VerifyError::TooOld)
        ));
    }

    #[test]
    fn a_custom_response_may_be_the_default_one() {
        let custom: Arc<CustomResponse> = Arc::new(|rejection| rejection.clone().respond());
        let responder = Arc::new(Responder {
            realm: "orders".into(),
            custom: Some(custom),
            ..Responder::default()
        });
        let response = Rejection::new(Cause::NoCredentials(None), false, responder).respond();
        assert_eq!(response.status(), 401);
        let challenge = header(&response, "www-authenticate");
        assert_eq!(challenge, Some(r#"Bearer realm="orders""#));
    }

    #[test]
    fn the_cause_of_a_refusal_is_its_source() {
        let refused = rejection(Cause::Token(VerifyError::Expired), false);
        assert_eq!(refused.to_string(), "token is not accepted");
        assert_eq!(refused.source().unwrap().to_string(), "token has expired");
        let refused = rejection(Cause::Credentials(BearerError::Several), false);
        assert_eq!(refused.to_string(), "more than one set of credentials");
        assert!(refused.source().is_none());
    }

    #[test]
    fn no_detail_has_a_byte_to_escape() {
        let causes = [
            Cause::NoCredentials(None),
            Cause::Credentials(BearerError::Malformed),
            Cause::CrossSite,
            Cause::NoPolicy,
            Cause::NotFound,
            Cause::Token(VerifyError::Expired),
            Cause::Token(VerifyError::KeyNotCached),
            Cause::LayerMissing,
        ];
        for cause in causes {
            let plain =
                |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'%');
            assert!(cause.row().detail.bytes().all(plain), "{cause}");
            let problem: serde_json::Value =
                serde_json::from_slice(&cause.row().problem()).unwrap();
            assert_eq!(problem["detail"], cause.row().detail);
        }
    }
}
