//! Test data that nobody on this project wrote, read from the folder that `PORTCULLIS_VECTORS` names.
//!
//! One file a suite; the raw signatures are run in `signature`, where the backends are.

#[cfg(feature = "remote")]
mod discovery;
mod json_texts;
mod peers;
mod providers;
mod standards;
mod tally;
mod wycheproof;

pub(crate) use tally::Tally;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Once;

use serde::de::DeserializeOwned;

/// The folder, or `None` after one plain line that says so. CI has it or fails.
pub(crate) fn open() -> Option<Vectors> {
    let named = std::env::var_os("PORTCULLIS_VECTORS");
    if let Some(folder) = named.filter(|folder| !folder.is_empty()) {
        return Some(Vectors(folder.into()));
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "PORTCULLIS_VECTORS must name the vectors in CI"
    );
    // Not with eprintln!, which is shown for tests that fail only.
    ABSENT.call_once(|| {
        let _ = std::io::stderr().write_all(
            b"NOT TESTED with public vectors: PORTCULLIS_VECTORS does not name their folder\n",
        );
    });
    None
}

/// The backend that does the work in this build.
pub(crate) const BACKEND: &str = if cfg!(feature = "aws-lc-rs") {
    "aws-lc-rs"
} else {
    "rust-crypto"
};

static ABSENT: Once = Once::new();

pub(crate) struct Vectors(PathBuf);

impl Vectors {
    #[track_caller]
    pub(crate) fn bytes(&self, path: impl AsRef<Path>) -> Vec<u8> {
        let path = self.0.join(path);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self, path: impl AsRef<Path>) -> T {
        serde_json::from_slice(&self.bytes(path)).expect("a vector file is JSON of its schema")
    }

    /// Every file below a folder, in order.
    pub(crate) fn files(&self, folder: impl AsRef<Path>) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut folders = vec![self.0.join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path)
                } else {
                    files.push(path)
                }
            }
        }
        files.sort();
        assert!(!files.is_empty());
        files
    }
}

/// The bytes of hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    assert!(digits.len().is_multiple_of(2));
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
