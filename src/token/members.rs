//! A token's claims as values to decide on, each parsed once.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::claims::place;
use crate::json::{Kind, Name};

/// The members of a token's claims by name. A value is parsed when it is first asked for, so that a
/// token costs what the policies of a service read of it.
pub(crate) struct Members(Option<Box<[TopLevel]>>);

struct TopLevel {
    name: TopLevelName,
    /// Where its value stands in the payload.
    place: Range<usize>,
    value: OnceLock<Value>,
}

/// Where it stands in the payload, or a copy when it has escapes there.
enum TopLevelName {
    Place(Range<usize>),
    Unescaped(Box<str>),
}

/// What a claim is. Nothing here is decoded from what it might have been meant to be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Value {
    Text(Box<str>),
    Integer(i64),
    Boolean(bool),
    /// A list of nothing but texts, perhaps of none.
    Texts(Box<[Box<str>]>),
    List(Box<[Self]>),
    Object(Box<[Member]>),
    Null,
    /// A number that is no `i64`, an object that names a member twice, or what stands deeper than
    /// [`MAX_DEPTH`]: it has no value that all readers agree on, or none that anybody asks for.
    Other,
}

/// A member of an object inside of the claims.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    pub(crate) value: Value,
}

/// What no part of a policy holds for, nor the opposite of one.
const UNREADABLE: Value = Value::Null;

impl Members {
    /// Reads the claims of an accepted token: an object, each of its members once.
    pub(super) fn read(payload: &str) -> Self {
        let members = object(payload).ok().map(Vec::into_iter);
        let top_level = |(name, json): (Cow<'_, str>, &RawValue)| TopLevel {
            name: match name {
                Cow::Borrowed(name) => TopLevelName::Place(place(name, payload)),
                Cow::Owned(name) => TopLevelName::Unescaped(name.into()),
            },
            place: place(json.get(), payload),
            value: OnceLock::new(),
        };
        Self(members.map(|members| members.map(top_level).collect()))
    }

    /// The member of this name; `payload` must be the one it was read from.
    pub(crate) fn get(&self, name: &str, payload: &str) -> Option<&Value> {
        // Not reached, as what is accepted has been read before; were it, nothing of it may pass for absent.
        let Some(members) = &self.0 else {
            return Some(&UNREADABLE);
        };
        let member = members
            .iter()
            .find(|member| member.name.is(name, payload))?;
        let parse = || {
            let json = payload.get(member.place.clone()).unwrap_or_default();
            serde_json::from_str(json).map_or(UNREADABLE, |json| Value::parse(json, MAX_DEPTH))
        };
        Some(member.value.get_or_init(parse))
    }
}

impl TopLevelName {
    fn is(&self, name: &str, payload: &str) -> bool {
        match self {
            Self::Place(place) => payload.get(place.clone()) == Some(name),
            Self::Unescaped(unescaped) => **unescaped == *name,
        }
    }
}

impl Value {
    /// Reads a value that so many levels of lists and objects may stand in.
    fn parse(json: &RawValue, levels: usize) -> Self {
        let text = json.get();
        let value = match (Kind::of(json), levels.checked_sub(1)) {
            (Kind::Text, _) => serde_json::from_str(text).map(|Name(text)| Self::Text(text.into())),
            (Kind::Number, _) => serde_json::from_str(text).map(Self::Integer),
            (Kind::List, Some(levels)) => {
                serde_json::from_str(text).map(|elements| Self::list(elements, levels))
            }
            (Kind::Object, Some(levels)) => {
                object(text).map(|members| Self::object(members, levels))
            }
            (Kind::List | Kind::Object, None) => Ok(Self::Other),
            (Kind::Literal, _) if text == "null" => Ok(Self::Null),
            (Kind::Literal, _) => serde_json::from_str(text).map(Self::Boolean),
        };
        value.unwrap_or(Self::Other)
    }

    fn list(elements: Vec<&RawValue>, levels: usize) -> Self {
        let text = |json: &&RawValue| {
            let Name(text) = serde_json::from_str(json.get()).ok()?;
            Some(text.into())
        };
        match elements.iter().map(text).collect() {
            Some(texts) => Self::Texts(texts),
            None => {
                let elements = elements.into_iter();
                Self::List(elements.map(|json| Self::parse(json, levels)).collect())
            }
        }
    }

    fn object(mut members: ObjectMembers<'_>, levels: usize) -> Self {
        members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if members
            .windows(2)
            .any(|pair| matches!(pair, [(a, _), (b, _)] if a == b))
        {
            return Self::Other;
        }
        let members = members.into_iter().map(|(name, json)| Member {
            name: name.into(),
            value: Self::parse(json, levels),
        });
        Self::Object(members.collect())
    }

