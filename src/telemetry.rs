//! What the span of a request learns, and how decisions of policies are counted.
//!
//! The layer writes into the current span, where that declares these fields, and only those that it declares:
//!
//! | field | values | when |
//! |---|---|---|
//! | `portcullis.outcome` | `accepted`, `anonymous`, `refused` or `unavailable` | the layer is done with the token |
//! | `portcullis.issuer` | the configured issuer of an accepted token | the same |
//! | `portcullis.client` | its `client_id`, or `azp`: escaped, at most 64 characters | the same |
//! | `portcullis.policy` | [`Policy::named`], or `unnamed` | a policy was checked; the last one stays |
//! | `portcullis.decision` | `allowed`, `denied` or `fault` | the same |
//! | `portcullis.reason` | [`Rejection::reason`](crate::Rejection::reason) | the request is refused, by whomever |
//!
//! A field is declared by giving it [`Empty`](tracing::field::Empty). The names are part of the crate's
//! semantic versioning. Nothing is written of a token that was not accepted, and of one that was nothing
//! that names a person: a handler that wants OpenTelemetry's `enduser.id` writes it, and knows that it did.
//! Without a subscriber it costs an atomic load; with one, and no such field, it takes no memory.
//!
//! # Example
//!
//! A layer outside of [`AuthLayer`](crate::AuthLayer) makes the span, as `TraceLayer` of tower-http does:
//!
//! ```
//! use http::Request;
//! use tracing::{Span, field::Empty, info_span};
//!
//! /// `TraceLayer::new_for_http().make_span_with(make_span)`
//! fn make_span<B>(request: &Request<B>) -> Span {
//!     info_span!(
//!         "request",
//!         "http.request.method" = %request.method(),
//!         "portcullis.outcome" = Empty,
//!         "portcullis.issuer" = Empty,
//!         "portcullis.policy" = Empty,
//!         "portcullis.decision" = Empty,
//!         "portcullis.reason" = Empty,
//!     )
//! }
//! # make_span(&Request::new(()));
//! ```
//!
//! `examples/telemetry.rs` in the repository does it with OpenTelemetry, and `docs/operations.md` says what to
//! look at.

use tracing::Span;
#[cfg(feature = "tower")]
use tracing::field::display;
use tracing::level_filters::LevelFilter;

#[cfg(feature = "tower")]
use crate::error::VerifyError;
use crate::policy::{Forbidden, Policy};
#[cfg(feature = "tower")]
use crate::text::Escaped;
#[cfg(feature = "tower")]
use crate::token::VerifiedToken;

/// Tells the current span and the metrics what a policy said, where the service has checked it itself: in a
/// handler that has loaded the object, or a consumer of a queue. Layers and extractors do so already.
///
/// # Example
///
/// ```
/// use portcullis::telemetry::policy_decision;
/// use portcullis::{Forbidden, Guarded, Policy, Resource, VerifiedToken};
///
/// fn open<T: Resource>(
///     object: Guarded<T>,
///     policy: &Policy,
///     token: &VerifiedToken,
/// ) -> Result<T, Forbidden> {
///     let decision = object.authorize(policy, token);
///     policy_decision(policy, &decision);
///     decision
/// }
/// ```
pub fn policy_decision<T>(policy: &Policy, decision: &Result<T, Forbidden>) {
    let refusal = decision.as_ref().err();
    #[cfg(feature = "metrics")]
    crate::metrics::policy_decision(policy, refusal);
    let said = match refusal {
        None => "allowed",
        Some(refusal) if refusal.is_fault() => "fault",
        Some(_) => "denied",
    };
    record(|span| {
        span.record(POLICY, policy.name().unwrap_or("unnamed"));
        span.record(DECISION, said);
    });
}

/// The layer lets a request in.
#[cfg(feature = "tower")]
pub(crate) fn admitted(token: Option<&VerifiedToken>) {
    record(|span| {
        let Some(token) = token else {
            span.record(OUTCOME, "anonymous");
            return;
        };
        span.record(OUTCOME, "accepted");
        span.record(ISSUER, token.issuer());
        if let Some(client) = token.client_id().or_else(|| token.authorized_party()) {
            span.record(CLIENT, display(Escaped(client)));
        }
    });
}

/// The layer does not, because of the token or for want of one.
#[cfg(feature = "tower")]
pub(crate) fn not_admitted(error: Option<&VerifyError>) {
    let outcome = match error {
        Some(error) if error.is_unavailable() => "unavailable",
        Some(_) | None => "refused",
    };
    record(|span| {
        span.record(OUTCOME, outcome);
    });
}

/// A request is refused, whatever for.
#[cfg(feature = "tower")]
pub(crate) fn rejected(reason: &'static str, status: u16) {
    #[cfg(feature = "metrics")]
    crate::metrics::rejection(reason, status);
    #[cfg(not(feature = "metrics"))]
    let _ = status;
    record(|span| {
        span.record(REASON, reason);
    });
}

