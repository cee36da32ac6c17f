//! A verifier and policies that are read: from a TOML file, overruled by the environment.
//!
//! Run with: `cargo run --example config --features config [-- FILE]`
//!
//! ```sh
//! PORTCULLIS__VERIFIER__ISSUERS__MAIN__LEEWAY=5s cargo run --example config --features config
//! PORTCULLIS__VERIFIER__ISSUERS__MAIN__LEEWAY=5 cargo run --example config --features config  # says what is wrong
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::collections::BTreeMap;
use std::env;

use config::{Config, Environment, File};
use portcullis::Policy;
use portcullis::config::VerifierConfig;
use serde::Deserialize;

/// What the service is configured with. Its own settings would stand here too.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    verifier: VerifierConfig,
    policies: BTreeMap<String, Policy>,
}

impl Settings {
    fn read(path: &str) -> Result<Self, config::ConfigError> {
        let environment = Environment::with_prefix("PORTCULLIS").separator("__");
        Config::builder()
            .add_source(File::with_name(path))
            .add_source(environment)
            .build()?
            .try_deserialize()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/config.toml");
    let path = env::args().nth(1).unwrap_or_else(|| default.to_owned());
    let settings = Settings::read(&path)?;

    // Code adds what no configuration says: `.clock(..)`, `.fetch(..)`, `.observer(..)`.
    let verifier = settings.verifier.into_builder()?.build()?;
    for issuer in verifier.status().issuers() {
        println!("issuer {}: {:?}", issuer.issuer(), issuer.state());
    }
    for (name, policy) in &settings.policies {
        println!("policy {name}: {policy}");
    }

    // A policy that the code needs and nobody wrote stops the service when it starts.
    let read = settings.policies.get("orders-read");
    read.ok_or("write a policy named orders-read")?;
    Ok(())
}
