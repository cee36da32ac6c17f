//! The JOSE header: strict JSON, the three members that are read, and the ones that refuse.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer as _, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::compact::{self, Parts};
use crate::algorithm::Algorithm;
use crate::error::{Malformation, VerifyError};
use crate::json::{Kind, Name};
use crate::text::Escaped;

/// The JOSE header of a token, as far as a verifier reads it
/// ([RFC 7515 §4.1](https://www.rfc-editor.org/rfc/rfc7515#section-4.1)).
///
/// # Security
///
/// `jwk`, `jku`, `x5u` and `x5c` are never read: a token does not choose the key it is verified with.
///
/// Cheap to clone.
#[derive(Clone, Eq, PartialEq)]
pub struct Header(Arc<Inner>);

#[derive(Eq, PartialEq)]
struct Inner {
    algorithm: Algorithm,
    key_id: Option<Box<str>>,
    token_type: Option<Box<str>>,
}

impl Header {
    /// `alg`: the algorithm that verified the token.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// `kid`: an opaque name of a key among those of its issuer, at most 256 bytes.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    /// `typ`, as sent.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.0.token_type.as_deref()
    }

    pub(super) fn decode(parts: &Parts<'_>) -> Result<Self, VerifyError> {
        Self::parse(&compact::decode(parts.header, compact::MAX_HEADER_BYTES)?)
    }

    /// Parses the decoded first part of a token.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, VerifyError> {
        let members = Members::read(bytes)?;
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
        Ok(Self(Arc::new(Inner {
            algorithm,
            key_id: members.kid.map(|kid| kid.into()),
            token_type: members.typ.map(|typ| typ.into()),
        })))
    }

    /// Whether somebody else holds it, too.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// A header for claims that a test asserts to be verified.
    #[cfg(feature = "testing")]
    pub(crate) fn asserted() -> Self {
        Self(Arc::new(Inner {
            algorithm: Algorithm::Es256,
            key_id: None,
            token_type: Some("at+jwt".into()),
        }))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("algorithm", &self.algorithm())
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

impl<'a> Members<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, VerifyError> {
        let malformed = || VerifyError::Malformed(Malformation::Header);
        let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
        let mut json = serde_json::Deserializer::from_str(text);
        let members = json
            .deserialize_map(MembersVisitor)
            .map_err(|_| malformed())?;
        json.end().map_err(|_| malformed())?;
        Ok(members)
    }
}

/// What a header says of itself and nobody vouches for, to find out why it was refused.
///
/// # Security
///
/// Anybody's text: show it as [`Unvouched`](crate::text::Unvouched), and decide nothing by it.
pub(crate) struct StatedHeader {
    pub(crate) algorithm: Option<String>,
    pub(crate) key_id: Option<String>,
}

impl StatedHeader {
    /// What the header of this token says, if it can be read: within its limit, and a JSON object.
    pub(crate) fn of(token: &[u8]) -> Option<Self> {
        let parts = Parts::split(token).ok()?;
        let bytes = compact::decode(parts.header, compact::MAX_HEADER_BYTES).ok()?;
        let Members { alg, kid, .. } = Members::read(&bytes).ok()?;
        Some(Self {
            algorithm: alg.map(Cow::into_owned),
            key_id: kid.map(Cow::into_owned),
        })
    }
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
                    check_unread(map.next_value()?, 1).map_err(A::Error::custom)?;
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

/// Checks a value that is not read: no member twice at any depth (RFC 7515 §4), and no more depth
/// than any header needs, so that parsing fits the smallest stack.
fn check_unread(value: &RawValue, depth: usize) -> serde_json::Result<()> {
    let json = value.get();
    match Kind::of(value) {
        Kind::Text => serde_json::from_str(json).map(|Name(_)| ()),
        Kind::Number => serde_json::from_str::<f64>(json).map(|_| ()),
        Kind::List | Kind::Object if depth == MAX_HEADER_DEPTH => {
            Err(serde_json::Error::custom("too deep"))
        }
        Kind::List => {
            let elements: Vec<&RawValue> = serde_json::from_str(json)?;
            elements
                .into_iter()
                .try_for_each(|element| check_unread(element, depth + 1))
        }
        Kind::Object => {
            let members = EachMemberOnce { depth: depth + 1 };
            serde_json::Deserializer::from_str(json).deserialize_map(members)
        }
        Kind::Literal => Ok(()),
    }
}

/// Reads past an object whose values stand at this depth.
struct EachMemberOnce {
    depth: usize,
}

impl<'de> Visitor<'de> for EachMemberOnce {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with each member once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            check_unread(value, self.depth).map_err(A::Error::custom)?;
            names.push(name);
        }
        if crate::json::has_duplicates(&mut names) {
            return Err(A::Error::custom("duplicate member"));
        }
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
    fn a_member_that_is_not_read_is_still_json() {
        for value in [
            "1",
            "-0",
            "1.5",
            "4.0e9",
            "18446744073709551616",
            r#"[1.5,{"y":-1e9}]"#,
            "true",
            "null",
            r#""\ud83d\ude00""#,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"$serde_json::private::Number":1,"y":2}"#,
        ] {
            check(&format!(r#"{{"alg":"RS256","x":{value}}}"#), "accepted");
        }
        for value in [
            "",
            "01",
            "1e400",
            "[-1e400]",
            r#""\ud800""#,
            r#"{"y":["\udc00"]}"#,
            r#"{"\ud800":1}"#,
            r#"{"$serde_json::private::Number":1,"$serde_json::private::Number":1}"#,
        ] {
            check(&format!(r#"{{"alg":"RS256","x":{value}}}"#), "malformed");
        }
        for member in ["alg", "kid", "typ"] {
            check(&format!(r#"{{"{member}":1.5}}"#), "malformed");
            let object = r#"{"$serde_json::private::Number":"1"}"#;
            check(&format!(r#"{{"{member}":{object}}}"#), "malformed");
        }
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
        let small_stack = std::thread::Builder::new().stack_size(64 * 1024);
        let checks = small_stack.spawn(|| {
            for (open, close) in [("[", "]"), (r#"{"y":"#, "}")] {
                let nested = |depth| {
                    let (open, close) = (open.repeat(depth), close.repeat(depth));
                    format!(r#"{{"alg":"RS256","x":{open}[]{close}}}"#)
                };
                check(&nested(MAX_HEADER_DEPTH - 2), "accepted");
                check(&nested(MAX_HEADER_DEPTH - 1), "malformed");
                check(&nested(1_000), "malformed");
            }
        });
        checks.unwrap().join().unwrap();
    }

    #[test]
    fn a_key_id_may_be_256_bytes_and_no_more() {
        let with = |bytes| format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(bytes));
        check(&with(256), "accepted");
        check(&with(257), "too_large");
    }
}
