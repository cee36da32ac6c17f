//! Which requests a browser may add a cookie to without being asked by a stranger
//! ([Fetch metadata](https://www.w3.org/TR/fetch-metadata/),
//! [RFC 6454 §7](https://www.rfc-editor.org/rfc/rfc6454#section-7)).

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, ORIGIN, UPGRADE};

use crate::error::BuildError;
use crate::middleware::head::RequestHead;
use crate::middleware::web_address::Host;

/// The origins that may send any request.
#[derive(Clone, Debug)]
pub(super) struct Origins(Box<[Box<str>]>);

impl Origins {
    pub(super) fn new(origins: &[&str]) -> Result<Self, BuildError> {
        for origin in origins {
            check(origin).map_err(|problem| BuildError::InvalidSetting {
                setting: "an origin of a cookie",
                value: (*origin).to_owned(),
                problem,
            })?;
        }
        Ok(Self(origins.iter().copied().map(Into::into).collect()))
    }

    /// Whether the request changes nothing, or the application itself sent it. CONNECT, with which a
    /// WebSocket of HTTP/2 begins ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)), is not safe.
    pub(super) fn allow(&self, head: RequestHead<'_>) -> bool {
        let changes_nothing = head.method.is_safe() && !head.headers.contains_key(UPGRADE);
        changes_nothing || self.vouch_for(head.headers)
    }

    fn vouch_for(&self, headers: &HeaderMap) -> bool {
        let (Ok(origin), Ok(site)) = (only(headers, &ORIGIN), only(headers, &SEC_FETCH_SITE))
        else {
            return false;
        };
        let is_listed = |origin: &HeaderValue| self.0.iter().any(|listed| **listed == *origin);
        match origin {
            // A sandboxed frame, a data: URL, a redirect: anybody.
            Some(origin) if origin == "null" => false,
            Some(origin) if is_listed(origin) => true,
            _ => site.is_some_and(|site| site == "same-origin"),
        }
    }
}

/// The value of a header that is there once at most.
fn only<'r>(headers: &'r HeaderMap, name: &HeaderName) -> Result<Option<&'r HeaderValue>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(());
    }
    Ok(first)
}

/// Whether the text is what a browser would send, so that comparing bytes is enough.
fn check(origin: &str) -> Result<(), &'static str> {
    const FORM: &str = "give it as browsers send it: https://app.example.com or \
                        https://app.example.com:8443, in lower case, without a path or default port";
    let (scheme, authority) = origin.split_once("://").ok_or(FORM)?;
    let default_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(FORM),
    };
    let host = Host::parse(authority).ok_or(FORM)?;
    let canonical = match host.port {
        None => host.name.to_owned(),
        Some(port) if port == default_port => return Err(FORM),
        Some(port) => format!("{}:{port}", host.name),
    };
    if canonical != authority || authority.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(FORM);
    }
    if scheme == "http" && !host.is_loopback() {
        return Err("use https: whoever is on the path can send requests from a plain http origin");
    }
    Ok(())
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use http::{Method, Request};

    use super::*;

    fn origins() -> Origins {
        Origins::new(&["https://app.example.com", "http://localhost:3000"]).unwrap()
    }

    fn request(method: &Method, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method.clone();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        request
    }

    const UNSAFE: [&str; 6] = ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND"];

    /// Whether headers let an unsafe method and an upgrade pass.
    #[track_caller]
    fn check_headers(headers: &[(&str, &str)], expected: bool) {
        for method in UNSAFE {
            let request = request(&method.parse().unwrap(), headers);
            assert_eq!(
                origins().allow((&request).into()),
                expected,
                "{method} {headers:?}"
            );
        }
        for protocol in ["websocket", "WebSocket", "h2c", ""] {
            let headers = [headers, &[("upgrade", protocol)]].concat();
            let request = request(&Method::GET, &headers);
            assert_eq!(origins().allow((&request).into()), expected, "{headers:?}");
        }
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
            let request = request(&method, headers);
            assert!(origins().allow((&request).into()), "{method} {headers:?}");
        }
    }

    #[test]
    fn a_listed_origin_passes() {
        check_headers(&[("origin", "https://app.example.com")], true);
        check_headers(&[("origin", "http://localhost:3000")], true);
        for site in ["same-origin", "same-site", "cross-site", "none"] {
            let origin = ("origin", "https://app.example.com");
            check_headers(&[origin, ("sec-fetch-site", site)], true);
        }
    }

    #[test]
    fn a_same_origin_request_passes_whatever_its_origin_is_called() {
        check_headers(&[("sec-fetch-site", "same-origin")], true);
        let site = ("sec-fetch-site", "same-origin");
        check_headers(&[site, ("origin", "https://api.example.com")], true);
    }

    #[test]
    fn nothing_else_passes() {
        check_headers(&[], false);
        for origin in [
            "null",
            "",
            "https://app.example.com.evil.example",
            "https://app.example.com:8443",
            "https://app.example.com/",
            "http://app.example.com",
            "https://APP.example.com",
            "https://evil.example",
            "https://sub.app.example.com",
            "http://localhost",
        ] {
            check_headers(&[("origin", origin)], false);
        }
        for site in [
            "same-site",
            "cross-site",
            "none",
            "",
            "Same-Origin",
            "same-origin, x",
        ] {
            check_headers(&[("sec-fetch-site", site)], false);
        }
    }

    #[test]
    fn nobody_speaks_for_a_null_origin_or_for_two() {
        let same = ("sec-fetch-site", "same-origin");
        let listed = ("origin", "https://app.example.com");
        check_headers(&[("origin", "null"), same], false);
        check_headers(&[listed, listed], false);
        check_headers(&[listed, ("origin", "null")], false);
        check_headers(&[same, same], false);
        check_headers(&[same, ("sec-fetch-site", "cross-site")], false);
    }

    #[test]
    fn an_origin_is_given_as_browsers_send_it() {
        for origin in [
            "https://app.example.com",
            "https://app.example.com:8443",
            "https://app.example.com:80",
            "https://xn--bcher-kva.example",
            "https://192.0.2.1",
            "https://[2001:db8::1]:8443",
            "http://localhost",
            "http://localhost:443",
            "http://127.0.0.1:3000",
            "http://[::1]:3000",
        ] {
            assert_eq!(check(origin), Ok(()), "{origin}");
        }
        for origin in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://app.example.com:",
            "https://app.example.com:443",
            "https://app.example.com:0443",
            "https://app.example.com:65536",
            "http://localhost:80",
            "https://App.example.com",
            "HTTPS://app.example.com",
            "https://user@app.example.com",
            "https://b\u{fc}cher.example",
            "https://a b",
            "http://app.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "ftp://app.example.com",
        ] {
            assert!(check(origin).is_err(), "{origin}");
        }
    }
}
