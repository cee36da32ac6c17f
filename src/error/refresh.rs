//! Which issuers' keys could not be fetched when somebody asked for all.

use std::fmt;

use super::FetchError;

/// Which issuers' keys [`warm_up`](crate::Verifier::warm_up) or
/// [`refresh_now`](crate::Verifier::refresh_now) could not fetch. The others' are there.
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
        f.write_str("keys could not be fetched for")?;
        for (index, (issuer, _)) in self.failures.iter().enumerate() {
            write!(f, "{} {issuer}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for RefreshError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failures
            .first()
            .map(|(_, error)| -> &(dyn std::error::Error + 'static) { error })
    }
}
