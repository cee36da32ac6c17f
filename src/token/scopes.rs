//! What a token's client was granted.

use std::fmt;

/// The scopes of a token ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
#[derive(Clone, Eq, PartialEq)]
pub struct Scopes(pub(super) Box<[Box<str>]>);

impl Scopes {
    pub(super) fn split(text: &str) -> Self {
        Self(
            text.split(' ')
                .filter(|scope| !scope.is_empty())
                .map(Into::into)
                .collect(),
        )
    }

    /// Whether this scope is among them, compared byte for byte.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|granted| granted == scope)
    }

    /// Each scope, in the token's order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes([redacted; {}])", self.len())
    }
}
