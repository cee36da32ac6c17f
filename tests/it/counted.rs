//! What is counted: each token, each refusal and each decision once, whichever way it came, under labels that
//! nobody outside can add to.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode, Version};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use portcullis::telemetry::policy_decision;
use portcullis::{AuthLayer, Issuer, Policy, TokenCache, Verifier};
use tokio::runtime::Builder;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::{Scene, reason, settle};

/// What was counted and measured since the last look, one sorted line each; the issuer is `I`.
struct Counted(Snapshotter);

impl Counted {
    fn take(&self, scene: &Scene, names: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        for (key, _, _, value) in self.0.snapshot().into_vec() {
            let Some(name) = key.key().name().strip_prefix("portcullis_") else {
                continue;
            };
            let value = match value {
                DebugValue::Counter(0) => continue,
                DebugValue::Counter(count) => count.to_string(),
                DebugValue::Histogram(values) if values.is_empty() => continue,
                DebugValue::Histogram(values) => format!("{values:?}"),
                DebugValue::Gauge(_) => continue,
            };
            if names.iter().any(|wanted| name.starts_with(wanted)) {
                let labels = key.key().labels().map(|label| label.value());
                let labels: Vec<_> = labels.map(|value| scene.short(value)).collect();
                let name = name.trim_end_matches("_total");
                lines.push(format!("{name} {} {value}", labels.join(",")));
            }
        }
        lines.sort();
        lines
    }
}

impl Scene {
    fn short<'a>(&self, label: &'a str) -> &'a str {
        if label == self.issuer.issuer() {
            "I"
        } else {
            label
        }
    }
}

/// Runs this on one thread, whose recorder it is.
fn record<F: Future<Output = ()>>(run: impl FnOnce(Counted) -> F) {
    let recorder = DebuggingRecorder::new();
    let counted = Counted(recorder.snapshotter());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(run(counted)));
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Plain,
    Now,
    Http,
    Grpc,
}

const WAYS: [Way; 4] = [Way::Plain, Way::Now, Way::Http, Way::Grpc];

impl Way {
    async fn send(self, verifier: &Verifier, token: &str) {
        match self {
            Self::Plain => drop(verifier.verify(token).await),
            Self::Now => drop(verifier.verify_now(token)),
            Self::Http => drop(through(verifier, Request::new(()), Some(token)).await),
            Self::Grpc => drop(through(verifier, call(), Some(token)).await),
        }
    }

    /// Whether this is an edge, which refuses requests.
    fn is_edge(self) -> bool {
        matches!(self, Self::Http | Self::Grpc)
    }
}

fn call() -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    let kind = "application/grpc".parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, kind);
    request
}

async fn through(verifier: &Verifier, mut request: Request<()>, token: Option<&str>) -> StatusCode {
    if let Some(token) = token {
        let credentials = format!("Bearer {token}").parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, credentials);
    }
    let handler = |_| ready(Ok::<_, Infallible>(Response::new(String::new())));
    let service = AuthLayer::new(verifier.clone()).layer(service_fn(handler));
    service.oneshot(request).await.unwrap().status()
}

const EVERYTHING: &[&str] = &[
    "verifications",
    "verification_d",
    "rejections",
    "token_cache",
];

#[test]
fn a_token_that_waits_for_keys_is_counted_once() {
    for way in [Way::Plain, Way::Http, Way::Grpc] {
        record(async move |counted| {
            let scene = Scene::set().await;
            way.send(&scene.verifier, &scene.token().sign()).await;
            assert_eq!(
                counted.take(&scene, EVERYTHING),
                [
                    "token_cache_misses  1",
                    "verification_duration_seconds accepted,waited [0.0]",
                    "verifications accepted,ok,I 1",
                ],
                "{way:?}"
            );
        });
    }
    // And one that would have to, and does not.
    record(async |counted| {
        let scene = Scene::set().await;
        Way::Now.send(&scene.verifier, &scene.token().sign()).await;
        assert_eq!(
            counted.take(&scene, EVERYTHING),
            [
                "token_cache_misses  1",
                "verification_duration_seconds unavailable,verified [0.0]",
                "verifications unavailable,key_not_cached,I 1",
            ]
        );
    });
}

