//! What can be asked of a claim.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::atom::{Atom, Test};
use super::{ClaimPath, Policy};
use crate::text::Whole;

/// A claim that something is to be asked of, from [`Policy::claim`].
///
/// An absent claim denies. One of another type than what is asked for is a fault, and so is `null`:
/// no comparison takes a number for its text, a list for its only element, or a text for a list of
/// words.
#[derive(Debug)]
#[must_use = "nothing is asked of the claim yet"]
pub struct ClaimCondition(pub(super) ClaimPath);

impl ClaimCondition {
    /// The claim is this text, integer or boolean.
    ///
    /// A list is a fault: see [`contains`](Self::contains).
    pub fn equals(self, value: impl Into<ClaimValue>) -> Policy {
        self.test(Test::Equals(value.into()))
    }

    /// The claim is one of these texts, integers or booleans. A list of none is an error of the policy.
    pub fn is_one_of(self, values: impl IntoIterator<Item = impl Into<ClaimValue>>) -> Policy {
        self.test(Test::IsOneOf(values.into_iter().map(Into::into).collect()))
    }

    /// The claim is a list with this element, all of whose elements are of the same type; one text,
    /// integer or boolean alone counts as a list of it, because some issuers write lists of one so.
    ///
    /// A text is never searched for another text, nor split.
    pub fn contains(self, value: impl Into<ClaimValue>) -> Policy {
        self.test(Test::Contains(value.into()))
    }

    /// The claim is there, whatever it is; `null` is a fault, and so is what stands around it when that is
    /// no object.
    pub fn is_present(self) -> Policy {
        self.test(Test::Present)
    }

    /// The claim is the same text as this fact of the object: *same tenant*.
    pub fn equals_fact(self, fact: impl Into<Box<str>>) -> Policy {
        self.test(Test::EqualsFact(fact.into()))
    }

    /// The claim and this fact of the object, each a list of texts or one text, have one in common.
    pub fn shares_fact(self, fact: impl Into<Box<str>>) -> Policy {
        self.test(Test::SharesFact(fact.into()))
    }

    fn test(self, test: Test) -> Policy {
        Policy::atom(Atom::Claim { path: self.0, test })
    }
}

/// A value that a claim is compared with: a text, an integer or a boolean.
#[derive(Clone, Eq, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ClaimValue {
    /// A text, compared byte for byte.
    Text(Box<str>),
    /// An integer. A number with a fraction or an exponent is a fault, `3.0` as well.
    Integer(i64),
    /// `true` or `false`.
    Boolean(bool),
}

impl From<&str> for ClaimValue {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for ClaimValue {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for ClaimValue {
    fn from(integer: i64) -> Self {
        Self::Integer(integer)
    }
}

impl From<bool> for ClaimValue {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl fmt::Display for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => fmt::Debug::fmt(&Whole(text), f),
            Self::Integer(integer) => integer.fmt(f),
            Self::Boolean(boolean) => boolean.fmt(f),
        }
    }
}

impl fmt::Debug for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl<'de> Deserialize<'de> for ClaimValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of serde_json's value, because no other type reads numbers from itself when some crate
        // of the tree enables `serde_json/arbitrary_precision`.
        let value = serde_json::Value::deserialize(deserializer)?;
        let value = match value {
            serde_json::Value::String(text) => Some(text.into()),
            serde_json::Value::Bool(boolean) => Some(boolean.into()),
            serde_json::Value::Number(number) => number.as_i64().map(Self::Integer),
            _ => None,
        };
        let what = "a claim is compared with a text, an integer or a boolean";
        let value = value.ok_or_else(|| D::Error::custom(what))?;
        value
            .problem()
            .map_or(Ok(value), |problem| Err(D::Error::custom(problem)))
    }
}

/// One detail of a rich authorization request that was granted
/// ([RFC 9396](https://www.rfc-editor.org/rfc/rfc9396)), for [`Policy::authorization_detail`].
///
/// A token has it when one element of its `authorization_details` is of this type and lists each
/// action and each location asked for. What an element does not list, it does not grant.
///
/// # Example
///
/// ```
/// use portcullis::Policy;
/// use portcullis::policy::AuthorizationDetail;
///
/// let payment = AuthorizationDetail::of_type("payment_initiation")
///     .action("initiate")
///     .location("https://api.example.com/payments");
/// let policy = Policy::authorization_detail(payment).validated()?;
/// # Ok::<(), portcullis::PolicyError>(())
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
#[must_use]
pub struct AuthorizationDetail {
    #[serde(rename = "type")]
    pub(super) kind: Box<str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) actions: Vec<Box<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) locations: Vec<Box<str>>,
}

impl AuthorizationDetail {
    /// A detail of this `type`.
    pub fn of_type(kind: impl Into<Box<str>>) -> Self {
        Self {
            kind: kind.into(),
            actions: Vec::new(),
            locations: Vec::new(),
        }
    }

    /// It must list this one among its `actions`, beside those asked for before.
    pub fn action(mut self, action: impl Into<Box<str>>) -> Self {
        self.actions.push(action.into());
        self
    }

    /// It must list this one among its `locations`, beside those asked for before.
    pub fn location(mut self, location: impl Into<Box<str>>) -> Self {
        self.locations.push(location.into());
        self
    }
}
