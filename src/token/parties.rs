//! Who acts, and which key a token is bound to.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::json::Name;

/// Who acts for the subject of a token.
///
/// Deserializes from an object alone; a member that is there is a text that is not empty.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Actor {
    /// `sub` of the actor.
    pub subject: Option<String>,
    /// `iss` of the actor, where it is not the token's.
    pub issuer: Option<String>,
}

impl<'de> Deserialize<'de> for Actor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [subject, issuer] = deserializer.deserialize_map(Texts(["sub", "iss"]))?;
        Ok(Self { subject, issuer })
    }
}

/// The key or certificate a token is bound to.
///
/// Deserializes from an object alone; a member that is there is a text that is not empty.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Confirmation {
    /// `jkt`: thumbprint of a JWK ([RFC 9449 §6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)).
    pub jwk_thumbprint: Option<String>,
    /// `x5t#S256`: thumbprint of a certificate ([RFC 8705 §3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1)).
    pub certificate_thumbprint: Option<String>,
}

impl<'de> Deserialize<'de> for Confirmation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let [jwk_thumbprint, certificate_thumbprint] =
            deserializer.deserialize_map(Texts(["jkt", "x5t#S256"]))?;
        Ok(Self {
            jwk_thumbprint,
            certificate_thumbprint,
        })
    }
}

/// Reads these members of an object and past all others.
///
/// What serde derives for a struct would take a list for it, too: `["mallory"]` for an actor, where
/// RFC 8693 §4.1 wants an object.
struct Texts([&'static str; 2]);

impl<'de> Visitor<'de> for Texts {
    type Value = [Option<String>; 2];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = [None, None];
        while let Some(Name(name)) = map.next_key()? {
            let mut members = self.0.iter().zip(&mut texts);
            let Some((_, slot)) = members.find(|(known, _)| **known == name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let text: String = map.next_value()?;
            // Code that compares it with an unset value would let it in.
            if text.is_empty() {
                return Err(A::Error::custom("an empty text names nobody"));
            }
            if slot.replace(text).is_some() {
                return Err(A::Error::custom("duplicate member"));
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<[Option<&str>; 2]>) {
        let expected = expected.map(|texts| texts.map(|text| text.map(str::to_owned)));
        let actor = serde_json::from_str::<Actor>(json).ok();
        let actor = actor.map(|actor| [actor.subject, actor.issuer]);
        assert_eq!(actor, expected, "{json}");
        let json = json.replace("sub", "jkt").replace("iss", "x5t#S256");
        let key = serde_json::from_str::<Confirmation>(&json).ok();
        let key = key.map(|key| [key.jwk_thumbprint, key.certificate_thumbprint]);
        assert_eq!(key, expected, "{json}");
    }

    #[test]
    fn members_are_texts_and_may_be_absent() {
        check(r#"{"sub":"a","iss":"b"}"#, Some([Some("a"), Some("b")]));
        check(r#"{"sub":"\u0061"}"#, Some([Some("a"), None]));
        check("{}", Some([None, None]));
        let more = r#"{"act":{"sub":7},"iss":"b","x":1.5}"#;
        check(more, Some([None, Some("b")]));
    }

    #[test]
    fn only_an_object_is_a_party() {
        for json in [
            r#"["mallory","x"]"#,
            "[null,null]",
            "[]",
            "null",
            r#""mallory""#,
            "7",
        ] {
            check(json, None);
        }
    }

    #[test]
    fn what_names_nobody_is_refused() {
        for text in [r#""""#, "null", "7", "1.5", "[]", r#"["a"]"#, "{}"] {
            check(&format!(r#"{{"sub":{text}}}"#), None);
            check(&format!(r#"{{"sub":"a","iss":{text}}}"#), None);
        }
    }

    #[test]
    fn a_member_stands_once() {
        check(r#"{"sub":"a","sub":"a"}"#, None);
        check(r#"{"iss":"a","sub":"b","iss":null}"#, None);
    }
}
