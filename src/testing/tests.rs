//! The test issuer seen over HTTP, by a client that is not ours.

use std::error::Error as _;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use super::{Endpoint, Fault, RequestCounts, TestIssuer, level};
use crate::algorithm::Algorithm;

const DOCUMENTS: [Endpoint; 3] = [
    Endpoint::OpenIdConfiguration,
    Endpoint::AuthorizationServerMetadata,
    Endpoint::Jwks,
];

fn client() -> Client {
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .unwrap()
}

async fn get(issuer: &TestIssuer, endpoint: Endpoint) -> reqwest::Result<Response> {
    client()
        .get(format!("{}{}", issuer.url(), endpoint.path()))
        .send()
        .await
}

async fn get_json(issuer: &TestIssuer, endpoint: Endpoint) -> Value {
    get(issuer, endpoint)
        .await
        .unwrap()
        .error_for_status()
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// The published `kid`s, with `PORT` where they name it.
async fn published_ids(issuer: &TestIssuer) -> Vec<String> {
    let (_, port) = issuer.url().rsplit_once(':').unwrap();
    let set = get_json(issuer, Endpoint::Jwks).await;
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().replace(port, "PORT"))
        .collect()
}

fn counts(requests: RequestCounts) -> (u64, u64, u64) {
    (requests.discovery(), requests.jwks(), requests.total())
}