#[test]
fn a_token_that_waits_in_vain_is_counted_once() {
    for way in [Way::Plain, Way::Http, Way::Grpc] {
        record(async move |counted| {
            let scene = Scene::set().await;
            scene.go_down();
            way.send(&scene.verifier, &scene.token().sign()).await;
            let mut expected = vec![
                "token_cache_misses  1",
                "verification_duration_seconds unavailable,waited [0.0]",
                "verifications unavailable,keys_unavailable,I 1",
            ];
            if way.is_edge() {
                expected.insert(0, "rejections keys_unavailable,503 1");
            }
            assert_eq!(counted.take(&scene, EVERYTHING), expected, "{way:?}");
        });
    }
}

#[test]
fn a_token_is_counted_once_when_it_is_remembered_too() {
    for way in WAYS {
        record(async move |counted| {
            let scene = Scene::set().await;
            scene.verifier.warm_up().await.unwrap();
            let token = scene.token().sign();
            for (cache, duration) in [
                ("token_cache_misses  1", true),
                ("token_cache_misses  1", true),
                ("token_cache_hits  1", false),
                ("token_cache_hits  1", false),
            ] {
                way.send(&scene.verifier, &token).await;
                let mut expected = vec![cache];
                if duration {
                    expected.push("verification_duration_seconds accepted,verified [0.0]");
                }
                expected.push("verifications accepted,ok,I 1");
                assert_eq!(counted.take(&scene, EVERYTHING), expected, "{way:?}");
            }
        });
    }
}

#[test]
fn nothing_is_looked_up_where_nothing_is_remembered() {
    record(async |counted| {
        let scene = Scene::built(|issuer| issuer, |builder| builder.cache(TokenCache::off())).await;
        assert_eq!(scene.good().await, "accepted");
        assert_eq!(scene.good().await, "accepted");
        let all = counted.take(&scene, &["token_cache", "verifications"]);
        assert_eq!(all, ["verifications accepted,ok,I 2"]);
    });
}

#[test]
fn a_refused_token_is_counted_once_with_its_reason_and_issuer() {
    for way in WAYS {
        record(async move |counted| {
            let scene = Scene::with(|issuer| issuer.require_claims(["tenant"])).await;
            scene.verifier.warm_up().await.unwrap();
            let token = || scene.token().claim("tenant", "acme");
            for (token, reason, issuer) in [
                ("a.b.c".to_owned(), "malformed", "unknown"),
                ("a".repeat(20_000), "too_large", "unknown"),
                (
                    token().header("alg", "HS256").sign(),
                    "unsupported_algorithm",
                    "unknown",
                ),
                (
                    token().header("crit", ["exp"]).sign(),
                    "unsupported_critical",
                    "unknown",
                ),
                (
                    token().without_claim("iss").sign(),
                    "missing_claim",
                    "unknown",
                ),
                (token().claim("iss", 7).sign(), "invalid_claim", "unknown"),
                (
                    token().issuer("https://elsewhere.example").sign(),
                    "untrusted_issuer",
                    "unknown",
                ),
                (token().with_invalid_signature(), "invalid_signature", "I"),
                (token().token_type("logout+jwt").sign(), "wrong_type", "I"),
                (token().audience("another").sign(), "audience_mismatch", "I"),
                (
                    token().expired_for(Duration::from_secs(60)).sign(),
                    "expired",
                    "I",
                ),
                (scene.token().sign(), "missing_claim", "I"),
                (
                    token().claim("cnf", serde_json::json!({"jkt": "x"})).sign(),
                    "binding_required",
                    "I",
                ),
            ] {
                way.send(&scene.verifier, &token).await;
                let mut expected = vec![
                    "verification_duration_seconds refused,verified [0.0]".to_owned(),
                    format!("verifications refused,{reason},{issuer} 1"),
                ];
                if way.is_edge() {
                    expected.insert(0, format!("rejections {reason},401 1"));
                }
                let found = counted.take(&scene, &["verif", "rejections"]);
                assert_eq!(found, expected, "{way:?}");
            }
        });
    }
}

