//! The requests of one instance: Poisson, with tokens of the key that was current when they were issued.

use std::ops::Range;
use std::time::Duration;

use crate::issuer::{Key, Rotation};

/// What reaches each instance.
#[derive(Clone)]
pub(crate) struct Traffic {
    /// Requests of honest clients a second.
    pub(crate) requests: f64,
    /// How long an honest token lives. At any time the tokens in use are of every age below.
    pub(crate) token_lifetime: Duration,
    /// Tokens with an invented key id a second, and when.
    pub(crate) invented: f64,
    pub(crate) flood: Option<Range<Duration>>,
}

impl Traffic {
    /// How long until the next request of any kind.
    pub(crate) fn next_request(&self, now: Duration, rng: &mut fastrand::Rng) -> Duration {
        let rate = match self.is_flooded(now) {
            true => self.requests + self.invented,
            false => self.requests,
        };
        pause(rate, rng)
    }

    /// How long until the next token with an invented key id, in a flood.
    pub(crate) fn next_invented(&self, rng: &mut fastrand::Rng) -> Duration {
        pause(self.invented, rng)
    }

    pub(crate) fn is_flooded(&self, now: Duration) -> bool {
        self.flood
            .as_ref()
            .is_some_and(|flood| flood.contains(&now))
    }

    /// When the next honest token that `key` has signed arrives after `now`, if one does.
    ///
    /// So long after the new key began to sign, that share of a token's lifetime is the share of new
    /// tokens among those in use; the arrivals are drawn from that rate by inversion.
    pub(crate) fn next_token(
        &self,
        key: Key,
        rotation: &Rotation,
        now: Duration,
        rng: &mut fastrand::Rng,
    ) -> Option<Duration> {
        let lifetime = self.token_lifetime;
        let since = now.saturating_sub(rotation.sign);
        let drawn = exponential(rng) / self.requests;
        match key {
            Key::New => {
                let from = now.max(rotation.sign);
                let Some(rest) = lifetime.checked_sub(since) else {
                    return Some(from + seconds(drawn));
                };
                let (since, lifetime) = (since.as_secs_f64(), lifetime.as_secs_f64());
                let until = (since * since + 2.0 * lifetime * drawn).sqrt();
                let after = match until <= lifetime {
                    true => seconds(until - since),
                    false => rest + seconds(drawn - (lifetime - since * since / lifetime) / 2.0),
                };
                Some(from + after)
            }
            Key::Old if now < rotation.sign => None,
            Key::Old => {
                let left = lifetime.checked_sub(since)?.as_secs_f64();
                let square = left * left - 2.0 * lifetime.as_secs_f64() * drawn;
                (square > 0.0).then(|| now + seconds(left - square.sqrt()))
            }
        }
    }
}

fn pause(rate: f64, rng: &mut fastrand::Rng) -> Duration {
    seconds(exponential(rng) / rate)
}

/// Exponentially distributed with mean 1.
fn exponential(rng: &mut fastrand::Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.max(0.0))
}