/// A bare connection that has sent a request for the key set and reads with a time limit.
fn ask_for_keys(issuer: &TestIssuer) -> TcpStream {
    let mut stream = TcpStream::connect(issuer.url().strip_prefix("http://").unwrap()).unwrap();
    stream
        .write_all(b"GET /jwks HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    stream
}

#[tokio::test]
async fn metadata_and_keys_belong_together() {
    let issuer = TestIssuer::start().await.unwrap();
    assert!(issuer.issuer().starts_with("http://127.0.0.1:"));
    assert_eq!(issuer.issuer(), issuer.url());
    for endpoint in [
        Endpoint::OpenIdConfiguration,
        Endpoint::AuthorizationServerMetadata,
    ] {
        let metadata = get_json(&issuer, endpoint).await;
        assert_eq!(metadata["issuer"], issuer.issuer());
        assert_eq!(metadata["jwks_uri"], issuer.jwks_uri());
        assert_eq!(
            metadata["id_token_signing_alg_values_supported"],
            json!(["ES256"])
        );
    }
    let keys = get(&issuer, Endpoint::Jwks).await.unwrap();
    assert_eq!(keys.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(keys.text().await.unwrap(), issuer.jwks());
}

#[tokio::test]
async fn keys_come_in_the_order_asked_for_and_twins_have_names_of_their_own() {
    let algorithms = [Algorithm::Es384, Algorithm::Es256, Algorithm::Es384];
    let issuer = TestIssuer::start_with(algorithms).await.unwrap();
    assert_eq!(
        published_ids(&issuer).await,
        ["es384-PORT-1", "es256-PORT-1", "es384-PORT-1-2"]
    );
}

#[tokio::test]
async fn an_issuer_without_keys_is_refused() {
    let error = TestIssuer::start_with([]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[tokio::test]
async fn each_rotation_publishes_what_it_says() {
    let issuer = TestIssuer::start().await.unwrap();
    assert_eq!(published_ids(&issuer).await, ["es256-PORT-1"]);
    issuer.rotate();
    assert_eq!(published_ids(&issuer).await, ["es256-PORT-2"]);
    issuer.rotate_with_overlap();
    assert_eq!(
        published_ids(&issuer).await,
        ["es256-PORT-3", "es256-PORT-2"]
    );
    issuer.rotate_with_overlap();
    assert_eq!(
        published_ids(&issuer).await,
        ["es256-PORT-4", "es256-PORT-3", "es256-PORT-2"]
    );
    issuer.end_overlap();
    assert_eq!(published_ids(&issuer).await, ["es256-PORT-4"]);
    let before = issuer.jwks();
    issuer.replace_keys();
    assert_eq!(published_ids(&issuer).await, ["es256-PORT-4"]);
    assert_ne!(issuer.jwks(), before);
    issuer.rotate_with_overlap();
    issuer.rotate();
    assert_eq!(published_ids(&issuer).await, ["es256-PORT-6"]);
}

#[tokio::test]
async fn a_client_that_has_the_document_gets_304_until_it_changes() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.set_cache_control("max-age=60");
    let first = get(&issuer, Endpoint::Jwks).await.unwrap();
    let tag = first.headers()["etag"].clone();
    let again = || {
        client()
            .get(issuer.jwks_uri())
            .header("if-none-match", &tag)
            .send()
    };

    let unchanged = again().await.unwrap();
    assert_eq!(unchanged.status(), 304);
    assert_eq!(unchanged.headers()["etag"], tag);
    assert_eq!(unchanged.headers()["cache-control"], "max-age=60");
    assert_eq!(unchanged.content_length().unwrap_or(0), 0);

    issuer.rotate();
    let changed = again().await.unwrap();
    assert_eq!(changed.status(), 200);
    assert_ne!(changed.headers()["etag"], tag);
}

#[tokio::test]
async fn headers_come_with_every_answer_until_removed() {
    let issuer = TestIssuer::start().await.unwrap();
    let header = async |name: &str| {
        get(&issuer, Endpoint::Jwks)
            .await
            .unwrap()
            .headers()
            .get(name)
            .cloned()
    };
    assert_eq!(header("cache-control").await, None);
    issuer.set_cache_control("no-store");
    issuer.set_header("Age", "5");
    assert_eq!(header("cache-control").await.unwrap(), "no-store");
    issuer.fail_with(Fault::Status(503));
    assert_eq!(header("age").await.unwrap(), "5");
    issuer.remove_header("age");
    assert_eq!(header("age").await, None);
}

#[tokio::test]
async fn every_request_is_counted() {
    let issuer = TestIssuer::start().await.unwrap();
    assert_eq!(counts(issuer.requests()), (0, 0, 0));
    for endpoint in DOCUMENTS {
        get(&issuer, endpoint).await.unwrap();
    }
    let other = client()
        .get(format!("{}/token", issuer.url()))
        .send()
        .await
        .unwrap();
    assert_eq!(other.status(), 404);
    let post = client().post(issuer.jwks_uri()).send().await.unwrap();
    assert_eq!(post.status(), 405);
    assert_eq!(counts(issuer.requests()), (2, 2, 5));
    issuer.until_requests(5).await;
}

/// Starts an issuer that fails so and describes its answer for one document.
async fn outcome(fault: &Fault, endpoint: Endpoint) -> String {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_with(fault.clone());
    let response = match get(&issuer, endpoint).await {
        Ok(response) => response,
        Err(error) if error.is_connect() => return "not connected".to_owned(),
        Err(_) => return "no answer".to_owned(),
    };
    let status = response.status().as_u16();
    match response.text().await {
        Ok(body) => format!("{status} {body}")
            .replace(issuer.url(), "URL")
            .replace(&issuer.jwks(), "KEYS"),
        Err(_) => format!("{status} broken off"),
    }
}

#[tokio::test]
async fn each_fault_is_what_it_says() {
    for (fault, expected) in [
        (Fault::Refuse, "not connected"),
        (Fault::Reset, "no answer"),
        (Fault::Status(200), "200 "),
        (Fault::Status(404), "404 "),
        (Fault::Status(599), "599 "),
        (Fault::Redirect, "302 "),
        (Fault::Truncated, "200 broken off"),
        (Fault::Empty, "200 "),
        (
            Fault::Garbage,
            "200 <!doctype html><title>Log in to the network</title>",
        ),
        (Fault::Body("{}".into()), "200 {}"),
    ] {
        for endpoint in DOCUMENTS {
            assert_eq!(
                outcome(&fault, endpoint).await,
                expected,
                "{fault:?} at {endpoint:?}"
            );
        }
    }
}

#[tokio::test]
async fn faults_of_content_are_at_the_document_they_mean() {
    assert_eq!(
        outcome(&Fault::EmptyKeySet, Endpoint::Jwks).await,
        r#"200 {"keys":[]}"#
    );
    assert_eq!(
        outcome(&Fault::WrongIssuer, Endpoint::Jwks).await,
        "200 KEYS"
    );
    for endpoint in [
        Endpoint::OpenIdConfiguration,
        Endpoint::AuthorizationServerMetadata,
    ] {
        let right = outcome(&Fault::EmptyKeySet, endpoint).await;
        assert!(right.contains(r#""issuer":"URL""#), "{right}");
        let wrong = outcome(&Fault::WrongIssuer, endpoint).await;
        assert!(wrong.contains(r#""issuer":"URL/another""#), "{wrong}");
        assert!(wrong.contains(r#""jwks_uri":"URL/jwks""#), "{wrong}");
    }
}

#[tokio::test]
async fn only_a_client_that_follows_redirects_gets_there() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_with(Fault::Redirect);
    let follower = Client::builder().no_proxy().build().unwrap();
    let keys = follower
        .get(issuer.jwks_uri())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(keys, issuer.jwks());
    assert_eq!(issuer.requests().jwks(), 2);
}

#[tokio::test]
async fn a_fault_at_one_document_leaves_the_others() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_at(Endpoint::OpenIdConfiguration, Fault::Status(404));
    assert_eq!(
        get(&issuer, Endpoint::OpenIdConfiguration)
            .await
            .unwrap()
            .status(),
        404
    );
    assert_eq!(
        get(&issuer, Endpoint::AuthorizationServerMetadata)
            .await
            .unwrap()
            .status(),
        200
    );
    issuer.fail_at(Endpoint::Jwks, Fault::Status(500));
    assert_eq!(get(&issuer, Endpoint::Jwks).await.unwrap().status(), 500);
    issuer.recover();
    for endpoint in DOCUMENTS {
        assert_eq!(get(&issuer, endpoint).await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn what_hangs_is_answered_once_the_fault_changes() {
    let issuer = Arc::new(TestIssuer::start().await.unwrap());
    for (end, expected) in [(None, 200), (Some(Fault::Status(503)), 503)] {
        issuer.fail_with(Fault::Hang);
        let before = issuer.requests().total();
        let waiting = tokio::spawn({
            let issuer = Arc::clone(&issuer);
            async move { get(&issuer, Endpoint::Jwks).await.unwrap() }
        });
        issuer.until_requests(before + 1).await;
        assert!(!waiting.is_finished());
        match end {
            None => issuer.recover(),
            Some(fault) => issuer.fail_with(fault),
        }
        assert_eq!(waiting.await.unwrap().status(), expected);
    }
}

#[tokio::test]
async fn a_slow_body_comes_byte_by_byte() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_with(Fault::SlowDrip);
    let mut response = get(&issuer, Endpoint::Jwks).await.unwrap();
    assert_eq!(response.content_length(), None);
    for _ in 0..2 {
        assert_eq!(response.chunk().await.unwrap().unwrap(), " ");
    }
}

#[tokio::test]
async fn a_huge_body_goes_on_beyond_any_limit() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_with(Fault::Huge);
    let mut response = get(&issuer, Endpoint::Jwks).await.unwrap();
    assert_eq!(response.content_length(), None);
    let mut received = 0;
    while received <= 2 * 512 * 1024 {
        received += response.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_reset_is_one_on_the_wire() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_with(Fault::Reset);
    let error = ask_for_keys(&issuer).read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn an_outage_cuts_pooled_connections_and_keeps_the_port() {
    let issuer = TestIssuer::start().await.unwrap();
    let client = client();
    let fetch = async || client.get(issuer.jwks_uri()).send().await;
    assert_eq!(fetch().await.unwrap().status(), 200);
    for _ in 0..3 {
        issuer.fail_with(Fault::Refuse);
        // The client may notice only now that its pooled connection is gone.
        assert!(fetch().await.is_err());
        assert!(fetch().await.unwrap_err().is_connect());
        issuer.fail_at(Endpoint::OpenIdConfiguration, Fault::Status(503));
        assert!(fetch().await.unwrap_err().is_connect());
        issuer.recover();
        assert_eq!(fetch().await.unwrap().status(), 200);
    }
}

#[tokio::test]
async fn an_outage_answers_nobody_who_waits() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_with(Fault::Hang);
    let mut waiting = ask_for_keys(&issuer);
    issuer.until_requests(1).await;
    issuer.fail_with(Fault::Refuse);
    assert_ne!(waiting.read(&mut [0]).unwrap_or(0), 1);
}

#[tokio::test]
async fn stopping_frees_the_port_with_connections_open() {
    let issuer = TestIssuer::start().await.unwrap();
    let address = issuer.url().strip_prefix("http://").unwrap().to_owned();
    issuer.fail_with(Fault::Hang);
    let waiting = ask_for_keys(&issuer);
    issuer.until_requests(1).await;
    issuer.stop();
    assert!(TcpStream::connect(&address).is_err());
    drop(waiting);
}

#[test]
fn an_issuer_outlives_the_runtime_that_started_it() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let issuer = runtime().block_on(TestIssuer::start()).unwrap();
    for _ in 0..2 {
        let status =
            runtime().block_on(async { get(&issuer, Endpoint::Jwks).await.unwrap().status() });
        assert_eq!(status, 200);
    }
    drop(issuer);
}

#[tokio::test]
async fn a_start_that_nobody_waits_for_leaves_nothing_behind() {
    let mut start = Box::pin(TestIssuer::start());
    tokio::select! {
        biased;
        _ = &mut start => (),
        () = std::future::ready(()) => (),
    }
    drop(start);
}

#[tokio::test]
#[should_panic = "not the status of a final response"]
async fn an_informational_status_is_refused() {
    TestIssuer::start()
        .await
        .unwrap()
        .fail_with(Fault::Status(199));
}

#[tokio::test]
async fn a_panic_of_the_server_is_raised_again_on_drop() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.break_server();
    let failed = get(&issuer, Endpoint::Jwks).await.unwrap_err();
    assert!(failed.source().is_some());
    let raised = catch_unwind(AssertUnwindSafe(|| drop(issuer))).unwrap_err();
    let message = raised.downcast_ref::<String>().unwrap();
    assert!(message.contains("statuses from 200 to 599"), "{message}");
}

#[tokio::test]
async fn a_panicking_test_keeps_its_own_message() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.break_server();
    drop(get(&issuer, Endpoint::Jwks).await);
    let raised = catch_unwind(AssertUnwindSafe(|| {
        let _issuer = issuer;
        panic!("the test's own");
    }));
    assert_eq!(
        raised.unwrap_err().downcast_ref::<&str>(),
        Some(&"the test's own")
    );
}

#[test]
fn what_nobody_verified_is_a_warning_in_a_release_build() {
    assert_eq!(level(false), tracing::Level::WARN);
    assert_eq!(level(true), tracing::Level::DEBUG);
}
