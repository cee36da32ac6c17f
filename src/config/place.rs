//! Where in a configuration a setting stands: `issuers[0].leeway`.

use std::fmt;

use serde::de::Error;

use crate::text::Escaped;

/// A place, seen from the table of the verifier.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Root,
    Field(&'p Self, &'p str),
    Element(&'p Self, usize),
}

impl Place<'_> {
    /// An error at this place.
    pub(super) fn error<E: Error>(&self, problem: impl fmt::Display) -> E {
        match self {
            Self::Root => E::custom(problem),
            Self::Field(..) | Self::Element(..) => E::custom(format_args!("{self}: {problem}")),
        }
    }
}

/// Names are shown escaped and bounded.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Place::Root, name) => write!(f, "{}", Escaped(name)),
            Self::Field(table, name) => write!(f, "{table}.{}", Escaped(name)),
            Self::Element(list, number) => write!(f, "{list}[{number}]"),
        }
    }
}
