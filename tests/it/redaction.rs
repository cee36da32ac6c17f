//! Nothing of a refused token gets into errors, debug output or logs.

use std::io;
use std::sync::{Arc, Mutex};

use portcullis::testing::{Fault, TestIssuer};
use portcullis::{BearerToken, VerifyError};

use crate::support::verifier;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn everything_an_error_says(error: &VerifyError) -> String {
    let mut text = format!("{error} {error:?} {error:#?} {}", error.reason());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn refusals_tell_nothing_of_the_token() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    const MARK: &str = "s3cr3t-m4rk";
    let evil = format!("{MARK}\r\n\u{1b}[31m\u{202e}");
    let hostile = [
        issuer.token().subject(MARK).with_invalid_signature(),
        issuer.token().key_id(&evil).sign(),
        issuer.token().token_type(&evil).sign(),
        issuer.token().issuer(&evil).sign(),
        issuer.token().audience(&evil).sign(),
        issuer.token().claim("exp", &evil).sign(),
        issuer.token().header("alg", &evil).sign(),
        issuer.token().header("crit", [&evil]).sign(),
        issuer.token().raw_payload(format!("{{{MARK}")).sign(),
        issuer.token().raw_header(format!("{{{MARK}")).sign(),
        format!("{MARK}.{MARK}.{MARK}"),
        MARK.repeat(10_000),
        evil.clone(),
    ];
    let mut said = String::new();
    for token in &hostile {
        let error = verifier.verify(token).await.unwrap_err();
        said.push_str(&everything_an_error_says(&error));
        said.push_str(&everything_an_error_says(
            &verifier.verify_now(token).unwrap_err(),
        ));
    }
    issuer.fail_with(Fault::Garbage);
    said.push_str(&everything_an_error_says(
        &verifier.verify(&hostile[1]).await.unwrap_err(),
    ));
    let good = issuer.token().subject(MARK).sign();
    issuer.recover();
    said.push_str(&format!("{verifier:?} {:?}", verifier.status()));
    if let Ok(token) = verifier.verify(&good).await {
        said.push_str(&format!(
            "{token:?} {:?} {:?}",
            token.scopes(),
            token.authentication()
        ));
    }
    let header = http::HeaderValue::from_str(&format!("Bearer {good}")).unwrap();
    let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, header)]);
    said.push_str(&format!("{:?}", BearerToken::from_headers(&headers)));

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for (place, text) in [("errors", &said), ("log", &logged)] {
        assert!(
            !text.contains(MARK),
            "{place} show a mark of the token: {text}"
        );
        assert!(
            !text.contains('\u{1b}') || place == "log",
            "{place} show a control character"
        );
        for token in hostile.iter().chain([&good]) {
            for part in token.split('.').filter_map(|part| part.get(..20)) {
                assert!(!text.contains(part), "{place} show a part of a token");
            }
        }
    }
    assert!(said.len() > 1_000, "something was said");
}
