//! What whoever runs a service does with keys, apart from requests: fetch them, wait for them, hand
//! them on.

use std::task::Poll;
use std::time::Duration;

use super::Verifier;
use crate::error::RefreshError;
use crate::remote::{KeySeed, RemoteKeySet, SeedError};

impl Verifier {
    /// Fetches the keys of every issuer that has none to use, now instead of on first use. Waits until each
    /// fetch has ended, not for [`max_wait`](crate::KeyRefresh::max_wait):
    /// [`fetch_deadline`](crate::KeyRefresh::fetch_deadline), 5 s, is the longest.
    ///
    /// Optional: a service may start while an issuer is down, and its first request tries again.
    /// Soon after a fetch that failed this reports that failure instead of asking again: the pause
    /// grows from 1 s to 60 s.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] lists each issuer whose keys could not be had, with the cause. The others'
    /// are ready. Outside of a tokio runtime it is an error too.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, like [`verify`](Self::verify).
    pub async fn warm_up(&self) -> Result<(), RefreshError> {
        let now = self.0.clock.now();
        // All in the air before the first is awaited: a slow issuer delays only its own answer.
        let flights: Vec<_> = self
            .remote()
            .filter(|(_, keys)| !keys.has_usable_keys(now))
            .map(|(issuer, keys)| (issuer, keys.fetch_as_due()))
            .collect();
        let mut failures = Vec::new();
        for (issuer, flight) in flights {
            if let Err(error) = flight.await {
                failures.push((issuer.to_owned(), error));
            }
        }
        RefreshError::unless_empty(failures)
    }

    /// Waits until [`Status::is_ready`](crate::Status::is_ready), for as long as that takes: for a service that
    /// must not serve before. Attempts are as far apart as those of requests.
    ///
    /// Put it under a timeout of your own, and rather serve without it: the first request tries, too.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, like [`verify`](Self::verify).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled, when it has to wait.
    pub async fn ready(&self) {
        while !self.status().is_ready() {
            let now = self.0.clock.now();
            // All in the air before the first is awaited: one that is down keeps no other from coming.
            let missing = || self.remote().filter(|(_, keys)| !keys.is_ready(now));
            let flights: Vec<_> = missing().map(|(_, keys)| keys.fetch_as_due()).collect();
            for flight in flights {
                // What failed is due again after its pause.
                let _ = flight.await;
            }
            if self.status().is_ready() {
                return;
            }
            let pauses = missing().map(|(_, keys)| keys.next_refresh());
            let pause = pauses.min().unwrap_or(MAX_PAUSE);
            tokio::time::sleep(pause.clamp(MIN_PAUSE, MAX_PAUSE)).await;
        }
    }

    /// Fetches the keys of every issuer now, past every cache on the way, whether a fetch is due or
    /// not; a key that an issuer publishes no more is refused from then on, without grace.
    ///
    /// Reads metadata too, and waits for two fetches at most, of which one may have been under way.
    ///
    /// For whoever runs the service, after a key was compromised. Never call it because of a
    /// request: nothing limits how often it fetches.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] lists each issuer whose keys could not be had, or only from the failover address;
    /// those at hand serve on, with every grace. Outside of a tokio runtime it is an error too.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a fetch that was started goes on.
    pub async fn refresh_now(&self) -> Result<(), RefreshError> {
        let mut flights: Vec<_> = self
            .remote()
            .map(|(issuer, keys)| (issuer, Box::pin(keys.fetch_now())))
            .collect();
        // Each is polled once before the first is awaited, so that all are in the air.
        let mut failures = Vec::new();
        let mut landed = vec![None; flights.len()];
        std::future::poll_fn(|cx| {
            let mut all = Poll::Ready(());
            for ((_, flight), outcome) in flights.iter_mut().zip(&mut landed) {
                if outcome.is_none() {
                    match flight.as_mut().poll(cx) {
                        Poll::Ready(fetched) => *outcome = Some(fetched),
                        Poll::Pending => all = Poll::Pending,
                    }
                }
            }
            all
        })
        .await;
        for ((issuer, _), outcome) in flights.iter().zip(landed) {
            if let Some(Err(error)) = outcome {
                failures.push(((*issuer).to_owned(), error));
            }
        }
        RefreshError::unless_empty(failures)
    }

    /// The published keys of every issuer whose keys are fetched, to start another process with.
    ///
    /// Keys in their grace are left out. A URL is part of it with its query.
    #[must_use]
    pub fn export_keys(&self) -> KeySeed {
        KeySeed {
            issuers: self
                .remote()
                .filter_map(|(_, keys)| keys.export())
                .collect(),
        }
    }

    /// Takes keys that another process has exported, so that the first token needs no fetch.
    ///
    /// They count as fetched when they were fetched there. Newer keys are not replaced.
    ///
    /// # Errors
    ///
    /// [`SeedError`] for the first issuer whose keys cannot be taken; the others' are.
    pub fn seed_keys(&self, seed: &KeySeed) -> Result<(), SeedError> {
        let mut result = Ok(());
        for seed in &seed.issuers {
            let keys = self
                .remote()
                .find_map(|(issuer, keys)| (issuer == seed.issuer).then_some(keys));
            let seeded = match keys {
                Some(keys) => keys.seed(seed),
                None => Err(SeedError::UnknownIssuer {
                    issuer: seed.issuer.clone(),
                }),
            };
            result = result.and(seeded);
        }
        result
    }

    fn remote(&self) -> impl Iterator<Item = (&str, &RemoteKeySet)> {
        let issuers = self.0.issuers.iter();
        issuers.filter_map(|issuer| Some((issuer.name(), issuer.remote()?)))
    }
}

/// Least pause between two looks at keys that are waited for.
const MIN_PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause: requests bring keys too.
const MAX_PAUSE: Duration = Duration::from_secs(1);
