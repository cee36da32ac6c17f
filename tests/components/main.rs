//! Real issuers, token libraries, Envoy, and clients of gRPC and MCP in other languages, against the crate as a service uses it.
//!
//! `scripts/check-components` installs what this needs and runs it. `cargo test` leaves it out, so
//! that it needs nothing installed; once asked for, a missing component is a failure.

#![expect(clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod clients;
mod differential;
mod envoy;
mod examples;
mod interoperability;
mod key_trouble;
mod mcp;
mod outage;
mod policies;
mod rotation;
mod support;
mod tokens;
