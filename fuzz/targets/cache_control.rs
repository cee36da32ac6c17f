//! Lines are the headers of a response. The oracle is how the answers to related headers relate.
#![no_main]

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, EXPIRES, HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use portcullis::Freshness;

fuzz_target!(|lines: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let mut halves = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(halves.next().unwrap_or_default());
        let value = HeaderValue::from_bytes(halves.next().unwrap_or_default().trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let stated = max_age(&headers);

    if !headers.contains_key(CACHE_CONTROL) && !headers.contains_key(EXPIRES) {
        assert_eq!(stated, None);
    }
    // The order of lines does not count.
    let lines: Vec<_> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .rev()
        .cloned()
        .collect();
    let mut reversed = headers.clone();
    reversed.remove(CACHE_CONTROL);
    for line in lines {
        reversed.append(CACHE_CONTROL, line);
    }
    assert_eq!(max_age(&reversed), stated);
    // What was on the way for longer is not fresh for longer, and in the end not at all.
    for (seconds, least) in [
        ("0", Duration::MAX),
        ("7", Duration::MAX),
        ("18446744073709551615", Duration::ZERO),
    ] {
        let aged = max_age(&with(&headers, AGE, seconds, true));
        let unaged = max_age(&without(&headers, AGE));
        assert_eq!(aged.is_some(), unaged.is_some());
        assert!(aged <= unaged && aged.is_none_or(|aged| aged <= least));
    }
    // Another line never lengthens what the lines before allow.
    let headers = without(&headers, AGE);
    let stated_by_lines = max_age(&without(&headers, EXPIRES));
    for (line, most) in [
        ("no-store", 0),
        ("no-cache", 0),
        ("max-age=5", 5),
        ("max-age=\"5\"", 5),
        ("max-age=x", 0),
    ] {
        let most = Duration::from_secs(most);
        let expected = stated_by_lines.map_or(most, |stated| stated.min(most));
        assert_eq!(
            max_age(&with(&headers, CACHE_CONTROL, line, false)),
            Some(expected),
            "{line}"
        );
    }
    for line in ["public", "s-maxage=5", "private=\"max-age=5\"", ""] {
        assert_eq!(
            max_age(&with(&headers, CACHE_CONTROL, line, false)),
            max_age(&headers),
            "{line}"
        );
    }
});

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    Freshness::from_headers(headers).max_age()
}

fn with(headers: &HeaderMap, name: HeaderName, value: &'static str, instead: bool) -> HeaderMap {
    let mut headers = headers.clone();
    let value = HeaderValue::from_static(value);
    if instead {
        headers.insert(name, value);
    } else {
        headers.append(name, value);
    }
    headers
}

fn without(headers: &HeaderMap, name: HeaderName) -> HeaderMap {
    let mut headers = headers.clone();
    headers.remove(name);
    headers
}
