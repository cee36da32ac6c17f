//! A mounted file as a source of keys: a secret, a config map, a volume that a sidecar writes.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::{FetchError, FetchErrorKind};

/// Reads a file of at most so many bytes. Blocks, as files do.
///
/// The path is resolved anew each time, so that swapping a symbolic link, as Kubernetes does, swaps
/// the content whole.
pub(crate) fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
    let failure =
        |error: io::Error| FetchError::with_source(FetchErrorKind::File, error.kind().to_string());
    // Opening a pipe would block until somebody writes to it.
    if !std::fs::metadata(path).map_err(failure)?.is_file() {
        return Err(FetchError::with_source(
            FetchErrorKind::File,
            "not a regular file",
        ));
    }
    let mut file = File::open(path).map_err(failure)?;
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let mut body = Vec::new();
    file.by_ref()
        .take(limit.saturating_add(1))
        .read_to_end(&mut body)
        .map_err(failure)?;
    if body.len() > max_bytes {
        return Err(FetchError::new(FetchErrorKind::TooLarge));
    }
    Ok(body)
}
