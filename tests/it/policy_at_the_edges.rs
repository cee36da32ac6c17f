//! One policy, asked by a plain call, over HTTP and over gRPC: one decision, and the answer that fits it.

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, Version};
use portcullis::middleware::caller;
use portcullis::policy::AuthorizationDetail;
use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{
    Audience, AuthLayer, Facts, Forbidden, Issuer, KeySet, Policy, Rejection, RequireLayer,
    Verifier, VerifyError,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tracing::Level;

use crate::support::Log;

const NOW: u64 = 1_800_000_000;

/// A service with one issuer, and what it knows of the object that is asked for.
struct Edges {
    issuer: TestIssuer,
    verifier: Verifier,
    facts: Facts<'static>,
}

/// What a caller gets: `None` for a reason is that the handler ran.
#[derive(Debug, Eq, PartialEq)]
struct Answer {
    reason: Option<&'static str>,
    status: u16,
    challenge: Option<String>,
}

impl Edges {
    fn set() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let clock = VirtualClock::at_unix(NOW);
        let issuer = runtime.block_on(TestIssuer::start()).unwrap();
        let issuer = issuer.with_clock(clock.clone());
        let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
        let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
        let verifier = Verifier::builder().issuer(trusted).clock(clock);
        let verifier = verifier.build().unwrap();
        let facts = Facts::new().fact("tenant", "acme");
        let facts = facts.fact_list("groups", &["staff", "sales"]);
        Self {
            issuer,
            verifier,
            facts,
        }
    }

    fn token(&self, claims: &Map<String, Value>) -> String {
        let token = self.issuer.token().without_claim("client_id");
        let changed = claims
            .iter()
            .fold(token, |token, (name, value)| token.claim(name, value));
        changed.sign()
    }

    /// The decision of a plain call, as a consumer of a queue makes it.
    fn plain(&self, policy: &Policy, facts: &Facts<'_>, token: &str) -> Result<(), Refused> {
        let token = self.verifier.verify_now(token).map_err(Refused::Token)?;
        policy.check_on(&token, facts).map_err(Refused::Policy)
    }

    /// The answers of everything that can ask this policy at an edge, in HTTP's way or gRPC's.
    fn answers(
        &self,
        policy: &Policy,
        facts: &Facts<'_>,
        token: Option<&str>,
        grpc: bool,
    ) -> Vec<Answer> {
        let layer = || AuthLayer::new(self.verifier.clone());
        let ran =
            service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
        let asking = service_fn(async |request: Request<()>| {
            let decision = caller(&request).and_then(|caller| caller.check_on(policy, facts));
            Ok::<_, Infallible>(match decision {
                Ok(()) => Response::new(String::new()),
                Err(rejection) => rejection.respond().map(|_| String::new()),
            })
        });
        let ask = |service: &mut dyn FnMut(Request<()>) -> Answer| service(request(token, grpc));
        let mut answers = vec![ask(&mut |request| {
            answer(layer().layer(asking), request, grpc)
        })];
        if let Ok(required) = RequireLayer::new(policy.clone()) {
            let outer = layer().require(policy.clone()).unwrap();
            let inner = layer().layer(required.layer(ran));
            let methods = [("/shop.Orders/Read", policy.clone())];
            let methods = RequireLayer::grpc_methods(methods).unwrap();
            answers.push(ask(&mut |request| answer(outer.layer(ran), request, grpc)));
            answers.push(ask(&mut |request| answer(inner.clone(), request, grpc)));
            let by_method = layer().layer(methods.layer(ran));
            answers.push(ask(&mut |request| answer(by_method.clone(), request, grpc)));
        }
        answers
    }
}

enum Refused {
    Token(VerifyError),
    Policy(Forbidden),
}

