//! Serves protected resource metadata to whoever asks
//! ([RFC 9728 §3](https://www.rfc-editor.org/rfc/rfc9728#section-3)).

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName,
    HeaderValue,
};
use http::{Method, Request, Response, StatusCode};
use tower_service::Service;

use super::protected_resource::ProtectedResource;
use crate::error::BuildError;

/// A tower service that answers GET and HEAD at the address of each resource's metadata, and 404 elsewhere.
///
/// Mount it where no layer asks for a token: with axum as the fallback of the outermost router, or with
/// `route_service` at each [`ProtectedResource::metadata_path`]; see [`ProtectedResource`] for an example.
///
/// - The path alone decides, byte for byte. `Host` does not, as whoever sends a request can write it.
/// - Caches may keep an answer for an hour.
/// - Scripts of every origin may read it (CORS), as clients that run in a browser must, and may send
///   any header with it. For the protected routes that is up to a CORS layer of the service; it should
///   expose `WWW-Authenticate`.
#[derive(Clone, Debug)]
pub struct MetadataService {
    documents: Arc<[Document]>,
}

#[derive(Debug)]
struct Document {
    path: String,
    json: String,
}

impl MetadataService {
    /// Serves the metadata of these resources.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] when two of them have the same path, so that one would be hidden.
    pub fn new(resources: impl IntoIterator<Item = ProtectedResource>) -> Result<Self, BuildError> {
        let mut documents = Vec::<Document>::new();
        for resource in resources {
            let path = resource.metadata_path();
            if documents.iter().any(|document| document.path == path) {
                return Err(BuildError::InvalidSetting {
                    setting: "the address of the metadata",
                    value: resource.metadata_url().to_owned(),
                    problem: "another resource has the same path; serve it by a service of its own",
                });
            }
            documents.push(Document {
                path: path.to_owned(),
                json: resource.to_json(),
            });
        }
        Ok(Self {
            documents: documents.into(),
        })
    }

    fn answer(&self, method: &Method, path: &str) -> Response<String> {
        let document = self.documents.iter().find(|document| document.path == path);
        let Some(Document { json, .. }) = document else {
            return refusal(StatusCode::NOT_FOUND);
        };
        match *method {
            Method::GET => found(json, json.clone()),
            Method::HEAD => found(json, String::new()),
            Method::OPTIONS => response(
                StatusCode::NO_CONTENT,
                [
                    (ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
                    (ACCESS_CONTROL_ALLOW_HEADERS, "*"),
                    (ACCESS_CONTROL_MAX_AGE, "3600"),
                ],
                String::new(),
            ),
            _ => {
                let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED);
                let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
                response.headers_mut().insert(ALLOW, methods);
                response
            }
        }
    }
}

fn found(json: &str, body: String) -> Response<String> {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "public, max-age=3600"),
    ];
    let mut response = response(StatusCode::OK, headers, body);
    let length = HeaderValue::from(json.len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}

fn refusal(status: StatusCode) -> Response<String> {
    response(status, [(CACHE_CONTROL, "no-store")], String::new())
}

fn response<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, &'static str); N],
    body: String,
) -> Response<String> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for (name, value) in headers
        .into_iter()
        .chain([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")])
    {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

impl<B> Service<Request<B>> for MetadataService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.uri().path())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(url: &str) -> ProtectedResource {
        ProtectedResource::with_authorization_servers(url, &["https://id.example.com"]).unwrap()
    }

    fn service() -> MetadataService {
        let resources = ["https://api.example.com", "https://api.example.com/mcp"];
        MetadataService::new(resources.map(resource)).unwrap()
    }

    /// The status, and which resource the document is of.
    #[track_caller]
    fn check(method: &Method, path: &str, status: u16, of: Option<&str>) -> Response<String> {
        let response = service().answer(method, path);
        assert_eq!(response.status(), status, "{method} {path}");
        let document: Option<serde_json::Value> = serde_json::from_str(response.body()).ok();
        let found = document.map(|document| document["resource"].clone());
        assert_eq!(found, of.map(Into::into), "{method} {path}");
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], "*");
        if !response.status().is_success() {
            assert_eq!(headers["cache-control"], "no-store");
        }
        response
    }

    const ROOT: &str = "/.well-known/oauth-protected-resource";
    const MCP: &str = "/.well-known/oauth-protected-resource/mcp";

    #[test]
    fn each_resource_has_its_document_at_its_path() {
        check(&Method::GET, ROOT, 200, Some("https://api.example.com"));
        let response = check(&Method::GET, MCP, 200, Some("https://api.example.com/mcp"));
        let headers = response.headers();
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["cache-control"], "public, max-age=3600");
        for path in [
            "/",
            "/mcp",
            "/.well-known/oauth-protected-resource/",
            "/.well-known/oauth-protected-resource/mcp/",
            "/.well-known/oauth-protected-resource/other",
            "/.well-known/oauth-authorization-server",
            "/api/.well-known/oauth-protected-resource",
        ] {
            check(&Method::GET, path, 404, None);
        }
    }

    #[test]
    fn head_says_what_get_would_without_the_document() {
        let get = check(&Method::GET, ROOT, 200, Some("https://api.example.com"));
        let head = check(&Method::HEAD, ROOT, 200, None);
        assert_eq!(head.headers(), get.headers());
        let length = get.body().len().to_string();
        assert_eq!(head.headers()["content-length"], length.as_str());
        assert_eq!(head.body(), "");
    }

    #[test]
    fn a_preflight_of_a_browser_is_answered() {
        let response = check(&Method::OPTIONS, ROOT, 204, None);
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-methods"], "GET, HEAD");
        assert_eq!(headers["access-control-allow-headers"], "*");
        check(&Method::OPTIONS, "/mcp", 404, None);
    }

    #[test]
    fn another_method_is_not_allowed() {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let response = check(&method, ROOT, 405, None);
            assert_eq!(response.headers()["allow"], "GET, HEAD, OPTIONS");
        }
    }

    #[test]
    fn two_resources_do_not_share_a_path() {
        let resources = ["https://a.example/mcp", "https://b.example/mcp"].map(resource);
        let error = MetadataService::new(resources).unwrap_err().to_string();
        assert!(error.contains("https://b.example/.well-known"), "{error}");
    }
}
