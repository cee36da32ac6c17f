//! Tokens in other places than the header, and in more than one.
#![expect(clippy::print_stdout, reason = "a test that fails says at which place")]

use super::*;
use crate::BearerError;
use crate::bearer::BearerToken;
use crate::middleware::TokenSource;

const ORIGIN: &str = "https://app.example.com";

/// Every place at once.
fn everywhere() -> AuthLayer {
    AuthLayer::new(support::verifier())
        .token_from(TokenSource::header())
        .token_from(cookie())
        .token_from(TokenSource::web_socket_protocol())
        .token_from(TokenSource::dangerously_query("access_token").unwrap())
        .token_from(custom())
}

fn cookie() -> TokenSource {
    TokenSource::cookie("__Host-token", &[ORIGIN]).unwrap()
}

fn custom() -> TokenSource {
    TokenSource::custom(|request| match request.headers.get("x-token") {
        Some(value) => BearerToken::from_bytes(value.as_bytes()).map(Some),
        None => Ok(None),
    })
}

/// The places of [`everywhere`], each with how a token gets there.
type Place = fn(&mut Request<Empty<Bytes>>, &str);
const PLACES: [(&str, Place); 5] = [
    ("header", |request, token| {
        with(request, "authorization", &format!("Bearer {token}"));
    }),
    ("cookie", |request, token| {
        with(request, "cookie", &format!("a=1; __Host-token={token}"));
    }),
    ("protocol", |request, token| {
        let protocols = format!("v1, bearer.{token}");
        with(request, "sec-websocket-protocol", &protocols);
    }),
    ("query", |request, token| {
        *request.uri_mut() = format!("/me?a=1&access_token={token}").parse().unwrap();
    }),
    ("custom", |request, token| with(request, "x-token", token)),
];

fn with(request: &mut Request<Empty<Bytes>>, name: &'static str, value: &str) {
    request.headers_mut().append(name, value.parse().unwrap());
}

fn at(places: &[Place], token: &str) -> Request<Empty<Bytes>> {
    let mut request = request(&[]);
    for place in places {
        place(&mut request, token);
    }
    request
}

#[test]
fn a_token_is_found_wherever_the_layer_is_told_to_look() {
    let good = support::token(&json!({}));
    let expired = support::token(&json!({ "exp": 1 }));
    for (name, place) in PLACES {
        println!("{name}");
        for layer in [everywhere(), everywhere().optional()] {
            check_admitted(&layer, at(&[place], &good), "alice");
            check_refused(&layer, at(&[place], &expired), 401, "expired");
            check_refused(&layer, at(&[place], ""), 400, "malformed_credentials");
            check_refused(&layer, at(&[place], "a$b"), 400, "malformed_credentials");
        }
    }
    check_refused(&everywhere(), request(&[]), 401, "no_credentials");
    check_admitted(&everywhere().optional(), request(&[]), "anonymous");
}

#[test]
fn two_places_at_once_are_refused() {
    let good = support::token(&json!({}));
    for (first, one) in PLACES {
        for (second, other) in PLACES {
            println!("{first} and {second}");
            let request = at(&[one, other], &good);
            match (first, second) {
                // The address, as it is replaced, has one query.
                ("query", "query") => check_admitted(&everywhere(), request, "alice"),
                // The closure of this test looks at one value alone.
                ("custom", "custom") => check_admitted(&everywhere(), request, "alice"),
                _ => check_refused(&everywhere(), request, 400, "several_credentials"),
            }
        }
    }
    // Credentials of another scheme are credentials.
    let mut basic = at(&[PLACES[1].1], &good);
    with(&mut basic, "authorization", "Basic cm9vdDo=");
    check_refused(&everywhere(), basic, 401, "other_scheme");
}

