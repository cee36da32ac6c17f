//! Why keys could not be fetched.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why keys could not be fetched. Shared by every caller that waited for the same fetch.
///
/// `Display` says what went wrong in a few words; the cause below it is in
/// [`source`](Error::source). Neither has a body, a URL's userinfo or its query.
#[derive(Clone)]
pub struct FetchError(Arc<FetchFailure>);

struct FetchFailure {
    kind: FetchErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

/// The kinds of [`FetchError`], one for each party that may have to act.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// Connecting, TLS or reading failed.
    #[error("could not connect or read")]
    Connection,
    /// The deadline passed.
    #[error("no complete answer within the deadline")]
    Deadline,
    /// Another status than 200 or an asked-for 304; redirects are not followed.
    #[error("unexpected HTTP status {0}")]
    Status(u16),
    /// The body is over its size limit.
    #[error("answer is over its size limit")]
    TooLarge,
    /// The answer is not a JWK Set.
    #[error("answer is not a JWK Set")]
    NotAKeySet,
    /// The answer is not provider metadata with a `jwks_uri`.
    #[error("answer is not provider metadata with a jwks_uri")]
    NotMetadata,
    /// The metadata is of another issuer than the configured one; the source says which.
    #[error(
        "provider metadata names another issuer; configure the issuer exactly as its metadata says it, \
         to the last slash"
    )]
    IssuerMismatch,
    /// The metadata's `jwks_uri` may not be fetched: not https, or with userinfo or a fragment.
    #[error("provider metadata has a jwks_uri that may not be fetched")]
    ForbiddenUrl,
    /// The file with the keys could not be read.
    #[error("the file with the keys could not be read")]
    File,
    /// No fetch is allowed at the moment; the last one failed.
    #[error("the last fetch failed and the next is not due yet")]
    CoolingDown,
    /// The fetch that was waited for had begun before the key was missed; another is to be made.
    #[error("the fetch that was waited for began before the key was missed")]
    StartedEarlier,
    /// Too many callers wait for this issuer's keys already.
    #[error("too many callers are waiting for keys")]
    TooManyWaiters,
    /// The call was made outside of a tokio runtime, and none is known from an earlier call.
    #[error("there is no tokio runtime to fetch on")]
    NoRuntime,
    /// The task that fetched was dropped or panicked, such as when a runtime shuts down, or had not
    /// ended after twice its deadline, such as when a runtime stands still or a file hangs.
    #[error("the fetch was aborted")]
    Aborted,
}

impl FetchError {
    /// A failure of this kind, for implementations of `Fetch`.
    #[must_use]
    pub fn new(kind: FetchErrorKind) -> Self {
        Self(Arc::new(FetchFailure {
            kind,
            source: None,
            retry_after: None,
        }))
    }

    /// A failure of this kind with the error that caused it.
    ///
    /// # Security
    ///
    /// The source is shown to operators: it must not hold a body or a URL with credentials.
    #[must_use]
    pub fn with_source(
        kind: FetchErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self(Arc::new(FetchFailure {
            kind,
            source: Some(source.into()),
            retry_after: None,
        }))
    }

    /// A failure of this kind that says when another attempt is due.
    #[cfg(feature = "remote")]
    pub(crate) fn with_retry_after(kind: FetchErrorKind, retry_after: Option<Duration>) -> Self {
        Self(Arc::new(FetchFailure {
            kind,
            source: None,
            retry_after,
        }))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> FetchErrorKind {
        self.0.kind
    }

    /// When another attempt makes sense, as far as is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchError")
            .field("kind", &self.0.kind)
            .field("source", &self.0.source)
            .finish()
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0
            .source
            .as_deref()
            .map(|source| -> &(dyn Error + 'static) { source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_of_a_fetch_error_is_its_source() {
        let error = FetchError::with_source(FetchErrorKind::Connection, "refused");
        assert_eq!(error.to_string(), "could not connect or read");
        assert_eq!(
            error.source().map(ToString::to_string).as_deref(),
            Some("refused")
        );
    }
}
