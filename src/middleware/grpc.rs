//! What a gRPC call looks like as an HTTP request, and a status as headers
//! ([gRPC over HTTP/2](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)).

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Version};

/// Whether a request is a gRPC call, whose client reads nothing of an HTTP status. gRPC-Web is not.
pub(crate) fn is_grpc(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    let Some(content_type) = headers
        .get(CONTENT_TYPE)
        .filter(|_| method == Method::POST && version == Version::HTTP_2)
    else {
        return false;
    };
    match content_type.as_bytes().split_at_checked(MEDIA_TYPE.len()) {
        Some((kind, rest)) => {
            kind.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes())
                && matches!(rest, [] | [b'+' | b';', ..])
        }
        None => false,
    }
}

/// Makes the headers those of a trailers-only response, which ends with them.
///
/// The message must need no percent-encoding.
pub(super) fn write_status(headers: &mut HeaderMap, code: u16, message: &'static str) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    write_trailers(headers, code, message);
}

/// The same where headers were sent before.
pub(super) fn write_trailers(headers: &mut HeaderMap, code: u16, message: &'static str) {
    headers.insert(STATUS, HeaderValue::from(code));
    headers.insert(MESSAGE, HeaderValue::from_static(message));
}

const MEDIA_TYPE: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// When a client may retry ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
pub(super) const RETRY_PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

pub(super) const NOT_FOUND: u16 = 5;
pub(super) const PERMISSION_DENIED: u16 = 7;
pub(super) const INTERNAL: u16 = 13;
pub(super) const UNAVAILABLE: u16 = 14;
pub(super) const UNAUTHENTICATED: u16 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, version: Version, content_type: &str, expected: bool) {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
        assert_eq!(is_grpc(method, version, &headers), expected);
    }

    #[test]
    fn a_call_is_known_by_its_content_type() {
        let check = |content_type, expected| {
            check(&Method::POST, Version::HTTP_2, content_type, expected);
        };
        check("application/grpc", true);
        check("application/grpc+proto", true);
        check("application/grpc;charset=utf-8", true);
        check("Application/gRPC", true);
        check("application/grpc-web", false);
        check("application/grpc-web+proto", false);
        check("application/grpcx", false);
        check("application/grp", false);
        check("application/json", false);
        check("", false);
        assert!(!is_grpc(&Method::POST, Version::HTTP_2, &HeaderMap::new()));
    }

    #[test]
    fn a_call_is_a_post_over_http_2() {
        check(&Method::POST, Version::HTTP_2, "application/grpc", true);
        check(&Method::POST, Version::HTTP_11, "application/grpc", false);
        check(&Method::GET, Version::HTTP_2, "application/grpc", false);
    }
}
