//! A claim's value as the parser met it: text, number, list of texts, or something else.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::NumericDate;

/// A string of the payload: where it stands there, or a copy when it had escapes.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Slice(Range<usize>),
    Owned(Box<str>),
}

impl Text {
    /// The text itself; `payload` must be the one it was read from.
    pub(crate) fn get<'a>(&'a self, payload: &'a str) -> &'a str {
        match self {
            Self::Slice(range) => payload.get(range.clone()).unwrap_or_default(),
            Self::Owned(text) => text,
        }
    }

    fn new(text: &str, payload: &str) -> Self {
        let start = text.as_ptr().addr().wrapping_sub(payload.as_ptr().addr());
        let range = start..start.wrapping_add(text.len());
        match payload.get(range.clone()) {
            Some(slice) if slice == text => Self::Slice(range),
            _ => Self::Owned(text.into()),
        }
    }
}

/// What stands there; whether it should is decided after the signature has been checked.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Text),
    Number(NumericDate),
    Texts(Box<[Text]>),
    Other,
}

/// Reads one value of this payload.
#[derive(Clone, Copy)]
pub(super) struct ValueOf<'a> {
    pub(super) payload: &'a str,
}

impl<'de> DeserializeSeed<'de> for ValueOf<'de> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueOf<'de> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value, E> {
        Ok(Value::Text(Text::new(text, self.payload)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(Text::Owned(text.into())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(NumericDate::from_seconds(number)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(NumericDate::from_seconds(number)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(NumericDate::from_float(number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut texts = Vec::new();
        while let Some(element) = seq.next_element_seed(TextOr(self))? {
            let Some(text) = element else {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Value::Other);
            };
            texts.push(text);
        }
        Ok(Value::Texts(texts.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other)
    }
}

/// An element of a list: text, or `None` for anything else. Not [`ValueOf`] again, which would
/// recurse as deep as the sender nests.
struct TextOr<'a>(ValueOf<'a>);

impl<'de> DeserializeSeed<'de> for TextOr<'de> {
    type Value = Option<Text>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextOr<'de> {
    type Value = Option<Text>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Text::new(text, self.0.payload)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Text::Owned(Cow::from(text).into())))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
