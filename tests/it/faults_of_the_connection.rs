//! What the way to an issuer may do: hang, drip, break, flood, lie about compression, resolve to
//! nothing, present a stranger's certificate. Real sockets and time, short deadlines.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use portcullis::testing::{AUDIENCE, Fault, TestIssuer};
use portcullis::{
    Audience, Clock as _, FetchErrorKind, Issuer, KeyRefresh, SystemClock, Verifier,
    VerifierBuilder, VerifyError, reqwest,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{RawServer, ok, reason, with_body};

/// For what never ends. Everything else has the usual deadline, and ends by itself.
const DEADLINE: Duration = Duration::from_millis(300);

fn build(
    issuer: &TestIssuer,
    url: &str,
    refresh: KeyRefresh,
    change: impl Fn(VerifierBuilder) -> VerifierBuilder,
) -> Verifier {
    let trusted = Issuer::jwks_uri(issuer.issuer(), url, Audience::of(AUDIENCE));
    change(Verifier::builder().issuer(trusted.key_refresh(refresh)))
        .build()
        .unwrap()
}

fn at(issuer: &TestIssuer, url: &str) -> Verifier {
    build(issuer, url, KeyRefresh::new(), |builder| builder)
}

/// A verifier that gives up on a fetch after [`DEADLINE`], and on waiting for an unknown key sooner.
fn impatient(issuer: &TestIssuer, url: &str) -> Verifier {
    let refresh = KeyRefresh::new()
        .fetch_deadline(DEADLINE)
        .max_wait(DEADLINE / 3);
    build(issuer, url, refresh, |builder| builder)
}

async fn failure(verifier: &Verifier, issuer: &TestIssuer) -> FetchErrorKind {
    match verifier.verify(&issuer.token().sign()).await {
        Err(VerifyError::KeysUnavailable(error)) => error.kind(),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn without_keys_a_broken_way_is_a_failure_within_the_deadline() {
    let clock = SystemClock::default();
    for (fault, kind) in [
        (Fault::Hang, FetchErrorKind::Deadline),
        (Fault::SlowDrip, FetchErrorKind::Deadline),
        (Fault::Reset, FetchErrorKind::Connection),
        (Fault::Truncated, FetchErrorKind::Connection),
        (Fault::Refuse, FetchErrorKind::Connection),
        (Fault::Huge, FetchErrorKind::TooLarge),
    ] {
        let name = format!("{fault:?}");
        let issuer = TestIssuer::start().await.unwrap();
        let verifier = match kind {
            FetchErrorKind::Deadline => impatient(&issuer, issuer.jwks_uri()),
            _ => at(&issuer, issuer.jwks_uri()),
        };
        issuer.fail_with(fault);
        let before = clock.now().monotonic;
        assert_eq!(failure(&verifier, &issuer).await, kind, "{name}");
        let took = clock.now().monotonic - before;
        assert!(took < DEADLINE + SLACK, "{name}: {took:?}");
    }
}

#[tokio::test]
async fn with_keys_a_broken_way_costs_nobody_a_known_key_and_an_unknown_one_a_short_wait() {
    let clock = SystemClock::default();
    for fault in [
        Fault::Hang,
        Fault::SlowDrip,
        Fault::Reset,
        Fault::Truncated,
        Fault::Refuse,
        Fault::Huge,
    ] {
        let name = format!("{fault:?}");
        let issuer = TestIssuer::start().await.unwrap();
        let refresh = KeyRefresh::new().max_wait(DEADLINE);
        let verifier = build(&issuer, issuer.jwks_uri(), refresh, |builder| builder);
        let good = issuer.token().sign();
        assert_eq!(reason(&verifier.verify(&good).await), "accepted");
        issuer.fail_with(fault);

        let before = clock.now().monotonic;
        let unknown = verifier.verify(&issuer.token().key_id("new").sign()).await;
        assert_eq!(reason(&unknown), "keys_unavailable", "{name}");
        let took = clock.now().monotonic - before;
        assert!(took < DEADLINE + SLACK, "{name}: {took:?}");
        assert_eq!(reason(&verifier.verify_now(&good)), "accepted", "{name}");
    }
}

#[tokio::test]
async fn f5_a_hundred_megabytes_are_not_read() {
    const MIB: usize = 1024 * 1024;
    let announced = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 100 * MIB);
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let endless = "HTTP/1.1 200 OK\r\n\r\n".to_owned();
    let spaces = vec![b' '; MIB];
    let chunk = [b"100000\r\n", &spaces[..], b"\r\n"].concat();
    for (head, part) in [
        (announced, spaces.clone()),
        (chunked, chunk),
        (endless, spaces),
    ] {
        let issuer = TestIssuer::start().await.unwrap();
        let server = RawServer::start("").await;
        server.say_and_repeat(head.clone(), part, 100);
        let verifier = at(&issuer, &server.url());
        assert_eq!(
            failure(&verifier, &issuer).await,
            FetchErrorKind::TooLarge,
            "{head}"
        );
        // The limit is 512 KiB; the rest is what the buffers of two sockets hold.
        assert!(
            server.sent() < 16 * 1024 * 1024,
            "{head}: {}",
            server.sent()
        );
    }
}

fn gzip(parts: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for part in parts {
        encoder.write_all(&part).unwrap();
    }
    encoder.finish().unwrap()
}

/// The HTTP client of this test program has gzip compiled in, as in a tree where another crate wants it.
#[tokio::test]
async fn a_compressed_answer_is_refused_and_never_inflated() {
    let issuer = TestIssuer::start().await.unwrap();
    let honest = gzip([issuer.jwks().into_bytes()]);
    // 64 MiB of blanks before the set: 300 KB on the way, which is within the limit.
    let blanks = (0..64).map(|_| vec![b' '; 1024 * 1024]);
    let bomb = gzip(blanks.chain([issuer.jwks().into_bytes()]));
    assert!(
        (64 * 1024..512 * 1024).contains(&bomb.len()),
        "{}",
        bomb.len()
    );
    for (name, body) in [("honest", honest), ("bomb", bomb)] {
        let server = RawServer::start(with_body("200 OK\r\nContent-Encoding: gzip", body)).await;
        let turned_on = |builder: VerifierBuilder| builder.http_client(|client| client.gzip(true));
        for verifier in [
            at(&issuer, &server.url()),
            build(&issuer, &server.url(), KeyRefresh::new(), turned_on),
        ] {
            // Inflated, the first would be accepted and the second too large.
            let kind = failure(&verifier, &issuer).await;
            assert_eq!(kind, FetchErrorKind::NotAKeySet, "{name}");
        }
        for head in server.heads() {
            assert!(!head.to_lowercase().contains("accept-encoding"), "{head}");
        }
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_failure() {
    let issuer = TestIssuer::start().await.unwrap();
    for url in [
        "https://nonexistent.invalid/keys",
        "https://nonexistent.invalid:8443/keys",
    ] {
        let verifier = impatient(&issuer, url);
        let kind = failure(&verifier, &issuer).await;
        // A resolver may take longer than the deadline to say no.
        assert!(
            matches!(kind, FetchErrorKind::Connection | FetchErrorKind::Deadline),
            "{kind:?}"
        );
    }
}

/// A certificate for 127.0.0.1 that is its own authority, and a server's side of it.
fn self_signed() -> (reqwest::Certificate, TlsAcceptor) {
    let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = own.cert.der().clone();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    // The client of these tests knows HTTP/2, and is to speak what a service's does.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (
        reqwest::Certificate::from_der(&certificate).unwrap(),
        TlsAcceptor::from(Arc::new(config)),
    )
}

#[tokio::test]
async fn tls_is_spoken_and_certificates_are_checked() {
    let issuer = TestIssuer::start().await.unwrap();
    let plain = issuer.jwks_uri().replace("http://", "https://");
    let (_, acceptor) = self_signed();
    let stranger = RawServer::start_tls(ok(issuer.jwks()), acceptor).await;
    for url in [plain, stranger.url()] {
        let verifier = at(&issuer, &url);
        assert_eq!(
            failure(&verifier, &issuer).await,
            FetchErrorKind::Connection,
            "{url}"
        );
        let shown = format!("{:?}", verifier.status());
        assert!(!shown.contains("/keys"), "{shown}");
    }
    assert!(stranger.heads().is_empty(), "nothing is sent to a stranger");
}

#[tokio::test]
async fn an_authority_of_the_configurations_is_trusted_for_its_names_only() {
    let issuer = TestIssuer::start().await.unwrap();
    let (authority, acceptor) = self_signed();
    let server = RawServer::start_tls(ok(issuer.jwks()), acceptor).await;
    let only = authority.clone();
    let trusting = move |builder: VerifierBuilder| {
        let only = only.clone();
        builder.http_client(move |client| client.tls_certs_only([only.clone()]))
    };
    let verifier = build(&issuer, &server.url(), KeyRefresh::new(), &trusting);
    assert_eq!(
        reason(&verifier.verify(&issuer.token().sign()).await),
        "accepted"
    );

    let merged = build(&issuer, &server.url(), KeyRefresh::new(), |builder| {
        let authority = authority.clone();
        builder.http_client(move |client| client.tls_certs_merge([authority.clone()]))
    });
    assert_eq!(
        reason(&merged.verify(&issuer.token().sign()).await),
        "accepted"
    );

    let other_name = format!("https://localhost:{}/keys", server.port());
    let verifier = build(&issuer, &other_name, KeyRefresh::new(), &trusting);
    assert_eq!(
        failure(&verifier, &issuer).await,
        FetchErrorKind::Connection
    );
}

#[tokio::test]
async fn the_configuration_cannot_turn_redirects_on() {
    let issuer = TestIssuer::start().await.unwrap();
    let (authority, acceptor) = self_signed();
    let plain = RawServer::start(ok(issuer.jwks())).await;
    let server = RawServer::start_tls("", acceptor).await;
    for place in [
        "/other".to_owned(),
        plain.url(),
        issuer.jwks_uri().to_owned(),
    ] {
        server.say(with_body(&format!("302 Found\r\nLocation: {place}"), ""));
        let verifier = build(&issuer, &server.url(), KeyRefresh::new(), |builder| {
            let authority = authority.clone();
            builder.http_client(move |client| {
                client
                    .tls_certs_only([authority.clone()])
                    .redirect(reqwest::redirect::Policy::limited(10))
                    .https_only(false)
            })
        });
        assert_eq!(
            failure(&verifier, &issuer).await,
            FetchErrorKind::Status(302),
            "{place}"
        );
    }
    assert_eq!(server.heads().len(), 3);
    assert!(plain.heads().is_empty());
    assert_eq!(issuer.requests().total(), 0);
}

/// What a machine that is busy with other tests may add. Only the order of magnitude is tested.
const SLACK: Duration = Duration::from_millis(1_500);
