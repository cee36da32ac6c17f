//! Policies on axum's routes.

use std::sync::LazyLock;

use ::axum::Router;
use ::axum::body::{Body, to_bytes};
use ::axum::extract::Path;
use ::axum::response::Response;
use ::axum::routing::{MethodRouter, any, get, post};
use http::header::AUTHORIZATION;
use http::{Method, Request};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::{Allowed, NamedPolicy, PolicyRouter};
use crate::middleware::tests::support;
use crate::{AuthLayer, Caller, Policy, Rejection, RequireLayer, VerifiedToken};

fn layer() -> AuthLayer {
    AuthLayer::new(support::verifier())
}

async fn respond(app: Router, method: Method, path: &str, claims: Option<&Value>) -> Response {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    if let Some(claims) = claims {
        let value = format!("Bearer {}", support::token(claims));
        let value = value.parse().unwrap();
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    app.oneshot(request).await.unwrap()
}

/// The body of an answer, or the reason of a refusal, after its status.
#[track_caller]
fn check(app: &Router, (method, path): (&str, &str), claims: Option<&Value>, expected: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let method = method.parse().unwrap();
        let response = respond(app.clone(), method, path, claims).await;
        let status = response.status().as_u16();
        let found = match response.extensions().get::<Rejection>() {
            Some(rejection) => rejection.reason().to_owned(),
            None => {
                let body = to_bytes(response.into_body(), 1024).await.unwrap();
                String::from_utf8(body.into()).unwrap()
            }
        };
        assert_eq!(format!("{status} {found}"), expected, "{path}");
    });
}

fn own() -> Policy {
    Policy::claim("sub").equals_fact("path.id")
}

struct Own;

impl NamedPolicy for Own {
    fn policy() -> &'static Policy {
        static POLICY: LazyLock<Policy> = LazyLock::new(|| own().or(Policy::role("admin")));
        &POLICY
    }
}

struct Scope;

impl NamedPolicy for Scope {
    fn policy() -> &'static Policy {
        static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::scope("a"));
        &POLICY
    }
}

/// The path says whose it is: in a layer of the route, of a router, of one that is nested, in an
/// extractor, and in the router of policies.
#[test]
fn a_parameter_of_the_path_is_a_fact() {
    let echo = || get(async |Path(id): Path<String>| id);
    let within = || RequireLayer::with_path(own().or(Policy::role("admin"))).unwrap();
    let by_extractor = get(async |_: Allowed<Own>, Path(id): Path<String>| id);
    let path = "/users/{id}/orders";
    let policies =
        || PolicyRouter::new().route("/{id}/orders", echo(), own().or(Policy::role("admin")));
    for app in [
        Router::new()
            .route(path, echo().route_layer(within()))
            .layer(layer()),
        Router::new()
            .route(path, echo())
            .route_layer(within())
            .route_layer(layer()),
        Router::new()
            .route(path, echo())
            .layer(within())
            .layer(layer()),
        Router::new()
            .nest(
                "/users/{id}",
                Router::new().route("/orders", echo()).layer(within()),
            )
            .layer(layer()),
        Router::new()
            .nest("/users", Router::new().route("/{id}/orders", echo()))
            .layer(within())
            .layer(layer()),
        Router::new().route(path, by_extractor).layer(layer()),
        PolicyRouter::new()
            .nest("/users", policies())
            .guarded_by(layer())
            .unwrap(),
    ] {
        let alice = json!({});
        check(
            &app,
            ("GET", "/users/alice/orders"),
            Some(&alice),
            "200 alice",
        );
        check(
            &app,
            ("GET", "/users/%61lice/orders"),
            Some(&alice),
            "200 alice",
        );
        check(
            &app,
            ("GET", "/users/bob/orders"),
            Some(&alice),
            "403 forbidden",
        );
        check(
            &app,
            ("GET", "/users/alice%2F/orders"),
            Some(&alice),
            "403 forbidden",
        );
        check(
            &app,
            ("GET", "/users/Alice/orders"),
            Some(&alice),
            "403 forbidden",
        );
        check(
            &app,
            ("GET", "/users/%ff/orders"),
            Some(&alice),
            "404 not_found",
        );
        check(
            &app,
            ("GET", "/users/alice/orders"),
            None,
            "401 no_credentials",
        );
        let admin = json!({ "sub": "root", "roles": ["admin"] });
        check(
            &app,
            ("GET", "/users/alice/orders"),
            Some(&admin),
            "200 alice",
        );
        let nobody = json!({ "sub": "root", "roles": 7 });
        check(
            &app,
            ("GET", "/users/alice/orders"),
            Some(&nobody),
            "403 policy_fault",
        );
    }
}

