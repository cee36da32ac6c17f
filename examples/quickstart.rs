//! The main job in one run: an issuer, a protected axum API, real HTTP calls, and what came back.
//!
//! Run with: `cargo run --example quickstart --all-features`
//!
//! Exits 0 only if every answer is the expected one. `-- --serve` keeps the API running instead and
//! prints a curl line with a fresh token.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use portcullis::testing::{AUDIENCE, Fault, TestIssuer};
use portcullis::{Audience, AuthLayer, Issuer, VerifiedToken, Verifier};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<ExitCode, Error> {
    let issuer = TestIssuer::start().await?;

    // These two lines are all a service needs. Its issuer is `https://id.example.com` or the like.
    let verifier = Verifier::new(Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE)))?;
    let app = Router::new()
        .route("/me", get(me))
        .layer(AuthLayer::new(verifier));

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/me", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    if std::env::args().any(|argument| argument == "--serve") {
        let token = issuer
            .token()
            .subject("alice")
            .expires_in(Duration::from_secs(3_600))
            .sign();
        println!("curl -i {url} -H 'Authorization: Bearer {token}'");
        server.await??;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(url);
    play(&issuer, &mut table).await?;
    Ok(table.verdict())
}

async fn me(token: VerifiedToken) -> String {
    format!("hello {}", token.subject().unwrap_or("nobody"))
}

/// Each row: what the client sends, what the issuer does, and the answer there must be.
async fn play(issuer: &TestIssuer, table: &mut Table) -> Result<(), Error> {
    let good = issuer.token().subject("alice").sign();
    table
        .ask("no token", None, 401, "a challenge without error code")
        .await?;
    table
        .ask(
            "a good token",
            Some(&good),
            200,
            "keys are fetched on first use",
        )
        .await?;
    table
        .ask("the same again", Some(&good), 200, "from cached keys")
        .await?;

    let minute = Duration::from_secs(60);
    let expired = issuer.token().expired_for(minute).sign();
    table
        .ask(
            "expired a minute ago",
            Some(&expired),
            401,
            "beyond 30 s of leeway",
        )
        .await?;
    let forged = issuer.token().subject("mallory").with_invalid_signature();
    table
        .ask(
            "a forged signature",
            Some(&forged),
            401,
            "no key of the issuer made it",
        )
        .await?;
    let unsigned = issuer.token().subject("mallory").unsigned();
    table
        .ask(
            "alg none",
            Some(&unsigned),
            401,
            "there is no such algorithm",
        )
        .await?;
    let elsewhere = issuer.token().audience("https://other.test").sign();
    table
        .ask(
            "for another audience",
            Some(&elsewhere),
            401,
            "meant for another service",
        )
        .await?;
    let foreign = issuer.token().issuer("https://evil.test").sign();
    table
        .ask(
            "from another issuer",
            Some(&foreign),
            401,
            "not configured, costs no fetch",
        )
        .await?;

    issuer.rotate();
    let rotated = issuer.token().subject("bob").sign();
    table
        .ask(
            "first after a rotation",
            Some(&rotated),
            200,
            "the new key is fetched at once",
        )
        .await?;
    table
        .ask(
            "signed by the old key",
            Some(&good),
            401,
            "that key was withdrawn",
        )
        .await?;

    issuer.fail_with(Fault::Refuse);
    table
        .ask(
            "issuer down, known key",
            Some(&rotated),
            200,
            "no issuer is needed",
        )
        .await?;
    let unknown = issuer.token().key_id("invented").sign();
    table
        .ask(
            "issuer down, unknown key",
            Some(&unknown),
            401,
            "the last fetch said there is none",
        )
        .await?;
    Ok(())
}

/// Asks, compares and prints.
struct Table {
    url: String,
    client: reqwest::Client,
    wrong: usize,
}

impl Table {
    fn new(url: String) -> Self {
        println!(
            "{:<26} {:>4}  {:<34} {:<44} as expected",
            "asked with", "got", "why", "challenge"
        );
        Self {
            url,
            client: reqwest::Client::new(),
            wrong: 0,
        }
    }

    async fn ask(
        &mut self,
        what: &str,
        token: Option<&str>,
        expected: u16,
        why: &str,
    ) -> Result<(), Error> {
        let mut request = self.client.get(&self.url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let challenge = response
            .headers()
            .get("www-authenticate")
            .map_or("", |value| value.to_str().unwrap_or("?"));
        let challenge: String = challenge.chars().take(44).collect();
        let as_expected = if status == expected { "yes" } else { "NO" };
        println!("{what:<26} {status:>4}  {why:<34} {challenge:<44} {as_expected}");
        self.wrong += usize::from(status != expected);
        Ok(())
    }

    fn verdict(&self) -> ExitCode {
        match self.wrong {
            0 => ExitCode::SUCCESS,
            wrong => {
                eprintln!("{wrong} answers are not the expected ones");
                ExitCode::FAILURE
            }
        }
    }
}
