//! Depth is an attacker's to choose and the stack is not: everything that is parsed on the way of a token
//! or of a key fits a stack of 64 KiB, however deep it is nested. Here rather than with the integration
//! tests because scripts/check-tests runs these with `serde_json/arbitrary_precision` as well.
//!
//! And whatever bytes are accepted are a bearer token, which the layer relies on.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;
use crate::claims::Audience;

const ISSUER: &str = "https://id.example.com";
const JWKS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const TOKEN_CAP: usize = 16 * 1024;
const DOCUMENT_CAP: usize = 512 * 1024;

/// Ways to nest: what opens a level, what stands innermost, what closes one.
const NESTINGS: [[&str; 3]; 5] = [
    ["[", "", "]"],
    [r#"{"a":"#, "1", "}"],
    [r#"[{"$serde_json::private::Number":"#, r#""1""#, "}]"],
    // What is never closed is twice as deep.
    ["[", "", ""],
    [r#"{"":"#, "", ""],
];

fn on_a_small_stack(check: fn()) {
    let thread = std::thread::Builder::new().stack_size(64 * 1024);
    thread.spawn(check).unwrap().join().unwrap();
}

/// The deepest value of at most so many bytes.
fn deepest([open, inner, close]: [&str; 3], bytes: usize) -> String {
    let depth = (bytes - inner.len()) / (open.len() + close.len());
    format!("{}{inner}{}", open.repeat(depth), close.repeat(depth))
}

/// Judges a token whose signature is wrong.
#[track_caller]
fn check(header: &str, payload: &str, reason: &str) {
    let [header, payload] = [header, payload].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part));
    let token = format!("{header}.{payload}.AA");
    let keys = KeySet::from_json(JWKS.as_bytes()).unwrap();
    let verifier = Verifier::new(Issuer::keys(ISSUER, keys, Audience::of("api"))).unwrap();
    let outcome = verifier.verify_now(&token);
    let found = outcome
        .as_ref()
        .err()
        .map_or("accepted", VerifyError::reason);
    assert_eq!(found, reason, "a token of {} bytes", token.len());
}

#[test]
fn the_deepest_header_fits_a_small_stack() {
    on_a_small_stack(|| {
        for nesting in NESTINGS {
            let header = |bytes: usize| {
                let before = r#"{"alg":"EdDSA","x":"#;
                format!("{before}{}}}", deepest(nesting, bytes - before.len() - 1))
            };
            check(&header(2 * 1024), "{}", "malformed");
            check(&header(TOKEN_CAP * 3 / 4 - 8), "{}", "too_large");
        }
    });
}

#[test]
fn the_deepest_payload_fits_a_small_stack() {
    on_a_small_stack(|| {
        for nesting @ [.., close] in NESTINGS {
            // As a claim that nobody reads, as one that is looked into, and as one that is not looked up yet.
            for member in ["x", "aud", "exp"] {
                let before = format!(r#"{{"iss":"{ISSUER}","{member}":"#);
                let value = deepest(nesting, TOKEN_CAP * 3 / 4 - 24 - before.len());
                let reason = match (member, close) {
                    ("x", _) | (_, "") => "malformed",
                    _ => "invalid_signature",
                };
                check(r#"{"alg":"EdDSA"}"#, &format!("{before}{value}}}"), reason);
            }
            let bare = deepest(nesting, TOKEN_CAP * 3 / 4 - 24);
            check(r#"{"alg":"EdDSA"}"#, &bare, "malformed");
        }
    });
}

#[test]
fn the_deepest_key_set_fits_a_small_stack() {
    on_a_small_stack(|| {
        let good = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","#;
        // What stands around the value, and how many keys are taken and left out.
        for (before, after, expected) in [
            (r#"{"keys":["#, "]}", (0, 1)),
            (
                r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"#,
                "}]}",
                (0, 1),
            ),
            (&format!(r#"{good}"kid":"#), "}]}", (0, 1)),
            (&format!(r#"{good}"key_ops":"#), "}]}", (0, 1)),
            (&format!(r#"{good}"unread":"#), "}]}", (1, 0)),
            (r#"{"keys":[],"unread":"#, "}", (0, 0)),
        ] {
            for nesting @ [.., close] in NESTINGS {
                let value = deepest(nesting, DOCUMENT_CAP - before.len() - after.len());
                let keys = KeySet::from_json(format!("{before}{value}{after}").as_bytes());
                let found = keys.map(|keys| (keys.len(), keys.skipped().len())).ok();
                assert_eq!(found, (!close.is_empty()).then_some(expected), "{before}");
            }
        }
        for nesting in NESTINGS {
            assert!(KeySet::from_json(deepest(nesting, DOCUMENT_CAP).as_bytes()).is_err());
        }
    });
}

#[cfg(feature = "remote")]
#[test]
fn the_deepest_metadata_fits_a_small_stack() {
    use crate::fetch::PlainHttp;

    on_a_small_stack(|| {
        let keys = r#""jwks_uri":"https://id.example.com/keys""#;
        for (before, is_read) in [
            (format!(r#"{{"issuer":"{ISSUER}",{keys},"unread":"#), true),
            (format!(r#"{{{keys},"issuer":"#), false),
            (format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"#), false),
        ] {
            for nesting @ [.., close] in NESTINGS {
                let value = deepest(nesting, DOCUMENT_CAP - before.len() - 1);
                let document = format!("{before}{value}}}");
                let found = crate::discovery::parse(document.as_bytes(), ISSUER, PlainHttp::Never);
                assert_eq!(found.is_ok(), is_read && !close.is_empty(), "{before}");
            }
        }
    });
}

/// What a layer relies on, which looks at the characters of a token only when it refuses it.
#[cfg(feature = "tower")]
#[test]
fn whatever_bytes_are_accepted_are_a_bearer_token() {
    use crate::bearer::BearerToken;
    use crate::middleware::tests::support;

    let verifier = support::verifier();
    let good = support::token(&serde_json::json!({})).into_bytes();
    let check = |token: &[u8]| {
        let accepted = verifier.evaluate(token, None, &mut Account::default());
        assert_eq!(accepted.is_ok(), token == good, "{token:?}");
        assert!(accepted.is_err() || BearerToken::from_bytes(token).is_ok());
    };
    (0..3).for_each(|_| check(&good)); // remembered from here on
    for at in 0..=good.len() {
        let (before, after) = good.split_at(at);
        for byte in 0..=0xff_u8 {
            let cut = after.get(1..).unwrap_or_default();
            check(&[before, &[byte], cut].concat());
            if at.is_multiple_of(16) {
                check(&[before, &[byte], after].concat());
            }
        }
    }
}
