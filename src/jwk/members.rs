//! The members of a JSON object, each once, each read only when it is asked for.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::SkipReason;
use crate::json::Name;

/// An object's members, sorted by name.
///
/// A value stays text until it is asked for, so that one of an unexpected type spoils nothing but
/// the key that needs it.
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub(crate) fn parse(json: &'a RawValue) -> Result<Self, SkipReason> {
        if !json.get().starts_with('{') {
            return Err(SkipReason::NotAnObject);
        }
        let mut members: Self =
            serde_json::from_str(json.get()).map_err(|_| SkipReason::MalformedMember)?;
        // Sorted rather than compared each with each: how many there are is the sender's choice.
        members.0.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if members
            .0
            .windows(2)
            .any(|pair| matches!(pair, [(a, _), (b, _)] if a == b))
        {
            return Err(SkipReason::DuplicateMember);
        }
        Ok(members)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        let found = self
            .0
            .binary_search_by(|(member, _)| (**member).cmp(name))
            .ok()?;
        self.0.get(found).map(|(_, value)| *value)
    }

    /// A string, if the member is there.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, SkipReason> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        match serde_json::from_str(value.get()) {
            Ok(Name(text)) => Ok(Some(text)),
            Err(_) => Err(SkipReason::MalformedMember),
        }
    }

    /// The bytes of a base64url string, which must be there.
    ///
    /// The other alphabet and padding are read too: Battle.net publishes its keys so. A key is the
    /// issuer's word, not the sender's, so unlike in a token a second spelling does no harm.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, SkipReason> {
        let text = self.text(name)?.ok_or(SkipReason::MalformedMember)?;
        let alphabet = if text.contains(['+', '/']) {
            STANDARD
        } else {
            URL_SAFE
        };
        alphabet
            .decode(text.as_bytes())
            .map_err(|_| SkipReason::MalformedMember)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(members)
    }
}

const PADDED_OR_NOT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDED_OR_NOT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDED_OR_NOT);
