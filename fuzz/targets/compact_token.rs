//! Any text as a token, before keys of every algorithm. What is accepted must be one of the tokens
//! that were signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::{Algorithm, verify_jws};
use portcullis_fuzz::{KNOWN_GOOD, reason};

fuzz_target!(|text: &str| {
    let as_token = KNOWN_GOOD.verifier.verify_now(text);
    let as_jws = verify_jws(text, &KNOWN_GOOD.keys, Algorithm::ALL);
    let (token, jws) = (reason(&as_token), reason(&as_jws));

    let is_known = is_known(text);
    assert_eq!(token == "accepted", is_known, "{token}");
    assert_eq!(jws == "accepted", is_known, "{jws}");
    if text.len() > 16 * 1024 {
        assert_eq!((token, jws), ("too_large", "too_large"));
    } else if text.split('.').count() != 3 {
        assert_eq!((token, jws), ("malformed", "malformed"));
    }
});

/// Byte for byte. The twin (r, n - s) of an ECDSA signature would be accepted, too, but whoever finds
/// it has calculated, not mutated.
fn is_known(text: &str) -> bool {
    KNOWN_GOOD.tokens.iter().any(|token| token == text)
}
