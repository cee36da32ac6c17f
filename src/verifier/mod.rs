//! The crossing: a token meets its issuer's keys.

mod builder;
mod status;
mod trusted;

pub use builder::VerifierBuilder;
pub use status::{IssuerStatus, KeyState, Status};

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "remote")]
use std::task::Poll;
#[cfg(feature = "remote")]
use std::time::Duration;

use crate::algorithm::Algorithm;
use crate::claims::UnverifiedJwt;
use crate::clock::Clock;
use crate::error::{BuildError, VerifyError};
use crate::issuer::Issuer;
use crate::jws::{CompactJws, VerifiedJws};
use crate::key_set::KeySet;
use crate::token::VerifiedToken;
#[cfg(feature = "remote")]
use crate::{
    error::RefreshError,
    remote::{Fetched, KeySeed, Reason, RemoteKeySet, SeedError},
};
use trusted::TrustedIssuers;

/// Verifies access tokens of the issuers it was built for. Cheap to clone; share one.
///
/// A verifier fetches each issuer's keys when they are first needed, keeps them fresh in the
/// background, and answers from them alone: in a service that is in use a request whose key is known
/// does not wait for the issuer.
///
/// # Example
///
/// ```no_run
/// use portcullis::{Audience, Issuer, Verifier};
///
/// # async fn f(token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::new(Issuer::discover("https://id.example.com", Audience::of("https://api.example.com")))?;
/// match verifier.verify(token).await {
///     Ok(token) => println!("hello {:?}", token.subject()),
///     Err(error) => println!("refused: {}", error.reason()),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Verifier(Arc<Inner>);

struct Inner {
    issuers: TrustedIssuers,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier for one issuer, with all defaults. Touches no network.
    ///
    /// # Errors
    ///
    /// [`BuildError`] names the setting that is wrong and the remedy.
    pub fn new(issuer: Issuer) -> Result<Self, BuildError> {
        Self::builder().issuer(issuer).build()
    }

    /// A verifier for several issuers, or with another clock or network.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::default()
    }

    /// Verifies a token: signature, issuer, audience, type and times.
    ///
    /// Waits only when the key is unknown or all keys are long stale, as after a pause of the service
    /// (2 s at most), or no usable keys are there (5 s at most), for one fetch, which all callers
    /// share. Waiting needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; when [`is_unavailable`](VerifyError::is_unavailable) the token may be fine,
    /// and the answer to the client is 503, not 401.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. A fetch goes on in a task of its own and serves the next caller.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        match self.evaluate(token, None) {
            Ok(token) => Ok(token),
            Err(Stop::Refused(error)) => Err(error),
            #[cfg(feature = "remote")]
            Err(Stop::Wait { keys, reason }) => {
                let fetched = keys.fetched(reason).await;
                self.evaluate(token, Some(&fetched))
                    .map_err(Stop::without_waiting)
            }
        }
    }

    /// Verifies a token with the keys at hand. Never waits, needs no runtime, and does not panic
    /// without one; otherwise the same as [`verify`](Self::verify).
    ///
    /// Where `verify` would wait this refuses with `key_not_cached`, and asks for a fetch in the
    /// background: on the current tokio runtime, or on that of the last asynchronous call.
    ///
    /// # Errors
    ///
    /// [`VerifyError`], as for [`verify`](Self::verify).
    pub fn verify_now(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        self.evaluate(token, None).map_err(|stop| {
            #[cfg(feature = "remote")]
            if let Stop::Wait { keys, reason } = &stop {
                keys.request_refresh(*reason);
            }
            stop.without_waiting()
        })
    }

    /// Fetches the keys of every issuer now instead of on first use.
    ///
    /// Optional: a service may start while an issuer is down, and its first request tries again.
    /// Soon after a fetch that failed this reports that failure instead of asking again: the pause
    /// grows from 1 s to 60 s.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] lists each issuer whose keys could not be had, with the cause. The others'
    /// are ready.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, like [`verify`](Self::verify).
    #[cfg(feature = "remote")]
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

    /// Waits until the keys of every issuer are there, for as long as that takes: for a service that
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
    #[cfg(feature = "remote")]
    pub async fn ready(&self) {
        for (_, keys) in self.remote() {
            while !keys.has_usable_keys(self.0.clock.now()) {
                if keys.fetch_as_due().await.is_err() {
                    tokio::time::sleep(keys.next_refresh().max(MIN_PAUSE)).await;
                }
            }
        }
    }

    /// Fetches the keys of every issuer now, past every cache on the way, whether a fetch is due or
    /// not; a key that an issuer publishes no more is refused from then on, without grace.
    ///
    /// For whoever runs the service, after a key was compromised. Never call it because of a
    /// request: nothing limits how often it fetches.
    ///
    /// # Errors
    ///
    /// [`RefreshError`] lists each issuer whose keys could not be had; those at hand serve on.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a fetch that was started goes on.
    #[cfg(feature = "remote")]
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
    #[cfg(feature = "remote")]
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
    #[cfg(feature = "remote")]
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

    #[cfg(feature = "remote")]
    fn remote(&self) -> impl Iterator<Item = (&str, &RemoteKeySet)> {
        let issuers = self.0.issuers.iter();
        issuers.filter_map(|issuer| Some((issuer.name(), issuer.remote()?)))
    }

    /// How each issuer's keys are doing, in the order configured. Takes no lock and does no I/O.
    #[must_use]
    pub fn status(&self) -> Status {
        let now = self.0.clock.now();
        Status {
            issuers: self
                .0
                .issuers
                .iter()
                .map(|issuer| issuer.status(now))
                .collect(),
        }
    }

    /// The pipeline, a line a stage. `waited` is what a fetch came to that this call has waited for.
    fn evaluate(&self, token: &str, waited: Waited<'_>) -> Result<VerifiedToken, Stop<'_>> {
        let jws = CompactJws::parse(token)?; // limits, syntax, crit: before any crypto or network
        let jwt = UnverifiedJwt::parse(jws)?; // claims are read here and readable nowhere
        let issuer = self.0.issuers.trusted(&jwt.unverified_issuer()?)?; // a foreign token costs no fetch
        issuer.allow(jwt.header().algorithm())?; // configuration chooses, the header must agree
        let now = self.0.clock.now();
        let jwt = issuer.verify(jwt, now, waited)?; // from here on: signed
        Ok(issuer.validate(jwt, now)?) // from here on: acceptable, here and now
    }

    /// What can be said of a token without waiting, for callers that must not await on their hot path.
    #[cfg(feature = "tower")]
    pub(crate) fn attempt(&self, token: &str) -> Attempt {
        match self.evaluate(token, None) {
            Ok(token) => Attempt::Done(Ok(token)),
            Err(Stop::Refused(error)) => Attempt::Done(Err(error)),
            #[cfg(feature = "remote")]
            Err(Stop::Wait { .. }) => Attempt::Wait,
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuers", &self.0.issuers)
            .finish_non_exhaustive()
    }
}

/// Least pause between two looks at keys that are waited for.
#[cfg(feature = "remote")]
const MIN_PAUSE: Duration = Duration::from_millis(10);

/// What can be said of a token without waiting.
#[cfg(feature = "tower")]
pub(crate) enum Attempt {
    /// The verdict.
    Done(Result<VerifiedToken, VerifyError>),
    /// Keys are needed that only a fetch can bring: await [`Verifier::verify`].
    #[cfg_attr(
        not(feature = "remote"),
        expect(dead_code, reason = "fixed keys are never waited for")
    )]
    Wait,
}

