//! Which issuers' keys could not be had when a service warmed up.

use std::fmt;

use super::FetchError;

/// Which issuers' keys [`warm_up`](crate::Verifier::warm_up) could not fetch. The others' are ready.
#[derive(Clone, Debug)]
pub struct WarmUpError {
    failures: Vec<(String, FetchError)>,
}

impl WarmUpError {
    pub(crate) fn new(failures: Vec<(String, FetchError)>) -> Self {
        Self { failures }
    }

    /// Each issuer that failed, as configured, with the cause.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &FetchError)> {
        self.failures
            .iter()
            .map(|(issuer, error)| (issuer.as_str(), error))
    }
}

impl fmt::Display for WarmUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys could not be fetched for")?;
        for (index, (issuer, _)) in self.failures.iter().enumerate() {
            write!(f, "{} {issuer}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl std::error::Error for WarmUpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.failures
            .first()
            .map(|(_, error)| -> &(dyn std::error::Error + 'static) { error })
    }
}
