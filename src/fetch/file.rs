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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_as_long_as_its_limit_and_no_longer() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("LICENSE-MIT");
        let bytes = std::fs::read(&path).unwrap().len();
        for (limit, expected) in [
            (bytes + 1, Ok(bytes)),
            (bytes, Ok(bytes)),
            (bytes - 1, Err(FetchErrorKind::TooLarge)),
            (0, Err(FetchErrorKind::TooLarge)),
        ] {
            let found = read(&path, limit).map(|body| body.len());
            assert_eq!(found.map_err(|error| error.kind()), expected, "{limit}");
        }
    }
}