impl Refused {
    fn reason(&self) -> &'static str {
        match self {
            Self::Token(error) => error.reason(),
            Self::Policy(forbidden) => forbidden.reason(),
        }
    }

    /// The statuses and the challenge that go with it: the table, written down once more.
    fn row(&self) -> (u16, u16, Option<String>) {
        let challenge = |parameters: String| Some(format!(r#"Bearer realm="api", {parameters}"#));
        let forbidden = match self {
            Self::Token(_) => return (401, 16, challenge(r#"error="invalid_token""#.to_owned())),
            Self::Policy(forbidden) => forbidden,
        };
        if forbidden.is_hidden() {
            return (404, 5, None);
        }
        let list = |names: Vec<&str>| names.join(" ");
        let scopes = list(forbidden.required_scopes().collect());
        match forbidden.reason() {
            "insufficient_scope" => (
                403,
                7,
                challenge(format!(r#"error="insufficient_scope", scope="{scopes}""#)),
            ),
            "insufficient_user_authentication" => {
                let mut parameters = r#"error="insufficient_user_authentication""#.to_owned();
                if forbidden.missing_scopes().next().is_some() {
                    parameters += &format!(r#", scope="{scopes}""#);
                }
                let levels = list(forbidden.acr_values().collect());
                if !levels.is_empty() {
                    parameters += &format!(r#", acr_values="{levels}""#);
                }
                if let Some(age) = forbidden.max_age() {
                    parameters += &format!(r#", max_age="{}""#, age.as_secs());
                }
                (401, 16, challenge(parameters))
            }
            "forbidden" | "policy_fault" => (403, 7, None),
            reason => panic!("{reason}"),
        }
    }
}

fn request(token: Option<&str>, grpc: bool) -> Request<()> {
    let mut request = Request::new(());
    *request.uri_mut() = "/shop.Orders/Read".parse().unwrap();
    if let Some(token) = token {
        let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    if grpc {
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        let call = HeaderValue::from_static("application/grpc");
        request.headers_mut().insert(CONTENT_TYPE, call);
    }
    request
}

/// What this service answers; nothing of it has a reason to wait.
fn answer<S, B>(service: S, request: Request<()>, grpc: bool) -> Answer
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    let future = pin!(service.oneshot(request));
    let Poll::Ready(Ok(response)) = future.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("waits, though all keys are at hand");
    };
    let text = |headers: &HeaderMap, name| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let rejection = response.extensions().get::<Rejection>();
    if let Some(rejection) = rejection {
        assert_eq!(rejection.is_grpc(), grpc);
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
    let status = if grpc {
        assert_eq!(response.status(), 200);
        text(response.headers(), "grpc-status").map_or(0, |status| status.parse().unwrap())
    } else {
        response.status().as_u16()
    };
    Answer {
        reason: rejection.map(Rejection::reason),
        status,
        challenge: text(response.headers(), WWW_AUTHENTICATE.as_str()),
    }
}

/// Asks everywhere and compares with the plain call, whose reason it returns.
fn agree(
    edges: &Edges,
    policy: &Policy,
    facts: &Facts<'_>,
    claims: &Map<String, Value>,
) -> Result<Option<&'static str>, TestCaseError> {
    let token = edges.token(claims);
    let decision = edges.plain(policy, facts, &token);
    let (http, grpc, challenge) = match &decision {
        Ok(()) => (200, 0, None),
        Err(refused) => refused.row(),
    };
    let reason = decision.as_ref().err().map(Refused::reason);
    for (grpc, status) in [(false, http), (true, grpc)] {
        for found in edges.answers(policy, facts, Some(&token), grpc) {
            let expected = Answer {
                reason,
                status,
                challenge: challenge.clone(),
            };
            prop_assert_eq!(found, expected, "{} of {:?}", policy, claims);
        }
    }
    Ok(reason)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => panic!("claims are an object"),
    }
}

const SCOPE: Option<&str> = Some("insufficient_scope");
const LOGIN: Option<&str> = Some("insufficient_user_authentication");
const DENIED: Option<&str> = Some("forbidden");
const FAULT: Option<&str> = Some("policy_fault");
/// A claim that no token may have so, whatever is asked of it.
const TOKEN: Option<&str> = Some("invalid_claim");

/// Every part that a policy is made of, with claims that satisfy it, that do not, that are of another
/// type, and that are absent; and why each of those that do not get in does not.
#[test]
fn every_part_is_asked_alike_at_every_edge() {
    let edges = Edges::set();
    let own = edges.issuer.issuer().to_owned();
    let check = |policy: Policy, rows: [(Value, Option<&str>); 4]| {
        let facts = edges.facts.clone().owner(&own, "alice");
        for (claims, reason) in rows {
            let found = agree(&edges, &policy, &facts, &object(claims.clone())).unwrap();
            assert_eq!(found, reason, "{policy} of {claims}");
            // What is denied by itself `not` lets in, and what is in doubt it does not.
            let negated = policy.clone().not();
            let negated = agree(&edges, &negated, &facts, &object(claims.clone()));
            let token = edges.token(&object(claims.clone()));
            let expected = match edges.plain(&policy, &facts, &token) {
                Ok(()) => DENIED,
                Err(Refused::Token(_)) => TOKEN,
                Err(Refused::Policy(forbidden)) if forbidden.is_fault() => FAULT,
                Err(Refused::Policy(_)) => None,
            };
            assert_eq!(negated.unwrap(), expected, "not {policy} of {claims}");
        }
    };
    let absent = || json!({});
    let of = |name: &str, value: Value| json!({ name: value });

    check(
        Policy::scope("read"),
        [
            (of("scope", json!("list read")), None),
            (of("scope", json!("list")), SCOPE),
            (of("scope", json!(7)), TOKEN),
            (absent(), SCOPE),
        ],
    );
    for (policy, name) in [
        (Policy::role("admin"), "roles"),
        (Policy::group("admin"), "groups"),
        (Policy::entitlement("admin"), "entitlements"),
        (Policy::permission("admin"), "permissions"),
        (
            Policy::role_at(["https://a.example/roles"], "admin"),
            "https://a.example/roles",
        ),
        (Policy::claim("list").contains("admin"), "list"),
    ] {
        check(
            policy,
            [
                (of(name, json!(["clerk", "admin"])), None),
                (of(name, json!(["clerk"])), DENIED),
                (of(name, json!(["admin", ["admin"]])), FAULT),
                (absent(), DENIED),
            ],
        );
    }
    check(
        Policy::role_at("realm_access.roles", "admin"),
        [
            (json!({ "realm_access": { "roles": ["admin"] } }), None),
            (json!({ "realm_access": { "roles": [] } }), DENIED),
            (json!({ "realm_access": ["admin"] }), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::claim("tenant").equals("acme"),
        [
            (of("tenant", json!("acme")), None),
            (of("tenant", json!("other")), DENIED),
            (of("tenant", json!(["acme"])), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::claim("level").is_one_of([1_i64, 2]),
        [
            (of("level", json!(2)), None),
            (of("level", json!(3)), DENIED),
            (of("level", json!("2")), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::claim("act").is_present(),
        [
            (json!({ "act": { "sub": "svc" } }), None),
            (absent(), DENIED),
            (of("act", Value::Null), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::claim("tenant").equals_fact("tenant"),
        [
            (of("tenant", json!("acme")), None),
            (of("tenant", json!("other")), DENIED),
            (of("tenant", json!(7)), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::shares("groups"),
        [
            (of("groups", json!(["sales"])), None),
            (of("groups", json!(["support"])), DENIED),
            (of("groups", json!({ "sales": true })), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::client("app"),
        [
            (of("client_id", json!("app")), None),
            (of("azp", json!("other")), DENIED),
            (json!({ "client_id": "app", "azp": "other" }), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::actor("svc"),
        [
            (json!({ "act": { "sub": "svc" } }), None),
            (
                json!({ "act": { "sub": "other", "act": { "sub": "svc" } } }),
                DENIED,
            ),
            (of("act", json!("svc")), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::acr_at_least("silver", ["bronze", "silver", "gold"]),
        [
            (of("acr", json!("gold")), None),
            (of("acr", json!("bronze")), LOGIN),
            (of("acr", json!(7)), TOKEN),
            (absent(), LOGIN),
        ],
    );
    check(
        Policy::amr("otp"),
        [
            (of("amr", json!(["pwd", "otp"])), None),
            (of("amr", json!(["pwd"])), LOGIN),
            (of("amr", json!(7)), TOKEN),
            (absent(), LOGIN),
        ],
    );
    check(
        Policy::auth_time_within(Duration::from_secs(60)),
        [
            (of("auth_time", json!(NOW - 60)), None),
            (of("auth_time", json!(NOW - 91)), LOGIN),
            // In the future: in doubt, and mended by a new login all the same.
            (of("auth_time", json!(NOW + 31)), LOGIN),
            (absent(), LOGIN),
        ],
    );
    check(
        Policy::authorization_detail(AuthorizationDetail::of_type("pay").action("start")),
        [
            (
                of(
                    "authorization_details",
                    json!([{ "type": "pay", "actions": ["start"] }]),
                ),
                None,
            ),
            (
                of("authorization_details", json!([{ "type": "pay" }])),
                DENIED,
            ),
            (of("authorization_details", json!({ "type": "pay" })), FAULT),
            (absent(), DENIED),
        ],
    );
    check(
        Policy::owner(),
        [
            (of("sub", json!("alice")), None),
            (of("sub", json!("bob")), DENIED),
            (of("sub", json!(7)), TOKEN),
            (of("sub", json!("")), TOKEN),
        ],
    );
    check(
        Policy::custom("adult", |token| {
            Ok(token.claim::<u8>("age")?.is_some_and(|age| age >= 18))
        }),
        [
            (of("age", json!(18)), None),
            (of("age", json!(17)), DENIED),
            (of("age", json!("18")), FAULT),
            (absent(), DENIED),
        ],
    );
    // Of whom a token is cannot be absent.
    for (policy, reason) in [
        (Policy::issuer(own.clone()), None),
        (Policy::issuer("https://id.example.org"), DENIED),
    ] {
        let found = agree(&edges, &policy, &edges.facts, &Map::new());
        assert_eq!(found.unwrap(), reason, "{policy}");
    }
}

/// Claims that are often what a policy asks for, and often not.
fn claims() -> impl Strategy<Value = Map<String, Value>> {
    let value = prop_oneof![
        Just(json!("a")),
        Just(json!("a b")),
        Just(json!(["a", "b"])),
        Just(json!("b")),
        Just(json!(["b"])),
        Just(json!(7)),
        Just(json!(NOW)),
        Just(json!(NOW - 1_000)),
        Just(json!({ "sub": "a", "a": ["a"] })),
        Just(Value::Null),
    ];
    let name = prop::sample::select(vec![
        "scope",
        "roles",
        "tenant",
        "groups",
        "acr",
        "amr",
        "auth_time",
        "act",
        "sub",
        "azp",
    ]);
    prop::collection::hash_map(name.prop_map(str::to_owned), value, 0..7)
        .prop_map(|claims| claims.into_iter().collect())
}

fn policy() -> impl Strategy<Value = Policy> {
    let part = prop_oneof![
        Just(Policy::scope("a")),
        Just(Policy::all_scopes(["a", "b"])),
        Just(Policy::role("a")),
        Just(Policy::role_at("tenant.a", "a")),
        Just(Policy::claim("tenant").equals("a")),
        Just(Policy::claim("tenant").is_one_of(["a", "b"])),
        Just(Policy::claim("groups").contains("a")),
        Just(Policy::claim("act").is_present()),
        Just(Policy::client("a")),
        Just(Policy::actor("a")),
        Just(Policy::acr_at_least("b", ["c", "b", "a"])),
        Just(Policy::amr("a")),
        Just(Policy::auth_time_within(Duration::from_secs(60))),
        Just(Policy::owner()),
        Just(Policy::shares("groups")),
        Just(Policy::claim("tenant").equals_fact("none")),
    ];
    part.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Policy::all),
            3 => prop::collection::vec(inner.clone(), 1..4).prop_map(Policy::any),
            1 => inner.clone().prop_map(Policy::not),
            1 => inner.clone().prop_map(Policy::any_issuer),
            1 => inner.prop_map(Policy::hidden),
        ]
    })
}

#[test]
fn the_edges_agree_on_every_policy_and_token() {
    let edges = Edges::set();
    let own = edges.issuer.issuer().to_owned();
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(Default::default());
    let mut runner = TestRunner::new_with_rng(config, rng);
    let seen = std::cell::RefCell::new(std::collections::BTreeSet::new());
    let outcome = runner.run(&(policy(), claims()), |(policy, claims)| {
        let facts = edges.facts.clone().owner(&own, "a");
        seen.borrow_mut()
            .insert(agree(&edges, &policy, &facts, &claims)?);
        Ok(())
    });
    outcome.unwrap();
    // What never came up was not compared.
    let all = [None, DENIED, TOKEN, SCOPE, LOGIN, FAULT];
    assert_eq!(seen.into_inner(), all.into_iter().collect());
}

/// Who has no token is asked for one, with the scopes that it takes, whatever the policy.
#[test]
fn nobody_is_anonymous_before_a_policy() {
    let edges = Edges::set();
    for (policy, scope) in [
        (Policy::all_scopes(["a", "b"]), r#", scope="a b""#),
        (Policy::scope("a").or(Policy::role("admin")), ""),
        (Policy::role("suspended").not(), ""),
    ] {
        for grpc in [false, true] {
            let layer = AuthLayer::new(edges.verifier.clone()).optional();
            let never = service_fn(async |_: Request<()>| -> Result<Response<()>, Infallible> {
                panic!("the service was called for nobody")
            });
            let expected = Answer {
                reason: Some("no_credentials"),
                status: if grpc { 16 } else { 401 },
                challenge: Some(format!(r#"Bearer realm="api"{scope}"#)),
            };
            let inner = RequireLayer::new(policy.clone()).unwrap();
            let inner = layer.layer(inner.layer(never));
            assert_eq!(
                answer(inner, request(None, grpc), grpc),
                expected,
                "{policy}"
            );
            let outer = layer.require(policy.clone()).unwrap().layer(never);
            assert_eq!(
                answer(outer, request(None, grpc), grpc),
                expected,
                "{policy}"
            );
        }
    }
}

/// Operators hear of faults, once for a request, and read nothing that came with it.
#[test]
fn a_fault_is_told_to_operators_and_a_refusal_to_those_who_look() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let edges = Edges::set();
    let claims = object(json!({ "roles": { "hidden": 7 }, "sub": "hidden" }));
    let token = edges.token(&claims);
    for (policy, level) in [
        (Policy::role("admin"), "WARN"),
        (Policy::claim("tenant").equals("acme"), "DEBUG"),
        (Policy::role("admin").or(Policy::scope("a")), "WARN"),
    ] {
        let layer = AuthLayer::new(edges.verifier.clone()).require(policy.clone());
        let layer = layer.unwrap();
        let never = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(())));
        let refuse = || answer(layer.layer(never), request(Some(&token), false), false);
        // What another test of this process logs first nobody listens to, until this thread says so.
        refuse();
        tracing::callsite::rebuild_interest_cache();
        log.take();
        assert_eq!(refuse().status, 403, "{policy}");
        let entries = log.take();
        let [entry] = &*entries else {
            panic!("{entries:?}");
        };
        assert!(entry.contains("portcullis::rejection"), "{entry}");
        assert!(entry.trim_start().starts_with(level), "{entry}");
        assert!(!entry.contains("hidden"), "{entry}");
        assert!(entry.contains("the policy does not allow it: "), "{entry}");
    }
}
