//! Which issuers' keys could not be fetched when somebody asked for all.

use std::error::Error;
use std::fmt;

use super::FetchError;
use crate::text::Configured;

/// Which issuers' keys [`warm_up`](crate::Verifier::warm_up) or
/// [`refresh_now`](crate::Verifier::refresh_now) could not fetch. The others' are there.
///
/// `Display` says each issuer with all that is known of the cause.
#[derive(Clone, Debug)]
pub struct RefreshError {
    failures: Vec<(String, FetchError)>,
}

impl RefreshError {
    pub(crate) fn unless_empty(failures: Vec<(String, FetchError)>) -> Result<(), Self> {
        if failures.is_empty() {
            Ok(())
        } else {
            Err(Self { failures })
        }
    }

    /// Each issuer that failed, as configured, with the cause.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &FetchError)> {
        self.failures
            .iter()
            .map(|(issuer, error)| (issuer.as_str(), error))
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys could not be fetched of ")?;
        for (index, (issuer, error)) in self.failures.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{:?}: {error}", Configured(issuer))?;
            let mut cause = error.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

/// Without a source: there are several, and `Display` has them all.
impl Error for RefreshError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FetchErrorKind;

    #[test]
    fn each_issuer_is_named_with_its_causes() {
        let refused = FetchError::with_source(FetchErrorKind::Connection, "connection refused");
        let late = FetchError::new(FetchErrorKind::Deadline);
        let failures = vec![("https://a".to_owned(), refused), ("b".to_owned(), late)];
        let error = RefreshError::unless_empty(failures).unwrap_err();
        assert_eq!(
            error.to_string(),
            "keys could not be fetched of \"https://a\": could not connect or read: connection refused; \
             \"b\": no complete answer within the deadline"
        );
    }
}
