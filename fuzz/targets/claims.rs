//! Any bytes as a payload, really signed. What is accepted is read again with `serde_json` alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::{Algorithm, VerifiedToken, verify_jws};
use portcullis_fuzz::{AUDIENCE, ISSUER, LEEWAY, NOW, SIGNER, reason, with_members_before};
use serde_json::{Map, Value};

fuzz_target!(|payload: &[u8]| {
    signed(payload);
    let required = format!(r#""iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{NOW}"#);
    if let Some(payload) = with_members_before(&required, payload) {
        signed(&payload);
    }
});

fn signed(payload: &[u8]) {
    let token = SIGNER.token().raw_payload(payload).sign();
    let outcome = SIGNER.verifier.verify_now(&token);
    let reason = reason(&outcome);
    if token.len() > 16 * 1024 {
        assert_eq!(reason, "too_large");
        return;
    }
    // The signature says nothing of what was signed, and hands back exactly that.
    let jws = verify_jws(&token, &SIGNER.keys, Algorithm::ALL).expect("the signer's own");
    assert_eq!(jws.payload(), payload);
    assert_ne!(reason, "invalid_signature");
    match (
        outcome,
        serde_json::from_slice::<Map<String, Value>>(payload),
    ) {
        (Ok(token), Ok(claims)) => check(&token, &claims),
        // Depth and numbers beyond all floats are no fault of claims that nobody reads: to JSON they
        // are right, and only to `serde_json` too much.
        (Ok(_), Err(error)) => {
            let error = error.to_string();
            let is_right =
                error.contains("recursion limit") || error.contains("number out of range");
            assert!(is_right, "{error}");
        }
        (Err(_), _) => {}
    }
}

fn check(token: &VerifiedToken, claims: &Map<String, Value>) {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let number = |name: &str| {
        claims
            .get(name)
            .map(|value| value.as_f64().expect("a number"))
    };
    let (now, leeway) = (f64::from(NOW), f64::from(LEEWAY));

    assert_eq!(text("iss"), Some(ISSUER));
    match claims.get("aud") {
        Some(Value::String(only)) => assert_eq!(only, AUDIENCE),
        Some(Value::Array(several)) => {
            assert!(several.iter().all(Value::is_string));
            assert!(several.iter().any(|audience| audience == AUDIENCE));
        }
        other => panic!("aud is {other:?}"),
    }
    assert!(now < number("exp").expect("an expiry") + leeway);
    for name in ["nbf", "iat"] {
        assert!(
            number(name).is_none_or(|time| time <= now + leeway),
            "{name}"
        );
    }
    for name in ["cnf", "events", "at_hash", "c_hash"] {
        assert!(!claims.contains_key(name), "{name}");
    }
    for name in ["sub", "client_id", "azp"] {
        let value = claims.get(name);
        assert!(
            value.is_none_or(|value| value.as_str().is_some_and(|text| !text.is_empty())),
            "{name}"
        );
    }
    assert_eq!(token.issuer(), ISSUER);
    assert_eq!(token.subject(), text("sub"));
    for (name, value) in claims {
        let read = token.claim::<Value>(name).expect("it was read before");
        assert_eq!(read.as_ref().unwrap_or(&Value::Null), value, "{name:?}");
    }
    let shown = format!("{token:?}");
    assert!(!shown.contains(char::is_control), "{shown:?}");
}
