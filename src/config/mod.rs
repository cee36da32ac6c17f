//! placeholder
mod issuer;
mod key_refresh;
mod keys_file;
mod path;
mod setting;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;

use serde::de::{DeserializeSeed as _, MapAccess};
use serde::{Deserialize, Deserializer};

use self::issuer::Issuers;
use self::setting::{Read, Setting, optional};
use crate::error::BuildError;
use crate::verifier::{TokenCache, Verifier, VerifierBuilder};

/// A verifier as it is written in a configuration; the [module docs](self) have each field.
///
/// Reading it checks what each value is, and opens no file. [`build`](Self::build) checks all else, as it
/// does for what is set in code. `Debug` shows issuers and settings, and no address.
#[derive(Clone, Debug)]
#[must_use = "a configuration does nothing until it is built"]
pub struct VerifierConfig {
    issuers: Issuers,
    cache: Option<TokenCache>,
}

impl VerifierConfig {
    /// Makes the verifier.
    ///
    /// # Errors
    ///
    /// As [`into_builder`](Self::into_builder) and [`VerifierBuilder::build`]: [`BuildError::InConfig`] for
    /// the first wrong setting, with its path, its value and the remedy.
    pub fn build(self) -> Result<Verifier, BuildError> {
        let is_empty = self.issuers.0.is_empty();
        let verifier = self.into_builder()?.build();
        verifier.map_err(|error| match is_empty {
            true => error.at_path("issuers"),
            false => error,
        })
    }

    /// The builder with all settings made, to which code adds what no configuration says: a clock, another
    /// way to fetch, an observer, and issuers of its own. What is wrong with an issuer of the
    /// configuration is told with its path there too.
    ///
    /// # Errors
    ///
    /// [`BuildError::InConfig`] for a `keys_file` that cannot be read or holds no keys.
    pub fn into_builder(self) -> Result<VerifierBuilder, BuildError> {
        let mut builder = set(Verifier::builder(), self.cache, VerifierBuilder::cache);
        for issuer in self.issuers.0 {
            builder = builder.issuer(issuer.into_issuer()?);
        }
        Ok(builder)
    }
}

impl<'de> Deserialize<'de> for VerifierConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Read::new().deserialize(deserializer)
    }
}

impl Setting for VerifierConfig {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of settings of a verifier")
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        let form: Form = table::read(table)?;
        Ok(Self {
            issuers: form.issuers.unwrap_or_default(),
            cache: form.cache,
        })
    }
}

#[derive(Deserialize)]
struct Form {
    #[serde(default, deserialize_with = "optional")]
    issuers: Option<Issuers>,
    #[serde(default, deserialize_with = "optional")]
    cache: Option<TokenCache>,
}

/// Calls the setter with a setting that was written. Without one the default stands, which is in one place.
fn set<T, V>(target: T, setting: Option<V>, setter: impl FnOnce(T, V) -> T) -> T {
    match setting {
        Some(setting) => setter(target, setting),
        None => target,
    }
}
