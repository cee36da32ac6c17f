//! All integration tests in one binary, which links once; a module per behaviour.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says what it left out"
)]

mod algorithms;
mod auto_traits;
mod build_errors;
mod cancellation;
mod claims;
mod conformance_driver;
mod jsonwebtoken_beside_us;
mod key_rotation;
mod multi_issuer;
mod provider_outage;
mod real_documents;
mod redaction;
mod rotation_replay;
#[path = "../../examples/fleet/rotations.rs"]
mod rotations;
mod support;
mod timing;
mod unknown_keys;
