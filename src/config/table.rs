//! A table of settings, read field by field.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::MapAccess;

use super::place::Place;
use super::setting::{Expected, Read, Setting};

pub(super) struct Table<'p, A> {
    pub(super) map: A,
    pub(super) place: &'p Place<'p>,
    written: BTreeSet<String>,
}

impl<'de, 'p, A: MapAccess<'de>> Table<'p, A> {
    pub(super) const fn new(map: A, place: &'p Place<'p>) -> Self {
        Self {
            map,
            place,
            written: BTreeSet::new(),
        }
    }

    /// The name of the next field, whose [`value`](Self::value) is to be read then.
    pub(super) fn next(&mut self) -> Result<Option<String>, A::Error> {
        let Some(field) = self.map.next_key::<String>()? else {
            return Ok(None);
        };
        if !self.written.insert(field.clone()) {
            return Err(Place::Field(self.place, &field).error("the field is written twice"));
        }
        Ok(Some(field))
    }

    /// Nothing is read as left out that is written: `leeway:` without a value, say.
    pub(super) fn value<T: Setting>(&mut self, field: &str) -> Result<T, A::Error> {
        let place = Place::Field(self.place, field);
        self.map.next_value_seed(Read::at(place))
    }

    pub(super) fn unknown(&self, field: &str, known: &[&str]) -> A::Error {
        let known = known.join(", ");
        let problem = format_args!("unknown field, expected one of {known}");
        Place::Field(self.place, field).error(problem)
    }

    pub(super) fn missing<T: Setting>(&self, field: &str) -> A::Error {
        let expected = Expected::<T>::new();
        let problem = format_args!("the field is missing, expected {expected}");
        Place::Field(self.place, field).error(problem)
    }

    /// What is wrong with the table as a whole.
    pub(super) fn error(&self, problem: impl fmt::Display) -> A::Error {
        self.place.error(problem)
    }
}
