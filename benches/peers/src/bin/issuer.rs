//! Publishes keys on loopback and prints, as JSON on one line, the issuer, a token of it and one with a
//! bad signature; ends when its standard input closes.
//!
//! `issuer FILE NUMBER` also writes that many more tokens into the file, one a line. All are RS256.

use std::fs::File;
use std::io::{BufWriter, Write as _, copy, sink, stdin};

use portcullis::Algorithm;
use portcullis_peers::{Error, good_and_forged, start, token};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let issuer = start().await?;
    let mut arguments = std::env::args().skip(1);
    if let Some(path) = arguments.next() {
        let number: u32 = arguments.next().ok_or("how many tokens?")?.parse()?;
        let mut file = BufWriter::new(File::create(path)?);
        for _ in 0..number {
            writeln!(file, "{}", token(&issuer, Algorithm::Rs256).sign())?;
        }
        file.flush()?;
    }
    let (good, forged) = good_and_forged(&issuer, Algorithm::Rs256);
    println!(
        "{}",
        json!({ "issuer": issuer.issuer(), "jwks_uri": issuer.jwks_uri(), "good": good, "forged": forged })
    );
    // The issuer answers on a thread of its own.
    copy(&mut stdin(), &mut sink())?;
    Ok(())
}
