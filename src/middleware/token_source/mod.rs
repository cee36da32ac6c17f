//! Where in a request the token stands, and that it stands in one place only.

mod cookie;
mod origin;
mod query;
mod web_socket;

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use super::cause::Cause;
use super::head::RequestHead;
use crate::bearer::{BearerError, BearerToken, PresentedToken};
use crate::error::BuildError;
use cookie::Cookie;

/// Where [`AuthLayer`](super::AuthLayer) takes the token from:
/// [`AuthLayer::token_from`](super::AuthLayer::token_from).
///
/// The `Authorization` header is the default and the best choice: nothing but the client's own code
/// puts a token there. The other places are for clients that cannot set a header, and each has a
/// weakness that its constructor names.
///
/// # Example
///
/// A browser's application with a cookie, beside other clients with a header:
///
/// ```
/// use portcullis::middleware::TokenSource;
/// use portcullis::{AuthLayer, BuildError, Verifier};
///
/// fn layer(verifier: Verifier) -> Result<AuthLayer, BuildError> {
///     Ok(AuthLayer::new(verifier)
///         .token_from(TokenSource::header())
///         .token_from(TokenSource::cookie("__Host-token", &["https://app.example.com"])?))
/// }
/// ```
#[derive(Clone)]
pub struct TokenSource(Source);

#[derive(Clone)]
enum Source {
    Header,
    Cookie(Cookie),
    WebSocketProtocol,
    Query(Box<str>),
    Custom(Arc<Custom>),
}

/// Behind a pointer rather than a type parameter, so that a layer can be named.
type Custom =
    dyn for<'r> Fn(RequestHead<'r>) -> Result<Option<BearerToken<'r>>, BearerError> + Send + Sync;

impl TokenSource {
    /// The header `Authorization: Bearer …`. The default.
    #[must_use]
    pub const fn header() -> Self {
        Self(Source::Header)
    }

    /// A cookie of this name, which must begin with `__Host-`: browsers take such a cookie only from
    /// the host itself, over https and for every path, so that no other subdomain can set one
    /// ([draft-ietf-httpbis-rfc6265bis §4.1.3](https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#section-4.1.3)).
    /// Whoever sets it should add `Secure; HttpOnly; SameSite=Lax; Path=/`.
    ///
    /// # Cross-site requests
    ///
    /// A browser sends a cookie whoever asks it to. So a token of a cookie opens an unsafe method (all
    /// but GET, HEAD, OPTIONS, TRACE) and an upgrade, as to a WebSocket by HTTP/1.1 or by an extended
    /// CONNECT of HTTP/2, only when the request has an `Origin` of `origins`, or
    /// `Sec-Fetch-Site: same-origin`. Anything else, be it neither of them or `Origin: null`, is
    /// answered with 403. Safe methods must change nothing.
    ///
    /// Browsers send `Origin`, and not all of them `Sec-Fetch-Site`, when they open a WebSocket: name
    /// the application's own origin for it. gRPC-Web is a POST and held to the same; a gRPC client
    /// that is no browser has neither header, so it sends its token in `Authorization`.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] when the name does not begin with `__Host-` or has characters
    /// that no cookie has, and for an origin that is not as browsers send it: `https://` (`http://`
    /// for loopback), host and port in lower case, without a path and without the default port.
    pub fn cookie(name: &str, origins: &[&str]) -> Result<Self, BuildError> {
        Cookie::host(name, origins).map(|cookie| Self(Source::Cookie(cookie)))
    }

    /// As [`cookie`](Self::cookie), with a name that does not begin with `__Host-`. Logged at WARN.
    ///
    /// # Security
    ///
    /// Another subdomain, or somebody on the path of a plain http request, can plant a cookie of such
    /// a name: their own token, under which a user then works and saves.
    ///
    /// # Errors
    ///
    /// As [`cookie`](Self::cookie), but for the prefix.
    pub fn dangerously_cookie(name: &str, origins: &[&str]) -> Result<Self, BuildError> {
        let cookie = Cookie::new(name, origins)?;
        warn("a cookie that other hosts can set is taken for a token");
        Ok(Self(Source::Cookie(cookie)))
    }