/// What a fetch came to that a call has already waited for, if it has.
#[cfg(feature = "remote")]
type Waited<'a> = Option<&'a Fetched>;
#[cfg(not(feature = "remote"))]
type Waited<'a> = Option<&'a std::convert::Infallible>;

/// Why the pipeline stopped.
enum Stop<'v> {
    Refused(VerifyError),
    /// A fetch may bring the key.
    #[cfg(feature = "remote")]
    Wait {
        keys: &'v RemoteKeySet,
        reason: Reason,
    },
    #[cfg(not(feature = "remote"))]
    #[expect(
        dead_code,
        reason = "keeps the lifetime where nothing is ever waited for"
    )]
    Never(std::convert::Infallible, std::marker::PhantomData<&'v ()>),
}

impl Stop<'_> {
    fn without_waiting(self) -> VerifyError {
        match self {
            Self::Refused(error) => error,
            #[cfg(feature = "remote")]
            Self::Wait { .. } => VerifyError::KeyNotCached,
            #[cfg(not(feature = "remote"))]
            Self::Never(never, _) => match never {},
        }
    }
}

impl From<VerifyError> for Stop<'_> {
    fn from(error: VerifyError) -> Self {
        Self::Refused(error)
    }
}

/// Checks a signature and nothing else: not who signed for whom, not when.
///
/// # Errors
///
/// [`VerifyError`] up to and including `invalid_signature`: syntax and limits, an algorithm that is
/// not in `algorithms`, no key that fits.
///
/// # Security
///
/// Not for access tokens: use a [`Verifier`], which also checks issuer, audience, type and times.
///
/// # Example
///
/// ```
/// use portcullis::{Algorithm, KeySet, verify_jws};
///
/// # fn f(jws: &str, jwks: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let keys = KeySet::from_json(jwks)?;
/// let payload = verify_jws(jws, &keys, &[Algorithm::Es256])?.into_payload();
/// # Ok(()) }
/// ```
pub fn verify_jws(
    jws: &str,
    keys: &KeySet,
    algorithms: &[Algorithm],
) -> Result<VerifiedJws, VerifyError> {
    let jws = CompactJws::parse(jws)?;
    if !algorithms.contains(&jws.header().algorithm()) {
        return Err(VerifyError::AlgorithmNotAllowed);
    }
    let candidates = keys.select(jws.header())?;
    jws.verify(&candidates)
}
