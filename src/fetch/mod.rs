//! The one door to the network.
//!
//! In: a URL that may be fetched. Out: at most so many bytes, how long they may be kept, and
//! nothing that has been trusted yet. Only this folder opens connections; the rest of the crate
//! holds a [`Fetch`] and cannot tell whether there is a network behind it.

mod cache_control;
mod file;
mod reqwest;
mod url;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::HeaderMap;

use crate::error::{FetchError, FetchErrorKind};

pub(crate) use self::file::read as read_file;
pub(crate) use self::reqwest::{ClientBuilder, Configure, ReqwestFetch};
pub(crate) use self::url::{FetchUrl, PlainHttp, UrlError};

/// Where documents (provider metadata and JWK Sets) come from.
///
/// The default is an HTTPS client with the system's certificates, without redirects, cookies,
/// retries or compression. Implement this to go through another client, a mesh or a mounted
/// volume, and give it to [`VerifierBuilder::fetch`](crate::VerifierBuilder::fetch).
///
/// # Cancel safety
///
/// Each fetch runs in a task of its own with a deadline around it, 5 s for discovery and keys
/// together, and is dropped when that passes: a future must release what it holds when dropped,
/// and must not block its thread, since a blocked thread outlives every deadline.
///
/// # Security
///
/// Whoever answers here decides which keys sign valid tokens. An implementation that
///
/// - **follows redirects** lets any open redirect on the issuer's host replace its keys, and lets
///   the issuer aim requests at hosts inside your network;
/// - **does not check TLS certificates and host names** lets everyone on the way replace them;
/// - **reads on past [`FetchRequest::max_bytes`]** lets the issuer fill the memory (the crate
///   checks the size again, but only once the body is there), and so does one that unpacks
///   compressed answers without counting what comes out;
/// - **accepts another status than 200** takes an error page for a document;
/// - **answers from a cache of its own** keeps withdrawn keys alive beyond every bound that the
///   crate promises, above all when [`FetchRequest::no_cache`] is set;
/// - **retries** multiplies what a fleet sends to an issuer that is already failing.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use portcullis::{Fetch, FetchError, FetchErrorKind, FetchFuture, FetchRequest, FetchResponse, Freshness};
///
/// /// Hands out one JWK Set, as a test or an air-gapped service may want.
/// #[derive(Debug)]
/// struct Fixed(&'static str);
///
/// impl Fetch for Fixed {
///     fn fetch(&self, request: FetchRequest) -> FetchFuture<'_> {
///         Box::pin(async move {
///             if self.0.len() > request.max_bytes() {
///                 return Err(FetchError::new(FetchErrorKind::TooLarge));
///             }
///             let freshness = Freshness::at_most(Duration::from_secs(300));
///             Ok(FetchResponse::document(self.0).with_freshness(freshness))
///         })
///     }
/// }
/// ```
pub trait Fetch: fmt::Debug + Send + Sync + 'static {
    /// Gets one document.
    ///
    /// # Errors
    ///
    /// [`FetchErrorKind::Status`] for every status but 200 and an asked-for 304,
    /// [`TooLarge`](FetchErrorKind::TooLarge) for a body of more than
    /// [`max_bytes`](FetchRequest::max_bytes), [`Connection`](FetchErrorKind::Connection) and
    /// [`Deadline`](FetchErrorKind::Deadline) for what goes wrong on the way.
    fn fetch(&self, request: FetchRequest) -> FetchFuture<'_>;
}

/// What [`Fetch::fetch`] returns: a boxed future, so that the trait is usable as `dyn Fetch`.
pub type FetchFuture<'a> =
    Pin<Box<dyn Future<Output = Result<FetchResponse, FetchError>> + Send + 'a>>;

/// One document to get with an HTTP `GET`.
///
/// Its URL is https, or plain http where the configuration allows that, and has neither userinfo
/// nor a fragment.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    url: FetchUrl,
    if_none_match: Option<ETag>,
    no_cache: bool,
    max_bytes: usize,
}

impl FetchRequest {
    pub(crate) const fn new(url: FetchUrl, max_bytes: usize) -> Self {
        Self {
            url,
            if_none_match: None,
            no_cache: false,
            max_bytes,
        }
    }

    /// Asks for the document only if it is another one than that of this tag.
    pub(crate) fn with_if_none_match(mut self, etag: Option<ETag>) -> Self {
        self.if_none_match = etag;
        self
    }