#[test]
fn an_unknown_key_is_counted_once_as_what_it_is() {
    record(async |counted| {
        let scene = Scene::set().await;
        assert_eq!(scene.good().await, "accepted");
        let _ = counted.take(&scene, &[]);
        assert_eq!(scene.invented().await, "unknown_key");
        assert_eq!(
            counted.take(&scene, &["verifications", "unknown_key"]),
            [
                "unknown_key_refusals I 1",
                "verifications refused,unknown_key,I 1"
            ]
        );
    });
}

#[test]
fn a_call_that_is_dropped_is_counted_nowhere() {
    record(async |counted| {
        let scene = Scene::set().await;
        scene.network.hold();
        for way in [Way::Plain, Way::Http] {
            let (verifier, token) = (scene.verifier.clone(), scene.token().sign());
            let call = tokio::spawn(async move { way.send(&verifier, &token).await });
            settle().await;
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        scene.network.release();
        settle().await;
        assert_eq!(counted.take(&scene, EVERYTHING), [""; 0]);
    });
}

/// From the first look at the token to the verdict, on the verifier's clock.
#[test]
fn waiting_is_part_of_the_duration() {
    record(async |counted| {
        let scene = Scene::set().await;
        scene.network.hold();
        let (verifier, token) = (scene.verifier.clone(), scene.token().sign());
        let call = tokio::spawn(async move { reason(&verifier.verify(&token).await) });
        settle().await;
        scene.clock.advance(Duration::from_millis(750));
        scene.network.release();
        assert_eq!(call.await.unwrap(), "accepted");
        assert_eq!(
            counted.take(&scene, &["verification_d"]),
            ["verification_duration_seconds accepted,waited [0.75]"]
        );
    });
}

#[test]
fn a_request_without_a_token_to_judge_is_a_rejection_alone() {
    record(async |counted| {
        let scene = Scene::set().await;
        for request in [Request::new(()), call()] {
            through(&scene.verifier, request, None).await;
            let expected = ["rejections no_credentials,401 1"];
            assert_eq!(counted.take(&scene, EVERYTHING), expected);
        }
        let mut twice = Request::new(());
        twice
            .headers_mut()
            .append(AUTHORIZATION, "Bearer a".parse().unwrap());
        twice
            .headers_mut()
            .append(AUTHORIZATION, "Bearer b".parse().unwrap());
        let status = through(&scene.verifier, twice, None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let found = counted.take(&scene, EVERYTHING);
        assert_eq!(found, ["rejections several_credentials,400 1"]);
        // Behind no layer at all, where an extractor finds out.
        let unguarded = portcullis::middleware::verified_token(&Request::new(())).is_err();
        assert!(unguarded);
        let found = counted.take(&scene, EVERYTHING);
        assert_eq!(found, ["rejections layer_missing,500 1"]);
    });
}

#[test]
fn a_decision_is_counted_once_by_the_policys_name() {
    record(async |counted| {
        let scene = Scene::set().await;
        let token = scene.token().scope("orders:read").claim("roles", 7).sign();
        let token = scene.verifier.verify(&token).await.unwrap();
        let read = Policy::scope("orders:read").named("read");
        for policy in [
            read.clone(),
            read.clone(),
            read.and(Policy::scope("orders:write")),
            Policy::scope("orders:write").named("write"),
            Policy::role("admin").named("admin"),
            Policy::scope("").named("broken"),
            Policy::client("console"),
        ] {
            policy_decision(&policy, &policy.check(&token));
        }
        assert_eq!(
            counted.take(&scene, &["policy", "rejections"]),
            [
                "policy_decisions admin,fault,policy_fault 1",
                "policy_decisions broken,fault,invalid_policy 1",
                "policy_decisions read,allowed,ok 2",
                "policy_decisions unnamed,denied,forbidden 1",
                "policy_decisions unnamed,denied,insufficient_scope 1",
                "policy_decisions write,denied,insufficient_scope 1",
            ]
        );
    });
}

/// Texts of an attacker in every place of a token that is read, and requests of all kinds.
#[test]
fn nobody_outside_can_make_a_label() {
    const TEXTS: [&str; 6] = ["evil", "", "ok\",x=\"", "a\r\nb", "\u{202e}", "unknown"];
    let recorder = DebuggingRecorder::new();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let issuer = metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let scene = Scene::with(Issuer::dangerously_allow_http).await;
            assert_eq!(scene.good().await, "accepted");
            for text in TEXTS {
                for token in [
                    scene.token().issuer(text).sign(),
                    scene.token().key_id(text).sign(),
                    scene.token().token_type(text).sign(),
                    scene.token().audience(text).sign(),
                    scene.token().subject(text).claim("client_id", text).sign(),
                    scene.token().claim("azp", text).scope(text).sign(),
                    scene.token().header("alg", text).sign(),
                    scene.token().claim(text, text).header("jku", text).sign(),
                    scene.token().raw_payload(text).sign(),
                    scene.token().raw_header(text).sign(),
                    format!("{}{text}", scene.token().sign()),
                    text.to_owned(),
                ] {
                    let _ = scene.verifier.verify_now(&token);
                    let _ = scene.verifier.verify(&token).await;
                    if format!("Bearer {token}")
                        .parse::<http::HeaderValue>()
                        .is_ok()
                    {
                        Way::Http.send(&scene.verifier, &token).await;
                        Way::Grpc.send(&scene.verifier, &token).await;
                    }
                }
            }
            scene.issuer.issuer().to_owned()
        })
    });
    let mut seen = BTreeSet::new();
    for (key, ..) in recorder.snapshotter().snapshot().into_vec() {
        for label in key.key().labels() {
            seen.insert((label.key().to_owned(), label.value().to_owned()));
        }
    }
    let issuers: Vec<_> = seen.iter().filter(|(key, _)| key == "issuer").collect();
    assert_eq!(issuers.len(), 2, "{issuers:?}");
    for (key, value) in &seen {
        let known = match key.as_str() {
            "issuer" => *value == issuer || value == "unknown",
            "outcome" => ["accepted", "refused", "unavailable", "success"].contains(&&**value),
            "path" => ["verified", "waited"].contains(&&**value),
            "state" => ["published", "in_grace"].contains(&&**value),
            "status" => ["400", "401", "503"].contains(&&**value),
            "reason" => !value.is_empty() && value.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_')),
            _ => false,
        };
        assert!(known, "{key}={value:?}");
    }
    let reasons = seen.iter().filter(|(key, _)| key == "reason").count();
    assert!((8..30).contains(&reasons), "{seen:?}");
}

