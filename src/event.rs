//! What an operator may want to hear of: events of the keys, as log entries, metrics and calls.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::error::FetchError;

/// Something that happened to an issuer's keys.
///
/// `issuer` is always a configured one, and nothing here comes from a token, so all of it may be
/// logged and used as a metric's label. Match with a `_` arm: kinds are added in minor versions.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A fetch succeeded.
    #[non_exhaustive]
    KeysRefreshed {
        /// Whose keys.
        issuer: &'a str,
        /// How long the fetch took.
        took: Duration,
        /// How many published keys can be used now.
        keys: usize,
        /// How many published keys are left out; [`IssuerStatus::skipped`](crate::IssuerStatus::skipped) says why.
        skipped: usize,
        /// How many of the keys were not published before.
        added: usize,
        /// How many keys are published no more and serve on in their grace.
        in_grace: usize,
        /// Why the keys come from the failover address, if they do.
        failed_over: Option<&'a FetchError>,
    },
    /// A fetch failed. Keys at hand serve on within their bound.
    #[non_exhaustive]
    RefreshFailed {
        /// Whose keys.
        issuer: &'a str,
        /// How long the fetch took.
        took: Duration,
        /// Age of the keys at hand; `None` if there have never been any.
        age: Option<Duration>,
        /// Why.
        error: &'a FetchError,
    },
    /// A token was refused because its issuer publishes no such key. As frequent as such tokens.
    #[non_exhaustive]
    UnknownKeyRefused {
        /// Whose key.
        issuer: &'a str,
    },
    /// The issuer's metadata names another address for its keys than before, and it is followed.
    #[non_exhaustive]
    JwksUriChanged {
        /// Whose address.
        issuer: &'a str,
    },
    /// Metadata could not be read again; the last known address serves on within its bound.
    #[non_exhaustive]
    MetadataFailed {
        /// Whose metadata.
        issuer: &'a str,
        /// Why.
        error: &'a FetchError,
    },
    /// The issuer publishes a private or symmetric key. It is left out; whoever runs the issuer must
    /// replace it, as it has leaked.
    #[non_exhaustive]
    SecretKeyPublished {
        /// Which issuer.
        issuer: &'a str,
    },
}

/// Hears of [`Event`]s. Given to [`VerifierBuilder::observer`](crate::VerifierBuilder::observer).
///
/// It is called where the event happens, some on the path of a request: it must not block. A panic
/// in it is caught and goes nowhere.
///
/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use portcullis::{Event, Observer};
///
/// #[derive(Debug, Default)]
/// struct Failures(AtomicU64);
///
/// impl Observer for Failures {
///     fn observe(&self, event: &Event<'_>) {
///         if let Event::RefreshFailed { .. } = event {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Hears of one event.
    fn observe(&self, event: &Event<'_>);
}

/// Where events go: the log, the metrics if that feature is on, and the observer if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(pub(crate) Option<Arc<dyn Observer>>);

impl Events {
    pub(crate) fn emit(&self, event: &Event<'_>) {
        // All three run code that is not ours, perhaps while a task is being dropped after a panic,
        // where a second one would abort.
        let tell = || {
            log(event);
            #[cfg(feature = "metrics")]
            crate::metrics::record(event);
            if let Some(observer) = &self.0 {
                observer.observe(event);
            }
        };
        let _ = catch_unwind(AssertUnwindSafe(tell));
    }
}

/// Failures are warnings, since they need somebody; the daily round is for debugging. Refused
/// tokens are not logged here: whoever sends them would write the log.
fn log(event: &Event<'_>) {
    match event {
        Event::KeysRefreshed {
            issuer,
            keys,
            skipped,
            added,
            in_grace,
            failed_over: None,
            ..
        } => {
            tracing::debug!(target: TARGET, issuer, keys, skipped, added, in_grace, "keys fetched");
        }
        Event::KeysRefreshed {
            issuer,
            keys,
            failed_over: Some(error),
            ..
        } => {
            let cause = cause(error);
            tracing::warn!(target: TARGET, issuer, keys, %error, cause, "keys fetched from the failover address");
        }
        Event::RefreshFailed { issuer, error, .. } => {
            let cause = cause(error);
            tracing::warn!(target: TARGET, issuer, %error, cause, "keys could not be fetched");
        }
        Event::UnknownKeyRefused { .. } => {}
        Event::JwksUriChanged { issuer } => {
            tracing::info!(target: TARGET, issuer, "metadata names another jwks_uri, which is followed");
        }
        Event::MetadataFailed { issuer, error } => {
            let cause = cause(error);
            tracing::warn!(target: TARGET, issuer, %error, cause, "metadata could not be read again");
        }
        Event::SecretKeyPublished { issuer } => {
            tracing::warn!(target: TARGET, issuer, "a private or symmetric key is published; it is left out");
        }
    }
}

fn cause(error: &FetchError) -> Option<String> {
    std::error::Error::source(error).map(ToString::to_string)
}

const TARGET: &str = "portcullis::keys";

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;
    use crate::error::FetchErrorKind;

    #[derive(Debug)]
    struct Panicking;

    impl Observer for Panicking {
        fn observe(&self, _: &Event<'_>) {
            panic!("an observer that panics");
        }
    }

    #[test]
    fn an_error_without_a_cause_is_logged_without_one() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for error in [
                FetchError::new(FetchErrorKind::Deadline),
                FetchError::with_source(FetchErrorKind::Connection, "refused"),
            ] {
                log_failure(&error);
            }
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let with_cause: Vec<_> = log.lines().map(|line| line.contains("cause")).collect();
        assert_eq!(with_cause, [false, true], "{log}");
    }

    fn log_failure(error: &FetchError) {
        log(&Event::RefreshFailed {
            issuer: "https://id.example",
            took: Duration::ZERO,
            age: None,
            error,
        });
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_of_the_observer_goes_nowhere() {
        let events = Events(Some(Arc::new(Panicking)));
        events.emit(&Event::UnknownKeyRefused {
            issuer: "https://id.example",
        });
    }
}
