//! Why a claim of a verified token could not be read.

use std::fmt;

use crate::text::Escaped;

/// Why a claim of a verified token could not be read as the type asked for.
///
/// Says which claim and which type, never the claim's value.
#[derive(Clone, Eq, PartialEq)]
pub struct ClaimError {
    name: Box<str>,
    expected: &'static str,
    missing: Option<Box<str>>,
}

impl ClaimError {
    /// `expected` is the name of a type, or what it stands for.
    pub(crate) fn new(name: &str, expected: &'static str) -> Self {
        Self {
            name: name.into(),
            expected,
            missing: None,
        }
    }

    /// The claims as a whole are no `expected`, perhaps for want of a member.
    pub(crate) fn of_all(expected: &'static str, missing: Option<Box<str>>) -> Self {
        Self {
            name: ALL.into(),
            expected,
            missing,
        }
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
            .field("expected", &self.expected)
            .field("missing", &self.missing)
            .finish()
    }
}

impl fmt::Display for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let expected = self.expected;
        match &*self.name {
            ALL => write!(f, "the claims cannot be read as {expected}")?,
            name => write!(f, "claim {:?} cannot be read as {expected}", Escaped(name))?,
        }
        match &self.missing {
            Some(missing) => write!(f, ": there is no {:?}", Escaped(missing)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ClaimError {}

/// Stands for the name of a claim where it is all of them.
const ALL: &str = "*";
