//! Why a policy cannot be used.

use std::fmt;

use crate::text::Escaped;

/// Why a policy cannot be used: which part of it is wrong, and the remedy.
///
/// Such a policy denies everything to everybody. Nothing here comes from a token.
#[derive(Clone)]
pub struct PolicyError(Box<Invalid>);

#[derive(Clone)]
struct Invalid {
    part: String,
    problem: Problem,
}

impl PolicyError {
    pub(super) fn new(part: impl fmt::Display, problem: Problem) -> Self {
        let part = part.to_string();
        Self(Box::new(Invalid { part, problem }))
    }

    /// The part of the policy that is wrong, as the policy prints it: `role ""`, say.
    #[must_use]
    pub fn part(&self) -> &str {
        &self.0.part
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Invalid { part, problem } = &*self.0;
        write!(f, "policy `{part}` cannot be used: {problem}")
    }
}

/// `?` in `main` prints this, and the remedy must be in it.
impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyError: {self}")
    }
}

impl std::error::Error for PolicyError {}

/// What is wrong with a part of a policy, and the remedy.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("it is empty, and would hold for all or for nobody; name what it is made of")]
    EmptyList,
    #[error("{0} is empty or blank; give it a value")]
    Empty(&'static str),
    #[error(
        "it is no scope (RFC 6749 section 3.3); give one scope of printable ASCII without spaces, \
         quotation marks and backslashes"
    )]
    NoScope,
    #[error("a claim's path has no names, or an empty one; give each member's name")]
    EmptyPath,
    #[error("a claim's path has more than {0} names, and no claim is read so deep")]
    LongPath(usize),
    #[error(
        "a claim's path was split at the dots of a URL; give its names in a list, \
         such as [\"https://example.com/roles\"]"
    )]
    SplitUrl,
    #[error("no claim is ever there, as {0:?} is {1}; name that claim alone")]
    NoMembers(&'static str, &'static str),
    #[error("it can never hold, as {0:?} is {1}; {2}")]
    NeverHolds(&'static str, &'static str, &'static str),
    #[error("no token with a claim {0:?} is accepted; leave this part out")]
    Refused(&'static str),
    #[error("{0:?} is not for this; use {1}")]
    Elsewhere(&'static str, &'static str),
    #[error("{:?} is not in its order; list all levels, the weakest first", Escaped(.0))]
    NotInOrder(Box<str>),
    #[error("{:?} stands twice in its order; list each level once", Escaped(.0))]
    TwiceInOrder(Box<str>),
    #[error(
        "{:?} is no value for an acr_values parameter (RFC 9470 section 3); give printable ASCII \
         without spaces, quotation marks and backslashes",
        Escaped(.0)
    )]
    NoAcrValue(Box<str>),
    #[error("a max_age counts in seconds; give whole ones, and one at the least")]
    NoMaxAge,
    #[error("its parts stand in each other deeper than {0} levels; say it in fewer")]
    TooDeep(usize),
    #[error("it is made of more than {0} parts; say it in fewer, or in a claim of the issuer")]
    TooLarge(usize),
}