#[test]
fn where_the_path_says_nothing_nobody_is_allowed() {
    let within = || RequireLayer::with_path(own()).unwrap();
    let alice = json!({});
    for app in [
        Router::new()
            .route("/me", get(async || "me"))
            .layer(within())
            .layer(layer()),
        Router::new()
            .route("/{name}", get(async || "me"))
            .layer(within())
            .layer(layer()),
        Router::new()
            .fallback(async || "me")
            .layer(within())
            .layer(layer()),
        Router::new()
            .route("/me", get(async |_: Allowed<Own>| "me"))
            .layer(layer()),
    ] {
        check(&app, ("GET", "/me"), Some(&alice), "403 policy_fault");
    }
}

#[test]
fn two_parameters_of_one_name_are_neither() {
    let user = Router::new().route("/of/{id}", get(async || "bob's"));
    let app = Router::new()
        .nest("/users/{id}", user)
        .layer(RequireLayer::with_path(own()).unwrap())
        .layer(layer());
    let alice = json!({});
    check(
        &app,
        ("GET", "/users/bob/of/alice"),
        Some(&alice),
        "404 not_found",
    );
    check(
        &app,
        ("GET", "/users/alice/of/bob"),
        Some(&alice),
        "404 not_found",
    );
}

#[tokio::test]
async fn an_extractor_tells_who_has_no_token_the_scopes() {
    let app = Router::new()
        .route(
            "/",
            get(async |caller: Allowed<Scope>| caller.token().issuer().to_owned()),
        )
        .layer(layer().optional().realm("orders"));
    let response = respond(app.clone(), Method::GET, "/", None).await;
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="orders", scope="a""#
    );
    let response = respond(app.clone(), Method::GET, "/", Some(&json!({}))).await;
    assert_eq!(
        response.headers()["www-authenticate"],
        r#"Bearer realm="orders", error="insufficient_scope", scope="a""#
    );
    let response = respond(app, Method::GET, "/", Some(&json!({ "scope": "a" }))).await;
    assert_eq!(response.status(), 200);
}

#[test]
fn extractors_without_a_layer_are_a_mistake_of_the_service() {
    let app = Router::new()
        .route("/allowed", get(async |_: Allowed<Scope>| "in"))
        .route("/caller", get(async |_: Caller| "in"));
    for path in ["/allowed", "/caller"] {
        check(
            &app,
            ("GET", path),
            Some(&json!({ "scope": "a" })),
            "500 layer_missing",
        );
    }
    let app = app.layer(layer().optional());
    for path in ["/allowed", "/caller"] {
        check(
            &app,
            ("GET", path),
            Some(&json!({ "scope": "a" })),
            "200 in",
        );
        check(&app, ("GET", path), None, "401 no_credentials");
    }
}

