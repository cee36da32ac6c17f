//! How long a response may be used: RFC 9111 §4.2 as a private cache reads it.
//!
//! In: response headers. Out: [`Freshness`]. Pure; reads no clock, so `Expires` counts from the
//! response's own `Date`, and the time a response spent on the way is known by `Age` alone. What
//! is left in doubt is bounded: the caller clamps the result at both ends.

use std::time::{Duration, SystemTime};

use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES};
use http::{HeaderMap, HeaderValue};

use super::Freshness;

/// [RFC 9111 §4.2.1](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.1) and
/// [§4.2.3](https://www.rfc-editor.org/rfc/rfc9111#section-4.2.3): the stated lifetime less `Age`.
pub(super) fn freshness(headers: &HeaderMap) -> Freshness {
    match stated_lifetime(headers) {
        Some(lifetime) => Freshness::at_most(lifetime.saturating_sub(age(headers))),
        None => Freshness::unstated(),
    }
}

/// `max-age` takes precedence over `Expires`. `s-maxage` is for shared caches, and this is not one.
fn stated_lifetime(headers: &HeaderMap) -> Option<Duration> {
    let cache_control = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|line| lifetime_of_line(line.as_bytes()))
        .min();
    cache_control.or_else(|| lifetime_from_expires(headers))
}

/// The shortest lifetime that the directives of one line state.
///
/// Where directives disagree §4.2.1 wants the first or "stale"; the shortest lies between the two
/// and does not depend on the order of lines. Values in quotes count (§5.2), malformed ones are
/// zero, which is what §4.2.1 encourages.
fn lifetime_of_line(mut line: &[u8]) -> Option<Duration> {
    let mut lifetime: Option<Duration> = None;
    while !line.is_empty() {
        let (directive, rest) = split_directive(line);
        line = rest;
        if let Some(stated) = lifetime_of_directive(directive) {
            lifetime = Some(lifetime.map_or(stated, |shortest| shortest.min(stated)));
        }
    }
    lifetime
}

fn lifetime_of_directive(directive: &[u8]) -> Option<Duration> {
    let mut halves = directive.splitn(2, |byte| *byte == b'=');
    let name = halves.next().unwrap_or_default().trim_ascii();
    let value = halves.next().map(<[u8]>::trim_ascii);
    // A `no-cache` that names headers is read as one that does not, as §5.2.2.4 says caches often do.
    if name.eq_ignore_ascii_case(b"no-store") || name.eq_ignore_ascii_case(b"no-cache") {
        return Some(Duration::ZERO);
    }
    if !name.eq_ignore_ascii_case(b"max-age") {
        return None;
    }
    let value = value.unwrap_or_default();
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value);
    Some(delta_seconds(unquoted).unwrap_or(Duration::ZERO))
}

/// Everything up to the next comma outside quotes, and what follows that comma.
fn split_directive(line: &[u8]) -> (&[u8], &[u8]) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                let (directive, rest) = line.split_at(at);
                return (directive, rest.get(1..).unwrap_or_default());
            }
            _ => {}
        }
    }
    (line, &[])
}

/// `Expires` less `Date`. A malformed `Expires`, above all `0`, lies in the past
/// ([§5.3](https://www.rfc-editor.org/rfc/rfc9111#section-5.3)); one without a valid `Date` to
/// count from is ignored.
fn lifetime_from_expires(headers: &HeaderMap) -> Option<Duration> {
    let earliest = headers.get_all(EXPIRES).iter().map(http_date).min()?;
    let Some(expires) = earliest else {
        return Some(Duration::ZERO);
    };
    let date = headers.get(DATE).and_then(http_date)?;
    Some(expires.duration_since(date).unwrap_or(Duration::ZERO))
}

