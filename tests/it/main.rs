//! All integration tests in one binary, which links once; a module per behaviour.
#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails, and says what it left out"
)]

mod algorithms;
mod attacks;
mod auto_traits;
mod bounds;
mod build_errors;
mod cancellation;
mod claims;
mod configuration;
mod conformance_driver;
mod counted;
mod discovery_over_time;
mod explanation;
mod failover;
mod faults_of_the_answer;
mod faults_of_the_connection;
mod faults_of_the_process;
mod faults_of_time;
mod floods;
mod jsonwebtoken_beside_us;
mod key_files;
mod key_rotation;
mod long_calls;
mod long_grpc_calls;
mod many_issuers;
mod multi_issuer;
mod operations;
mod policy;
mod policy_at_the_edges;
mod presented_tokens;
mod properties;
mod provider_outage;
mod redaction;
mod seeds;
mod resource_metadata;
mod rotation_replay;
#[path = "../../examples/fleet/rotations.rs"]
mod rotations;
mod support;
mod threat_model;
mod timing;
mod token_cache;
mod unknown_keys;
