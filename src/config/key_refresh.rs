//! The settings of [`KeyRefresh`], each under the name of its setter.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::MapAccess;

use super::setting::{Setting, optional, required};
use super::{set, table};
use crate::remote::KeyRefresh;

#[derive(Deserialize)]
pub(super) struct Form {
    #[serde(default, deserialize_with = "optional")]
    default_lifetime: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    min_lifetime: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    max_lifetime: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    refresh_at: Option<RefreshAt>,
    #[serde(default, deserialize_with = "optional")]
    stale_while_revalidate: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    stale_if_error: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    unpublished_grace: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    unknown_key_interval: Option<UnknownKeyInterval>,
    #[serde(default, deserialize_with = "optional")]
    bad_signature_interval: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    back_off: Option<BackOff>,
    #[serde(default, deserialize_with = "optional")]
    metadata_lifetime: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    fetch_deadline: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    max_wait: Option<Duration>,
    #[serde(default, deserialize_with = "optional")]
    max_waiters: Option<usize>,
}

impl Setting for KeyRefresh {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of settings of KeyRefresh")
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        let form: Form = table::read(table)?;
        let keys = Self::new();
        let keys = set(keys, form.default_lifetime, Self::default_lifetime);
        let keys = set(keys, form.min_lifetime, Self::min_lifetime);
        let keys = set(keys, form.max_lifetime, Self::max_lifetime);
        let keys = set(keys, form.refresh_at, |keys, at| {
            keys.refresh_at(at.share, at.jitter)
        });
        let keys = set(
            keys,
            form.stale_while_revalidate,
            Self::stale_while_revalidate,
        );
        let keys = set(keys, form.stale_if_error, Self::stale_if_error);
        let keys = set(keys, form.unpublished_grace, Self::unpublished_grace);
        let keys = set(keys, form.unknown_key_interval, |keys, interval| {
            keys.unknown_key_interval(interval.least, interval.most)
        });
        let keys = set(
            keys,
            form.bad_signature_interval,
            Self::bad_signature_interval,
        );
        let keys = set(keys, form.back_off, |keys, pause| {
            keys.back_off(pause.first, pause.most)
        });
        let keys = set(keys, form.metadata_lifetime, Self::metadata_lifetime);
        let keys = set(keys, form.fetch_deadline, Self::fetch_deadline);
        let keys = set(keys, form.max_wait, Self::max_wait);
        Ok(set(keys, form.max_waiters, Self::max_waiters))
    }
}

#[derive(Deserialize)]
struct RefreshAt {
    #[serde(deserialize_with = "required")]
    share: f64,
    #[serde(deserialize_with = "required")]
    jitter: f64,
}

impl Setting for RefreshAt {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with the fields share and jitter")
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        table::read(table)
    }
}

#[derive(Deserialize)]
struct UnknownKeyInterval {
    #[serde(deserialize_with = "required")]
    least: Duration,
    #[serde(deserialize_with = "required")]
    most: Duration,
}

impl Setting for UnknownKeyInterval {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with the fields least and most")
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        table::read(table)
    }
}

#[derive(Deserialize)]
struct BackOff {
    #[serde(deserialize_with = "required")]
    first: Duration,
    #[serde(deserialize_with = "required")]
    most: Duration,
}

impl Setting for BackOff {
    fn expected(f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with the fields first and most")
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        table::read(table)
    }
}
