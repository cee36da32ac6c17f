//! What a policy makes of a token that is accepted.

use serde::Serialize;

use super::{Check, CheckOutcome};
use crate::policy::{Account, Facts, Forbidden, Part, PartOutcome, Policy};
use crate::text::Words;
use crate::token::VerifiedToken;

/// What a [`Policy`] made of a token, from an [`Explanation`](super::Explanation).
///
/// Serialized with these fields: `allowed`; `reason`, which is [`Forbidden::reason`] or `null`, also when the
/// token itself is refused; and `checks`, the parts of the policy, each before those it is made of.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyAccount {
    allowed: bool,
    reason: Option<&'static str>,
    checks: Vec<Check>,
}

impl PolicyAccount {
    pub(super) fn of(
        policy: &Policy,
        token: Option<&VerifiedToken>,
        facts: Option<&Facts<'_>>,
    ) -> Self {
        let Some(token) = token else {
            return Self::whole(policy, None, CheckOutcome::NotReached, None);
        };
        let Account { decision, parts } = policy.account(token, facts);
        match decision {
            // A policy that cannot be used has no parts to look at.
            Err(refusal) if parts.is_empty() => {
                let found = Words(&refusal.to_string()).to_string();
                let reason = Some(refusal.reason());
                Self::whole(policy, reason, CheckOutcome::Fault, Some(found))
            }
            decision => {
                let remedy = decision.as_ref().err().map(remedy);
                let mut checks: Vec<_> = parts.into_iter().map(Check::from).collect();
                if let Some(outermost) = checks.first_mut() {
                    outermost.remedy = remedy;
                }
                Self {
                    allowed: decision.is_ok(),
                    reason: decision.err().map(|refusal| refusal.reason()),
                    checks,
                }
            }
        }
    }

    /// The policy in one line, as it was not looked into.
    fn whole(
        policy: &Policy,
        reason: Option<&'static str>,
        outcome: CheckOutcome,
        found: Option<String>,
    ) -> Self {
        let remedy = (outcome == CheckOutcome::Fault).then_some(INVALID_POLICY);
        let check = Check {
            name: "policy",
            outcome,
            depth: 0,
            expected: Words(&policy.to_string()).to_string(),
            found,
            remedy,
        };
        Self {
            allowed: false,
            reason,
            checks: vec![check],
        }
    }

    /// Whether the policy allows the token.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// [`Forbidden::reason`]: the stable code of the refusal; `None` when there is none, and when the policy was
    /// not reached.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// The parts of the policy, each before those it is made of, 64 at most.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }
}

impl From<Part> for Check {
    fn from(part: Part) -> Self {
        Self {
            name: part.name,
            outcome: match part.outcome {
                PartOutcome::Holds => CheckOutcome::Passed,
                PartOutcome::DoesNotHold => CheckOutcome::Failed,
                PartOutcome::Fault => CheckOutcome::Fault,
            },
            depth: part.depth,
            expected: Words(&part.expected).to_string(),
            found: part.found,
            remedy: None,
        }
    }
}

fn remedy(refusal: &Forbidden) -> &'static str {
    match refusal.reason() {
        "insufficient_user_authentication" => {
            "log in again, with a level and a method that the policy asks for, and as freshly"
        }
        "insufficient_scope" => "ask for a token with the scopes that are missing",
        "policy_fault" => {
            "mend what cannot be told: a claim that the issuer writes otherwise than the policy reads, \
             or a fact that the service does not give"
        }
        _ => "none for the caller: who may do this is up to the policy and the issuer",
    }
}

const INVALID_POLICY: &str = "mend the policy: Policy::validated says what is wrong with it";
