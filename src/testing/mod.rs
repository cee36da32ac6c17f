//! What tests of a service need: a real issuer on loopback, tokens right and wrong, a clock that is
//! moved by hand, a scripted network, and a layer that stands in for authentication.
//!
//! Behind the feature `testing`, which belongs into `[dev-dependencies]`:
//!
//! ```toml
//! [dev-dependencies]
//! portcullis = { version = "0.1", features = ["testing"] }
//! ```
//!
//! | to test | take |
//! |---|---|
//! | a whole service, with the real layer and verifier | [`TestIssuer`] and its [`TokenBuilder`] |
//! | what happens at an expiry, a rotation or an outage | the same, a [`Fault`] and a [`VirtualClock`] |
//! | days and years of keys, without a network | a [`ScriptedFetch`], a [`VirtualClock`] and tokio's paused time |
//! | a handler or a policy, without tokens | [`AuthenticatedLayer`] |
//!
//! # Security
//!
//! Keys made here live in memory only. Nothing here belongs into a program that serves strangers.
//!
//! The feature changes no check: it adds this module and
//! [`VerifiedToken::dangerously_assert_verified`](crate::VerifiedToken::dangerously_assert_verified), and
//! lets nobody in until somebody calls it or [`AuthenticatedLayer`]. Whoever does is told so in the log,
//! target `portcullis::testing`: at WARN in a build without debug assertions, where it hardly belongs, else
//! at DEBUG. It is not a compile error there, because benchmarks need this module too. What is built
//! for production is checked by this, which fails when the feature is on:
//!
//! ```sh
//! features=$(cargo tree --edges features,no-dev --invert portcullis) || exit 1
//! if grep -F 'portcullis feature "testing"' <<<"$features"; then exit 1; fi
//! ```

mod answers;
mod asserted_token;
mod clock;
mod fault;
mod issuer;
mod keys;
mod layer;
mod scripted_fetch;
mod server;
#[cfg(test)]
mod tests;
mod token_builder;

pub use answers::RequestCounts;
pub use clock::VirtualClock;
pub use fault::{Endpoint, Fault};
pub use issuer::TestIssuer;
pub use layer::{Authenticated, AuthenticatedLayer};
pub use scripted_fetch::ScriptedFetch;
pub use token_builder::TokenBuilder;

/// Writes a log entry about an identity that nobody verified.
fn log_unverified(what: &'static str) {
    const LEVEL: tracing::Level = level(cfg!(debug_assertions));
    tracing::event!(target: "portcullis::testing", LEVEL, "{what}");
}

/// Loud where a build is made for others than its developers.
const fn level(debug_assertions: bool) -> tracing::Level {
    match debug_assertions {
        true => tracing::Level::DEBUG,
        false => tracing::Level::WARN,
    }
}

/// The `aud` of a [`TokenBuilder`] unless told otherwise: configure the verifier under test with it.
pub const AUDIENCE: &str = "https://api.test";