/// The first member of `Age`; a malformed one is ignored
/// ([§5.1](https://www.rfc-editor.org/rfc/rfc9111#section-5.1)).
fn age(headers: &HeaderMap) -> Duration {
    let value = headers
        .get(AGE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let first = value.split(|byte| *byte == b',').next().unwrap_or_default();
    delta_seconds(first.trim_ascii()).unwrap_or(Duration::ZERO)
}

/// `1*DIGIT`, whatever its length ([§1.2.2](https://www.rfc-editor.org/rfc/rfc9111#section-1.2.2)).
fn delta_seconds(digits: &[u8]) -> Option<Duration> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds = digits.iter().fold(0_u64, |seconds, digit| {
        seconds
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_secs(seconds))
}

fn http_date(value: &HeaderValue) -> Option<SystemTime> {
    httpdate::parse_http_date(value.to_str().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[track_caller]
    fn check(lines: &[(&str, &str)], seconds: Option<u64>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
        }
        assert_eq!(
            freshness(&headers).max_age(),
            seconds.map(Duration::from_secs),
            "{lines:?}"
        );
    }

    #[track_caller]
    fn check_cache_control(value: &str, seconds: Option<u64>) {
        check(&[("cache-control", value)], seconds);
    }

    #[test]
    fn nothing_stated_is_nothing_known() {
        check(&[], None);
        check(&[("age", "10")], None);
        check(&[("date", "Sun, 06 Nov 1994 08:49:37 GMT")], None);
        for value in [
            "",
            " ",
            ",",
            "public",
            "private, must-revalidate",
            "s-maxage=5",
            "x-max-age=5",
            "stale-if-error=9",
        ] {
            check_cache_control(value, None);
        }
    }

    #[test]
    fn max_age_is_read_in_every_spelling() {
        check_cache_control("max-age=3600", Some(3600));
        check_cache_control("max-age=0", Some(0));
        check_cache_control("MAX-AGE=60", Some(60));
        check_cache_control("max-age=\"60\"", Some(60));
        check_cache_control("max-age=007", Some(7));
        check_cache_control("public,max-age=60,must-revalidate", Some(60));
        check_cache_control(" public , max-age = 60 , immutable", Some(60));
        check_cache_control(",,max-age=60,,", Some(60));
        check(
            &[("cache-control", "public"), ("cache-control", "max-age=60")],
            Some(60),
        );
        check(
            &[("cache-control", "max-age=60"), ("pragma", "no-cache")],
            Some(60),
        );
    }

    #[test]
    fn a_comma_in_quotes_does_not_end_a_directive() {
        check_cache_control("private=\"a, max-age=5\", max-age=60", Some(60));
        check_cache_control("private=\"a\\\", max-age=5\", max-age=60", Some(60));
        check_cache_control("private=\"a, max-age=60", None);
        check_cache_control("private=\"\\", None);
    }

    #[test]
    fn the_shortest_of_several_counts() {
        check_cache_control("max-age=60, max-age=10", Some(10));
        check_cache_control("max-age=10, max-age=60", Some(10));
        check_cache_control("max-age=10, max-age=10", Some(10));
        check(
            &[
                ("cache-control", "max-age=10"),
                ("cache-control", "max-age=60"),
            ],
            Some(10),
        );
        check_cache_control("max-age=10, max-age=x", Some(0));
    }

    #[test]
    fn a_malformed_max_age_is_stale() {
        for value in [
            "", "-1", "+1", "1.5", "1e3", "0x10", " ", "\"\"", "\"5", "5\"", "'5'", "60s", "6 0",
            "\u{0661}", "\"-1\"",
        ] {
            check_cache_control(&format!("max-age={value}"), Some(0));
        }
        check_cache_control("max-age", Some(0));
        check_cache_control("max-age==5", Some(0));
        check_cache_control("public, max-age", Some(0));
        check_cache_control("max-age=60; public", Some(0));
    }

    #[test]
    fn numbers_saturate() {
        check_cache_control("max-age=1000000000000", Some(1_000_000_000_000));
        check_cache_control("max-age=18446744073709551615", Some(u64::MAX));
        check_cache_control("max-age=18446744073709551616", Some(u64::MAX));
        check_cache_control(&format!("max-age={}", "9".repeat(4096)), Some(u64::MAX));
        check(
            &[("cache-control", "max-age=60"), ("age", &"9".repeat(4096))],
            Some(0),
        );
    }

    #[test]
    fn no_store_and_no_cache_are_zero() {
        for value in [
            "no-store",
            "no-cache",
            "No-Store",
            "no-cache=\"set-cookie\"",
            "max-age=60, no-cache",
            "no-store,max-age=60",
        ] {
            check_cache_control(value, Some(0));
        }
        check(
            &[
                ("cache-control", "max-age=60"),
                ("cache-control", "no-store"),
            ],
            Some(0),
        );
        check_cache_control("no-store-please", None);
    }

    #[test]
    fn age_is_subtracted() {
        let aged = |age: &str, seconds| {
            check(
                &[("cache-control", "max-age=60"), ("age", age)],
                Some(seconds),
            )
        };
        aged("0", 60);
        aged("59", 1);
        aged("60", 0);
        aged("61", 0);
        aged("10, 20", 50);
        for malformed in ["", "-5", "x", "5.0", "x, 20"] {
            aged(malformed, 60);
        }
        check(
            &[
                ("cache-control", "max-age=60"),
                ("age", "10"),
                ("age", "20"),
            ],
            Some(50),
        );
    }

    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

    #[test]
    fn expires_counts_from_date() {
        check(
            &[DATE, ("expires", "Sun, 06 Nov 1994 08:50:37 GMT")],
            Some(60),
        );
        check(
            &[DATE, ("expires", "Sunday, 06-Nov-94 08:50:37 GMT")],
            Some(60),
        );
        check(&[DATE, ("expires", "Sun Nov  6 08:50:37 1994")], Some(60));
        check(
            &[DATE, ("expires", "Sun, 06 Nov 1994 08:49:37 GMT")],
            Some(0),
        );
        check(
            &[DATE, ("expires", "Sun, 06 Nov 1994 08:49:36 GMT")],
            Some(0),
        );
        check(
            &[
                DATE,
                ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
                ("age", "20"),
            ],
            Some(40),
        );
    }

    #[test]
    fn malformed_expires_is_stale_and_one_without_date_is_ignored() {
        for malformed in [
            "0",
            "-1",
            "",
            "tomorrow",
            "Sun, 06 Nov 1994 25:50:37 GMT",
            "\u{e9}",
        ] {
            check(&[DATE, ("expires", malformed)], Some(0));
            check(&[("expires", malformed)], Some(0));
        }
        let expires = ("expires", "Sun, 06 Nov 1994 08:50:37 GMT");
        check(&[expires], None);
        check(&[("date", "0"), expires], None);
        check(&[DATE, expires, ("expires", "0")], Some(0));
        check(
            &[DATE, expires, ("expires", "Sun, 06 Nov 1994 08:49:47 GMT")],
            Some(10),
        );
    }

    #[test]
    fn max_age_takes_precedence_over_expires() {
        check(
            &[DATE, ("expires", "0"), ("cache-control", "max-age=60")],
            Some(60),
        );
        check(
            &[
                DATE,
                ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
                ("cache-control", "public"),
            ],
            Some(60),
        );
        check(
            &[
                DATE,
                ("expires", "Sun, 06 Nov 1994 08:50:37 GMT"),
                ("cache-control", "no-store"),
            ],
            Some(0),
        );
    }
}