    /// Asks the issuer itself, past every cache on the way.
    pub(crate) const fn with_no_cache(mut self) -> Self {
        self.no_cache = true;
        self
    }

    /// The absolute URL to get, at most 2 KiB and a little.
    ///
    /// # Security
    ///
    /// It may have a query: leave that out of logs, as `Debug` of this type does.
    #[must_use]
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The value of `If-None-Match` to send, with its quotes: the entity tag of the document that
    /// is already here. Only with one may the answer be [`FetchResponse::not_modified`].
    #[must_use]
    pub fn if_none_match(&self) -> Option<&str> {
        self.if_none_match.as_ref().map(ETag::as_str)
    }

    /// Whether to send `Cache-Control: no-cache`, because a key is wanted that a cached copy does
    /// not have ([RFC 9111 §5.2.1.4](https://www.rfc-editor.org/rfc/rfc9111#section-5.2.1.4)).
    #[must_use]
    pub const fn no_cache(&self) -> bool {
        self.no_cache
    }

    /// The largest body to accept, in bytes: 512 KiB. The largest set we have seen in use has 22 KB.
    #[must_use]
    pub const fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Sends it through `fetch`, and holds the answer to what was asked for: the size limit, and
    /// "not modified" only if there was something to compare with.
    pub(crate) async fn send(self, fetch: &dyn Fetch) -> Result<FetchResponse, FetchError> {
        let max_bytes = self.max_bytes;
        let conditional = self.if_none_match.is_some();
        let response = fetch.fetch(self).await?;
        match &response.content {
            Content::Document { body, .. } if body.len() > max_bytes => {
                Err(FetchError::new(FetchErrorKind::TooLarge))
            }
            Content::NotModified if !conditional => {
                Err(FetchError::new(FetchErrorKind::Status(304)))
            }
            Content::Document { .. } | Content::NotModified => Ok(response),
        }
    }
}

/// The answer to a [`FetchRequest`]: a document, or word that it has not changed.
#[derive(Clone, Debug)]
pub struct FetchResponse {
    pub(crate) content: Content,
    pub(crate) freshness: Freshness,
}

impl FetchResponse {
    /// Status 200 with this body: no entity tag, freshness unstated.
    #[must_use]
    pub fn document(body: impl Into<Vec<u8>>) -> Self {
        Self {
            content: Content::Document {
                body: body.into(),
                etag: None,
            },
            freshness: Freshness::unstated(),
        }
    }

    /// Status 304: the document of [`FetchRequest::if_none_match`] is still the current one.
    #[must_use]
    pub const fn not_modified() -> Self {
        Self {
            content: Content::NotModified,
            freshness: Freshness::unstated(),
        }
    }

    /// Adds the value of `ETag`, to be sent back with the next scheduled fetch.
    ///
    /// One that is no entity tag in ASCII
    /// ([RFC 9110 §8.8.3](https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3)) or has more than
    /// 256 bytes is dropped, which costs no more than an unconditional fetch.
    #[must_use]
    pub fn with_etag(mut self, value: &str) -> Self {
        if let Content::Document { etag, .. } = &mut self.content {
            *etag = ETag::parse(value);
        }
        self
    }

    /// Adds how long the answer may be used. Default: unstated.
    #[must_use]
    pub const fn with_freshness(mut self, freshness: Freshness) -> Self {
        self.freshness = freshness;
        self
    }

    /// The body, or `None` for "not modified".
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        match &self.content {
            Content::Document { body, .. } => Some(body),
            Content::NotModified => None,
        }
    }
}

/// What an answer brought.
#[derive(Clone)]
pub(crate) enum Content {
    NotModified,
    Document { body: Vec<u8>, etag: Option<ETag> },
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotModified => f.write_str("not modified"),
            Self::Document { body, .. } => write!(f, "[{} bytes]", body.len()),
        }
    }
}

/// How long an answer may be used, as far as it says so.
///
/// The crate clamps this to between 60 s and 1 h and takes 10 min where it is unstated, so neither
/// a zero nor a century does harm.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Freshness {
    max_age: Option<Duration>,
}

impl Freshness {
    /// The answer does not say.
    #[must_use]
    pub const fn unstated() -> Self {
        Self { max_age: None }
    }

