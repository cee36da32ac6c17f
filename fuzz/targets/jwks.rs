//! Any bytes as a JWK Set and as PEM. Every key is accounted for, and a second reading of the same
//! bytes finds the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use portcullis::KeySet;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(keys) = KeySet::from_json(bytes) {
        let document: Document<'_> = serde_json::from_slice(bytes).expect("a set with keys");
        let read = document.keys.len().min(MAX_KEYS + MAX_EXCESS);
        assert_eq!(keys.len() + keys.skipped().len(), read);
        assert!(keys.len() <= document.keys.iter().filter(|key| may_verify(key)).count());
        assert!(
            keys.skipped()
                .windows(2)
                .all(|pair| pair[0].index() < pair[1].index())
        );
        for skipped in keys.skipped() {
            let shown = format!("{skipped:?} {}", skipped.reason());
            assert!(
                !shown.contains(char::is_control) && shown.len() < 1_000,
                "{shown:?}"
            );
        }
        let again = KeySet::from_json(bytes).expect("the same bytes");
        assert_eq!(again.len(), keys.len());
        assert_eq!(
            format!("{:?}", again.skipped()),
            format!("{:?}", keys.skipped())
        );
    }
    if let Ok(keys) = KeySet::from_pem(bytes) {
        let text = std::str::from_utf8(bytes).expect("PEM is text");
        assert!((1..=text.matches("-----BEGIN ").count()).contains(&keys.len()));
        assert!(keys.skipped().is_empty());
    }
});

/// An object of a type with a public half that is not published with the private one.
fn may_verify(key: &RawValue) -> bool {
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(key.get()) else {
        // Deeper than serde_json goes, which is no fault of a key.
        return key.get().starts_with('{');
    };
    let kty = members.get("kty").and_then(Value::as_str);
    matches!(kty, Some("RSA" | "EC" | "OKP" | "AKP"))
        && !PRIVATE.iter().any(|name| members.contains_key(*name))
}

const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];
const MAX_KEYS: usize = 1_024;
const MAX_EXCESS: usize = 100;
