//! One issuer as it is written, and the list or table of all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::{MapAccess, SeqAccess};

use super::place::Place;
use super::setting::Setting;
use super::table::Table;
use super::values::List;
use super::{keys_file, set};
use crate::algorithm::Algorithm;
use crate::claims::{Audience, TokenType};
use crate::error::BuildError;
use crate::issuer::{Issuer, Source};
use crate::key_set::KeySet;
use crate::remote::KeyRefresh;

pub(super) const FIELDS: &[&str] = &[
    "issuer",
    "jwks_uri",
    "jwks_file",
    "keys_file",
    "audience",
    "dangerously_any_audience",
    "algorithms",
    "leeway",
    "token_type",
    "require_claims",
    "max_token_age",
    "key_refresh",
    "failover_jwks_uri",
    "dangerously_allow_http",
];

/// What is written of an issuer.
#[derive(Default)]
struct Form {
    issuer: Option<String>,
    jwks_uri: Option<String>,
    jwks_file: Option<String>,
    keys_file: Option<String>,
    audience: Option<List<String>>,
    dangerously_any_audience: Option<bool>,
    algorithms: Option<List<Algorithm>>,
    leeway: Option<Duration>,
    token_type: Option<TokenType>,
    require_claims: Option<List<String>>,
    max_token_age: Option<Duration>,
    key_refresh: Option<KeyRefresh>,
    failover_jwks_uri: Option<String>,
    dangerously_allow_http: Option<bool>,
}

impl Form {
    fn read<'de, A: MapAccess<'de>>(table: &mut Table<'_, A>) -> Result<Self, A::Error> {
        let mut form = Self::default();
        while let Some(field) = table.next()? {
            match &*field {
                "issuer" => form.issuer = Some(table.value(&field)?),
                "jwks_uri" => form.jwks_uri = Some(table.value(&field)?),
                "jwks_file" => form.jwks_file = Some(table.value(&field)?),
                "keys_file" => form.keys_file = Some(table.value(&field)?),
                "audience" => form.audience = Some(table.value(&field)?),
                "dangerously_any_audience" => {
                    form.dangerously_any_audience = Some(table.value(&field)?)
                }
                "algorithms" => form.algorithms = Some(table.value(&field)?),
                "leeway" => form.leeway = Some(table.value(&field)?),
                "token_type" => form.token_type = Some(table.value(&field)?),
                "require_claims" => form.require_claims = Some(table.value(&field)?),
                "max_token_age" => form.max_token_age = Some(table.value(&field)?),
                "key_refresh" => form.key_refresh = Some(table.value(&field)?),
                "failover_jwks_uri" => form.failover_jwks_uri = Some(table.value(&field)?),
                "dangerously_allow_http" => {
                    form.dangerously_allow_http = Some(table.value(&field)?)
                }
                _ => return Err(table.unknown(&field, FIELDS)),
            }
        }
        Ok(form)
    }
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
}

impl Setting for ConfiguredIssuer {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of settings of an issuer")
    }

    fn of_table<'de, A: MapAccess<'de>>(mut table: Table<'_, A>) -> Result<Self, A::Error> {
        let form = Form::read(&mut table)?;
        let name = form
            .issuer
            .ok_or_else(|| table.missing::<String>("issuer"))?;
        let audience = match (form.audience, form.dangerously_any_audience) {
            (Some(_), Some(true)) => {
                let problem =
                    "audience and dangerously_any_audience are both written; keep audience";
                return Err(table.error(problem));
            }
            (Some(audience), _) => Audience::any_of(audience.0),
            (None, Some(true)) => Audience::dangerously_any(),
            (None, _) => return Err(table.missing::<List<String>>("audience")),
        };
        let mut keys_file = None;
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
                return Err(table.error(problem));
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
        let mut issuer = set(issuer, allow_http, |issuer, _| {
            issuer.dangerously_allow_http()
        });
        issuer.config_path = Some(table.place.to_string().into());
        Ok(Self { issuer, keys_file })
    }
}

/// All issuers.
#[derive(Clone, Debug, Default)]
pub(super) struct Issuers(pub(super) Vec<ConfiguredIssuer>);

impl Setting for Issuers {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of issuers, or a table of issuers by names of your own")
    }

    fn of_list<'de, A: SeqAccess<'de>>(list: A, place: &Place<'_>) -> Result<Self, A::Error> {
        List::of_list(list, place).map(|List(issuers)| Self(issuers))
    }

    /// In the order of the names: loaders that overlay sources keep no other.
    fn of_table<'de, A: MapAccess<'de>>(mut table: Table<'_, A>) -> Result<Self, A::Error> {
        let mut issuers = BTreeMap::new();
        while let Some(name) = table.next()? {
            let issuer = table.value(&name)?;
            issuers.insert(name, issuer);
        }
        Ok(Self(issuers.into_values().collect()))
    }
}