#[test]
fn what_is_wrong_with_the_first_of_two_is_said_first() {
    let good = support::token(&json!({}));
    let header_first = AuthLayer::new(support::verifier())
        .token_from(TokenSource::header())
        .token_from(cookie());
    let cookie_first = AuthLayer::new(support::verifier())
        .token_from(cookie())
        .token_from(TokenSource::header());
    let twice = format!("{good}; __Host-token={good}");
    let (malformed, several) = ("malformed_credentials", "several_credentials");
    for (header, cookie, by_header, by_cookie) in [
        (&*good, &*good, several, several),
        ("a$b", &good, malformed, malformed),
        (&good, "a$b", malformed, malformed),
        ("a$b", &twice, malformed, several),
        ("a,b", "a$b", several, malformed),
        ("a,b", "a,b", several, malformed),
        (&good, &twice, several, several),
        ("", &good, malformed, malformed),
    ] {
        println!("{header:.9} and {cookie:.9}");
        let request = || {
            let mut request = request(&[]);
            PLACES[0].1(&mut request, header);
            PLACES[1].1(&mut request, cookie);
            request
        };
        check_refused(&header_first, request(), 400, by_header);
        check_refused(&cookie_first, request(), 400, by_cookie);
    }
    // Nor is it said first that there is a second one where nobody takes it from.
    let layer = AuthLayer::new(support::verifier());
    for (header, reason) in [(&*good, several), ("a$b", malformed), ("a,b", several)] {
        let mut request = request(&[]);
        PLACES[0].1(&mut request, header);
        PLACES[3].1(&mut request, &good);
        check_refused(&layer, request, 400, reason);
    }
}

#[test]
fn a_place_that_is_not_named_is_not_looked_at() {
    let good = support::token(&json!({}));
    let sources = || {
        [
            TokenSource::header(),
            cookie(),
            TokenSource::web_socket_protocol(),
            TokenSource::dangerously_query("access_token").unwrap(),
            custom(),
        ]
    };
    for ((name, place), source) in PLACES.into_iter().zip(sources()) {
        for (other, elsewhere) in PLACES {
            println!("from {name}, with a token in {other}");
            let layer = AuthLayer::new(support::verifier()).token_from(source.clone());
            let alone = || at(&[elsewhere], &good);
            let both = at(&[place, elsewhere], &good);
            if name == other {
                check_admitted(&layer, alone(), "alice");
                continue;
            }
            check_refused(&layer, alone(), 401, "no_credentials");
            check_admitted(&layer.clone().optional(), alone(), "anonymous");
            // Where RFC 6750 has a token nobody may read a second one.
            match other {
                "header" | "query" => check_refused(&layer, both, 400, "several_credentials"),
                _ => check_admitted(&layer, both, "alice"),
            }
        }
    }
}

#[test]
fn another_scheme_is_nothing_to_a_layer_that_reads_cookies_alone() {
    let layer = AuthLayer::new(support::verifier()).token_from(cookie());
    let mut request = at(&[PLACES[1].1], &support::token(&json!({})));
    with(&mut request, "authorization", "Basic cm9vdDo=");
    check_admitted(&layer, request, "alice");
}

#[test]
fn a_place_that_is_named_twice_is_looked_at_once() {
    let good = support::token(&json!({}));
    let layer = everywhere()
        .token_from(TokenSource::header())
        .token_from(cookie())
        .token_from(TokenSource::web_socket_protocol())
        .token_from(TokenSource::dangerously_query("access_token").unwrap());
    for (_, place) in PLACES {
        check_admitted(&layer, at(&[place], &good), "alice");
    }
    // Named last without an origin, it allows none.
    let layer = layer.token_from(TokenSource::cookie("__Host-token", &[]).unwrap());
    let mut request = at(&[PLACES[1].1], &good);
    *request.method_mut() = Method::POST;
    with(&mut request, "origin", ORIGIN);
    check_refused(&layer, request, 403, "cross_site_request");
}

