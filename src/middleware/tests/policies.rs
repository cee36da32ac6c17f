//! Policies in layers, and for handlers behind them.

use std::time::Duration;

use http_body_util::Full;

use super::*;
use crate::middleware::{RequireLayer, caller};
use crate::{BuildError, Facts, Guarded, Policy, Resource};

fn orders() -> AuthLayer {
    AuthLayer::new(support::verifier()).realm("orders")
}

/// What a request is answered with: status, reason and challenge.
fn answer<S, B>(service: S, request: Request<Empty<Bytes>>) -> (u16, String, String)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    let response = now(service.oneshot(request)).unwrap();
    let rejection = response.extensions().get::<Rejection>();
    let challenge = response.headers().get("www-authenticate");
    (
        response.status().as_u16(),
        rejection.map_or_else(String::new, |found| found.reason().to_owned()),
        challenge.map_or_else(String::new, |found| found.to_str().unwrap().to_owned()),
    )
}

/// The same for a layer that requires this policy, for one behind a layer, and for a handler that asks.
#[track_caller]
fn check(
    policy: &Policy,
    claims: Option<&serde_json::Value>,
    (status, reason): (u16, &str),
    challenge: &str,
) {
    let request = || match claims {
        Some(claims) => bearer(&support::token(claims)),
        None => request(&[]),
    };
    let expected = |answer: (u16, String, String)| {
        let realm = r#"Bearer realm="orders""#;
        let whole = match challenge {
            "none" => String::new(),
            "" => realm.to_owned(),
            _ => format!("{realm}, {challenge}"),
        };
        let found = (answer.0, &*answer.1, &*answer.2);
        assert_eq!(found, (status, reason, &*whole), "{policy}");
    };
    let outer = orders().require(policy.clone()).unwrap();
    let inner = RequireLayer::new(policy.clone()).unwrap();
    let within = orders().optional().layer(inner.layer(service_fn(never)));
    let asked = service_fn(async |request: Request<Empty<Bytes>>| {
        let decision = caller(&request).and_then(|caller| caller.check(policy));
        Ok::<_, Infallible>(decision.unwrap_err().respond().map(|_| String::new()))
    });
    expected(answer(outer.layer(service_fn(never)), request()));
    expected(answer(outer.optional().layer(service_fn(never)), request()));
    expected(answer(within, request()));
    if claims.is_some() {
        expected(answer(orders().layer(asked), request()));
    }
}

#[test]
fn what_is_missing_is_what_the_challenge_asks_for() {
    let alice = json!({ "scope": "a", "roles": 7 });
    let scope = Policy::all_scopes(["a", "b"]);
    let fresh = Policy::auth_time_within(Duration::from_secs(300));
    let strong = Policy::acr_at_least("silver", ["bronze", "silver", "gold"]);
    check(
        &scope,
        Some(&alice),
        (403, "insufficient_scope"),
        r#"error="insufficient_scope", scope="a b""#,
    );
    check(
        &Policy::scope("a").and(fresh.clone()),
        Some(&alice),
        (401, "insufficient_user_authentication"),
        r#"error="insufficient_user_authentication", max_age="300""#,
    );
    check(
        &scope.clone().and(fresh).and(strong),
        Some(&alice),
        (401, "insufficient_user_authentication"),
        r#"error="insufficient_user_authentication", scope="a b", acr_values="silver gold", max_age="300""#,
    );
    check(
        &Policy::issuer("https://id.example.org"),
        Some(&alice),
        (403, "forbidden"),
        "none",
    );
    check(
        &Policy::role("admin"),
        Some(&alice),
        (403, "policy_fault"),
        "none",
    );
    check(
        &scope.hidden(),
        Some(&alice),
        (404, "insufficient_scope"),
        "none",
    );
}

