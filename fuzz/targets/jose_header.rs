//! Any bytes as a header: once with the rest of a known token, and once really signed, so that
//! reading the header is all that stands between it and acceptance.
#![no_main]

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{KEY_ID, KNOWN_GOOD, SIGNER, reason, with_members_before};
use serde_json::{Map, Value};

fuzz_target!(|header: &[u8]| {
    with_the_rest_of_known_tokens(header);
    signed(header);
    if let Some(header) = with_members_before(r#""alg":"EdDSA""#, header) {
        signed(&header);
    }
});

fn signed(header: &[u8]) {
    let token = SIGNER.token().raw_header(header).sign();
    let outcome = SIGNER.verifier.verify_now(&token);
    let reason = reason(&outcome);
    let reread = serde_json::from_slice::<Map<String, Value>>(header);
    match &reread {
        Err(_) => assert!(matches!(reason, "malformed" | "too_large"), "{reason}"),
        Ok(_) if header.len() > 2 * 1024 => assert_eq!(reason, "too_large"),
        Ok(members) => check(members, reason),
    }
    if let (Ok(token), Ok(members)) = (outcome, reread) {
        assert_eq!(
            token.header().key_id(),
            members.get("kid").and_then(Value::as_str)
        );
        assert_eq!(
            token.header().token_type(),
            members.get("typ").and_then(Value::as_str)
        );
    }
}

/// What may be said of a header that is JSON, and not too long.
fn check(members: &Map<String, Value>, reason: &str) {
    let text = |name| members.get(name).and_then(Value::as_str);
    let is_text_or_absent = |name| members.get(name).is_none_or(Value::is_string);
    let kind = text("typ").map(|typ| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/")
            .map_or(typ.clone(), str::to_owned)
    });
    let faults = [
        (
            text("alg").is_none() || !is_text_or_absent("kid") || !is_text_or_absent("typ"),
            "malformed",
        ),
        (
            ["crit", "b64", "zip"]
                .iter()
                .any(|name| members.contains_key(*name)),
            "unsupported_critical",
        ),
        (
            text("alg").is_some_and(|alg| alg.parse::<portcullis::Algorithm>().is_err()),
            "unsupported_algorithm",
        ),
        (text("kid").is_some_and(|kid| kid.len() > 256), "too_large"),
        (text("kid").is_some_and(|kid| kid != KEY_ID), "unknown_key"),
        (
            !matches!(kind.as_deref(), None | Some("at+jwt" | "jwt")),
            "wrong_type",
        ),
    ];
    let fits = matches!(text("alg"), Some("EdDSA" | "Ed25519"));
    if reason == "accepted" {
        assert!(fits && faults.iter().all(|(fault, _)| !fault), "{faults:?}");
        return;
    }
    // Duplicate members, depth and lone surrogates are what a map does not show.
    let found = faults
        .iter()
        .any(|&(fault, named)| fault && named == reason);
    let other_key = !fits && matches!(reason, "algorithm_mismatch" | "unknown_key");
    assert!(
        found || other_key || reason == "malformed",
        "{reason} {faults:?}"
    );
}

fn with_the_rest_of_known_tokens(header: &[u8]) {
    let header = BASE64_URL_SAFE_NO_PAD.encode(header);
    for known in &KNOWN_GOOD.tokens {
        let (known_header, rest) = known.split_once('.').expect("three parts");
        let token = format!("{header}.{rest}");
        let accepted = reason(&KNOWN_GOOD.verifier.verify_now(&token)) == "accepted";
        assert_eq!(accepted, header == known_header);
    }
}
