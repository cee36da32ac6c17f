//! Takes the one bearer token out of a request's headers
//! ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)).
//!
//! Four outcomes are told apart, since each is answered differently: no credentials at all, exactly
//! one well-formed token, credentials of another scheme, and credentials that are malformed or more
//! than one. What the token says is none of this module's business: nothing of it is decoded here.

use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// One well-formed bearer token, borrowed from the headers it came in. Nothing in it is verified.
///
/// # Security
///
/// `Debug` shows the length alone. [`as_str`](Self::as_str) is the secret itself: hand it to a
/// verifier, never to a log.
#[derive(Clone, Copy)]
pub struct BearerToken<'a>(&'a str);

impl<'a> BearerToken<'a> {
    /// Extracts the token from the `Authorization` header.
    ///
    /// `Ok(None)` means that there is no such header. The scheme is compared without case
    /// ([RFC 9110 §11.1](https://www.rfc-editor.org/rfc/rfc9110#section-11.1)); one or more spaces,
    /// and nothing else, stand between it and the token
    /// ([RFC 9110 §11.4](https://www.rfc-editor.org/rfc/rfc9110#section-11.4)); the token is a
    /// `b64token` and the last thing in the value. Length is left to the verifier, which refuses
    /// more than 16 KiB.
    ///
    /// # Errors
    ///
    /// [`BearerError`] says which rule the header breaks. Deliberately not `Ok(None)`: whoever sent
    /// credentials must not be taken for somebody who sent none.
    ///
    /// # Example
    ///
    /// ```
    /// use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
    /// use portcullis::{BearerError, BearerToken};
    ///
    /// let mut headers = HeaderMap::new();
    /// assert!(BearerToken::from_headers(&headers)?.is_none());
    ///
    /// headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer mF_9.B5f-4.1JqM"));
    /// let token = BearerToken::from_headers(&headers)?;
    /// assert_eq!(token.map(|token| token.as_str()), Some("mF_9.B5f-4.1JqM"));
    ///
    /// headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer another"));
    /// assert_eq!(BearerToken::from_headers(&headers).err(), Some(BearerError::Several));
    /// # Ok::<(), BearerError>(())
    /// ```
    pub fn from_headers(headers: &'a HeaderMap) -> Result<Option<Self>, BearerError> {
        let presented = PresentedToken::from_headers(headers)?;
        presented.map(PresentedToken::parse).transpose()
    }

    /// A token that stands somewhere else, in a header of another name say: the whole text is one.
    ///
    /// # Errors
    ///
    /// [`BearerError::Malformed`] when the text is no `b64token`
    /// ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)); a JWT is one.
    pub fn from_bytes(text: &'a [u8]) -> Result<Self, BearerError> {
        if !is_b64token(text) {
            return Err(BearerError::Malformed);
        }
        let text = str::from_utf8(text).map_err(|_| BearerError::Malformed)?;
        Ok(Self(text))
    }

    /// The token as sent.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

/// What stands where a bearer token does, its characters not looked at yet: nothing of it may be
/// shown or sent on.
///
/// They need not be looked at when a verifier accepts it, because what that accepts is base64url and
/// dots. To look at each of them takes longer than all else that is done about a token that is remembered.
#[derive(Clone, Copy)]
pub(crate) struct PresentedToken<'a>(&'a [u8]);

impl<'a> PresentedToken<'a> {
    /// As [`BearerToken::from_headers`].
    pub(crate) fn from_headers(headers: &'a HeaderMap) -> Result<Option<Self>, BearerError> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(BearerError::Several);
        }
        Self::from_credentials(value.as_bytes()).map(Some)
    }

    fn from_credentials(credentials: &'a [u8]) -> Result<Self, BearerError> {
        let bearer = credentials
            .split_at_checked(SCHEME.len())
            .filter(|(scheme, rest)| {
                scheme.eq_ignore_ascii_case(SCHEME) && rest.first().is_none_or(|&byte| byte == b' ')
            });
        let Some((_, mut token)) = bearer else {
            return Err(Self::not_bearer(credentials));
        };
        while let [b' ', tail @ ..] = token {
            token = tail;
        }
        Ok(Self(token))
    }

    #[cold]
    fn not_bearer(credentials: &[u8]) -> BearerError {
        let mut words = credentials.split(|&byte| byte == b' ');
        if words.next().is_some_and(is_token) {
            BearerError::OtherScheme
        } else {
            BearerError::Malformed
        }
    }

    /// Looks at the characters.
    pub(crate) fn parse(self) -> Result<BearerToken<'a>, BearerError> {
        // No comma can be part of a token: intermediaries join repeated headers with it.
        BearerToken::from_bytes(self.0).map_err(|error| match self.0.contains(&b',') {
            true => BearerError::Several,
            false => error,
        })
    }

    /// What a request with this is refused for: that it is no bearer token, or else this.
    #[cfg(feature = "tower")]
    #[cold]
    pub(crate) fn refused_for(self, otherwise: BearerError) -> BearerError {
        self.parse().err().unwrap_or(otherwise)
    }

    #[cfg(feature = "tower")]
    pub(crate) const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(feature = "tower")]
impl<'a> From<BearerToken<'a>> for PresentedToken<'a> {
    fn from(token: BearerToken<'a>) -> Self {
        Self(token.0.as_bytes())
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[redacted; {} bytes]", self.0.len())
    }
}

