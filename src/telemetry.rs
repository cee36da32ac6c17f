//! What the span of a request learns, and how decisions of policies are counted.
//!
//! The layer writes into the current span, where that declares these fields, and only those that it declares:
//!
//! | field | values | when |
//! |---|---|---|
//! | `portcullis.outcome` | `accepted`, `anonymous`, `refused` or `unavailable`: the token, whatever policies say | the layer is done with the token |
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

/// The layer knows who calls.
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

/// The layer does not know, because of the token or for want of one.
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
