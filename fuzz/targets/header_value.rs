//! Lines are the `Authorization` headers of one request. The oracle is the grammar, as a pattern.
#![no_main]

use std::sync::LazyLock;

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use portcullis::{BearerError, BearerToken};
use regex::bytes::Regex;

/// RFC 6750 section 2.1, with the scheme of RFC 9110 section 11.1.
static BEARER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)\A(?i:bearer) +([A-Za-z0-9._~+/-]+=*)\z").expect("a pattern")
});
static ANY_SCHEME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u)\A([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?: |\z)").expect("a pattern")
});

fuzz_target!(|lines: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(AUTHORIZATION, value);
        }
    }
    let values: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
    let found = BearerToken::from_headers(&headers);
    match &values[..] {
        [] => assert!(matches!(found, Ok(None))),
        [value] => check(value.as_bytes(), found),
        _ => assert_eq!(found.err(), Some(BearerError::Several)),
    }
});

fn check(value: &[u8], found: Result<Option<BearerToken<'_>>, BearerError>) {
    if let Some(captures) = BEARER.captures(value) {
        let token = found.expect("well-formed").expect("a token");
        assert_eq!(token.as_str().as_bytes(), &captures[1]);
        let shown = format!("[redacted; {} bytes]", token.as_str().len());
        assert_eq!(format!("{token:?}"), shown);
        return;
    }
    let scheme = ANY_SCHEME
        .captures(value)
        .map(|captures| captures[1].to_owned());
    let expected = match scheme {
        None => BearerError::Malformed,
        Some(scheme) if !scheme.eq_ignore_ascii_case(b"bearer") => BearerError::OtherScheme,
        Some(_) if value.contains(&b',') => BearerError::Several,
        Some(_) => BearerError::Malformed,
    };
    assert_eq!(found.err(), Some(expected));
}
