//! The crossing: a token meets its issuer's keys.

mod account;
mod builder;
mod cache;
mod explanation;
#[cfg(feature = "remote")]
mod fetching;
#[cfg(feature = "remote")]
mod operations;
mod status;
mod trusted;
#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;

pub use builder::VerifierBuilder;
pub use cache::TokenCache;
pub use explanation::{Check, CheckOutcome, Explanation, PolicyAccount};
pub use status::{IssuerStatus, KeyState, Status};

use std::fmt;
use std::sync::Arc;

use crate::algorithm::Algorithm;
use crate::claims::{ClaimsRoom, UnverifiedJwt};
use crate::clock::{Now, SharedClock};
use crate::error::{BuildError, VerifyError};
use crate::issuer::Issuer;
use crate::jws::{CompactJws, KnownHeaders, SignatureRoom, VerifiedJws};
use crate::key_set::KeySet;
#[cfg(feature = "remote")]
use crate::remote::{Fetched, Reason, RemoteKeySet};
use crate::token::VerifiedToken;
use account::Account;
use cache::VerifiedTokens;
use explanation::Witness;
use trusted::{TrustedIssuer, TrustedIssuers};

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
    clock: SharedClock,
    headers: KnownHeaders,
    verified: VerifiedTokens,
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
    /// Waits only when the key is unknown, all keys are long stale, as after a pause of the service, or
    /// there are none: for one fetch, which all callers share, and 2 s at most
    /// (`KeyRefresh::max_wait`). Waiting needs a tokio runtime with time
    /// and I/O: outside of one the token is refused with `keys_unavailable`.
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
        let mut account = Account::default();
        let verdict = match self.evaluate(token.as_bytes(), None, &mut account) {
            Ok(token) => Ok(token),
            Err(Stop::Refused(error)) => Err(error),
            #[cfg(feature = "remote")]
            Err(Stop::Wait { keys, reason }) => {
                account.wait();
                let fetched = keys.fetched(reason).await;
                self.evaluate(token.as_bytes(), Some(&fetched), &mut account)
                    .map_err(Stop::without_waiting)
            }
        };
        account.close(&self.0.clock, &verdict);
        verdict
    }

    /// Verifies a token with the keys at hand. Never waits, needs no runtime, and does not panic
    /// without one; otherwise the same as [`verify`](Self::verify).
    ///
    /// Where `verify` would wait this refuses with `key_not_cached`, and asks for a fetch in the
    /// background: on the current tokio runtime, or on that of the last asynchronous call. A program
    /// that has had neither fetches nothing: call `warm_up().await` once.
    ///
    /// # Errors
    ///
    /// [`VerifyError`], as for [`verify`](Self::verify).
    pub fn verify_now(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        let mut account = Account::default();
        let verdict = self
            .evaluate(token.as_bytes(), None, &mut account)
            .map_err(Stop::asking_to_fetch);
        account.close(&self.0.clock, &verdict);
        verdict
    }

    /// How each issuer's keys are doing, in the order configured. Does no I/O and waits for none.
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

    /// The verdict. `waited` is what a fetch came to that this call has waited for.
    fn evaluate<'v>(
        &'v self,
        token: &[u8],
        waited: Waited<'_>,
        account: &mut Account<'v>,
    ) -> Result<VerifiedToken, Stop<'v>> {
        let now = self.0.clock.now();
        account.begin(now);
        let known = self.0.verified.get(token, &self.0.issuers, now, account);
        match known {
            Some(verified) => Ok(verified), // the same bytes as before, and all that can change checked anew
            None => self.evaluate_anew(token, now, waited, account),
        }
    }

    /// Apart from what a remembered token needs, which is to be little code: on a server each line of it that
    /// is touched comes from a farther cache.
    #[inline(never)]
    fn evaluate_anew<'v>(
        &'v self,
        token: &[u8],
        now: Now,
        waited: Waited<'_>,
        account: &mut Account<'v>,
    ) -> Result<VerifiedToken, Stop<'v>> {
        let (verified, issuer) = self.judge(token, now, waited, account)?;
        self.0.verified.insert(token, &verified, issuer);
        Ok(verified)
    }

    /// The pipeline, a line a stage. `witness` looks on, for metrics or an explanation.
    #[inline]
    fn judge<'v>(
        &'v self,
        token: &[u8],
        now: Now,
        waited: Waited<'_>,
        witness: &mut impl Witness<'v>,
    ) -> Result<(VerifiedToken, &'v TrustedIssuer), Stop<'v>> {
        let (mut signature, mut claims) = (SignatureRoom::new(), ClaimsRoom::default());
        let jws = CompactJws::parse_with(token, &self.0.headers, &mut signature)?; // limits, syntax, crit: before any crypto or network
        let jwt = UnverifiedJwt::parse(jws, &mut claims)?; // claims are read here and readable nowhere
        let issuer = self.0.issuers.trusted(&jwt.unverified_issuer()?)?; // a foreign token costs no fetch
        witness.trusts(issuer);
        issuer.allow(jwt.header().algorithm())?; // configuration chooses, the header must agree
        let jwt = issuer.verify(jwt, now, waited)?; // from here on: signed
        witness.sees_signed(&jwt);
        self.0.headers.learn(token, jwt.signed());
        let verified = issuer.validate(jwt, now)?; // from here on: acceptable, here and now
        Ok((verified, issuer))
    }

    #[cfg(feature = "tower")]
    pub(crate) fn has_several_issuers(&self) -> bool {
        self.0.issuers.iter().nth(1).is_some()
    }

    /// What can be said of a token without waiting, for callers that must not await on their hot path.
    ///
    /// When it is not accepted, `parse` says whether it is a token at all. If not, nothing was verified.
    #[cfg(feature = "tower")]
    pub(crate) fn attempt<T, E>(
        &self,
        token: &[u8],
        parse: impl FnOnce() -> Result<T, E>,
    ) -> Result<Attempt<T>, E> {
        let mut account = Account::default();
        let verdict = match self.evaluate(token, None, &mut account) {
            Ok(token) => Ok(token),
            // Only base64url has come as far as keys, so none were asked for what is no token.
            Err(stop) => match (parse()?, stop) {
                (_, Stop::Refused(error)) => Err(error),
                #[cfg(feature = "remote")]
                (token, Stop::Wait { .. }) => return Ok(Attempt::Wait(token)), // `verify` takes account of it
            },
        };
        account.close(&self.0.clock, &verdict);
        Ok(Attempt::Done(verdict))
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("issuers", &self.0.issuers)
            .finish_non_exhaustive()
    }
}

/// What can be said of a token without waiting.
#[cfg(feature = "tower")]
pub(crate) enum Attempt<T> {
    /// The verdict.
    Done(Result<VerifiedToken, VerifyError>),
    /// Keys are needed that only a fetch can bring: await [`Verifier::verify`].
    #[cfg_attr(
        not(feature = "remote"),
        expect(dead_code, reason = "fixed keys are never waited for")
    )]
    Wait(T),
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
    /// Asks for the fetch that may bring the key, and refuses.
    fn asking_to_fetch(self) -> VerifyError {
        #[cfg(feature = "remote")]
        if let Self::Wait { keys, reason } = &self {
            keys.request_refresh(*reason);
        }
        self.without_waiting()
    }

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
    let mut room = SignatureRoom::new();
    let jws = CompactJws::parse(jws.as_bytes(), &mut room)?;
    if !algorithms.contains(&jws.header().algorithm()) {
        return Err(VerifyError::AlgorithmNotAllowed);
    }
    let candidates = keys.select(jws.header())?;
    jws.verify(&candidates)
}
