//! What of a request is looked at before anybody reads its body.

use std::fmt;

use http::{Extensions, HeaderMap, Method, Request, Uri, Version};

/// A request without its body, borrowed; what a [custom source](super::TokenSource::custom) sees.
///
/// # Security
///
/// `Debug` shows neither query nor headers, where tokens are.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RequestHead<'r> {
    /// The method.
    pub method: &'r Method,
    /// The address asked for. Its query may hold secrets: do not log it.
    pub uri: &'r Uri,
    /// The version of HTTP.
    pub version: Version,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// What layers further out have put there.
    pub extensions: &'r Extensions,
}

impl<'r, B> From<&'r Request<B>> for RequestHead<'r> {
    fn from(request: &'r Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestHead")
            .field("method", self.method)
            .field("path", &self.uri.path())
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_has_no_token() {
        let request = Request::get("/me?access_token=query-secret")
            .header("authorization", "Bearer header-secret")
            .extension("extension-secret")
            .body(());
        let shown = format!("{:?}", RequestHead::from(&request.unwrap()));
        assert!(shown.contains("GET") && shown.contains("/me"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
