//! The parts that a policy is made of.

use std::sync::Arc;
use std::time::Duration;

use super::{AuthorizationDetail, ClaimPath, ClaimValue};
use crate::error::ClaimError;
use crate::token::VerifiedToken;

/// One thing that a token can satisfy.
pub(super) enum Atom {
    Scope(Box<str>),
    Granted {
        kind: Granted,
        path: ClaimPath,
        name: Box<str>,
    },
    Claim {
        path: ClaimPath,
        test: Test,
    },
    Issuer(Box<str>),
    Client(Box<str>),
    Actor {
        /// The token's own issuer when there is none.
        issuer: Option<Box<str>>,
        subject: Box<str>,
    },
    Acr {
        at_least: Box<str>,
        /// All levels, the weakest first.
        order: Box<[Box<str>]>,
    },
    Amr(Box<str>),
    AuthTimeWithin(Duration),
    Detail(AuthorizationDetail),
    Owner,
    Custom {
        name: Box<str>,
        check: Arc<Check>,
    },
}

impl Atom {
    /// How many parts it counts as. What a refusal asks for compares the levels of one part with those of
    /// another, each with each.
    pub(super) const fn size(&self) -> usize {
        match self {
            Self::Acr { order, .. } if !order.is_empty() => order.len(),
            _ => 1,
        }
    }
}

/// What the service asks of a token in its own code.
pub(super) type Check = dyn Fn(&VerifiedToken) -> Result<bool, ClaimError> + Send + Sync;

/// What is asked of a claim.
pub(super) enum Test {
    Equals(ClaimValue),
    IsOneOf(Box<[ClaimValue]>),
    Contains(ClaimValue),
    Present,
    EqualsFact(Box<str>),
    SharesFact(Box<str>),
}

/// What is granted to a subject as one of a list of names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Granted {
    Role,
    Group,
    Entitlement,
    Permission,
}

impl Granted {
    /// The claim where it stands unless a policy says otherwise: RFC 9068 §2.2.3.1; Auth0's for permissions.
    pub(super) const fn claim(self) -> &'static str {
        match self {
            Self::Role => "roles",
            Self::Group => "groups",
            Self::Entitlement => "entitlements",
            Self::Permission => "permissions",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Group => "group",
            Self::Entitlement => "entitlement",
            Self::Permission => "permission",
        }
    }
}
