//! Why a token is accepted or refused, check by check.
//!
//! The verdict is that of the one pipeline, which a [`Witness`] looks on at. The account is made from it
//! afterwards: the checks stand in the order in which they are made, the verdict says which one failed,
//! and with that those before it passed and those behind it were not reached.

mod case;
mod claims;
mod keys;
mod policy;
mod remedy;
mod step;
mod text;
mod witness;

pub use policy::PolicyAccount;
pub(super) use witness::Witness;

use std::fmt;
use std::time::SystemTime;

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use super::{Stop, Verifier};
use crate::error::VerifyError;
use crate::policy::{Facts, Policy};
use crate::text::Configured;
use crate::time_text::Utc;
use crate::token::VerifiedToken;
use case::Case;
use claims::ShownClaims;
use keys::ShownKeys;
use step::Step;
use witness::Seen;

/// Why a [`Verifier`] accepts or refuses a token: each check with what is expected and what was found,
/// and a remedy for the one that failed. From [`Verifier::explain`].
///
/// `Display` is for people and may change: a line a check, fit for a ticket. `Serialize` is for tools:
///
/// | field | value |
/// |---|---|
/// | `accepted` | whether the token is accepted |
/// | `reason` | [`VerifyError::reason`], or `null` |
/// | `at` | the moment of the verdict, in RFC 3339 |
/// | `issuer` | the configured issuer that the token is of, or `null` |
/// | `checks` | a list of [`Check`]s, in the order in which they are made |
/// | `keys` | how the issuer's keys are: `state`, `age_seconds`, `published`, `in_grace`, `skipped`, `last_error`; or `null` |
/// | `claims` | registered claims of a token whose signature is right, or `null` |
/// | `policies` | a list of [`PolicyAccount`]s |
///
/// Of `keys`, `state` is `fixed`, `not_fetched`, `fresh`, `stale` or `overstayed`; keys have `kid`, `kty` (with
/// its curve) and `algorithms`, skipped ones `index`, `kid` and `reason`. Of `claims`, `exp`, `nbf`, `iat` and
/// `auth_time` are in RFC 3339; absent ones are left out. A list is cut after 32.
///
/// # Security
///
/// Safe to paste: there is no token and no signature in it, and no claim but registered ones, once the
/// signature is right. `sub` is hashed unless [asked for](Self::showing_subject). Of an unverified token it shows
/// what its header says of algorithm and key, if a check of that failed, and of its issuer that it is a
/// configured one or none. Texts from outside are cut, with all but printable ASCII escaped. It is for
/// operators: to a client it tells too much.
///
/// `Debug` shows the same.
#[derive(Clone)]
pub struct Explanation {
    verdict: Result<VerifiedToken, VerifyError>,
    at: SystemTime,
    issuer: Option<String>,
    checks: Vec<Check>,
    keys: Option<ShownKeys>,
    claims: Option<ShownClaims>,
    policies: Vec<PolicyAccount>,
}

/// One check of an [`Explanation`].
///
/// Serialized with these fields: `check` ([`name`](Self::name)), `outcome` (`passed`, `failed`, `not_reached`
/// or `fault`), `depth` (0, and in a policy how many parts this one stands in), `expected`, `found` and
/// `remedy`, which are texts for people, or `null`.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    #[serde(rename = "check")]
    name: &'static str,
    outcome: CheckOutcome,
    depth: usize,
    expected: String,
    found: Option<String>,
    remedy: Option<&'static str>,
}

/// What became of a [`Check`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckOutcome {
    /// It was made, and it is as expected.
    Passed,
    /// It is not as expected: of a token's checks the one that it is refused for.
    Failed,
    /// It was not made, because one before it failed.
    NotReached,
    /// It cannot be told whether it is as expected: a part of a policy that is a
    /// [fault](crate::policy#three-outcomes).
    Fault,
}

impl Check {
    /// What is checked. Of a token these, in this order, part of the crate's semantic versioning:
    /// `size`, `parts`, `header`, `extensions`, `algorithm`, `encoding`, `claims`, `issuer`,
    /// `allowed_algorithm`, `keys`, `key`, `signature`, `type`, `claim_types`, `audience`, `required_claims`,
    /// `exp`, `nbf`, `iat`, `max_age`, `binding`. Of a policy its parts, as they are called
    /// [in configuration](crate::policy#in-configuration).
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What became of it.
    #[must_use]
    pub fn outcome(&self) -> CheckOutcome {
        self.outcome
    }

    /// In a policy how many parts this one stands in, else 0.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// What is expected, in a few words.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What was found, in a few words, if the check was reached and there is anything to say.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        self.found.as_deref()
    }

    /// What mends it, if it failed.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        self.remedy
    }
}