fn never() -> MethodRouter {
    any(async || -> &'static str { panic!("a handler ran for whom it is not") })
}

fn router() -> PolicyRouter {
    let admin = PolicyRouter::new()
        .route("/users", get(async || "users"), Policy::role("admin"))
        .public("/about", get(async || "about"));
    PolicyRouter::new()
        .route("/orders", get(async || "list"), Policy::scope("read"))
        .route("/orders", post(async || "placed"), Policy::scope("write"))
        .route("/never", never(), Policy::scope("nobody"))
        .nest("/admin", admin)
        .authenticated(
            "/me",
            get(async |token: Option<VerifiedToken>| match token {
                Some(_) => "somebody",
                None => "nobody",
            }),
        )
        .public("/health", get(async || "well"))
}

#[test]
fn each_route_has_its_own_policy() {
    let bob = json!({ "scope": "read" });
    let admin = json!({ "scope": "write", "roles": ["admin"] });
    for layer in [layer(), layer().optional()] {
        let app = router().guarded_by(layer).unwrap();
        check(&app, ("GET", "/orders"), Some(&bob), "200 list");
        check(
            &app,
            ("POST", "/orders"),
            Some(&bob),
            "403 insufficient_scope",
        );
        check(
            &app,
            ("GET", "/orders"),
            Some(&admin),
            "403 insufficient_scope",
        );
        check(&app, ("POST", "/orders"), Some(&admin), "200 placed");
        check(&app, ("GET", "/admin/users"), Some(&bob), "403 forbidden");
        check(&app, ("GET", "/admin/users"), Some(&admin), "200 users");
        check(&app, ("GET", "/me"), Some(&json!({})), "200 somebody");
        check(&app, ("GET", "/health"), None, "200 well");
        check(&app, ("GET", "/admin/about"), None, "200 about");
        for path in [
            "/orders",
            "/admin/users",
            "/never",
            "/none",
            "/admin",
            "/admin/none",
        ] {
            check(&app, ("GET", path), None, "401 no_credentials");
        }
        // Whoever may not use a path does not learn its methods.
        check(
            &app,
            ("DELETE", "/admin/users"),
            Some(&bob),
            "403 forbidden",
        );
        check(&app, ("DELETE", "/admin/users"), Some(&admin), "405 ");
        check(&app, ("GET", "/none"), Some(&admin), "404 not_found");
        check(&app, ("GET", "/admin/none"), Some(&admin), "404 not_found");
    }
}

#[test]
fn a_route_without_a_decision_is_for_whom_the_layer_lets_through() {
    let strict = router().guarded_by(layer()).unwrap();
    check(&strict, ("GET", "/me"), None, "401 no_credentials");
    let optional = router().guarded_by(layer().optional()).unwrap();
    check(&optional, ("GET", "/me"), None, "200 nobody");
}

#[tokio::test]
async fn an_unknown_path_can_look_like_a_forbidden_one() {
    let app = router().forbid_unknown().guarded_by(layer()).unwrap();
    let mut answers = Vec::new();
    for path in ["/admin/users", "/admin/none"] {
        let response = respond(app.clone(), Method::GET, path, Some(&json!({}))).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1024).await.unwrap();
        answers.push((parts.status, parts.headers, body));
    }
    assert_eq!(answers[0].0, 403);
    assert_eq!(answers[0], answers[1]);
}

