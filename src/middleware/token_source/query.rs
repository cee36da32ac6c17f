//! A token in the query ([RFC 6750 §2.3](https://www.rfc-editor.org/rfc/rfc6750#section-2.3)).

use http::Uri;

use super::only;
use crate::bearer::{BearerError, BearerToken};
use crate::error::BuildError;

/// What RFC 6750 calls the parameter.
pub(super) const ACCESS_TOKEN: &str = "access_token";

pub(super) fn check_name(name: &str) -> Result<&str, BuildError> {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if !name.is_empty() && name.bytes().all(unreserved) {
        return Ok(name);
    }
    Err(BuildError::InvalidSetting {
        setting: "the name of a query parameter",
        value: name.to_owned(),
        problem: "give at least one letter, digit, -, ., _ or ~, and nothing else",
    })
}

/// The token as it stands there. What would have to be decoded is no JWT, and two readers might
/// decode it differently.
pub(super) fn find<'r>(uri: &'r Uri, name: &str) -> Result<Option<BearerToken<'r>>, BearerError> {
    let token = only(values(uri, name))?;
    let is_jwt_character = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    match token {
        Some(token) if !token.as_str().bytes().all(is_jwt_character) => Err(BearerError::Malformed),
        token => Ok(token),
    }
}

/// Whether there is such a parameter, whatever its value is.
pub(super) fn has(uri: &Uri, name: &str) -> bool {
    uri.query().is_some() && values(uri, name).next().is_some()
}

fn values<'r>(uri: &'r Uri, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let members = uri.query().into_iter().flat_map(|query| query.split('&'));
    members.filter_map(move |member| {
        let (found, value) = member.split_once('=').unwrap_or((member, ""));
        percent_decoded(found.as_bytes())
            .eq(name.bytes())
            .then_some(value.as_bytes())
    })
}

/// What a form decodes a name to ([RFC 3986 §2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)).
fn percent_decoded(mut text: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    std::iter::from_fn(move || {
        let (first, rest) = text.split_first()?;
        if let (b'%', [high, low, after @ ..]) = (first, rest)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            text = after;
            return Some(high << 4 | low);
        }
        text = rest;
        Some(*first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: Result<Option<&str>, BearerError>) {
        let uri: Uri = format!("/me?{query}").parse().unwrap();
        let token = find(&uri, ACCESS_TOKEN);
        let token = token.map(|token| token.map(|token| token.as_str()));
        assert_eq!(token, expected, "{query}");
        assert_eq!(has(&uri, ACCESS_TOKEN), expected != Ok(None), "{query}");
    }

    #[test]
    fn a_token_is_taken_as_it_stands() {
        check("access_token=a-_.B.9", Ok(Some("a-_.B.9")));
        check("page=2&access_token=a.b.c&x", Ok(Some("a.b.c")));
        check("access%5Ftoken=a.b.c", Ok(Some("a.b.c")));
        check("", Ok(None));
        check("page=access_token", Ok(None));
        check("access_tokens=a&my_access_token=b&ACCESS_TOKEN=c", Ok(None));
        check("access%255Ftoken=a", Ok(None));
    }

    #[test]
    fn what_would_have_to_be_decoded_is_refused() {
        for value in [
            "", "a%2Eb", "a+b", "a%20b", "a/b", "a~b", "a==", "a=b", "a;b", "a.b#",
        ] {
            // A fragment is no part of the query.
            let expected = match value.split_once('#') {
                Some((value, _)) => Ok(Some(value)),
                None => Err(BearerError::Malformed),
            };
            check(&format!("access_token={value}"), expected);
        }
        check("access_token", Err(BearerError::Malformed));
    }

    #[test]
    fn two_of_a_name_are_refused_however_they_are_written() {
        check("access_token=a&access_token=a", Err(BearerError::Several));
        check("access_token=a&access%5ftoken=b", Err(BearerError::Several));
        check("access_token=a&access_token", Err(BearerError::Several));
    }

    #[test]
    fn a_name_needs_no_encoding() {
        for name in ["access_token", "t", "a-b.c_d~9"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a%20b", "a=b", "a&b", "t\u{e9}"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
