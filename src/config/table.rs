//! A table of settings, each with a name that is known.

use std::convert::Infallible;
use std::fmt;

use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Error as _, IntoDeserializer as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};

use crate::text::Escaped;

/// Reads what serde derives for a struct from a table, and refuses fields that the struct has not.
///
/// Other than `deny_unknown_fields`, the error is raised where the field's value stands, so that a loader
/// that tells the path tells it to the field; and the name is shown escaped and bounded.
pub(super) fn read<'de, A: MapAccess<'de>, T: Deserialize<'de>>(table: A) -> Result<T, A::Error> {
    T::deserialize(Strict(table))
}

struct Strict<A>(A);

impl<'de, A: MapAccess<'de>> Deserializer<'de> for Strict<A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_map(self.0)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: Fields,
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        visitor.visit_map(Known {
            table: self.0,
            fields,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

type Fields = &'static [&'static str];

struct Known<A> {
    table: A,
    fields: Fields,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Known<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        let Some(name) = self.table.next_key::<String>()? else {
            return Ok(None);
        };
        if !self.fields.contains(&&*name) {
            let fields = self.fields;
            match self.table.next_value_seed(Unknown { name, fields })? {}
        }
        let name: StringDeserializer<A::Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.table.next_value_seed(seed)
    }
}

/// Refuses the value of a field that is not known, whatever it is.
struct Unknown {
    name: String,
    fields: Fields,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.fields.join(", ");
        write!(
            f,
            "unknown field {:?}, expected one of {fields}",
            Escaped(&self.name)
        )
    }
}

impl<'de> DeserializeSeed<'de> for Unknown {
    type Value = Infallible;

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<Infallible, D::Error> {
        Err(D::Error::custom(self))
    }
}
