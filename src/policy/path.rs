//! Where a claim stands among the claims.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor, value};
use serde::ser::{Serialize, Serializer};

use super::problem::Problem;
use crate::text::Whole;
use crate::token::MAX_DEPTH;

/// Where a claim stands: the names of members, from the outermost inwards.
///
/// A text is split at its dots, so `"realm_access.roles"` is the member `roles` of `realm_access`. A
/// name that has dots itself is given in a list of names, which are taken as they are:
/// `["https://example.com/roles"]` is one claim, `["resource_access", "shop.api", "roles"]` the roles
/// that Keycloak grants at the client `shop.api`. In configuration it is a text or a list, too.
///
/// # Example
///
/// ```
/// use portcullis::Policy;
///
/// let keycloak = Policy::role_at("realm_access.roles", "admin").validated()?;
/// let auth0 = Policy::role_at(["https://example.com/roles"], "admin").validated()?;
/// // A name with dots that is not given in a list would never be found.
/// assert!(Policy::role_at("https://example.com/roles", "admin").validated().is_err());
/// # Ok::<(), portcullis::PolicyError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct ClaimPath {
    names: Box<[Box<str>]>,
    /// A text that was split although it reads like one name.
    split_url: bool,
}

impl ClaimPath {
    /// The names, from the outermost inwards.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// What is wrong with it, whatever is asked of the claim there.
    pub(super) fn problem(&self) -> Option<Problem> {
        if self.split_url {
            return Some(Problem::SplitUrl);
        }
        if self.names.is_empty() || self.names().any(str::is_empty) {
            return Some(Problem::EmptyPath);
        }
        // The last of them may be a member of the innermost object that is read.
        (self.names.len() > MAX_DEPTH + 1).then_some(Problem::LongPath(MAX_DEPTH + 1))
    }

    /// Whether it reads the same when it is written with dots.
    fn is_dotted(&self) -> bool {
        let is_plain = |name: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            !name.is_empty() && name.bytes().all(plain)
        };
        !self.names.is_empty() && self.names().all(is_plain)
    }
}

impl From<&str> for ClaimPath {
    fn from(text: &str) -> Self {
        let names: Box<[Box<str>]> = text.split('.').map(Into::into).collect();
        let split_url = names.len() > 1 && text.contains("://");
        Self { names, split_url }
    }
}

impl From<String> for ClaimPath {
    fn from(text: String) -> Self {
        Self::from(&*text)
    }
}

impl<const N: usize> From<[&str; N]> for ClaimPath {
    fn from(names: [&str; N]) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            split_url: false,
        }
    }
}

impl From<Vec<String>> for ClaimPath {
    fn from(names: Vec<String>) -> Self {
        Self {
            names: names.into_iter().map(Into::into).collect(),
            split_url: false,
        }
    }
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_dotted() {
            return f.write_str(&self.names.join("."));
        }
        f.debug_list().entries(self.names().map(Whole)).finish()
    }
}

impl fmt::Debug for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimPath({self})")
    }
}

impl Serialize for ClaimPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_dotted() {
            return serializer.serialize_str(&self.names.join("."));
        }
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for ClaimPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = deserializer.deserialize_any(TextOrNames)?;
        match path.problem() {
            Some(problem) => Err(D::Error::custom(problem)),
            None => Ok(path),
        }
    }
}

struct TextOrNames;

impl<'de> Visitor<'de> for TextOrNames {
    type Value = ClaimPath;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claim's name, with dots between names, or a list of names")
    }

    fn visit_str<E>(self, text: &str) -> Result<ClaimPath, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<ClaimPath, A::Error> {
        let names = value::SeqAccessDeserializer::new(names);
        Vec::<String>::deserialize(names).map(ClaimPath::from)
    }
}