impl Verifier {
    /// Says why a token is accepted or refused, check by check. The verdict is that of
    /// [`verify`](Self::verify), by the same pipeline.
    ///
    /// It waits for a fetch of keys where `verify` would, causes one where `verify` would, and takes it out of the
    /// same allowance. Remembered tokens are neither looked at nor added to, so that every check is
    /// made. For operators and tests: it costs several times what `verify` does.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe, like [`verify`](Self::verify).
    ///
    /// # Security
    ///
    /// What it says is not for clients: see [`Explanation`].
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn f(verifier: &portcullis::Verifier, policy: &portcullis::Policy, token: &str) {
    /// let explanation = verifier.explain(token).await.with_policy(policy);
    /// eprintln!("{explanation}");
    /// # }
    /// ```
    pub async fn explain(&self, token: &str) -> Explanation {
        let mut seen = Seen::at(self.0.clock.now());
        let outcome = match self.judge(token.as_bytes(), seen.now, None, &mut seen) {
            #[cfg(feature = "remote")]
            Err(Stop::Wait { keys, reason }) => {
                let fetched = keys.fetched(reason).await;
                seen = Seen::at(self.0.clock.now());
                self.judge(token.as_bytes(), seen.now, Some(&fetched), &mut seen)
            }
            outcome => outcome,
        };
        let verdict = outcome.map(|(token, _)| token);
        self.account(token, &seen, verdict.map_err(Stop::without_waiting))
    }

    /// As [`explain`](Self::explain), with the keys at hand: the verdict is that of
    /// [`verify_now`](Self::verify_now).
    #[must_use]
    pub fn explain_now(&self, token: &str) -> Explanation {
        let mut seen = Seen::at(self.0.clock.now());
        let outcome = self.judge(token.as_bytes(), seen.now, None, &mut seen);
        let verdict = outcome.map(|(token, _)| token);
        self.account(token, &seen, verdict.map_err(Stop::asking_to_fetch))
    }

    fn account(
        &self,
        token: &str,
        seen: &Seen<'_>,
        verdict: Result<VerifiedToken, VerifyError>,
    ) -> Explanation {
        let error = verdict.as_ref().err();
        let status = seen.issuer.map(|issuer| issuer.status(seen.now));
        let case = Case::new(token, &self.0.issuers, seen, status.as_ref(), error);
        let failed = error.map(|error| case.failed_step(error));
        Explanation {
            at: seen.now.wall,
            issuer: seen
                .issuer
                .map(|issuer| Configured(issuer.name()).to_string()),
            checks: Step::ALL
                .iter()
                .map(|&step| case.check(step, failed))
                .collect(),
            keys: status.as_ref().map(ShownKeys::of),
            claims: seen.signed.as_ref().map(ShownClaims::of),
            policies: Vec::new(),
            verdict,
        }
    }
}

impl Explanation {
    /// The verdict, as from [`Verifier::verify`].
    ///
    /// # Errors
    ///
    /// Why the token is refused.
    pub fn verdict(&self) -> Result<&VerifiedToken, &VerifyError> {
        self.verdict.as_ref()
    }

    /// Whether the token is accepted, and each policy that was added allows it.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.verdict.is_ok() && self.policies.iter().all(PolicyAccount::is_allowed)
    }

    /// Each check of the token, in the order in which they are made.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The check that the token is refused for.
    #[must_use]
    pub fn failed_check(&self) -> Option<&Check> {
        let mut checks = self.checks.iter();
        checks.find(|check| check.outcome == CheckOutcome::Failed)
    }

    /// What each policy made of the token, in the order in which they were added.
    #[must_use]
    pub fn policies(&self) -> &[PolicyAccount] {
        &self.policies
    }

    /// Adds what a policy makes of the token, part by part. Not reached, when the token is refused.
    ///
    /// The decision is that of [`Policy::check`]. Each part is evaluated, also those that a decision
    /// would pass over, and code of the service ([`Policy::custom`]) perhaps more than once.
    #[must_use]
    pub fn with_policy(self, policy: &Policy) -> Self {
        self.and_policy(policy, None)
    }

    /// As [`with_policy`](Self::with_policy), with what is known of the object: [`Policy::check_on`]. Facts are
    /// not shown.
    #[must_use]
    pub fn with_policy_on(self, policy: &Policy, facts: &Facts<'_>) -> Self {
        self.and_policy(policy, Some(facts))
    }

    fn and_policy(mut self, policy: &Policy, facts: Option<&Facts<'_>>) -> Self {
        let token = self.verdict.as_ref().ok();
        self.policies.push(PolicyAccount::of(policy, token, facts));
        self
    }

    /// Shows `sub` as it is and not its hash, of a token whose signature is right.
    ///
    /// The hash is the first 16 digits of a SHA-256: of a subject that one thinks of,
    /// `printf %s alice | sha256sum` tells whether it is that one. So it is for keeping names out of tickets, and
    /// hides nobody from somebody who has a list of all names.
    #[must_use]
    pub fn showing_subject(mut self) -> Self {
        if let Some(claims) = &mut self.claims {
            claims.show_subject();
        }
        self
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Explanation", 8)?;
        fields.serialize_field("accepted", &self.verdict.is_ok())?;
        let reason = self.verdict.as_ref().err().map(VerifyError::reason);
        fields.serialize_field("reason", &reason)?;
        fields.serialize_field("at", &Utc(self.at).to_string())?;
        fields.serialize_field("issuer", &self.issuer)?;
        fields.serialize_field("checks", &self.checks)?;
        fields.serialize_field("keys", &self.keys)?;
        fields.serialize_field("claims", &self.claims)?;
        fields.serialize_field("policies", &self.policies)?;
        fields.end()
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation")
            .field("verdict", &self.verdict)
            .field("at", &format_args!("{}", Utc(self.at)))
            .field("issuer", &self.issuer)
            .field("checks", &self.checks)
            .field("keys", &self.keys)
            .field("claims", &self.claims)
            .field("policies", &self.policies)
            .finish()
    }
}