#[test]
fn who_has_no_token_is_told_the_scopes() {
    let policy = Policy::all_scopes(["a", "b"]).and(Policy::role("admin"));
    check(&policy, None, (401, "no_credentials"), r#"scope="a b""#);
    check(&Policy::role("admin"), None, (401, "no_credentials"), "");
    // What is no absence of credentials is refused before it.
    let layer = orders().require(policy).unwrap().optional();
    check_refused(&layer, bearer("a.b.c"), 401, "malformed");
}

#[test]
fn who_is_allowed_passes() {
    let token = support::token(&json!({ "scope": "a b" }));
    let layer = orders().require(Policy::scope("a")).unwrap();
    check_admitted(&layer, bearer(&token), "alice");
    let layer = layer.require(Policy::scope("b")).unwrap();
    check_admitted(&layer, bearer(&token), "alice");
    let inner = RequireLayer::new(Policy::scope("b")).unwrap();
    let service = layer.layer(inner.layer(service_fn(whoami)));
    assert_eq!(answer(service, bearer(&token)).0, 200);
    // Each of those that were required must hold.
    let one = support::token(&json!({ "scope": "b" }));
    check_refused(&layer, bearer(&one), 403, "insufficient_scope");
}

#[test]
fn without_a_layer_in_front_nothing_passes() {
    let layer = RequireLayer::new(Policy::scope("a")).unwrap();
    let methods = RequireLayer::grpc_methods([("/a.B/C", Policy::scope("a"))]).unwrap();
    let mut request = request(&[]);
    let token = support::token(&json!({ "scope": "a" }));
    let token = support::verifier().verify_now(&token).unwrap();
    request.extensions_mut().insert(token);
    for layer in [layer, methods] {
        let found = answer(layer.layer(service_fn(never)), request.clone());
        assert_eq!(found, (500, "layer_missing".to_owned(), String::new()));
    }
    assert_eq!(caller(&request).unwrap_err().reason(), "layer_missing");
}

#[test]
fn the_authority_of_one_issuer_is_not_that_of_another() {
    let of_two = || AuthLayer::new(support::verifier_of_two());
    let admin = || Policy::role("admin");
    let ours = || admin().and(Policy::issuer(support::ISSUER));
    let error = of_two().require(admin()).unwrap_err().to_string();
    assert!(
        error.contains(r#"AuthLayer::require: policy part `role "admin"`"#)
            && error.contains("any_issuer"),
        "{error}"
    );
    // What was required before names the issuer for what comes later.
    let named = of_two().require(Policy::issuer(support::ISSUER)).unwrap();
    assert!(named.require(admin()).is_ok());

    let token = support::token(&json!({ "roles": ["admin"] }));
    for (policy, status) in [(admin(), 500), (ours(), 200), (admin().any_issuer(), 200)] {
        let layer = RequireLayer::new(policy.clone()).unwrap();
        let service = layer.layer(service_fn(whoami));
        let found = answer(of_two().layer(service.clone()), bearer(&token));
        assert_eq!(found.0, status, "{policy}");
        // It is the service's mistake, whoever asks.
        let found = answer(of_two().optional().layer(service.clone()), request(&[]));
        assert_eq!(found.0, if status == 500 { 500 } else { 401 }, "{policy}");
        // Of one issuer there is no other.
        let found = answer(orders().layer(service), bearer(&token));
        assert_eq!(found.0, 200, "{policy}");

        let asked = service_fn(async |request: Request<Empty<Bytes>>| {
            let decision = caller(&request).and_then(|caller| caller.check(&policy));
            Ok::<_, Infallible>(match decision {
                Ok(()) => Response::new(String::new()),
                Err(rejection) => rejection.respond().map(|_| String::new()),
            })
        });
        let found = answer(of_two().layer(asked), bearer(&token));
        assert_eq!(found.0, status, "{policy}");
    }
}

#[test]
fn a_policy_that_cannot_be_asked_is_an_error_where_it_is_put() {
    #[track_caller]
    fn check(outcome: Result<impl Sized, BuildError>, parts: &[&str]) {
        let error = outcome.err().unwrap().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let mine = || Policy::role("admin").or(Policy::owner());
    check(
        orders().require(Policy::scope("")),
        &["scope \"\"", "AuthLayer::require"],
    );
    check(
        RequireLayer::new(Policy::all([])),
        &["all of nothing", "RequireLayer"],
    );
    check(
        orders().require(mine()),
        &["owner asks for a fact", "Caller::authorize"],
    );
    check(
        RequireLayer::new(mine()),
        &["owner asks for a fact", "Caller::authorize"],
    );
    let path = Policy::claim("sub").equals_fact("path.id");
    check(RequireLayer::new(path), &["path.id", "asks for a fact"]);
    let table = |methods: &[&'static str]| {
        RequireLayer::grpc_methods(methods.iter().map(|method| (*method, Policy::scope("a"))))
    };
    check(table(&[]), &["every call would be refused"]);
    check(
        table(&["/a.B/C", "/a.B/D", "/a.B/C"]),
        &["/a.B/C", "already"],
    );
    for method in [
        "", "/", "a.B/C", "/a.B", "/a.B/", "//C", "/a.B/C/D", "/a.B/C?d", "/a.B/*",
    ] {
        check(table(&[method]), &["/package.Service/Method"]);
    }
    let invalid = RequireLayer::grpc_methods([("/a.B/C", mine())]);
    check(invalid, &["gRPC method \"/a.B/C\"", "owner"]);
}

fn call(path: &str, mut request: Request<Empty<Bytes>>) -> Request<Empty<Bytes>> {
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = path.parse().unwrap();
    let grpc = HeaderValue::from_static("application/grpc");
    request.headers_mut().insert(CONTENT_TYPE, grpc);
    request
}

#[test]
fn a_method_that_is_not_in_the_table_is_nobodys() {
    let layer = RequireLayer::grpc_methods([
        ("/shop.Ledger/Read", Policy::scope("read")),
        (
            "/shop.Ledger/Refund",
            Policy::scope("refund").and(Policy::role("admin")),
        ),
    ]);
    let service = layer.unwrap().layer(service_fn(whoami));
    let token = support::token(&json!({ "scope": "read", "roles": ["admin"] }));
    for (path, status, reason, challenge) in [
        ("/shop.Ledger/Read", None, "", ""),
        (
            "/shop.Ledger/Refund",
            Some("7"),
            "insufficient_scope",
            r#"Bearer realm="orders", error="insufficient_scope", scope="refund""#,
        ),
        ("/shop.Ledger/Other", Some("7"), "no_policy", ""),
        ("/shop.Ledger/Read/", Some("7"), "no_policy", ""),
        ("/shop.Ledger/read", Some("7"), "no_policy", ""),
        ("/shop.Ledger%2FRead", Some("7"), "no_policy", ""),
        ("/shop.Ledger/Read?a", None, "", ""),
    ] {
        let request = call(path, bearer(&token));
        let response = now(orders().layer(service.clone()).oneshot(request)).unwrap();
        let grpc_status = response.headers().get("grpc-status");
        assert_eq!(
            grpc_status.map(|code| code.to_str().unwrap()),
            status,
            "{path}"
        );
        let found = response.extensions().get::<Rejection>();
        assert_eq!(found.map_or("", Rejection::reason), reason, "{path}");
        let found = response.headers().get("www-authenticate");
        assert_eq!(
            found.map_or("", |found| found.to_str().unwrap()),
            challenge,
            "{path}"
        );
    }
    // Who is nobody is asked who it is, whether there is such a method or not.
    for path in ["/shop.Ledger/Read", "/shop.Ledger/Other"] {
        let service = orders().optional().layer(service.clone());
        let response = now(service.oneshot(call(path, request(&[])))).unwrap();
        assert_eq!(response.headers()["grpc-status"], "16", "{path}");
    }
}

struct Order(&'static str);

impl Resource for Order {
    fn facts(&self) -> Facts<'_> {
        Facts::new().owner(support::ISSUER, self.0)
    }
}

#[test]
fn nobody_can_tell_what_is_hidden_from_what_is_not_there() {
    let mine = Policy::owner().hidden();
    let answers = [true, false].map(|there| {
        let token = support::token(&json!({}));
        [bearer(&token), call("/a.B/C", bearer(&token))].map(|request| {
            let service = service_fn(async |request: Request<Empty<Bytes>>| {
                let caller = caller(&request).unwrap();
                let rejection = if there {
                    let order = caller.authorize(Guarded::new(Order("bob")), &mine);
                    order.err().unwrap()
                } else {
                    caller.not_found()
                };
                Ok::<_, Infallible>(rejection.respond().map(Full::new))
            });
            let response = now(orders().layer(service).oneshot(request)).unwrap();
            let (parts, body) = response.into_parts();
            let body = now(body.collect()).unwrap().to_bytes();
            (parts.status, parts.headers, body)
        })
    });
    assert_eq!(answers[0], answers[1]);
    let [(status, headers, body), (_, grpc, _)] = &answers[0];
    assert_eq!(*status, 404);
    assert!(headers.get("www-authenticate").is_none());
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(
        body,
        r#"{"title":"Not Found","status":404,"detail":"There is no such resource."}"#
    );
    assert_eq!(grpc["grpc-status"], "5");
}

#[test]
fn an_object_is_had_by_whom_the_policy_allows() {
    let request = bearer(&support::token(&json!({})));
    let service = service_fn(async |request: Request<Empty<Bytes>>| {
        let caller = caller(&request).unwrap();
        assert_eq!(caller.token().subject(), Some("alice"));
        let mine = caller.authorize(Guarded::new(Order("alice")), &Policy::owner());
        assert_eq!(mine.ok().unwrap().0, "alice");
        let other = caller.authorize(Guarded::new(Order("bob")), &Policy::owner());
        let rejection = other.err().unwrap();
        assert_eq!(rejection.forbidden().unwrap().reason(), "forbidden");
        let facts = Facts::new().fact("tenant", "acme");
        let tenant = Policy::claim("tenant").equals_fact("tenant");
        assert_eq!(caller.check_on(&tenant, &facts).unwrap_err().status(), 403);
        Ok::<_, Infallible>(rejection.respond().map(|_| String::new()))
    });
    assert_eq!(answer(orders().layer(service), request).0, 403);
}

#[test]
fn a_refusal_behind_the_layer_is_answered_as_by_the_layer() {
    let layer = orders().on_rejection(|rejection| {
        assert!(rejection.forbidden().is_some());
        let mut response = rejection.to_response();
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response
    });
    let inner = RequireLayer::new(Policy::scope("b")).unwrap();
    let service = layer.layer(inner.layer(service_fn(never)));
    let found = answer(service, bearer(&support::token(&json!({}))));
    assert_eq!(found.0, 418);
    assert!(found.2.contains(r#"realm="orders""#), "{}", found.2);
}