    /// One of the protocols of `Sec-WebSocket-Protocol`: `bearer.` and the token. For browsers, whose
    /// `WebSocket` can set no other header:
    ///
    /// ```js
    /// new WebSocket("wss://api.example.com/events", ["events.v1", `bearer.${token}`]);
    /// ```
    ///
    /// The protocol with the token is taken out of the request before the service sees it, so that it
    /// is not chosen and sent back. The service chooses another one that the client offers
    /// (`events.v1` here), as browsers fail a connection when none is chosen.
    ///
    /// # Security
    ///
    /// Proxies and servers may log this header where they know to leave `Authorization` out.
    #[must_use]
    pub const fn web_socket_protocol() -> Self {
        Self(Source::WebSocketProtocol)
    }

    /// A parameter of the query, `?access_token=…` say. Logged at WARN.
    ///
    /// The value is taken as it stands, of the characters that a JWT has: one that is percent-encoded
    /// is refused. Names are compared decoded, so that none hides.
    ///
    /// # Security
    ///
    /// Addresses are logged by servers and proxies, kept in histories and sent in `Referer`:
    /// [RFC 9700 §4.3.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2) forbids it. Give such
    /// tokens a lifetime of seconds, and answer with `Cache-Control: private`.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidSetting`] when the name is empty or has other characters than letters,
    /// digits, `-`, `.`, `_` and `~`.
    pub fn dangerously_query(name: &str) -> Result<Self, BuildError> {
        let name = query::check_name(name)?;
        warn("a token is taken from the query, which is logged by many");
        Ok(Self(Source::Query(name.into())))
    }

    /// Wherever this finds one. It must find the same in the same request each time.
    ///
    /// A bearer token in `Authorization` and `?access_token=` have sources of their own: what a closure
    /// finds there counts as a second one, and is refused.
    ///
    /// # Security
    ///
    /// What the closure finds is verified as any token. It tells apart, as
    /// [`BearerToken::from_headers`] does: nothing there, one token, and an error for what is
    /// malformed or more than one. If a browser adds by itself what is read, see
    /// [`cookie`](Self::cookie).
    ///
    /// # Example
    ///
    /// A header that a proxy fills:
    ///
    /// ```
    /// use portcullis::middleware::TokenSource;
    /// use portcullis::{BearerError, BearerToken};
    ///
    /// let source = TokenSource::custom(|request| {
    ///     let mut values = request.headers.get_all("cf-access-jwt-assertion").iter();
    ///     match (values.next(), values.next()) {
    ///         (None, _) => Ok(None),
    ///         (Some(value), None) => BearerToken::from_bytes(value.as_bytes()).map(Some),
    ///         (Some(_), Some(_)) => Err(BearerError::Several),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn custom(
        find: impl for<'r> Fn(RequestHead<'r>) -> Result<Option<BearerToken<'r>>, BearerError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Source::Custom(Arc::new(find)))
    }

    #[inline(never)]
    fn find<'r>(&self, head: RequestHead<'r>) -> Result<Option<PresentedToken<'r>>, BearerError> {
        let token = match &self.0 {
            Source::Header => return PresentedToken::from_headers(head.headers),
            Source::Cookie(cookie) => cookie.find(head.headers),
            Source::WebSocketProtocol => web_socket::find(head.headers),
            Source::Query(name) => query::find(head.uri, name),
            Source::Custom(find) => find(head),
        }?;
        Ok(token.map(PresentedToken::from))
    }

    fn is_same_place(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Source::Header, Source::Header)
            | (Source::WebSocketProtocol, Source::WebSocketProtocol) => true,
            (Source::Cookie(one), Source::Cookie(other)) => one.name() == other.name(),
            (Source::Query(one), Source::Query(other)) => one == other,
            (Source::Custom(one), Source::Custom(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Header => f.write_str("Header"),
            Source::Cookie(cookie) => cookie.fmt(f),
            Source::WebSocketProtocol => f.write_str("WebSocketProtocol"),
            Source::Query(name) => f.debug_tuple("Query").field(name).finish(),
            Source::Custom(_) => f.write_str("Custom"),
        }
    }
}

