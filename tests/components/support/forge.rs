//! Good tokens made bad.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Another subject under the old signature.
pub(crate) fn claims(token: &str) -> String {
    with_part(token, 1, |claims| claims["sub"] = json!("admin"))
}

/// Another member of the header under the old signature.
pub(crate) fn header(token: &str, name: &str, value: &str) -> String {
    with_part(token, 0, |header| header[name] = json!(value))
}

/// The same token with the first character of its signature changed: the last has bits that do not count.
pub(crate) fn signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let (first, rest) = signature.split_at(1);
    format!("{signed}.{}{rest}", if first == "A" { "B" } else { "A" })
}

fn with_part(token: &str, index: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let part = parts.get_mut(index).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(&part).expect("base64url");
    let mut value = serde_json::from_slice(&bytes).expect("JSON");
    change(&mut value);
    *part = URL_SAFE_NO_PAD.encode(value.to_string());
    parts.join(".")
}
