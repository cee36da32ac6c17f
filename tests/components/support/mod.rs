//! Starts and stops the components, and asks the crate through each of its doors.

mod child;
mod clock;
mod door;
mod envoy;
pub(crate) mod forge;
mod gate;
mod issuer;
mod service;

use std::path::PathBuf;

pub(crate) use child::Child;
pub(crate) use clock::FastForward;
pub(crate) use door::{Answer, Door, verifier};
pub(crate) use envoy::{Envoy, KeyFetch, Trust};
pub(crate) use gate::{Gate, Keys, Verdict, elapsed};
pub(crate) use issuer::Issuer;
pub(crate) use service::Service;

/// What `scripts/install-components` filled.
pub(crate) fn components() -> PathBuf {
    std::env::var_os("COMPONENTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/components"),
        PathBuf::from,
    )
}

/// An example's program, which `cargo build --examples` puts beside the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test.ancestors().nth(2).expect("tests are in PROFILE/deps");
    profile.join("examples").join(name)
}

/// The HTTP client of the tests themselves.
pub(crate) fn http() -> reqwest::Client {
    // A kept connection may be one that the other side is just closing.
    reqwest::Client::builder()
        .pool_max_idle_per_host(0)
        .no_proxy()
        .build()
        .expect("a client without TLS roots to load")
}
