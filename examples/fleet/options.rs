//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use crate::Error;

/// What the command line says.
pub(crate) struct Options {
    pub(crate) instances: u32,
    pub(crate) out: Option<PathBuf>,
    pub(crate) replay: Option<PathBuf>,
    /// Minutes between two looks in the replay of whole histories.
    pub(crate) step: u64,
    pub(crate) seed: u64,
    pub(crate) days: u32,
    pub(crate) max_age: Duration,
    pub(crate) token_lifetime: Duration,
    /// Honest requests a second at each instance.
    pub(crate) requests: f64,
    /// Tokens with invented key ids a second at each instance.
    pub(crate) invented: f64,
}

impl Options {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Error> {
        let mut options = Self {
            instances: 10_000,
            out: None,
            replay: None,
            step: 5,
            seed: 1,
            days: LEAST_DAYS,
            max_age: Duration::from_secs(10 * 60),
            token_lifetime: Duration::from_secs(60 * 60),
            requests: 1.0,
            invented: 10.0,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match name.as_str() {
                "--instances" => options.instances = value.parse()?,
                "--out" => options.out = Some(value.into()),
                "--replay" => options.replay = Some(value.into()),
                "--step" => options.step = value.parse()?,
                "--seed" => options.seed = value.parse()?,
                "--days" => options.days = value.parse()?,
                "--max-age" => options.max_age = Duration::from_secs(value.parse()?),
                "--token-lifetime" => options.token_lifetime = Duration::from_secs(value.parse()?),
                "--requests" => options.requests = value.parse()?,
                "--invented" => options.invented = value.parse()?,
                _ => return Err(USAGE.into()),
            }
        }
        let is_possible = options.instances >= LEAST_INSTANCES
            && options.days >= LEAST_DAYS
            && options.step >= 1
            && (MIN_LIFETIME..=MAX_LIFETIME).contains(&options.max_age)
            && options.token_lifetime >= Duration::from_secs(1)
            && (0.001..=1e6).contains(&options.requests)
            && (0.001..=1e6).contains(&options.invented);
        if is_possible {
            Ok(options)
        } else {
            Err(USAGE.into())
        }
    }
}

/// With fewer the busiest of thousands of minutes says more of chance than of the rules.
const LEAST_INSTANCES: u32 = 1_000;
/// The scenarios need the first four.
const LEAST_DAYS: u32 = 7;
/// What the crate clamps a stated lifetime to, so that a refresh period here is one there.
const MIN_LIFETIME: Duration = Duration::from_secs(60);
const MAX_LIFETIME: Duration = Duration::from_secs(60 * 60);

const USAGE: &str = "usage: fleet [--instances 10000] [--out FOLDER] [--seed 1] [--days 7] \
    [--max-age 600] [--token-lifetime 3600] [--requests 1] [--invented 10], \
    or: fleet --replay FOLDER [--step 5]

--instances       instances of the service, at least 1000
--out             folder for one SVG a scenario
--days            virtual days, at least 7
--max-age         what the issuer states, in seconds, 60 to 3600
--token-lifetime  of honest tokens, in seconds
--requests        honest requests a second at each instance
--invented        tokens with an invented key id a second at each instance, in the flood
--replay          folder of rotation histories to replay instead
--step            minutes between two looks in the replay of whole histories";
