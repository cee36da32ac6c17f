//! A client that knows an address alone, over real HTTP: what it is told, and where to ask next.

use axum::Router;
use axum::routing::get;
use portcullis::middleware::{MetadataService, ProtectedResource};
use portcullis::testing::TestIssuer;
use portcullis::{AuthLayer, Verifier};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::support::discovered;

/// Two resources of one server, each with its layer, and the metadata of both.
async fn serve(issuer: &TestIssuer) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let verifier = Verifier::new(discovered(issuer)).unwrap();
    let resource = |path: &str| {
        let resource = ProtectedResource::new(&format!("{origin}{path}"), &verifier).unwrap();
        resource.scopes_supported([format!("{}:read", path.trim_start_matches('/'))])
    };
    let resources = ["/orders", "/bills"].map(resource);
    let guarded = |path: &str, resource: &ProtectedResource| {
        let layer = AuthLayer::new(verifier.clone()).resource_metadata(resource);
        Router::new().route(path, get(async || "yes")).layer(layer)
    };
    let app = guarded("/orders", &resources[0])
        .merge(guarded("/bills", &resources[1]))
        .fallback_service(MetadataService::new(resources).unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (origin, serving)
}

async fn ask(client: &Client, method: Method, url: &str) -> Response {
    client.request(method, url).send().await.unwrap()
}

#[tokio::test]
async fn the_challenge_leads_to_the_issuer() {
    let issuer = TestIssuer::start().await.unwrap();
    let (origin, serving) = serve(&issuer).await;
    let over_http_1 = Client::builder().no_proxy().build().unwrap();
    let over_http_2 = Client::builder().no_proxy().http2_prior_knowledge();
    for client in [over_http_1, over_http_2.build().unwrap()] {
        for path in ["/orders", "/bills"] {
            let address = format!("{origin}{path}");
            let refused = ask(&client, Method::GET, &address).await;
            assert_eq!(refused.status(), 401);
            let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
            let (_, url) = challenge.split_once("resource_metadata=\"").unwrap();
            let url = url.trim_end_matches('"');

            let found = ask(&client, Method::GET, url).await;
            assert_eq!(found.status(), 200);
            let length = found.headers()["content-length"].clone();
            let document: Value = found.json().await.unwrap();
            let scope = format!("{}:read", path.trim_start_matches('/'));
            let expected = json!({
                "resource": address,
                "authorization_servers": [issuer.issuer()],
                "bearer_methods_supported": ["header"],
                "scopes_supported": [scope],
            });
            assert_eq!(document, expected);

            let head = ask(&client, Method::HEAD, url).await;
            assert_eq!(head.headers()["content-length"], length);
            assert_eq!(head.bytes().await.unwrap(), "");
            let preflight = ask(&client, Method::OPTIONS, url).await;
            assert_eq!(preflight.status(), 204);
        }
        let elsewhere = ask(&client, Method::GET, &format!("{origin}/.well-known/x")).await;
        assert_eq!(elsewhere.status(), 404);
        assert_eq!(elsewhere.headers()["cache-control"], "no-store");
    }
    serving.abort();
}