fn record(fields: impl FnOnce(&Span)) {
    if LevelFilter::current() != LevelFilter::OFF {
        fields(&Span::current());
    }
}

#[cfg(feature = "tower")]
const OUTCOME: &str = "portcullis.outcome";
#[cfg(feature = "tower")]
const ISSUER: &str = "portcullis.issuer";
#[cfg(feature = "tower")]
const CLIENT: &str = "portcullis.client";
#[cfg(feature = "tower")]
const REASON: &str = "portcullis.reason";
const POLICY: &str = "portcullis.policy";
const DECISION: &str = "portcullis.decision";

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use tracing::field::{Empty, Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

    use super::*;
    use crate::error::{FetchError, FetchErrorKind};

    /// Keeps what is recorded into spans after they were made.
    #[derive(Clone, Default)]
    struct Spans(Arc<Mutex<Vec<String>>>);

    impl<S: tracing::Subscriber> Layer<S> for Spans {
        fn on_new_span(&self, _: &Attributes<'_>, _: &Id, _: Context<'_, S>) {}

        fn on_record(&self, _: &Id, values: &Record<'_>, _: Context<'_, S>) {
            values.record(&mut self.clone());
        }
    }

    impl Visit for Spans {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            let name = field.name().trim_start_matches("portcullis.");
            self.0.lock().unwrap().push(format!("{name}={value:?}"));
        }
    }

    /// What the fields hear that a span declares.
    fn heard(run: impl FnOnce()) -> Vec<String> {
        let spans = Spans::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!(
                "request",
                portcullis.outcome = Empty,
                portcullis.issuer = Empty,
                portcullis.client = Empty,
                portcullis.policy = Empty,
                portcullis.decision = Empty,
                portcullis.reason = Empty,
            );
            span.in_scope(run);
        });
        std::mem::take(&mut *spans.0.lock().unwrap())
    }

    fn token(claims: &serde_json::Value) -> VerifiedToken {
        VerifiedToken::dangerously_assert_verified(claims)
    }

    #[test]
    fn an_accepted_token_is_told_without_whom_it_is_about() {
        let claims = json!({ "iss": "https://id.example", "sub": "alice", "azp": "app\n\u{202e}" });
        assert_eq!(
            heard(|| admitted(Some(&token(&claims)))),
            [
                r#"outcome="accepted""#,
                r#"issuer="https://id.example""#,
                r"client=app\u{a}\u{202e}"
            ]
        );
        let claims =
            json!({ "iss": "https://id.example", "client_id": "c".repeat(100), "azp": "b" });
        let client = heard(|| admitted(Some(&token(&claims)))).pop().unwrap();
        assert_eq!(client, format!("client={}...", "c".repeat(64)));
        assert_eq!(heard(|| admitted(None)), [r#"outcome="anonymous""#]);
    }

    #[test]
    fn what_is_refused_is_told_by_code() {
        let down = VerifyError::KeysUnavailable(FetchError::new(FetchErrorKind::Deadline));
        assert_eq!(heard(|| not_admitted(None)), [r#"outcome="refused""#]);
        assert_eq!(
            heard(|| not_admitted(Some(&VerifyError::Expired))),
            [r#"outcome="refused""#]
        );
        assert_eq!(
            heard(|| not_admitted(Some(&down))),
            [r#"outcome="unavailable""#]
        );
        assert_eq!(heard(|| rejected("expired", 401)), [r#"reason="expired""#]);
    }

    #[test]
    fn a_decision_is_told_by_the_policys_name() {
        let token = token(&json!({ "scope": "a", "roles": 7 }));
        let check = |policy: Policy, expected: [&str; 2]| {
            let decision = policy.check(&token);
            assert_eq!(heard(|| policy_decision(&policy, &decision)), expected);
        };
        check(
            Policy::scope("a").named("read"),
            [r#"policy="read""#, r#"decision="allowed""#],
        );
        check(
            Policy::scope("b"),
            [r#"policy="unnamed""#, r#"decision="denied""#],
        );
        check(
            Policy::role("b"),
            [r#"policy="unnamed""#, r#"decision="fault""#],
        );
    }

    #[test]
    fn a_span_hears_only_what_it_declares() {
        let spans = Spans::default();
        let subscriber = tracing_subscriber::registry().with(spans.clone());
        tracing::subscriber::with_default(subscriber, || {
            admitted(None);
            let span = tracing::info_span!("request", portcullis.reason = Empty, other = Empty);
            let _entered = span.enter();
            admitted(None);
            rejected("expired", 401);
        });
        assert_eq!(*spans.0.lock().unwrap(), [r#"reason="expired""#]);
    }
}