    /// The member of this name, of an object.
    pub(crate) fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                let place = members
                    .binary_search_by(|member| (*member.name).cmp(name))
                    .ok()?;
                members.get(place).map(|member| &member.value)
            }
            _ => None,
        }
    }
}

type ObjectMembers<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// The members of a JSON object, in its order.
fn object(json: &str) -> serde_json::Result<ObjectMembers<'_>> {
    struct Object;

    impl<'de> Visitor<'de> for Object {
        type Value = ObjectMembers<'de>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a JSON object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::with_capacity(USUAL_MEMBERS);
            while let Some(Name(name)) = map.next_key()? {
                members.push((name, map.next_value()?));
            }
            Ok(members)
        }
    }

    serde_json::Deserializer::from_str(json).deserialize_map(Object)
}

/// How many lists and objects a value is read in, the claim itself among them: more than any issuer nests
/// what is decided on, and few enough for a small stack.
pub(crate) const MAX_DEPTH: usize = 16;
/// What the claims of an access token usually have room in.
const USUAL_MEMBERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[track_caller]
    fn check(json: &str, expected: &Value) {
        let payload = format!(r#"{{"a":1,"claim": {json} ,"z":[]}}"#);
        let members = Members::read(&payload);
        assert_eq!(members.get("claim", &payload), Some(expected), "{json}");
        assert_eq!(members.get("claim", &payload), Some(expected), "{json}");
        assert_eq!(members.get("clai", &payload), None);
    }

    #[test]
    fn scalars_are_what_they_are_written_as() {
        check(r#""alice""#, &text("alice"));
        check(r#""\u0061\"""#, &text("a\""));
        check(r#""7""#, &text("7"));
        check("7", &Value::Integer(7));
        check("-9223372036854775808", &Value::Integer(i64::MIN));
        check("true", &Value::Boolean(true));
        check("false", &Value::Boolean(false));
    }

    #[test]
    fn what_readers_may_differ_on_has_no_value() {
        check("null", &Value::Null);
        for json in [
            "-0",
            "7.0",
            "7e0",
            "9223372036854775808",
            "1e300",
            r#"{"x":1,"x":1}"#,
            r#"{"x":1,"\u0078":2}"#,
        ] {
            check(json, &Value::Other);
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_absent() {
        for payload in ["", "[]", r#"{"a":1"#] {
            let members = Members::read(payload);
            assert_eq!(members.get("b", payload), Some(&UNREADABLE), "{payload}");
        }
    }

    #[test]
    fn a_list_of_texts_is_told_from_other_lists() {
        check("[]", &Value::Texts([].into()));
        check(
            r#"["a","b"]"#,
            &Value::Texts(["a".into(), "b".into()].into()),
        );
        check(
            r#"["a",1]"#,
            &Value::List([text("a"), Value::Integer(1)].into()),
        );
        check(
            r#"[["a"]]"#,
            &Value::List([Value::Texts(["a".into()].into())].into()),
        );
    }

    #[test]
    fn members_of_objects_are_found_wherever_they_stand() {
        let payload = r#"{"x":{"c":{"d":"e"},"a":1,"b":2}}"#;
        let members = Members::read(payload);
        let object = members.get("x", payload).unwrap();
        for (name, value) in [("a", 1), ("b", 2)] {
            assert_eq!(object.member(name), Some(&Value::Integer(value)));
        }
        let inner = object.member("c").unwrap();
        assert_eq!(inner.member("d"), Some(&text("e")));
        assert_eq!((object.member("d"), inner.member("a")), (None, None));
        assert_eq!(object.member("a").unwrap().member("a"), None);
        let escaped = r#"{"\u0061":1}"#;
        let members = Members::read(escaped);
        assert_eq!(members.get("a", escaped), Some(&Value::Integer(1)));
    }

    #[test]
    fn what_is_deeper_than_anybody_asks_for_is_not_read() {
        for (levels, innermost) in [
            (MAX_DEPTH, Value::Integer(1)),
            (MAX_DEPTH + 1, Value::Other),
            (126, Value::Other),
        ] {
            for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
                let json = format!("{}1{}", open.repeat(levels), close.repeat(levels));
                let payload = format!(r#"{{"x":{json}}}"#);
                let members = Members::read(&payload);
                let mut value = members.get("x", &payload).unwrap();
                let mut depth = 0;
                while let Value::List(_) | Value::Object(_) = value {
                    value = match value {
                        Value::List(elements) => &elements[0],
                        object => object.member("a").unwrap(),
                    };
                    depth += 1;
                }
                assert_eq!((value, depth), (&innermost, levels.min(MAX_DEPTH)));
            }
        }
    }
}
