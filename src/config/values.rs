//! What a setting may be: texts, numbers, durations and names, and lists of them.

use std::fmt;
use std::time::Duration;

use serde::de::{MapAccess, SeqAccess};

use super::place::Place;
use super::setting::{Read, Scalar, Setting};
use super::table::Table;
use crate::algorithm::Algorithm;
use crate::claims::TokenType;
use crate::verifier::TokenCache;

/// Any text; what it must be is checked with all else by `build()`.
impl Setting for String {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Text(text) => Some((*text).to_owned()),
            _ => None,
        }
    }
}

impl Setting for bool {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Boolean(boolean) => Some(*boolean),
            Scalar::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Setting for u64 {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {}", Self::MAX)
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Integer(integer) => Self::try_from(*integer).ok(),
            Scalar::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl Setting for usize {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from 0 to {}", Self::MAX)
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        u64::of_scalar(scalar)?.try_into().ok()
    }
}

impl Setting for f64 {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number such as 0.8")
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Float(float) => Some(*float),
            Scalar::Integer(integer) => i32::try_from(*integer).ok().map(Self::from),
            Scalar::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

/// A number alone is no duration: what is meant as seconds here is milliseconds elsewhere.
impl Setting for Duration {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a duration with its unit, such as "30s", "10m" or "24h""#)
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        let Scalar::Text(text) = scalar else {
            return None;
        };
        // `humantime` takes "0", and takes "10M" for months where somebody means minutes.
        let has_unit = text.bytes().any(|byte| byte.is_ascii_lowercase());
        let is_ambiguous = text.bytes().any(|byte| byte.is_ascii_uppercase());
        if text.len() > MAX_DURATION_BYTES || !has_unit || is_ambiguous {
            return None;
        }
        humantime::parse_duration(text).ok()
    }
}

/// Enough for "1h 30m 15s 500ms". Too short for all the digits of 2⁶⁴ seconds with a unit behind them and a
/// thousand milliseconds, at which `humantime` 2.4 panics.
const MAX_DURATION_BYTES: usize = 20;

impl Setting for Algorithm {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one of ")?;
        for (number, algorithm) in Self::ALL.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{algorithm}")?;
        }
        Ok(())
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Text(name) => Self::from_name(name),
            _ => None,
        }
    }
}

impl Setting for TokenType {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            r#""usual", "access_token", "dangerously_any" or a table with the field exactly"#,
        )
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Text("usual") => Some(Self::Usual),
            Scalar::Text("access_token") => Some(Self::AccessToken),
            Scalar::Text("dangerously_any") => Some(Self::DangerouslyAny),
            _ => None,
        }
    }

    fn of_table<'de, A: MapAccess<'de>>(table: Table<'_, A>) -> Result<Self, A::Error> {
        let typ: String = only(table, "exactly")?;
        Ok(Self::Exactly(typ.into()))
    }
}

impl Setting for TokenCache {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#""off" or a table with the field bytes"#)
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        match scalar {
            Scalar::Text("off") => Some(Self::off()),
            _ => None,
        }
    }

    fn of_table<'de, A: MapAccess<'de>>(table: Table<'_, A>) -> Result<Self, A::Error> {
        only(table, "bytes").map(Self::bytes)
    }
}

/// The value of the one field that a table has.
fn only<'de, A: MapAccess<'de>, T: Setting>(
    mut table: Table<'_, A>,
    name: &str,
) -> Result<T, A::Error> {
    let mut value = None;
    while let Some(field) = table.next()? {
        if field != name {
            return Err(table.unknown(&field, &[name]));
        }
        value = Some(table.value(name)?);
    }
    value.ok_or_else(|| table.missing::<T>(name))
}

/// Several of the same. One alone need not be a list; and a table whose names are 0, 1, 2 is one, as that is
/// all that names of environment variables can say.
pub(super) struct List<T>(pub(super) Vec<T>);

impl<T: Setting> Setting for List<T> {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::expected(f)?;
        f.write_str(", or a list of such")
    }

    fn of_scalar(scalar: &Scalar<'_>) -> Option<Self> {
        Some(Self(vec![T::of_scalar(scalar)?]))
    }

    fn of_list<'de, A: SeqAccess<'de>>(mut list: A, place: &Place<'_>) -> Result<Self, A::Error> {
        let mut elements = Vec::new();
        loop {
            let place = Place::Element(place, elements.len());
            let Some(element) = list.next_element_seed(Read::at(place))? else {
                return Ok(Self(elements));
            };
            elements.push(element);
        }
    }

    fn of_table<'de, A: MapAccess<'de>>(mut table: Table<'_, A>) -> Result<Self, A::Error> {
        let mut numbered = Vec::new();
        while let Some(field) = table.next()? {
            numbered.push((field.parse::<usize>().ok(), table.value(&field)?));
        }
        numbered.sort_by_key(|(number, _)| *number);
        let is_numbered = |(place, (number, _)): (usize, &(_, T))| *number == Some(place);
        if !numbered.iter().enumerate().all(is_numbered) {
            let problem =
                "found a table, expected a list, or a table with the fields 0, 1, 2 and so on";
            return Err(table.error(problem));
        }
        Ok(Self(
            numbered.into_iter().map(|(_, element)| element).collect(),
        ))
    }
}
