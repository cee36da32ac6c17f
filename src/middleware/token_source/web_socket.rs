//! A token among the protocols that a WebSocket client offers
//! ([RFC 6455 §11.3.4](https://www.rfc-editor.org/rfc/rfc6455#section-11.3.4)).

use http::HeaderMap;
use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};

use super::only;
use crate::bearer::{BearerError, BearerToken};

/// What stands before the token. A JWT has only characters that the name of a protocol may have.
const PREFIX: &[u8] = b"bearer.";

pub(super) fn find(headers: &HeaderMap) -> Result<Option<BearerToken<'_>>, BearerError> {
    only(offered(headers).filter_map(|protocol| protocol.strip_prefix(PREFIX)))
}

/// Leaves the other protocols, in their order.
pub(super) fn hide(headers: &mut HeaderMap) {
    let others: Vec<_> = offered(headers)
        .filter(|protocol| !protocol.starts_with(PREFIX))
        .collect();
    // Parts of values and what joins them are always a value.
    let value = HeaderValue::from_bytes(&others.join(&b", "[..]));
    let value = value.ok().filter(|value| !value.is_empty());
    headers.remove(SEC_WEBSOCKET_PROTOCOL);
    headers.extend(value.map(|value| (SEC_WEBSOCKET_PROTOCOL, value)));
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    lists
        .flat_map(|list| list.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, and what is left.
    #[track_caller]
    fn check(lists: &[&str], expected: Result<Option<&str>, BearerError>, left: Option<&str>) {
        let mut headers = HeaderMap::new();
        for list in lists {
            headers.append(SEC_WEBSOCKET_PROTOCOL, list.parse().unwrap());
        }
        let token = find(&headers).map(|token| token.map(|token| token.as_str()));
        assert_eq!(token, expected, "{lists:?}");
        hide(&mut headers);
        let mut values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let value = values.next().map(|value| value.to_str().unwrap());
        assert_eq!((value, values.next()), (left, None), "{lists:?}");
    }

    #[test]
    fn one_of_the_protocols_is_the_token() {
        check(&["bearer.a.b.c"], Ok(Some("a.b.c")), None);
        let both = Some("v1, v2");
        check(&["v1, bearer.a.b.c, v2"], Ok(Some("a.b.c")), both);
        check(&["v1,bearer.a.b.c,v2"], Ok(Some("a.b.c")), both);
        check(&["v1", "bearer.a.b.c", "v2"], Ok(Some("a.b.c")), both);
    }

    #[test]
    fn other_protocols_are_none() {
        check(&[], Ok(None), None);
        check(&["v1, v2"], Ok(None), Some("v1, v2"));
        check(&["bearer"], Ok(None), Some("bearer"));
        check(&["Bearer.a.b.c"], Ok(None), Some("Bearer.a.b.c"));
        check(&["xbearer.a.b.c"], Ok(None), Some("xbearer.a.b.c"));
    }

    #[test]
    fn what_is_not_one_token_is_refused() {
        check(&["v1, bearer."], Err(BearerError::Malformed), Some("v1"));
        check(&["bearer.a b"], Err(BearerError::Malformed), None);
        check(&["bearer.a, bearer.a"], Err(BearerError::Several), None);
        check(
            &["bearer.a", "v1, bearer.b"],
            Err(BearerError::Several),
            Some("v1"),
        );
    }
}
