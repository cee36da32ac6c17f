//! What an operator sees: an axum API with its spans in OpenTelemetry and its metrics in Prometheus' format.
//!
//! Run with: `cargo run --example telemetry --all-features`
//!
//! Requests are made, the spans and metrics that came of them are printed, and it exits 0 only if they are
//! the expected ones. A service of yours exports spans by OTLP (crate `opentelemetry-otlp`) where this one
//! prints them, and serves the text of the metrics to Prometheus.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::get;
use axum::{Router, http};
use http::StatusCode;
use http::header::AUTHORIZATION;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use portcullis::telemetry::policy_decision;
use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{Audience, AuthLayer, Issuer, Policy, VerifiedToken, Verifier};
use tower::ServiceExt as _;
use tracing::field::Empty;
use tracing::{Instrument as _, Span, info_span};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

type Error = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Error> {
    // Before anything is measured: what is counted without a recorder is lost.
    let metrics = record_metrics()?;
    let exported = Exported::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exported.clone())
        .build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("orders"));
    tracing_subscriber::registry().with(spans).try_init()?;

    let issuer = TestIssuer::start().await?;
    let verifier = Verifier::new(Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE)))?;
    let refund = Policy::scope("orders:refund").named("refund").validated()?;
    let app = Router::new()
        .route("/refund", get(give_back))
        .with_state(refund)
        .layer(AuthLayer::new(verifier.clone()))
        .layer(from_fn(in_span)); // outside: the span is there when the token is judged

    // The first token waits for keys; one that comes for the third time is remembered.
    let clerk = issuer.token().subject("carol").scope("orders:refund");
    let clerk = clerk.claim("client_id", "console").sign();
    for _ in 0..3 {
        ask(&app, Some(&clerk), StatusCode::OK).await?;
    }
    let reader = issuer.token().subject("alice").scope("orders:read").sign();
    ask(&app, Some(&reader), StatusCode::FORBIDDEN).await?;
    let expired = issuer.token().expired_for(Duration::from_secs(60)).sign();
    ask(&app, Some(&expired), StatusCode::UNAUTHORIZED).await?;
    let foreign = issuer.token().claim("iss", "https://elsewhere.example");
    ask(&app, Some(&foreign.sign()), StatusCode::UNAUTHORIZED).await?;
    ask(&app, None, StatusCode::UNAUTHORIZED).await?;

    let _ = verifier.status(); // sets the age of the keys, as a readiness probe does
    provider.force_flush()?;
    let spans = exported.lines();
    let scraped = metrics.render();
    println!("{}\n\n{scraped}", spans.join("\n"));
    Ok(verdict(&spans, &scraped, issuer.issuer()))
}

/// Prometheus wants histograms in buckets; the bounds are those that the alerts of docs/operations.md ask for.
fn record_metrics() -> Result<PrometheusHandle, Error> {
    let verification = Matcher::Full("portcullis_verification_duration_seconds".to_owned());
    let refresh = Matcher::Full("portcullis_key_refresh_duration_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(
            verification,
            &[25e-6, 50e-6, 100e-6, 250e-6, 1e-3, 1e-2, 0.1, 0.5, 1.0, 2.0],
        )?
        .set_buckets_for_metric(refresh, &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0])?
        .install_recorder()?;
    portcullis::metrics::describe();
    Ok(handle)
}

/// A span a request, with the fields that portcullis is to fill in. `TraceLayer` of tower-http does the same
/// with its `make_span_with`.
async fn in_span(request: Request, next: Next) -> Response {
    let span = info_span!(
        "request",
        otel.kind = "server",
        http.request.method = %request.method(),
        http.response.status_code = Empty,
        enduser.id = Empty,
        portcullis.outcome = Empty,
        portcullis.issuer = Empty,
        portcullis.client = Empty,
        portcullis.policy = Empty,
        portcullis.decision = Empty,
        portcullis.reason = Empty,
    );
    let response = next.run(request).instrument(span.clone()).await;
    span.record("http.response.status_code", response.status().as_u16());
    response
}

