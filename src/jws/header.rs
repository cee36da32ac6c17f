//! The JOSE header: strict JSON, the three members that are read, and the ones that refuse.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::algorithm::Algorithm;
use crate::error::{Malformation, VerifyError};
use crate::json::Name;
use crate::text::Escaped;

/// The JOSE header of a token, as far as a verifier reads it
/// ([RFC 7515 §4.1](https://www.rfc-editor.org/rfc/rfc7515#section-4.1)).
///
/// # Security
///
/// `jwk`, `jku`, `x5u` and `x5c` are never read: a token does not choose the key it is verified with.
#[derive(Clone, Eq, PartialEq)]
pub struct Header {
    algorithm: Algorithm,
    key_id: Option<Box<str>>,
    token_type: Option<Box<str>>,
}

impl Header {
    /// `alg`: the algorithm that verified the token.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`: an opaque name of a key among those of its issuer, at most 256 bytes.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// `typ`, as sent.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Parses the decoded first part of a token.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let malformed = VerifyError::Malformed;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed(Malformation::Header))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let members = json
            .deserialize_map(MembersVisitor)
            .map_err(|_| malformed(Malformation::Header))?;
        json.end().map_err(|_| malformed(Malformation::Header))?;

        if members.extension {
            return Err(VerifyError::UnsupportedCritical);
        }
        let name = members
            .alg
            .ok_or(VerifyError::Malformed(Malformation::HeaderMember))?;
        let algorithm = Algorithm::from_name(&name).ok_or(VerifyError::UnsupportedAlgorithm)?;
        if members
            .kid
            .as_ref()
            .is_some_and(|kid| kid.len() > MAX_KEY_ID_BYTES)
        {
            return Err(VerifyError::TooLarge);
        }
        Ok(Self {
            algorithm,
            key_id: members.kid.map(|kid| kid.into()),
            token_type: members.typ.map(|typ| typ.into()),
        })
    }

    /// A header for claims that a test asserts to be verified.
    #[cfg(feature = "testing")]
    pub(crate) fn asserted() -> Self {
        Self {
            algorithm: Algorithm::Es256,
            key_id: None,
            token_type: Some("at+jwt".into()),
        }
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id().map(Escaped))
            .field("token_type", &self.token_type().map(Escaped))
            .finish()
    }
}

#[derive(Default)]
struct Members<'a> {
    alg: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
    typ: Option<Cow<'a, str>>,
    /// A member that changes what the token means: `crit` (RFC 7515 §4.1.11), `b64` (RFC 7797) or `zip`.
    extension: bool,
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members::default();
        let mut names = Vec::with_capacity(4);
        while let Some(Name(name)) = map.next_key()? {
            let value = match &*name {
                "alg" => &mut members.alg,
                "kid" => &mut members.kid,
                "typ" => &mut members.typ,
                other => {
                    members.extension |= matches!(other, "crit" | "b64" | "zip");
                    map.next_value_seed(EachMemberOnce { depth: 1 })?;
                    names.push(name);
                    continue;
                }
            };
            let Name(text) = map.next_value()?;
            if value.replace(text).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        if crate::json::has_duplicates(&mut names) {
            return Err(A::Error::custom("duplicate member"));
        }
        Ok(members)
    }
}

/// Reads past a value, refusing a member named twice at any depth (RFC 7515 §4) and more depth than
/// any header needs, so that parsing fits the smallest stack.
struct EachMemberOnce {
    depth: usize,
}

impl EachMemberOnce {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == MAX_HEADER_DEPTH {
            return Err(E::custom("too deep"));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for EachMemberOnce {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EachMemberOnce {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            map.next_value_seed(self.deeper()?)?;
            names.push(name);
        }
        if crate::json::has_duplicates(&mut names) {
            return Err(A::Error::custom("duplicate member"));
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.deeper()?)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// Longest `kid`. Real ones are 4 to 90 bytes.
const MAX_KEY_ID_BYTES: usize = 256;

/// Deepest nesting of a header: a `jwk` with an array inside is 3.
const MAX_HEADER_DEPTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, reason: &str) {
        let outcome = Header::parse(header.as_bytes());
        assert_eq!(
            outcome
                .as_ref()
                .err()
                .map_or("accepted", VerifyError::reason),
            reason,
            "{header}"
        );
    }

    #[test]
    fn the_three_members_are_read() {
        let header =
            Header::parse(br#" {"typ":"at+jwt","alg":"ES256","kid":"a\u0062","x":[1]} "#).unwrap();
        assert_eq!(header.algorithm(), Algorithm::Es256);
        assert_eq!(header.key_id(), Some("ab"));
        assert_eq!(header.token_type(), Some("at+jwt"));
        let header = Header::parse(br#"{"alg":"RS256"}"#).unwrap();
        assert_eq!((header.key_id(), header.token_type()), (None, None));
    }

    #[test]
    fn only_an_object_is_a_header() {
        for header in [
            "",
            "[]",
            "null",
            "1",
            r#""alg""#,
            r#"{"alg":"RS256"}x"#,
            r#"{"alg":"RS256",}"#,
            "{",
        ] {
            check(header, "malformed");
        }
        check("\u{feff}{\"alg\":\"RS256\"}", "malformed");
        assert!(Header::parse(b"{\"alg\":\"RS256\",\"x\":\"\xff\"}").is_err());
    }

    #[test]
    fn members_are_strings() {
        for header in [
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":"RS256","kid":7}"#,
            r#"{"alg":"RS256","kid":null}"#,
            r#"{"alg":"RS256","typ":{}}"#,
            r#"{"kid":"a"}"#,
            "{}",
        ] {
            check(header, "malformed");
        }
    }

    #[test]
    fn unknown_algorithms_are_unsupported() {
        for alg in [
            "none",
            "None",
            "nOnE",
            "HS256",
            "",
            "rs256",
            "RS256 ",
            "none\\u0000",
            "n\u{43e}ne",
        ] {
            check(&format!(r#"{{"alg":"{alg}"}}"#), "unsupported_algorithm");
        }
    }

    #[test]
    fn duplicates_are_refused_at_every_depth() {
        for header in [
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","\u0061lg":"none"}"#,
            r#"{"alg":"RS256","x":1,"x":1}"#,
            r#"{"alg":"RS256","x":1,"\u0078":1}"#,
            r#"{"alg":"RS256","x":{"y":1,"y":2}}"#,
            r#"{"alg":"RS256","x":[[{"y":1,"z":0,"y":2}]]}"#,
        ] {
            check(header, "malformed");
        }
        check(r#"{"alg":"RS256","x":{"y":1},"z":{"y":1}}"#, "accepted");
    }

    #[test]
    fn extensions_are_refused() {
        for header in [
            r#"{"alg":"RS256","crit":["exp"],"exp":1}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"{"alg":"RS256","crit":null}"#,
            r#"{"alg":"RS256","crit":["b64"],"b64":false}"#,
            r#"{"alg":"RS256","b64":false}"#,
            r#"{"alg":"RS256","zip":"DEF"}"#,
        ] {
            check(header, "unsupported_critical");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| {
            format!(
                r#"{{"alg":"RS256","x":{}{}}}"#,
                "[".repeat(depth),
                "]".repeat(depth)
            )
        };
        check(&nested(MAX_HEADER_DEPTH - 1), "accepted");
        check(&nested(MAX_HEADER_DEPTH), "malformed");
        check(&nested(1_000), "malformed");
    }

    #[test]
    fn a_key_id_may_be_256_bytes_and_no_more() {
        let with = |bytes| format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(bytes));
        check(&with(256), "accepted");
        check(&with(257), "too_large");
    }
}
