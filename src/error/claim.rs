//! Why a claim of a verified token could not be read.

use std::fmt;

use crate::text::Escaped;

/// Why a claim of a verified token could not be read as the type asked for.
///
/// Says which claim, never its value.
#[derive(Clone, Eq, PartialEq, thiserror::Error)]
#[error("claim {name:?} is not of the expected type")]
pub struct ClaimError {
    name: Box<str>,
}

impl ClaimError {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into() }
    }

    /// The claim's name, or `"*"` when all claims were read as one type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimError")
            .field("name", &Escaped(&self.name))
            .finish()
    }
}