    /// For this long from the moment it was received. Zero: not at all without asking again.
    #[must_use]
    pub const fn at_most(max_age: Duration) -> Self {
        Self {
            max_age: Some(max_age),
        }
    }

    /// Reads `Cache-Control`, `Expires`, `Date` and `Age` of a response as a private cache does
    /// ([RFC 9111 §4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2)); for implementations
    /// of [`Fetch`] over another HTTP client.
    ///
    /// `no-store`, `no-cache` and whatever is malformed make it zero.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        cache_control::freshness(headers)
    }

    /// What is left of the stated lifetime at the moment of receipt; `None` when unstated.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.max_age
    }
}

/// An entity tag, quotes and all, fit to be sent back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ETag(Box<str>);

impl ETag {
    /// `[ "W/" ] DQUOTE *etagc DQUOTE` in ASCII, at most 256 bytes.
    ///
    /// A bare `*` is not one: sent back it would mean "any", and any set would count as unchanged.
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let opaque = value
            .strip_prefix("W/")
            .unwrap_or(value)
            .strip_prefix('"')?
            .strip_suffix('"')?;
        let is_etagc = |byte: u8| byte.is_ascii_graphic() && byte != b'"';
        (value.len() <= MAX_ETAG_BYTES && opaque.bytes().all(is_etagc)).then(|| Self(value.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The largest metadata document or JWK Set. The largest seen in use is Entra's, 22 KB.
pub(crate) const MAX_BODY_BYTES: usize = 512 * 1024;

const MAX_ETAG_BYTES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Answering(FetchResponse);

    impl Fetch for Answering {
        fn fetch(&self, _request: FetchRequest) -> FetchFuture<'_> {
            Box::pin(async { Ok(self.0.clone()) })
        }
    }

    #[track_caller]
    fn check_send(
        etag: Option<&str>,
        response: FetchResponse,
        expected: Result<(), FetchErrorKind>,
    ) {
        let url = FetchUrl::parse("https://id.example/keys", PlainHttp::Never).unwrap();
        let request = FetchRequest::new(url, 4).with_if_none_match(etag.and_then(ETag::parse));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let sent = runtime.block_on(request.send(&Answering(response)));
        assert_eq!(sent.map(drop).map_err(|error| error.kind()), expected);
    }

    #[test]
    fn an_answer_is_held_to_what_was_asked_for() {
        check_send(None, FetchResponse::document("1234"), Ok(()));
        check_send(
            None,
            FetchResponse::document("12345"),
            Err(FetchErrorKind::TooLarge),
        );
        check_send(
            Some("\"a\""),
            FetchResponse::document("12345"),
            Err(FetchErrorKind::TooLarge),
        );
        check_send(Some("\"a\""), FetchResponse::not_modified(), Ok(()));
        check_send(
            None,
            FetchResponse::not_modified(),
            Err(FetchErrorKind::Status(304)),
        );
    }

    #[track_caller]
    fn check_etag(value: &str, accepted: bool) {
        let response = FetchResponse::document("").with_etag(value);
        let Content::Document { etag, .. } = response.content else {
            panic!("a document")
        };
        assert_eq!(etag.as_ref().map(ETag::as_str), accepted.then_some(value));
    }

    #[test]
    fn only_a_short_entity_tag_is_kept() {
        check_etag("\"\"", true);
        check_etag("\"33a64df5\"", true);
        check_etag("W/\"33a64df5\"", true);
        check_etag("\"a,b\"", true);
        for value in [
            "",
            "\"",
            "*",
            "a",
            "\"a",
            "a\"",
            "w/\"a\"",
            "\"a\"b\"",
            "\"a b\"",
            "\"a\r\nX: y\"",
            "\"é\"",
        ] {
            check_etag(value, false);
        }
        check_etag(&format!("\"{}\"", "e".repeat(254)), true);
        check_etag(&format!("\"{}\"", "e".repeat(255)), false);
    }

    #[test]
    fn debug_shows_neither_query_nor_body() {
        let url =
            FetchUrl::parse("https://id.example/keys?token=hunter2", PlainHttp::Never).unwrap();
        let shown = format!(
            "{:?} {:?}",
            FetchRequest::new(url, 1),
            FetchResponse::document("hunter2")
        );
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(
            shown.contains("https://id.example/keys") && shown.contains("[7 bytes]"),
            "{shown}"
        );
    }
}
