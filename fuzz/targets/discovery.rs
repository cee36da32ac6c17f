//! The first line is a configured issuer, the rest its metadata document, which a verifier gets from
//! a network of ours. Whatever is in it, only a URL that it names, and that may be fetched, is.
#![no_main]

use std::sync::{Arc, Mutex, PoisonError};

use libfuzzer_sys::fuzz_target;
use portcullis::reqwest::Url;
use portcullis::{Audience, Fetch, FetchFuture, FetchRequest, FetchResponse, Issuer, Verifier};
use serde::Deserialize;

#[derive(Clone, Debug)]
struct Network {
    metadata: Arc<[u8]>,
    fetched: Arc<Mutex<Vec<String>>>,
}

impl Fetch for Network {
    fn fetch(&self, request: FetchRequest) -> FetchFuture<'_> {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.push(request.url().to_owned());
        let body = match fetched.len() {
            1 => self.metadata.to_vec(),
            _ => br#"{"keys":[]}"#.to_vec(),
        };
        Box::pin(async { Ok(FetchResponse::document(body)) })
    }
}

/// What of a document counts. The other members may hold what is no text, such as half of a surrogate
/// pair; nobody reads it.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

thread_local! {
    static RUNTIME: tokio::runtime::Runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
}

fuzz_target!(|input: &[u8]| {
    let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (Ok(issuer), document) = (std::str::from_utf8(&input[..end]), &input[end + 1..]) else {
        return;
    };
    let network = Network {
        metadata: document.into(),
        fetched: Arc::default(),
    };
    let built = Verifier::builder()
        .issuer(Issuer::discover(issuer, Audience::of("api")))
        .fetch(network.clone())
        .build();
    let verifier = match built {
        Ok(verifier) => verifier,
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    let outcome = RUNTIME.with(|runtime| runtime.block_on(verifier.warm_up()));
    let fetched = network
        .fetched
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let configured = may_be_fetched(issuer, true);
    match &fetched[..] {
        [metadata] => {
            assert_eq!(
                may_be_fetched(metadata, is_loopback(&configured)).origin(),
                configured.origin()
            );
            let error = outcome.expect_err("no keys");
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains(char::is_control) && shown.len() < 8_000,
                "{shown:?}"
            );
        }
        [metadata, jwks_uri] => {
            assert_eq!(
                may_be_fetched(metadata, is_loopback(&configured)).origin(),
                configured.origin()
            );
            let metadata: Metadata = serde_json::from_slice(document).expect("metadata");
            assert_eq!(metadata.issuer, issuer);
            let named = &metadata.jwks_uri;
            let followed = may_be_fetched(jwks_uri, is_loopback(&configured));
            assert_eq!(Url::parse(named).as_ref(), Ok(&followed));
            assert!(outcome.is_ok(), "an empty set is a set");
        }
        other => panic!("{} requests", other.len()),
    }
});

/// Parses a URL, and holds it to what the documentation of `FetchRequest` promises.
fn may_be_fetched(url: &str, on_loopback: bool) -> Url {
    let url = Url::parse(url).expect("an absolute URL");
    assert!(
        url.scheme() == "https" || (url.scheme() == "http" && on_loopback && is_loopback(&url)),
        "{url}"
    );
    assert!(
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none(),
        "{url}"
    );
    url
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.octets()[0] == 127),
        None => false,
    }
}
