//! How one setting is read: whatever stands in its place, the error says what was found there and what is
//! expected, on one short line.
//!
//! serde's own errors repeat a text of the wrong type whole, be it a megabyte or a line end.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, de::DeserializeSeed};

use crate::text::{Escaped, address_without_secrets};

/// A type that is read from one place of a configuration.
pub(super) trait Setting: Sized {
    /// What is expected, as it stands behind "expected".
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn of_scalar(_: &Scalar<'_>) -> Option<Self> {
        None
    }

    fn of_list<'de, A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(refused::<Self, _>(&"a list"))
    }

    /// Nothing by default but a number, which `serde_json` shows as a table when some crate of the tree
    /// enables its feature `arbitrary_precision`.
    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        let value = serde_json::Value::deserialize(MapAccessDeserializer::new(table))?;
        let scalar = match &value {
            serde_json::Value::Number(number) => number
                .as_i128()
                .map(Scalar::Integer)
                .or_else(|| number.as_f64().map(Scalar::Float)),
            _ => None,
        };
        match scalar {
            Some(scalar) => Self::of_scalar(&scalar).ok_or_else(|| refused::<Self, _>(&scalar)),
            None => Err(refused::<Self, _>(&"a table")),
        }
    }
}

/// A value that is neither list nor table. Environment variables are always texts, so that numbers and
/// booleans are read from these too.
pub(super) enum Scalar<'a> {
    Nothing,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text(&'a str),
}

/// Bounded, escaped, and without what must not be shown of a URL.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Boolean(boolean) => boolean.fmt(f),
            Self::Integer(integer) => write!(f, "the number {integer}"),
            // Short, where Display writes 300 digits out.
            Self::Float(float) => write!(f, "the number {float:?}"),
            Self::Text(text) => write!(f, "{:?}", Escaped(address_without_secrets(text))),
        }
    }
}

/// For serde's `deserialize_with`: a setting that must be written.
pub(super) fn required<'de, D: Deserializer<'de>, T: Setting>(value: D) -> Result<T, D::Error> {
    Read::new().deserialize(value)
}

/// For serde's `deserialize_with`: a setting that may be left out. Nothing is read as left out that is
/// written: `leeway:` without a value, say.
pub(super) fn optional<'de, D: Deserializer<'de>, T: Setting>(
    value: D,
) -> Result<Option<T>, D::Error> {
    required(value).map(Some)
}

fn refused<T: Setting, E: Error>(found: &dyn fmt::Display) -> E {
    struct Expected<T>(PhantomData<T>);

    impl<T: Setting> fmt::Display for Expected<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            T::expected(f)
        }
    }

    let expected = Expected::<T>(PhantomData);
    E::custom(format_args!("found {found}, expected {expected}"))
}

/// Reads a setting from the place where it stands.
pub(super) struct Read<T>(PhantomData<T>);

impl<T: Setting> Read<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }

    fn scalar<E: Error>(scalar: &Scalar<'_>) -> Result<T, E> {
        T::of_scalar(scalar).ok_or_else(|| refused::<T, E>(scalar))
    }
}

impl<'de, T: Setting> DeserializeSeed<'de> for Read<T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Setting> Visitor<'de> for Read<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::expected(f)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        Self::scalar(&Scalar::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<T, E> {
        Self::scalar(&Scalar::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<T, D::Error> {
        self.deserialize(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<T, D::Error> {
        self.deserialize(value)
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<T, E> {
        Self::scalar(&Scalar::Boolean(boolean))
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<T, E> {
        Self::scalar(&Scalar::Integer(integer.into()))
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<T, E> {
        Self::scalar(&Scalar::Integer(integer.into()))
    }

    fn visit_i128<E: Error>(self, integer: i128) -> Result<T, E> {
        Self::scalar(&Scalar::Integer(integer))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<T, E> {
        Self::scalar(&Scalar::Float(float))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Self::scalar(&Scalar::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::of_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
        T::of_table(table)
    }
}
