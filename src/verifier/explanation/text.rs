//! An explanation as people read it: a line a check, in columns.

use std::fmt;

use super::keys::{ShownKey, ShownKeys};
use super::{Check, CheckOutcome, Explanation};
use crate::error::VerifyError;
use crate::time_text::{Span, Utc};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(_) => write!(f, "accepted")?,
            Err(error) => write!(f, "refused: {}: {error}", error.reason())?,
        }
        writeln!(f, " (at {})", Utc(self.at))?;
        writeln!(f)?;
        table(f, &self.checks)?;
        if let (Some(keys), Some(error)) = (&self.keys, self.verdict.as_ref().err())
            && is_about_keys(error)
        {
            writeln!(f)?;
            keys.fmt(f)?;
        }
        if let Some(claims) = &self.claims {
            writeln!(f, "\nclaims, signed by the issuer")?;
            for (name, value) in claims.lines() {
                writeln!(f, "      {name:NAME$}  {value}")?;
            }
        }
        for policy in &self.policies {
            let reason = policy.reason();
            match (policy.is_allowed(), reason) {
                (true, _) => writeln!(f, "\npolicy: allowed")?,
                (false, Some(reason)) => writeln!(f, "\npolicy: refused: {reason}")?,
                (false, None) => writeln!(f, "\npolicy: not reached")?,
            }
            table(f, policy.checks())?;
        }
        Ok(())
    }
}

/// The checks in columns, and what mends the one that failed.
fn table(f: &mut fmt::Formatter<'_>, checks: &[Check]) -> fmt::Result {
    let found = |check: &Check| check.found.as_ref().map_or(0, String::len);
    let widest = checks.iter().map(found).filter(|width| *width <= WIDEST);
    let width = widest.max().unwrap_or_default().max("found".len());
    writeln!(f, "      {:NAME$}  {:width$}  expected", "check", "found")?;
    for check in checks {
        let mark = match check.outcome {
            CheckOutcome::Passed => "ok",
            CheckOutcome::Failed => "FAIL",
            CheckOutcome::NotReached => "-",
            CheckOutcome::Fault => "FAULT",
        };
        let name = format!("{:indent$}{}", "", check.name, indent = 2 * check.depth);
        let found = check.found.as_deref().unwrap_or_default();
        writeln!(
            f,
            "{mark:5} {name:NAME$}  {found:width$}  {}",
            check.expected
        )?;
    }
    let mut remedies = checks.iter().filter_map(Check::remedy);
    match remedies.next() {
        Some(remedy) => writeln!(f, "remedy: {remedy}"),
        None => Ok(()),
    }
}

impl fmt::Display for ShownKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys of the issuer: {}", self.state)?;
        if let Some(age) = self.age_seconds {
            let age = std::time::Duration::from_secs(age);
            write!(f, ", fetched {} ago", Span(age))?;
        }
        writeln!(f)?;
        for (place, keys) in [("published", &self.published), ("in grace", &self.in_grace)] {
            for key in keys {
                writeln!(f, "      {place:NAME$}  {key}")?;
            }
        }
        for skipped in &self.skipped {
            let name = Name(skipped.kid.as_deref());
            let (index, reason) = (skipped.index, skipped.reason);
            writeln!(
                f,
                "      {:NAME$}  {name}, number {index}: {reason}",
                "left out"
            )?;
        }
        match &self.last_error {
            Some(error) => writeln!(f, "last fetch: {error}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for ShownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, algorithms) = (Name(self.kid.as_deref()), self.algorithms.join(" "));
        write!(f, "{name}, {}, for {algorithms}", self.kty)
    }
}

/// A `kid` that is escaped already.
struct Name<'a>(Option<&'a str>);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "\"{name}\""),
            None => f.write_str("no kid"),
        }
    }
}

const fn is_about_keys(error: &VerifyError) -> bool {
    matches!(
        error,
        VerifyError::KeyNotCached
            | VerifyError::KeysUnavailable(_)
            | VerifyError::UnknownKey
            | VerifyError::AlgorithmMismatch
            | VerifyError::KeyAmbiguous
            | VerifyError::InvalidSignature
    )
}

/// As wide as the longest name of a check of a token.
const NAME: usize = "allowed_algorithm".len();
/// What is found and longer than this pushes its own line out of the columns only.
const WIDEST: usize = 48;
