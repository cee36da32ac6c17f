//! One issuer as it is written, and the list or table of all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Error as _, MapAccess, SeqAccess};

use super::setting::{Read, Setting, optional, required};
use super::values::List;
use super::{keys_file, set, table};
use crate::algorithm::Algorithm;
use crate::claims::{Audience, TokenType};
use crate::error::BuildError;
use crate::issuer::{Issuer, Source};
use crate::key_set::KeySet;
use crate::remote::KeyRefresh;
use crate::text::Escaped;

/// The field that names a source of keys, each a constructor of [`Issuer`]; none is discovery.
#[derive(Deserialize)]
pub(super) struct Form {
    #[serde(deserialize_with = "required")]
    issuer: String,
    #[serde(default, deserialize_with = "optional")]
    jwks_uri: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    jwks_file: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    keys_file: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    audience: Option<List<String>>,
    #[serde(default, deserialize_with = "optional")]
    dangerously_any_audience: Option<bool>,
    #[serde(default, deserialize_with = "optional")]
    algorithms: Option<List<Algorithm>>,
    #[serde(default, deserialize_with = "optional")]
    leeway: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    token_type: Option<TokenType>,
    #[serde(default, deserialize_with = "optional")]
    require_claims: Option<List<String>>,
    #[serde(default, deserialize_with = "optional")]
    max_token_age: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    key_refresh: Option<KeyRefresh>,
    #[serde(default, deserialize_with = "optional")]
    failover_jwks_uri: Option<String>,
    #[serde(default, deserialize_with = "optional")]
    dangerously_allow_http: Option<bool>,
}

/// An issuer that was read. Its `Debug` is that of [`Issuer`], which shows no address.
#[derive(Clone, Debug)]
pub(super) struct ConfiguredIssuer {
    issuer: Issuer,
    /// Read when the verifier is built: to read a configuration opens no file.
    keys_file: Option<PathBuf>,
}

impl ConfiguredIssuer {
    pub(super) fn into_issuer(self) -> Result<Issuer, BuildError> {
        let mut issuer = self.issuer;
        if let Some(path) = self.keys_file {
            let keys = keys_file::read(&path, &issuer.name);
            issuer.source = Source::Keys(keys.map_err(|error| issuer.at_its_path(error))?);
        }
        Ok(issuer)
    }

    fn at(mut self, path: String) -> Self {
        self.issuer.config_path = Some(path.into());
        self
    }
}

impl Setting for ConfiguredIssuer {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of settings of an issuer")
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        let form: Form = table::read(table)?;
        let audience = match (form.audience, form.dangerously_any_audience) {
            (Some(_), Some(true)) => {
                let problem =
                    "audience and dangerously_any_audience are both written; keep audience";
                return Err(A::Error::custom(problem));
            }
            (Some(audience), _) => Audience::any_of(audience.0),
            (None, Some(true)) => Audience::dangerously_any(),
            (None, _) => return Err(A::Error::missing_field("audience")),
        };
        let (name, mut keys_file) = (form.issuer, None);
        let issuer = match (form.jwks_uri, form.jwks_file, form.keys_file) {
            (None, None, None) => Issuer::discover(name, audience),
            (Some(jwks_uri), None, None) => Issuer::jwks_uri(name, jwks_uri, audience),
            (None, Some(path), None) => Issuer::jwks_file(name, path, audience),
            (None, None, Some(path)) => {
                keys_file = Some(path.into());
                Issuer::keys(name, KeySet::default(), audience)
            }
            _ => {
                let problem = "more than one of jwks_uri, jwks_file and keys_file is written; keep one, \
                               or none where the issuer publishes its jwks_uri";
                return Err(A::Error::custom(problem));
            }
        };
        let issuer = set(issuer, form.algorithms, |issuer, algorithms| {
            issuer.algorithms(algorithms.0)
        });
        let issuer = set(issuer, form.leeway, Issuer::leeway);
        let issuer = set(issuer, form.token_type, Issuer::token_type);
        let issuer = set(issuer, form.require_claims, |issuer, claims| {
            issuer.require_claims(claims.0)
        });
        let issuer = set(issuer, form.max_token_age, Issuer::max_token_age);
        let issuer = set(issuer, form.key_refresh, Issuer::key_refresh);
        let issuer = set(issuer, form.failover_jwks_uri, Issuer::failover_jwks_uri);
        let allow_http = form.dangerously_allow_http.filter(|allow| *allow);
        let issuer = set(issuer, allow_http, |issuer, _| {
            issuer.dangerously_allow_http()
        });
        Ok(Self { issuer, keys_file })
    }
}

/// All issuers, each with the path that it was read from.
#[derive(Clone, Debug, Default)]
pub(super) struct Issuers(pub(super) Vec<ConfiguredIssuer>);

impl Setting for Issuers {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of issuers, or a table of issuers by names of your own")
    }

    fn of_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        let List(issuers) = List::<ConfiguredIssuer>::of_list(list)?;
        let issuers = issuers.into_iter().enumerate();
        let issuers = issuers.map(|(place, issuer)| issuer.at(format!("issuers[{place}]")));
        Ok(Self(issuers.collect()))
    }

    /// In the order of the names: loaders that overlay sources keep no other.
    fn of_table<'de, A: MapAccess<'de>>(mut table: A) -> Result<Self, A::Error> {
        let mut issuers = BTreeMap::new();
        while let Some(name) = table.next_key::<String>()? {
            let issuer: ConfiguredIssuer = table.next_value_seed(Read::new())?;
            let issuer = issuer.at(format!("issuers.{}", Escaped(&name)));
            if issuers.contains_key(&name) {
                let name = Escaped(&name);
                return Err(A::Error::custom(format_args!("duplicate field {name:?}")));
            }
            issuers.insert(name, issuer);
        }
        Ok(Self(issuers.into_values().collect()))
    }
}
