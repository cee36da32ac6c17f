//! A verifier that is read: from YAML, TOML, JSON, the environment, by whatever serde format or loader a
//! service uses.
//!
//! In: a table of settings, each under the name of its setter. Out: a [`VerifierConfig`], which builds a
//! [`Verifier`] or the [`VerifierBuilder`] to which code adds what no configuration says. What is not
//! written is not set: defaults, bounds and reasons are those of [`Issuer`](crate::Issuer) and
//! [`KeyRefresh`](crate::KeyRefresh). No setting is a secret: keys are public ones, and an address with a user name
//! or password is refused.
//!
//! # Example
//!
//! ```
//! use portcullis::config::VerifierConfig;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let toml = r#"
//!     [[issuers]]
//!     issuer = "https://id.example.com"
//!     audience = "https://api.example.com"
//!     algorithms = ["ES256"]
//!     leeway = "10s"
//!     key_refresh = { unpublished_grace = "0s", max_wait = "1s" }
//!
//!     [[issuers]]
//!     issuer = "https://partner.example.net"
//!     jwks_uri = "https://partner.example.net/keys"
//!     audience = ["https://api.example.com", "https://old.example.com"]
//! "#;
//! let source = config::File::from_str(toml, config::FileFormat::Toml);
//! let loaded = config::Config::builder().add_source(source).build()?;
//! let verifier = loaded.try_deserialize::<VerifierConfig>()?.build()?;
//! # Ok(()) }
//! ```
//!
//! `examples/config.rs` reads a file, lets the environment overrule it, and reads policies by name beside the
//! verifier: a [`Policy`](crate::Policy) can be read too.
//!
//! # Fields
//!
//! | of the verifier | | sets |
//! |---|---|---|
//! | `issuers` | a list of tables, or a table of tables by names of your own | [`VerifierBuilder::issuer`] |
//! | `cache` | `"off"`, or a table with `bytes` | [`VerifierBuilder::cache`] |
//!
//! | of an issuer | | sets |
//! |---|---|---|
//! | `issuer` | text; required | [`Issuer::discover`](crate::Issuer::discover), if none of the next three is there |
//! | `jwks_uri` | text | [`Issuer::jwks_uri`](crate::Issuer::jwks_uri) |
//! | `jwks_file` | path of a JWK Set, read again when it changes | [`Issuer::jwks_file`](crate::Issuer::jwks_file) |
//! | `keys_file` | path of a JWK Set or of public keys in PEM text, read once when the verifier is built | [`Issuer::keys`](crate::Issuer::keys) |
//! | `audience` | text or list of texts; required | [`Audience::of`](crate::Audience::of), [`any_of`](crate::Audience::any_of) |
//! | `dangerously_any_audience` | boolean, in place of `audience` | [`Audience::dangerously_any`](crate::Audience::dangerously_any) |
//! | `algorithms` | list of names such as `"ES256"` | [`Issuer::algorithms`](crate::Issuer::algorithms) |
//! | `leeway` | duration | [`Issuer::leeway`](crate::Issuer::leeway) |
//! | `token_type` | `"usual"`, `"access_token"`, `"dangerously_any"`, or a table with `exactly` | [`Issuer::token_type`](crate::Issuer::token_type) |
//! | `require_claims` | list of texts | [`Issuer::require_claims`](crate::Issuer::require_claims) |
//! | `max_token_age` | duration | [`Issuer::max_token_age`](crate::Issuer::max_token_age) |
//! | `key_refresh` | the next table | [`Issuer::key_refresh`](crate::Issuer::key_refresh) |
//! | `failover_jwks_uri` | text | [`Issuer::failover_jwks_uri`](crate::Issuer::failover_jwks_uri) |
//! | `dangerously_allow_http` | boolean | [`Issuer::dangerously_allow_http`](crate::Issuer::dangerously_allow_http) |
//!
//! | of `key_refresh` | | sets |
//! |---|---|---|
//! | `default_lifetime` | duration | [`KeyRefresh::default_lifetime`](crate::KeyRefresh::default_lifetime) |
//! | `min_lifetime` | duration | [`KeyRefresh::min_lifetime`](crate::KeyRefresh::min_lifetime) |
//! | `max_lifetime` | duration | [`KeyRefresh::max_lifetime`](crate::KeyRefresh::max_lifetime) |
//! | `refresh_at` | table with the numbers `share` and `jitter` | [`KeyRefresh::refresh_at`](crate::KeyRefresh::refresh_at) |
//! | `stale_while_revalidate` | duration | [`KeyRefresh::stale_while_revalidate`](crate::KeyRefresh::stale_while_revalidate) |
//! | `stale_if_error` | duration | [`KeyRefresh::stale_if_error`](crate::KeyRefresh::stale_if_error) |
//! | `unpublished_grace` | duration | [`KeyRefresh::unpublished_grace`](crate::KeyRefresh::unpublished_grace) |
//! | `unknown_key_interval` | table with the durations `least` and `most` | [`KeyRefresh::unknown_key_interval`](crate::KeyRefresh::unknown_key_interval) |
//! | `bad_signature_interval` | duration | [`KeyRefresh::bad_signature_interval`](crate::KeyRefresh::bad_signature_interval) |
//! | `back_off` | table with the durations `first` and `most` | [`KeyRefresh::back_off`](crate::KeyRefresh::back_off) |
//! | `metadata_lifetime` | duration | [`KeyRefresh::metadata_lifetime`](crate::KeyRefresh::metadata_lifetime) |
//! | `fetch_deadline` | duration | [`KeyRefresh::fetch_deadline`](crate::KeyRefresh::fetch_deadline) |
//! | `max_wait` | duration | [`KeyRefresh::max_wait`](crate::KeyRefresh::max_wait) |
//! | `max_waiters` | whole number | [`KeyRefresh::max_waiters`](crate::KeyRefresh::max_waiters) |
//!
//! A duration is a text with its unit: `"250ms"`, `"30s"`, `"10m"`, `"24h"`, `"7d"`, `"1h 30m"`, of 20 bytes at most. A
//! number alone is refused: seconds here are milliseconds elsewhere. So is an upper-case unit, as `M` would be months.
//!
//! # Errors
//!
//! An unknown field, a value of the wrong kind and one that is missing are errors of the format or loader. Their
//! texts begin with the path, seen from the `VerifierConfig`, and say what was found, escaped and cut after 64
//! characters, and what is expected:
//!
//! ```text
//! issuers[0].leeway: found the number 30, expected a duration with its unit, such as "30s", "10m" or "24h"
//! ```
//!
//! What the format or loader adds is its own: `config` the path once more, others a line, and some that line's text.
//! What is out of its bounds is a [`BuildError::InConfig`], with the path too.
//!
//! # The environment
//!
//! Its values are texts only, so numbers and booleans may be texts: `"0.8"`, `"true"`. Its names
//! reach a setting through tables, so write issuers as a table by names, not as a list; `config` takes
//! `PORTCULLIS__ISSUERS__MAIN__LEEWAY` for `issuers.main.leeway` with
//! `Environment::with_prefix("PORTCULLIS").separator("__")`. (With a list in the file, `…__ISSUERS__0__LEEWAY`
//! replaces that list, and is refused for want of an `issuer`.) Leave its `try_parsing` off: an audience of
//! digits would become a number.
//!
//! A list of one is its element: `…__ALGORITHMS=ES256`. A longer one is numbered from 0: `…__AUDIENCE__0` and
//! `…__AUDIENCE__1`. Nothing is split at commas, since a comma may be part of an audience.