#[test]
fn only_a_cookie_is_asked_where_the_request_comes_from() {
    let good = support::token(&json!({}));
    for (name, place) in PLACES {
        let post = |headers: &[(&'static str, &str)]| {
            let mut request = at(&[place], &good);
            *request.method_mut() = Method::POST;
            for (name, value) in headers {
                with(&mut request, name, value);
            }
            request
        };
        check_admitted(&everywhere(), post(&[("origin", ORIGIN)]), "alice");
        let same = [("sec-fetch-site", "same-origin")];
        check_admitted(&everywhere(), post(&same), "alice");
        let foreign = [("origin", "https://evil.example")];
        for headers in [&[][..], &foreign, &[("origin", "null")]] {
            for layer in [everywhere(), everywhere().optional()] {
                match name {
                    "cookie" => check_refused(&layer, post(headers), 403, "cross_site_request"),
                    _ => check_admitted(&layer, post(headers), "alice"),
                }
            }
        }
    }
}

/// gRPC-Web is answered as HTTP, gRPC in its own way.
#[test]
fn a_call_with_a_cookie_is_held_to_the_same() {
    let good = support::token(&json!({}));
    let call = |content_type: &str, headers: &[(&'static str, &str)]| {
        let mut request = at(&[PLACES[1].1], &good);
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        with(&mut request, "content-type", content_type);
        for (name, value) in headers {
            with(&mut request, name, value);
        }
        request
    };
    for content_type in ["application/grpc-web+proto", "application/grpc"] {
        let origin = [("origin", ORIGIN)];
        check_admitted(&everywhere(), call(content_type, &origin), "alice");
    }
    let web = call("application/grpc-web+proto", &[]);
    check_refused(&everywhere(), web, 403, "cross_site_request");
    let service = everywhere().layer(service_fn(never));
    let response = now(service.oneshot(call("application/grpc", &[]))).unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["grpc-status"], "7");
    assert_eq!(response.headers()["cache-control"], "no-store");
}

#[test]
fn the_service_does_not_see_the_protocol_with_the_token() {
    async fn offered(request: Request<Empty<Bytes>>) -> Result<Response<String>, Infallible> {
        let protocols = request.headers().get("sec-websocket-protocol");
        Ok(Response::new(format!("{protocols:?}")))
    }
    let token = support::token(&json!({}));
    for (layer, expected) in [
        (everywhere(), r#"Some("v1")"#.to_owned()),
        // Whoever does not take the token from there leaves the header as it is.
        (
            AuthLayer::new(support::verifier()).optional(),
            format!(r#"Some("v1, bearer.{token}")"#),
        ),
    ] {
        let service = layer.layer(service_fn(offered));
        let response = now(service.oneshot(at(&[PLACES[2].1], &token))).unwrap();
        let body = now(response.into_body().collect()).unwrap().to_bytes();
        assert_eq!(body, expected);
    }
}

/// Or two readers of one request could each have another token.
#[test]
fn a_custom_source_does_not_stand_in_for_the_header_or_the_query() {
    let good = support::token(&json!({}));
    let layer = AuthLayer::new(support::verifier());
    let header = TokenSource::custom(|request| BearerToken::from_headers(request.headers));
    let layer = layer.token_from(header);
    check_refused(
        &layer,
        at(&[PLACES[0].1], &good),
        400,
        "several_credentials",
    );
    check_refused(&layer, request(&[]), 401, "no_credentials");
}

#[test]
fn an_error_of_a_custom_source_refuses() {
    for error in [BearerError::Malformed, BearerError::Several] {
        let source = TokenSource::custom(move |_| Err(error));
        let layer = AuthLayer::new(support::verifier()).token_from(source);
        check_refused(&layer.optional(), request(&[]), 400, error.reason());
    }
}

#[test]
fn debug_output_names_the_places() {
    let shown = format!("{:?}", everywhere());
    for place in [
        "Header",
        "__Host-token",
        ORIGIN,
        "WebSocketProtocol",
        "access_token",
        "Custom",
    ] {
        assert!(shown.contains(place), "{shown}");
    }
}