/// Names as they stand in a text, with this before them.
fn names<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let starts = text.match_indices(prefix).map(|(at, _)| at);
    let names = starts.map(|at| {
        let rest = &text[at + prefix.len()..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        &text[at..at + prefix.len() + end]
    });
    names.filter(|name| name.len() > prefix.len()).collect()
}

#[test]
fn the_operators_handbook_has_every_name_and_no_other() {
    let handbook = include_str!("../../docs/operations.md");
    let metrics = include_str!("../../src/metrics/mod.rs");
    let known = names(metrics, "portcullis_");
    let elsewhere = include_str!("../../src/metrics/verification.rs");
    assert!(names(elsewhere, "portcullis_").is_subset(&known));
    let told: BTreeSet<_> = names(handbook, "portcullis_")
        .into_iter()
        // What Prometheus makes of a histogram.
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name))
        .collect();
    assert_eq!(told, known);
    // Each has a row of its own in both tables.
    for name in known {
        let row = format!("| `{name}` |");
        assert_eq!(handbook.matches(&row).count(), 1, "{name}");
        assert_eq!(metrics.matches(&row).count(), 1, "{name}");
    }
    let spans = include_str!("../../src/telemetry.rs");
    assert_eq!(names(handbook, "portcullis."), names(spans, "portcullis."));
    let targets = names(include_str!("../../src/lib.rs"), "portcullis::");
    let told = names(handbook, "| `portcullis::");
    assert!(told.len() >= 4);
    for target in told {
        assert!(
            targets.contains(target.trim_start_matches("| `")),
            "{target}"
        );
    }
}