async fn give_back(State(policy): State<Policy>, token: VerifiedToken) -> StatusCode {
    let decision = policy.check(&token);
    policy_decision(&policy, &decision);
    if decision.is_err() {
        return StatusCode::FORBIDDEN;
    }
    // Whom it is about is personal: it is in the trace because this service says so.
    Span::current().record("enduser.id", token.subject());
    StatusCode::OK
}

async fn ask(app: &Router, token: Option<&str>, expected: StatusCode) -> Result<(), Error> {
    let mut request = http::Request::get("/refund");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let response = app.clone().oneshot(request.body(Body::empty())?).await?;
    if response.status() != expected {
        return Err(format!("{} and not {expected}", response.status()).into());
    }
    Ok(())
}

/// Takes the place of an exporter that sends spans to a collector.
#[derive(Clone, Debug, Default)]
struct Exported(Arc<Mutex<Vec<String>>>);

impl Exported {
    fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for span in batch.iter().filter(|span| span.name == "request") {
            let is_shown = |name: &str| {
                ["portcullis.", "enduser.", "http.response"]
                    .iter()
                    .any(|known| name.starts_with(known))
            };
            let mut shown: Vec<_> = (span.attributes.iter())
                .filter(|attribute| is_shown(attribute.key.as_str()))
                .map(|attribute| format!("{}={}", attribute.key, attribute.value))
                .collect();
            shown.sort();
            lines.push(format!("{} {}", span.name, shown.join(" ")));
        }
        Ok(())
    }
}

/// Holds what was exported against what was done.
fn verdict(spans: &[String], metrics: &str, issuer: &str) -> ExitCode {
    let allowed = format!(
        "request enduser.id=carol http.response.status_code=200 portcullis.client=console portcullis.decision=allowed \
         portcullis.issuer={issuer} portcullis.outcome=accepted portcullis.policy=refund"
    );
    let denied = format!(
        "request http.response.status_code=403 portcullis.client=test-client portcullis.decision=denied portcullis.issuer={issuer} \
         portcullis.outcome=accepted portcullis.policy=refund"
    );
    let refused = |reason: &str| {
        format!(
            "request http.response.status_code=401 portcullis.outcome=refused portcullis.reason={reason}"
        )
    };
    let expected = [
        allowed.clone(),
        allowed.clone(),
        allowed,
        denied,
        refused("expired"),
        refused("untrusted_issuer"),
        refused("no_credentials"),
    ];
    let mut wrong: Vec<_> = (expected.iter().zip(spans))
        .filter(|(expected, found)| expected != found)
        .map(|(expected, found)| format!("expected {expected}\nfound    {found}"))
        .collect();
    if spans.len() != expected.len() {
        wrong.push(format!("{} spans", spans.len()));
    }
    let lines = [
        format!(r#"portcullis_verifications_total{{outcome="accepted",reason="ok",issuer="{issuer}"}} 4"#),
        format!(r#"portcullis_verifications_total{{outcome="refused",reason="expired",issuer="{issuer}"}} 1"#),
        r#"portcullis_verifications_total{outcome="refused",reason="untrusted_issuer",issuer="unknown"} 1"#.to_owned(),
        r#"portcullis_rejections_total{reason="no_credentials",status="401"} 1"#.to_owned(),
        r#"portcullis_rejections_total{reason="expired",status="401"} 1"#.to_owned(),
        r#"portcullis_policy_decisions_total{policy="refund",outcome="allowed",reason="ok"} 3"#.to_owned(),
        r#"portcullis_policy_decisions_total{policy="refund",outcome="denied",reason="insufficient_scope"} 1"#.to_owned(),
        r#"portcullis_verification_duration_seconds_count{outcome="accepted",path="waited"} 1"#.to_owned(),
        r#"portcullis_verification_duration_seconds_count{outcome="accepted",path="verified"} 2"#.to_owned(),
        "portcullis_token_cache_hits_total 1".to_owned(),
        format!(r#"portcullis_key_refreshes_total{{issuer="{issuer}",outcome="success"}} 1"#),
    ];
    for line in lines {
        if !metrics.lines().any(|found| *found == line) {
            wrong.push(format!("no line {line}"));
        }
    }
    println!("{}", wrong.join("\n"));
    println!("{} of spans and metrics are not as expected", wrong.len());
    ExitCode::from(u8::from(!wrong.is_empty()))
}
