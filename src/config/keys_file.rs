//! Keys that are read from a file once, and never again.

use std::error::Error as _;
use std::path::Path;

use crate::error::BuildError;
use crate::fetch::{MAX_BODY_BYTES, read_file};
use crate::key_set::KeySet;

/// Reads a JWK Set, or public keys in PEM text: JSON text begins with a brace, and PEM text does not.
pub(super) fn read(path: &Path, issuer: &str) -> Result<KeySet, BuildError> {
    let unreadable = |problem: String| BuildError::UnreadableKeysFile {
        issuer: issuer.to_owned(),
        path: path.to_string_lossy().into_owned(),
        problem,
    };
    let content = read_file(path, MAX_BODY_BYTES).map_err(|error| {
        let cause = error.source().map(|cause| format!(": {cause}"));
        unreadable(format!("{error}{}", cause.unwrap_or_default()))
    })?;
    let keys = match content.trim_ascii_start() {
        [b'{', ..] => KeySet::from_json(&content),
        _ => KeySet::from_pem(&content),
    };
    keys.map_err(|error| unreadable(error.to_string()))
}
