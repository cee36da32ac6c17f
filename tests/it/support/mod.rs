//! What several modules need.

mod log;
mod paused_time;
mod raw_server;
mod recorder;
mod scene;

pub(crate) use log::Log;
pub(crate) use paused_time::PausedTime;
pub(crate) use raw_server::{RawServer, ok, with_body};
pub(crate) use recorder::Recorder;
pub(crate) use scene::{KEYS, Scene, failure, settle};

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Once;

use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{Audience, Issuer, Verifier, VerifyError};

/// A verifier for this issuer, found by discovery, with all defaults.
pub(crate) fn verifier(issuer: &TestIssuer) -> Verifier {
    Verifier::new(discovered(issuer)).unwrap()
}

pub(crate) fn discovered(issuer: &TestIssuer) -> Issuer {
    Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE))
}

/// The reason code, or `"accepted"`.
pub(crate) fn reason<T>(outcome: &Result<T, VerifyError>) -> &'static str {
    outcome
        .as_ref()
        .err()
        .map_or("accepted", VerifyError::reason)
}

/// The folder of public test vectors, if it is there; in CI it must be.
pub(crate) fn vectors() -> Option<PathBuf> {
    let named = std::env::var_os("PORTCULLIS_VECTORS").filter(|folder| !folder.is_empty());
    let folder = named.map(PathBuf::from);
    if folder.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "PORTCULLIS_VECTORS must name the vectors in CI"
        );
        // Not with println!, which is shown for tests that fail only.
        ABSENT.call_once(|| {
            let _ = std::io::stderr().write_all(
                b"NOT TESTED with public vectors: PORTCULLIS_VECTORS does not name their folder\n",
            );
        });
    }
    folder
}

static ABSENT: Once = Once::new();
