//! A token in a cookie ([RFC 6265 §4.2](https://www.rfc-editor.org/rfc/rfc6265#section-4.2)).

use http::HeaderMap;
use http::header::COOKIE;

use super::only;
use super::origin::Origins;
use crate::bearer::{BearerError, BearerToken, is_token};
use crate::error::BuildError;
use crate::middleware::head::RequestHead;

/// One cookie, and who may send requests with it.
#[derive(Clone, Debug)]
pub(super) struct Cookie {
    name: Box<str>,
    origins: Origins,
}

impl Cookie {
    /// One that only the host itself can have set.
    pub(super) fn host(name: &str, origins: &[&str]) -> Result<Self, BuildError> {
        match name.strip_prefix("__Host-") {
            Some(rest) if !rest.is_empty() => Self::new(name, origins),
            _ => Err(invalid(
                name,
                "begin it with __Host-, or spell out TokenSource::dangerously_cookie",
            )),
        }
    }

    pub(super) fn new(name: &str, origins: &[&str]) -> Result<Self, BuildError> {
        if !is_token(name.as_bytes()) {
            return Err(invalid(
                name,
                "give at least one letter, digit or mark, without spaces and separators",
            ));
        }
        Ok(Self {
            name: name.into(),
            origins: Origins::new(origins)?,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// HTTP/2 may send each cookie as a header of its own
    /// ([RFC 9113 §8.2.3](https://www.rfc-editor.org/rfc/rfc9113#section-8.2.3)).
    pub(super) fn find<'r>(
        &self,
        headers: &'r HeaderMap,
    ) -> Result<Option<BearerToken<'r>>, BearerError> {
        let lists = headers.get_all(COOKIE).iter();
        let pairs = lists.flat_map(|list| list.as_bytes().split(|&byte| byte == b';'));
        only(pairs.filter_map(|pair| self.value(pair)))
    }

    /// Cookies of one name are told apart by nothing that is sent, so a second one is never skipped;
    /// nor is one without a value, which some take for the name of an empty one.
    fn value<'r>(&self, pair: &'r [u8]) -> Option<&'r [u8]> {
        let end = pair.iter().position(|&byte| byte == b'=');
        let (name, value) = pair.split_at_checked(end.unwrap_or(pair.len()))?;
        let value = value.strip_prefix(b"=").unwrap_or_default();
        (name.trim_ascii() == self.name.as_bytes()).then(|| value.trim_ascii_end())
    }

    /// Whether the user's own application sent the request, where that matters.
    pub(super) fn is_meant(&self, head: RequestHead<'_>) -> bool {
        self.origins.allow(head)
    }
}

fn invalid(name: &str, problem: &'static str) -> BuildError {
    BuildError::InvalidSetting {
        setting: "the name of a cookie",
        value: name.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(lists: &[&[u8]], expected: Result<Option<&str>, BearerError>) {
        let cookie = Cookie::host("__Host-t", &[]).unwrap();
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(COOKIE, HeaderValue::from_bytes(list).unwrap());
        }
        let token = cookie.find(&headers);
        assert_eq!(
            token.map(|token| token.map(|token| token.as_str())),
            expected,
            "{:?}",
            lists.iter().map(|list| String::from_utf8_lossy(list))
        );
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        for lists in [
            &[&b"__Host-t=a.b.c"[..]][..],
            &[b"x=1; __Host-t=a.b.c; y=2"],
            &[b"x=1;__Host-t=a.b.c;y=2;"],
            &[b"x=1", b"__Host-t=a.b.c", b"y=2"],
            &[b" __Host-t=a.b.c "],
            &[b"\xff=\xff; __Host-t=a.b.c"],
        ] {
            check(lists, Ok(Some("a.b.c")));
        }
        check(&[b"__Host-t=a=="], Ok(Some("a==")));
    }

    #[test]
    fn a_cookie_of_another_name_is_none() {
        for list in [
            &b""[..],
            b"x=1",
            b"__host-t=a.b.c",
            b"__HOST-T=a.b.c",
            b"x__Host-t=a.b.c",
            b"__Host-tt=a.b.c",
            b"x=__Host-t=a.b.c",
            b"t=a.b.c",
            b"\"__Host-t\"=a.b.c",
        ] {
            check(&[list], Ok(None));
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_refused() {
        for lists in [
            &[&b"__Host-t=a; __Host-t=a"[..]][..],
            &[b"__Host-t=a; x=1; __Host-t=b"],
            &[b"__Host-t=a", b"__Host-t=b"],
            // As some parsers read them.
            &[b"__Host-t=a; __Host-t =b"],
            &[b"__Host-t=a; __Host-t"],
            &[b"__Host-t=a; __Host-t="],
        ] {
            check(lists, Err(BearerError::Several));
        }
    }

    #[test]
    fn a_value_that_is_no_token_is_malformed() {
        for list in [
            &b"__Host-t="[..],
            b"__Host-t",
            b"__Host-t=\"a.b.c\"",
            b"__Host-t=a b",
            b"__Host-t= a",
            b"__Host-t=a,b",
            b"__Host-t=a%2eb",
            b"__Host-t=\xff",
            // Within quotes for some parsers; browsers know no quotes.
            b"x=\"1; __Host-t=a.b.c\"",
        ] {
            check(&[list], Err(BearerError::Malformed));
        }
    }

    #[test]
    fn a_name_is_one_that_other_hosts_cannot_set() {
        for name in ["__Host-t", "__Host-a.b_c!"] {
            assert!(Cookie::host(name, &[]).is_ok(), "{name}");
        }
        for name in ["", "t", "__Host-", "__Secure-t", "__host-t", " __Host-t"] {
            let error = Cookie::host(name, &[]).unwrap_err().to_string();
            assert!(error.contains("dangerously_cookie"), "{error}");
        }
        for name in ["", "a b", "a=b", "a;b", "a\"b", "a,b", "t\u{e9}", "a\nb"] {
            assert!(Cookie::new(name, &[]).is_err(), "{name}");
            assert!(Cookie::host(&format!("__Host-{name} "), &[]).is_err());
        }
        assert!(Cookie::new("t", &[]).is_ok());
    }
}
