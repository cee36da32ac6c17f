//! A URL that may be fetched: parsed once and judged once.
//!
//! In: text from the configuration or from provider metadata. Out: a [`FetchUrl`], or why it may
//! not be fetched. What is judged is what the HTTP client will connect to: both use this parse.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// An absolute URL without userinfo and fragment whose scheme the configuration allows.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct FetchUrl(Url);

impl FetchUrl {
    /// Parses an absolute `https` URL, or an `http` one where `plain_http` allows it.
    ///
    /// The URL parser follows browsers: it drops tabs and line ends, takes `\` for `/`, and finds a
    /// host in `https:host` and `https:///host`. All of that is refused before it gets there, so
    /// that what a person reads in the text is what is fetched.
    pub(crate) fn parse(text: &str, plain_http: PlainHttp) -> Result<Self, UrlError> {
        if text.len() > MAX_URL_BYTES {
            return Err(UrlError::TooLong);
        }
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        {
            return Err(UrlError::Malformed);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(UrlError::Scheme);
        };
        if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
            return Err(UrlError::Scheme);
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(UrlError::NoHost);
        }
        if authority.contains('@') {
            return Err(UrlError::Userinfo);
        }
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }

        let url = Self(Url::parse(text).map_err(|_| UrlError::Malformed)?);
        let allowed = url.is_https()
            || match plain_http {
                PlainHttp::Never => false,
                PlainHttp::Loopback => url.is_loopback(),
                PlainHttp::Dangerously => true,
            };
        if allowed {
            Ok(url)
        } else {
            Err(UrlError::PlainHttp)
        }
    }

    /// The same origin with another path, and without a query.
    pub(crate) fn at_path(&self, path: &str) -> Self {
        let mut url = self.0.clone();
        url.set_path(path);
        url.set_query(None);
        Self(url)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn path(&self) -> &str {
        self.0.path()
    }

    pub(crate) fn has_query(&self) -> bool {
        self.0.query().is_some()
    }

    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the host is 127.0.0.0/8, `[::1]` or exactly `localhost`.
    ///
    /// Deliberately not `*.localhost`, `localhost.` and IPv4 addresses mapped into IPv6: what those
    /// lead to is up to the resolver and the kernel.
    pub(crate) fn is_loopback(&self) -> bool {
        let host = self.0.host_str().unwrap_or_default();
        let literal = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(host);
        match literal.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => host == "localhost",
        }
    }

    pub(super) fn to_url(&self) -> Url {
        self.0.clone()
    }
}

impl fmt::Debug for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Shows scheme, host, port and path. The query stays out: some issuers' hold a tenant or a policy,
/// some gateways' an API key.
impl fmt::Display for FetchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        f.write_str(text.split_once('?').map_or(text, |(shown, _)| shown))
    }
}

/// Where a URL may have the scheme `http`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PlainHttp {
    /// Nowhere. The default for every issuer that is not on loopback.
    Never,
    /// On a host that is loopback itself. The default when the configured issuer is on loopback.
    Loopback,
    /// Everywhere, because the configuration says `dangerously_allow_http`.
    Dangerously,
}

impl PlainHttp {
    /// What follows from the *configured* issuer alone. Nothing fetched has a say in it, so a
    /// document cannot lead from https to http, nor from loopback to the network in the clear.
    pub(crate) fn for_issuer(issuer: &str) -> Self {
        match FetchUrl::parse(issuer, Self::Dangerously) {
            Ok(url) if url.is_loopback() => Self::Loopback,
            Ok(_) | Err(_) => Self::Never,
        }
    }
}

/// Why a URL may not be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum UrlError {
    #[error("URL is longer than 2048 bytes")]
    TooLong,
    #[error("not a URL in printable ASCII without spaces and backslashes")]
    Malformed,
    #[error("URL has no host")]
    NoHost,
    #[error("not an absolute URL that begins with https://")]
    Scheme,
    #[error("plain http is for loopback hosts of a loopback issuer; use https")]
    PlainHttp,
    #[error("URL has a user name or password")]
    Userinfo,
    #[error("URL has a fragment")]
    Fragment,
    #[error("an issuer's URL has no query (RFC 8414 section 2)")]
    Query,
}