/// Why a request does not hold exactly one well-formed bearer token.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BearerError {
    /// `malformed_credentials`: the scheme is no token, or what follows `Bearer` is none; or what stands
    /// elsewhere, where a token is expected, is none.
    #[error("credentials are malformed")]
    Malformed,
    /// `other_scheme`: well-formed so far, but of another scheme than `Bearer`, such as `Basic` or `DPoP`.
    #[error("Authorization header is of another scheme than Bearer")]
    OtherScheme,
    /// `several_credentials`: more than one `Authorization` header, or a list in one; or a token in more
    /// than one place.
    #[error("more than one set of credentials")]
    Several,
}

impl BearerError {
    /// The stable code of this refusal, such as `"several_credentials"`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed_credentials",
            Self::OtherScheme => "other_scheme",
            Self::Several => "several_credentials",
        }
    }
}

/// Its case does not matter.
const SCHEME: &[u8] = b"bearer";

/// A `token` of [RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`
fn is_b64token(bytes: &[u8]) -> bool {
    let padding = bytes.iter().rev().take_while(|&&byte| byte == b'=').count();
    let Some((characters, _)) = bytes.split_at_checked(bytes.len() - padding) else {
        return false;
    };
    // Deliberately without an early end: the whole loop becomes vector code, and nearly every token passes.
    !characters.is_empty()
        && characters
            .iter()
            .fold(true, |all, &byte| all & is_b64token_character(byte))
}

const fn is_b64token_character(byte: u8) -> bool {
    // Setting bit 5 maps upper case to lower case, and onto letters nothing else but themselves.
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    // `-./0123456789` is one range.
    let digit = byte.wrapping_sub(b'-') < 13;
    letter | digit | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(values: &[&[u8]], expected: Result<Option<&str>, BearerError>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        let token = BearerToken::from_headers(&headers);
        assert_eq!(
            token.map(|token| token.map(|token| token.as_str())),
            expected
        );
    }

    #[test]
    fn no_header_is_no_token() {
        check(&[], Ok(None));
    }

    #[test]
    fn the_scheme_has_no_case() {
        for value in [
            "Bearer a.b.c",
            "bearer a.b.c",
            "BEARER a.b.c",
            "bEaReR a.b.c",
        ] {
            check(&[value.as_bytes()], Ok(Some("a.b.c")));
        }
    }

    #[test]
    fn spaces_and_nothing_else_separate_scheme_and_token() {
        check(&[b"Bearer  x"], Ok(Some("x")));
        check(&[b"Bearer        x"], Ok(Some("x")));
        check(&[b"Bearer\tx"], Err(BearerError::Malformed));
        check(&[b"Bearer \tx"], Err(BearerError::Malformed));
        check(&[b"Bearer:x"], Err(BearerError::Malformed));
    }

    #[test]
    fn a_scheme_without_token_is_malformed() {
        check(&[b""], Err(BearerError::Malformed));
        check(&[b"Bearer"], Err(BearerError::Malformed));
        check(&[b"Bearer "], Err(BearerError::Malformed));
        check(&[b"Bearer ="], Err(BearerError::Malformed));
    }

    #[test]
    fn nothing_stands_before_the_scheme_or_after_the_token() {
        for value in [
            " Bearer x",
            "Bearer x ",
            "Bearer x y",
            "Bearer x;",
            "Bearer \"x\"",
            "Bearer x=y",
            "Bearer x\t",
        ] {
            check(&[value.as_bytes()], Err(BearerError::Malformed));
        }
    }

    #[test]
    fn the_token_has_the_characters_of_a_b64token() {
        for byte in (0x20..=0xff_u8).filter(|&byte| byte != 0x7f) {
            let allowed = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_b64token(&[b'a', byte, b'a']), allowed, "{byte:#x}");
            assert_eq!(is_b64token(&[byte]), allowed, "{byte:#x}");
        }
        check(&[b"Bearer a=="], Ok(Some("a==")));
        check(
            &["Bearer tok\u{e9}n".as_bytes()],
            Err(BearerError::Malformed),
        );
        check(&[b"Bearer tok\xffn"], Err(BearerError::Malformed));
    }

    #[test]
    fn another_scheme_is_not_a_bearer_token() {
        for value in [
            "Basic a.b.c",
            "Token a.b.c",
            "DPoP a.b.c",
            "Bearers a.b.c",
            "a.b.c",
            "Basic",
            "Basic a, Bearer b",
        ] {
            check(&[value.as_bytes()], Err(BearerError::OtherScheme));
        }
        check(&["B\u{e9}arer x".as_bytes()], Err(BearerError::Malformed));
        check(&[b"Basic, Bearer x"], Err(BearerError::Malformed));
    }

    #[test]
    fn several_credentials_are_refused_in_either_order() {
        check(&[b"Bearer a", b"Bearer a"], Err(BearerError::Several));
        check(&[b"Bearer a", b"Basic b"], Err(BearerError::Several));
        check(&[b"", b"Bearer a"], Err(BearerError::Several));
        check(&[b"Bearer a, Bearer b"], Err(BearerError::Several));
        check(&[b"Bearer a,Basic b"], Err(BearerError::Several));
        check(&[b"Bearer , a"], Err(BearerError::Several));
    }

    #[test]
    fn debug_shows_the_length_alone() {
        assert_eq!(format!("{:?}", BearerToken("a.b.c")), "[redacted; 5 bytes]");
    }
}
