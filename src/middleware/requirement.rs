//! A policy at an edge: checked when the edge is built, asked for each request.

use std::fmt;

use http::Extensions;

use super::cause::Cause;
use crate::error::BuildError;
use crate::policy::{Facts, Policy};
use crate::telemetry;
use crate::token::VerifiedToken;

/// A policy that can be asked where it stands.
#[derive(Clone)]
pub(crate) struct Requirement {
    policy: Policy,
    /// Its part that must not be asked where there are several issuers.
    unnamed_issuer: Option<Policy>,
    /// How to learn what the path names, if the policy asks that.
    read_path: Option<ReadPath>,
}

/// Reads the parameters of a request's path, if all of them are text. Their names begin with
/// [`PATH`], and no two are the same.
pub(crate) type ReadPath = fn(&mut Extensions) -> Option<Vec<(String, String)>>;

impl Requirement {
    /// `place` says to the developer where the policy stands.
    pub(crate) fn new(
        place: impl fmt::Display,
        policy: Policy,
        read_path: Option<ReadPath>,
    ) -> Result<Self, BuildError> {
        let policy = policy
            .validated()
            .map_err(|problem| BuildError::policy(&place, &problem))?;
        if let Some(part) = policy.asks_beside(&|fact| read_path.is_some() && is_of_path(fact)) {
            return Err(BuildError::policy(place, format_args!("{part} {NO_FACTS}")));
        }
        Ok(Self {
            unnamed_issuer: policy.unnamed_issuer().cloned(),
            read_path: read_path.filter(|_| policy.asks_beside(&|_| false).is_some()),
            policy,
        })
    }

    /// Refuses a policy that each of several issuers could satisfy.
    pub(crate) fn for_several_issuers(self, place: impl fmt::Display) -> Result<Self, BuildError> {
        match &self.unnamed_issuer {
            None => Ok(self),
            Some(part) => Err(BuildError::policy(
                place,
                Cause::UnnamedIssuer(part.clone()),
            )),
        }
    }

    /// The one check of a request by a layer.
    pub(crate) fn check(
        &self,
        extensions: &mut Extensions,
        token: Option<&VerifiedToken>,
        several_issuers: bool,
    ) -> Result<(), Cause> {
        if let Some(part) = self.unnamed_issuer.as_ref().filter(|_| several_issuers) {
            return Err(Cause::UnnamedIssuer(part.clone()));
        }
        let Some(token) = token else {
            return Err(Cause::NoCredentials(Some(self.policy.clone())));
        };
        let decision = match self.read_path {
            None => self.policy.check(token),
            Some(read) => {
                let parameters = read(extensions).ok_or(Cause::NotFound)?;
                self.policy.check_on(token, &facts_of_path(&parameters))
            }
        };
        telemetry::policy_decision(&self.policy, &decision);
        decision.map_err(Cause::Forbidden)
    }

    pub(crate) const fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.policy.fmt(f)
    }
}

/// What the path says of the object that the request is about.
pub(crate) fn facts_of_path(parameters: &[(String, String)]) -> Facts<'_> {
    let facts = parameters.iter();
    facts.fold(Facts::new(), |facts, (name, text)| facts.fact(name, text))
}

/// Whether a fact is a parameter of the path.
pub(crate) fn is_of_path(fact: &str) -> bool {
    fact.starts_with(PATH)
}

/// What the names of the facts begin with that the path says.
pub(crate) const PATH: &str = "path.";

const NO_FACTS: &str = "asks for a fact of an object that is not known here, and would never hold; ask it in the handler, \
     with Caller::authorize or Caller::check_on";
