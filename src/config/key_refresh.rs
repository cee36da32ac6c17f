//! The settings of [`KeyRefresh`], each under the name of its setter.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::MapAccess;

use super::setting::Setting;
use super::table::Table;
use crate::remote::KeyRefresh;

pub(super) const FIELDS: &[&str] = &[
    "default_lifetime",
    "min_lifetime",
    "max_lifetime",
    "refresh_at",
    "stale_while_revalidate",
    "stale_if_error",
    "unpublished_grace",
    "unknown_key_interval",
    "bad_signature_interval",
    "back_off",
    "metadata_lifetime",
    "fetch_deadline",
    "max_wait",
    "max_waiters",
];

impl Setting for KeyRefresh {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of settings of KeyRefresh")
    }

    fn of_table<'de, A: MapAccess<'de>>(mut table: Table<'_, A>) -> Result<Self, A::Error> {
        let mut keys = Self::new();
        while let Some(field) = table.next()? {
            keys = match &*field {
                "default_lifetime" => keys.default_lifetime(table.value(&field)?),
                "min_lifetime" => keys.min_lifetime(table.value(&field)?),
                "max_lifetime" => keys.max_lifetime(table.value(&field)?),
                "refresh_at" => {
                    let at: Pair<f64, ShareAndJitter> = table.value(&field)?;
                    keys.refresh_at(at.first, at.second)
                }
                "stale_while_revalidate" => keys.stale_while_revalidate(table.value(&field)?),
                "stale_if_error" => keys.stale_if_error(table.value(&field)?),
                "unpublished_grace" => keys.unpublished_grace(table.value(&field)?),
                "unknown_key_interval" => {
                    let interval: Pair<Duration, LeastAndMost> = table.value(&field)?;
                    keys.unknown_key_interval(interval.first, interval.second)
                }
                "bad_signature_interval" => keys.bad_signature_interval(table.value(&field)?),
                "back_off" => {
                    let pause: Pair<Duration, FirstAndMost> = table.value(&field)?;
                    keys.back_off(pause.first, pause.second)
                }
                "metadata_lifetime" => keys.metadata_lifetime(table.value(&field)?),
                "fetch_deadline" => keys.fetch_deadline(table.value(&field)?),
                "max_wait" => keys.max_wait(table.value(&field)?),
                "max_waiters" => keys.max_waiters(table.value(&field)?),
                _ => return Err(table.unknown(&field, FIELDS)),
            };
        }
        Ok(keys)
    }
}

/// The two values of one setter, each by its name.
struct Pair<T, N> {
    first: T,
    second: T,
    names: PhantomData<N>,
}

/// What the arguments of a setter are called.
trait Names {
    const NAMES: [&'static str; 2];
}

struct ShareAndJitter;

impl Names for ShareAndJitter {
    const NAMES: [&'static str; 2] = ["share", "jitter"];
}

struct LeastAndMost;

impl Names for LeastAndMost {
    const NAMES: [&'static str; 2] = ["least", "most"];
}

struct FirstAndMost;

impl Names for FirstAndMost {
    const NAMES: [&'static str; 2] = ["first", "most"];
}

impl<T: Setting, N: Names> Setting for Pair<T, N> {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = N::NAMES;
        write!(f, "a table with the fields {first} and {second}")
    }

    fn of_table<'de, A: MapAccess<'de>>(mut table: Table<'_, A>) -> Result<Self, A::Error> {
        let names @ [first_name, second_name] = N::NAMES;
        let (mut first, mut second) = (None, None);
        while let Some(field) = table.next()? {
            match &*field {
                name if name == first_name => first = Some(table.value(name)?),
                name if name == second_name => second = Some(table.value(name)?),
                name => return Err(table.unknown(name, &names)),
            }
        }
        Ok(Self {
            first: first.ok_or_else(|| table.missing::<T>(first_name))?,
            second: second.ok_or_else(|| table.missing::<T>(second_name))?,
            names: PhantomData,
        })
    }
}