fn warn(danger: &'static str) {
    tracing::warn!(target: "portcullis::config", "{danger}");
}

/// Every place that a layer takes a token from.
#[derive(Clone, Debug)]
pub(super) struct TokenSources {
    sources: Vec<TokenSource>,
    /// Whether they are the default, which the first one that is named takes the place of.
    unnamed: bool,
}

impl Default for TokenSources {
    fn default() -> Self {
        Self {
            sources: vec![TokenSource::header()],
            unnamed: true,
        }
    }
}

impl TokenSources {
    /// Adds a place; one that is named again is there once, as it was named last.
    pub(super) fn name(&mut self, source: TokenSource) {
        let unnamed = std::mem::replace(&mut self.unnamed, false);
        self.sources
            .retain(|other| !unnamed && !other.is_same_place(&source));
        self.sources.push(source);
    }

    /// The one token of a request. Allocates nothing.
    pub(super) fn find<'r>(
        &self,
        head: RequestHead<'r>,
    ) -> Result<Option<PresentedToken<'r>>, Cause> {
        let mut found: Option<(PresentedToken<'r>, &TokenSource)> = None;
        for source in &self.sources {
            let error = match source.find(head) {
                Ok(None) => continue,
                Ok(Some(token)) if found.is_none() => {
                    found = Some((token, source));
                    continue;
                }
                Ok(Some(second)) => second.refused_for(BearerError::Several),
                Err(error) => error,
            };
            // What is wrong with the one that was found first is said first.
            let error = found.map_or(error, |(first, _)| first.refused_for(error));
            return Err(Cause::Credentials(error));
        }
        let Some((token, source)) = found else {
            return Ok(None);
        };
        if self.has_another(head) {
            return Err(Cause::Credentials(token.refused_for(BearerError::Several)));
        }
        match &source.0 {
            Source::Cookie(cookie) if !cookie.is_meant(head) => Err(Cause::CrossSite),
            _ => Ok(Some(token)),
        }
    }

    /// Whether a second token stands where [RFC 6750 §2](https://www.rfc-editor.org/rfc/rfc6750#section-2)
    /// has it, but nobody here takes it from; that section forbids more than one way at once. Whoever
    /// reads it, behind us or in front, would take the request for another's.
    fn has_another(&self, head: RequestHead<'_>) -> bool {
        let names = |named: fn(&Source) -> bool| self.sources.iter().any(|source| named(&source.0));
        let in_query = || query::has(head.uri, query::ACCESS_TOKEN);
        let in_header = || {
            !matches!(
                PresentedToken::from_headers(head.headers),
                Ok(None) | Err(BearerError::OtherScheme)
            )
        };
        (!names(|source| matches!(source, Source::Query(name) if **name == *query::ACCESS_TOKEN))
            && in_query())
            || (!names(|source| matches!(source, Source::Header)) && in_header())
    }

    /// Takes out of a request what the service behind might send back.
    pub(super) fn hide(&self, headers: &mut HeaderMap) {
        if (self.sources.iter()).any(|source| matches!(source.0, Source::WebSocketProtocol)) {
            web_socket::hide(headers);
        }
    }
}

/// The token, when there is one value.
fn only<'r>(
    mut values: impl Iterator<Item = &'r [u8]>,
) -> Result<Option<BearerToken<'r>>, BearerError> {
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => BearerToken::from_bytes(value).map(Some),
        (Some(_), Some(_)) => Err(BearerError::Several),
    }
}