/// Every header counts: axum says in one of them which methods there are.
#[tokio::test]
async fn what_is_hidden_looks_like_what_is_not_there_by_any_method() {
    let hidden = Policy::role("admin").hidden();
    let nested = PolicyRouter::new().route("/export", get(async || "all"), hidden.clone());
    let app = PolicyRouter::new()
        .route("/export", get(async || "all"), hidden.clone())
        .route("/export", post(async || "begun"), hidden.clone())
        .route("/any", never(), hidden)
        .nest("/v1", nested)
        .guarded_by(layer())
        .unwrap();
    let answer = async |method: &str, path, claims: Option<&Value>| {
        let response = respond(app.clone(), method.parse().unwrap(), path, claims).await;
        let (parts, body) = response.into_parts();
        (
            parts.status,
            parts.headers,
            to_bytes(body, 1024).await.unwrap(),
        )
    };
    for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PROPFIND"] {
        for claims in [None, Some(&json!({}))] {
            let unknown = answer(method, "/none", claims).await;
            for path in ["/export", "/any", "/v1/export"] {
                let found = answer(method, path, claims).await;
                assert_eq!(found, unknown, "{method} {path}");
            }
        }
    }
    let admin = json!({ "roles": ["admin"] });
    for (path, methods) in [("/export", "GET,HEAD,POST"), ("/v1/export", "GET,HEAD")] {
        let (status, headers, _) = answer("DELETE", path, Some(&admin)).await;
        assert_eq!(status, 405);
        assert_eq!(headers["allow"], methods);
    }
    let (status, headers, body) = answer("HEAD", "/export", Some(&admin)).await;
    assert_eq!((status.as_u16(), &*body), (200, &b""[..]));
    assert_eq!(headers["content-length"], "3");
}

#[test]
fn what_a_method_router_falls_back_to_is_a_handler_too() {
    for methods in [
        never(),
        get(async || "").fallback(async || -> &'static str { panic!("a fallback ran") }),
    ] {
        let app = PolicyRouter::new().route("/", methods, Policy::scope("a"));
        let app = app.guarded_by(layer()).unwrap();
        check(
            &app,
            ("DELETE", "/"),
            Some(&json!({})),
            "403 insufficient_scope",
        );
    }
}

#[test]
fn what_the_layer_requires_holds_on_each_route() {
    let app = router()
        .guarded_by(layer().require(Policy::role("clerk")).unwrap())
        .unwrap();
    let clerk = json!({ "scope": "read", "roles": ["clerk"] });
    check(&app, ("GET", "/orders"), Some(&clerk), "200 list");
    check(
        &app,
        ("POST", "/orders"),
        Some(&clerk),
        "403 insufficient_scope",
    );
    check(
        &app,
        ("GET", "/orders"),
        Some(&json!({ "scope": "read" })),
        "403 forbidden",
    );
    check(&app, ("GET", "/none"), Some(&json!({})), "403 forbidden");
    check(&app, ("GET", "/health"), None, "200 well");
}

#[test]
fn a_route_whose_policy_cannot_be_asked_is_an_error() {
    #[track_caller]
    fn check(routes: PolicyRouter, layer: AuthLayer, parts: &[&str]) {
        let error = routes.guarded_by(layer).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    }
    let at = |path: &str, policy| {
        let routes = PolicyRouter::new().route(path, never(), policy);
        PolicyRouter::new().nest("/v1/{tenant}", routes)
    };
    check(
        at("/a", Policy::scope("")),
        layer(),
        &["route \"/v1/{tenant}/a\"", "scope \"\""],
    );
    check(
        at("/a", Policy::owner()),
        layer(),
        &["route \"/v1/{tenant}/a\"", "owner"],
    );
    check(
        at("/a/{name}", own()),
        layer(),
        &["path.id", "no parameter"],
    );
    // A path that has two of a name names neither, and nobody would be let in.
    for path in ["/{tenant}/{id}", "/{*tenant}"] {
        let tenant = Policy::claim("tenant").equals_fact("path.tenant");
        check(at(path, tenant), layer(), &[path, "path.tenant", "twice"]);
    }
    check(at("/{{id}}", own()), layer(), &["path.id", "no parameter"]);
    let of_two = AuthLayer::new(support::verifier_of_two());
    check(
        at("/a", Policy::role("admin")),
        of_two,
        &["role \"admin\"", "any_issuer"],
    );
    let tenant = Policy::claim("tenant").equals_fact("path.tenant");
    assert!(at("/a", tenant).guarded_by(layer()).is_ok());
    let rest = Policy::claim("place").equals_fact("path.rest");
    assert!(at("/{*rest}", rest).guarded_by(layer()).is_ok());
}
