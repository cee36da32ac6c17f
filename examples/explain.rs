//! Says why a token is accepted or refused, check by check: the token on stdin, its issuer and the
//! audience of the service as arguments.
//!
//! Run with: `cargo run --example explain --all-features -- https://id.example.com https://api.example.com < token`
//!
//! With `--json` in front of them it says so for tools. What it prints is fit for a ticket: there is no
//! token in it, and `sub` is hashed. The exit code is 0 for an accepted token, 1 for a refused one, and
//! 2 where it cannot be told: keys cannot be had, input cannot be read, arguments are wrong.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env;
use std::error::Error;
use std::io::{self, Read as _};
use std::process::ExitCode;

use portcullis::{Audience, Issuer, Verifier};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match explain().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn explain() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments: Vec<_> = env::args().skip(1).collect();
    let json = arguments.first().is_some_and(|first| first == "--json");
    if json {
        arguments.remove(0);
    }
    let [issuer, audience] = <[String; 2]>::try_from(arguments)
        .or(Err("usage: explain [--json] ISSUER AUDIENCE < TOKEN"))?;
    let verifier = Verifier::new(Issuer::discover(issuer, Audience::of(audience)))?;

    let mut token = String::new();
    // More than any token has: the crate says that it is too large.
    io::stdin().take(64 * 1024).read_to_string(&mut token)?;
    let explanation = verifier.explain(token.trim()).await;
    match json {
        true => println!("{}", serde_json::to_string_pretty(&explanation)?),
        false => print!("{explanation}"),
    }
    Ok(match explanation.verdict() {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) if error.is_unavailable() => ExitCode::from(2),
        Err(_) => ExitCode::from(1),
    })
}
