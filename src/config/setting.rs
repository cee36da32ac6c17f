//! How one setting is read: whatever stands in its place, the error says where, what was found there and
//! what is expected, on one short line.
//!
//! serde's own errors repeat a text of the wrong type whole, be it a megabyte or a line end, and leave it to
//! the format to say where.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::place::Place;
use super::table::Table;
use crate::text::{Escaped, address_without_secrets};

/// A type that is read from one place of a configuration.
pub(super) trait Setting: Sized {
    /// What is expected, as it stands behind "expected".
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result;

    fn of_scalar(_: &Scalar<'_>) -> Option<Self> {
        None
    }

    fn of_list<'de, A: SeqAccess<'de>>(_: A, place: &Place<'_>) -> Result<Self, A::Error> {
        Err(refused::<Self, _>(place, &"a list"))
    }

    /// Nothing by default but a number, which `serde_json` shows as a table when some crate of the tree
    /// enables its feature `arbitrary_precision`.
    fn of_table<'de, A: MapAccess<'de>>(table: Table<'_, A>) -> Result<Self, A::Error> {
        let place = table.place;
        let value = serde_json::Value::deserialize(MapAccessDeserializer::new(table.map))?;
        let scalar = match &value {
            serde_json::Value::Number(number) => number
                .as_i128()
                .map(Scalar::Integer)
                .or_else(|| number.as_f64().map(Scalar::Float)),
            _ => None,
        };
        match scalar {
            Some(scalar) => of_scalar(place, &scalar),
            None => Err(refused::<Self, _>(place, &"a table")),
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

/// What a type expects.
pub(super) struct Expected<T>(PhantomData<T>);

impl<T> Expected<T> {
    pub(super) const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: Setting> fmt::Display for Expected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::expected(f)
    }
}

fn refused<T: Setting, E: Error>(place: &Place<'_>, found: &dyn fmt::Display) -> E {
    let expected = Expected::<T>::new();
    place.error(format_args!("found {found}, expected {expected}"))
}

fn of_scalar<T: Setting, E: Error>(place: &Place<'_>, scalar: &Scalar<'_>) -> Result<T, E> {
    T::of_scalar(scalar).ok_or_else(|| refused::<T, E>(place, scalar))
}

/// Reads a setting from the place where it stands.
pub(super) struct Read<'p, T> {
    place: Place<'p>,
    setting: PhantomData<T>,
}

impl<'p, T: Setting> Read<'p, T> {
    pub(super) const fn at(place: Place<'p>) -> Self {
        Self {
            place,
            setting: PhantomData,
        }
    }
}

impl<'de, T: Setting> DeserializeSeed<'de> for Read<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Setting> Visitor<'de> for Read<'_, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::expected(f)
    }

    fn visit_unit<E: Error>(self) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<T, D::Error> {
        self.deserialize(value)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<T, D::Error> {
        self.deserialize(value)
    }

    fn visit_bool<E: Error>(self, boolean: bool) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Boolean(boolean))
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Integer(integer.into()))
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Integer(integer.into()))
    }

    fn visit_i128<E: Error>(self, integer: i128) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Integer(integer))
    }

    fn visit_f64<E: Error>(self, float: f64) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Float(float))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        of_scalar(&self.place, &Scalar::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::of_list(list, &self.place)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::of_table(Table::new(map, &self.place))
    }
}