mod issuer;
mod key_refresh;
mod keys_file;
mod path;
mod place;
mod setting;
mod table;
#[cfg(test)]
mod tests;
mod values;

use std::fmt;

use serde::de::{DeserializeSeed as _, MapAccess};
use serde::{Deserialize, Deserializer};

use self::issuer::Issuers;
use self::place::Place;
use self::setting::{Read, Setting};
use self::table::Table;
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
        self.into_builder()?.build().map_err(|error| match error {
            BuildError::NoIssuer => error.at_path("issuers"),
            error => error,
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
        Read::at(Place::Root).deserialize(deserializer)
    }
}

impl Setting for VerifierConfig {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of settings of a verifier")
    }

    fn of_table<'de, A: MapAccess<'de>>(mut table: Table<'_, A>) -> Result<Self, A::Error> {
        let (mut issuers, mut cache) = (Issuers::default(), None);
        while let Some(field) = table.next()? {
            match &*field {
                "issuers" => issuers = table.value(&field)?,
                "cache" => cache = Some(table.value(&field)?),
                _ => return Err(table.unknown(&field, FIELDS)),
            }
        }
        Ok(Self { issuers, cache })
    }
}

const FIELDS: &[&str] = &["issuers", "cache"];

/// Calls the setter with a setting that was written. Without one the default stands, which is in one place.
fn set<T, V>(target: T, setting: Option<V>, setter: impl FnOnce(T, V) -> T) -> T {
    match setting {
        Some(setting) => setter(target, setting),
        None => target,
    }
}