/// What HTTP servers and proxies commonly accept lies well above; real ones have 100 bytes.
const MAX_URL_BYTES: usize = 2048;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, plain_http: PlainHttp, expected: Result<&str, UrlError>) {
        let url = FetchUrl::parse(text, plain_http);
        assert_eq!(
            url.as_ref().map(FetchUrl::as_str),
            expected.as_ref().copied(),
            "{text:?}"
        );
    }

    #[test]
    fn https_is_always_allowed() {
        for plain_http in [
            PlainHttp::Never,
            PlainHttp::Loopback,
            PlainHttp::Dangerously,
        ] {
            check(
                "https://id.example/keys?p=1",
                plain_http,
                Ok("https://id.example/keys?p=1"),
            );
            check(
                "HTTPS://ID.example:8443",
                plain_http,
                Ok("https://id.example:8443/"),
            );
            check("https://127.0.0.1/", plain_http, Ok("https://127.0.0.1/"));
            check(
                "https://[2001:db8::1]/",
                plain_http,
                Ok("https://[2001:db8::1]/"),
            );
        }
    }

    #[test]
    fn plain_http_is_for_loopback_hosts_under_a_loopback_issuer() {
        for text in [
            "http://localhost:8080/a",
            "http://LOCALHOST/",
            "http://127.0.0.1:1/",
            "http://127.8.9.10/",
            "http://[::1]:2/",
        ] {
            assert!(
                FetchUrl::parse(text, PlainHttp::Loopback)
                    .unwrap()
                    .is_loopback(),
                "{text}"
            );
            check(text, PlainHttp::Never, Err(UrlError::PlainHttp));
        }
        // These too connect to 127.0.0.1: the parser writes them out, and that is what is fetched.
        for text in [
            "http://127.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
        ] {
            check(text, PlainHttp::Loopback, Ok("http://127.0.0.1/"));
        }
    }

    #[test]
    fn hosts_that_only_look_like_loopback_get_no_plain_http() {
        for text in [
            "http://127.0.0.1.evil.com/",
            "http://localhost.evil/",
            "http://localhost.evil.com/",
            "http://evil.com/localhost",
            "http://evil.com/?127.0.0.1",
            "http://evil.com:80/127.0.0.1",
            "http://foo.localhost/",
            "http://localhost./",
            "http://localhost-evil/",
            "http://128.0.0.1/",
            "http://126.255.255.255/",
            "http://0.0.0.0/",
            "http://[::]/",
            "http://[::2]/",
            "http://[::ffff:127.0.0.1]/",
            "http://169.254.169.254/",
            "http://10.0.0.1/",
        ] {
            check(text, PlainHttp::Loopback, Err(UrlError::PlainHttp));
            assert!(
                !FetchUrl::parse(text, PlainHttp::Dangerously)
                    .unwrap()
                    .is_loopback(),
                "{text}"
            );
            assert_eq!(PlainHttp::for_issuer(text), PlainHttp::Never, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_plain_absolute_url_is_refused() {
        for plain_http in [
            PlainHttp::Never,
            PlainHttp::Loopback,
            PlainHttp::Dangerously,
        ] {
            for text in [
                "",
                "id.example",
                "//id.example",
                "/keys",
                "https:id.example",
                "https:/id.example",
            ] {
                check(text, plain_http, Err(UrlError::Scheme));
            }
            for text in [
                "ftp://id.example",
                "file:///etc/passwd",
                "ws://localhost",
                "data://a",
                "httpss://a",
                "javascript:1",
            ] {
                check(text, plain_http, Err(UrlError::Scheme));
            }
            for text in [
                "https://",
                "https:///id.example",
                "https://?a",
                "https:////evil.com",
            ] {
                check(text, plain_http, Err(UrlError::NoHost));
            }
            for text in [
                "https://:443/",
                "https://a:b/",
                "https://a:65536/",
                "https://[::1/",
                "https://a%00b/",
                "https://a^b/",
            ] {
                check(text, plain_http, Err(UrlError::Malformed));
            }
            for text in [
                "https://a/ b",
                " https://a/",
                "https://a/\n",
                "ht\ttps://a/",
                "https://é.example/",
                "https:\\\\a",
                "https://a\\@b",
            ] {
                check(text, plain_http, Err(UrlError::Malformed));
            }
            for text in [
                "https://u@a/",
                "https://u:p@a/",
                "https://@a/",
                "https://:@a/",
                "http://127.0.0.1@evil",
                "http://a@localhost",
            ] {
                check(text, plain_http, Err(UrlError::Userinfo));
                assert_eq!(PlainHttp::for_issuer(text), PlainHttp::Never, "{text}");
            }
            for text in ["https://a/#f", "https://a#", "https://a?b#c"] {
                check(text, plain_http, Err(UrlError::Fragment));
            }
        }
    }

    #[test]
    fn an_at_sign_outside_the_authority_is_no_userinfo() {
        check(
            "https://id.example/@me?a=b@c",
            PlainHttp::Never,
            Ok("https://id.example/@me?a=b@c"),
        );
    }

    #[test]
    fn length_is_bounded() {
        let text = |bytes: usize| format!("{:a<bytes$}", "https://id.example/");
        assert!(FetchUrl::parse(&text(2048), PlainHttp::Never).is_ok());
        check(&text(2049), PlainHttp::Never, Err(UrlError::TooLong));
    }

    #[test]
    fn the_configured_issuer_decides_about_plain_http() {
        for issuer in [
            "http://localhost:8080/realm",
            "http://127.0.0.1:1",
            "http://[::1]",
            "https://localhost",
            "https://127.0.0.1",
        ] {
            assert_eq!(
                PlainHttp::for_issuer(issuer),
                PlainHttp::Loopback,
                "{issuer}"
            );
        }
        for issuer in [
            "https://id.example",
            "http://id.example",
            "my-issuer",
            "",
            "localhost",
            "http://localhost@evil.com",
        ] {
            assert_eq!(PlainHttp::for_issuer(issuer), PlainHttp::Never, "{issuer}");
        }
    }

    #[test]
    fn shown_without_query() {
        let url = FetchUrl::parse(
            "https://id.example:8443/keys?token=hunter2",
            PlainHttp::Never,
        )
        .unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "https://id.example:8443/keys https://id.example:8443/keys"
        );
    }
}
