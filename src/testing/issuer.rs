//! The handle of a test issuer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue};

use super::answers::{Answers, RequestCounts};
use super::fault::{Endpoint, Fault, Faults};
use super::keys::IssuerKeys;
use super::server::Server;
use super::token_builder::TokenBuilder;
use crate::algorithm::Algorithm;
use crate::clock::{Clock, SystemClock};

/// An issuer on real HTTP at a loopback port, whose keys and faults a test controls.
///
/// It serves OpenID Connect and RFC 8414 metadata and a JWK Set, with entity tags and 304, and signs
/// tokens with the keys it publishes. It runs on a thread of its own: it answers while a test blocks,
/// and serves several runtimes. Dropping it frees the port.
///
/// A deadline of tokio's *paused* clock passes as soon as nothing but the network is left to wait for.
/// Tests of deadlines want either real time or an in-memory fetcher.
///
/// # Panics
///
/// A panic of its server is raised again when the handle is dropped, unless the test is panicking
/// already, so that it cannot pass unseen.
///
/// # Example
///
/// ```
/// use portcullis::KeySet;
/// use portcullis::testing::{Fault, TestIssuer};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = TestIssuer::start().await?;
/// let token = issuer.token().subject("alice").scope("orders:read").sign();
/// assert_eq!(token.split('.').count(), 3);
///
/// // Keys for a verifier that fetches nothing ...
/// let keys = KeySet::from_json(issuer.jwks().as_bytes())?;
/// // ... and trouble for one that does.
/// issuer.rotate();
/// issuer.fail_with(Fault::Status(503));
/// issuer.recover();
/// assert_eq!(issuer.requests().jwks(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TestIssuer {
    // Dropped first: it is the one that may panic.
    server: Server,
    answers: Arc<Answers>,
    clock: Arc<dyn Clock>,
    jwks_uri: String,
    tokens: AtomicU64,
}

impl TestIssuer {
    /// Starts an issuer with one ES256 key, which takes a millisecond or so.
    ///
    /// # Errors
    ///
    /// If no loopback port or no thread can be had.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the server that was about to start.
    pub async fn start() -> io::Result<Self> {
        Self::start_with([Algorithm::Es256]).await
    }

    /// Starts an issuer with one key for each of `algorithms`, in this order; the first signs unless
    /// [`TokenBuilder::algorithm`] asks for another. An algorithm may stand there several times.
    ///
    /// RSA keys have 2048 bits and take a good fraction of a second each in a debug build.
    ///
    /// # Errors
    ///
    /// If `algorithms` is empty, or no loopback port or no thread can be had.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the server that was about to start.
    pub async fn start_with(algorithms: impl IntoIterator<Item = Algorithm>) -> io::Result<Self> {
        let algorithms: Vec<_> = algorithms.into_iter().collect();
        if algorithms.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a test issuer needs an algorithm",
            ));
        }
        let (server, answers) = Server::start(move |address| {
            Answers::new(
                format!("http://{address}"),
                IssuerKeys::generate(&algorithms, address.port()),
            )
        })
        .await?;
        let jwks_uri = format!("{}{}", answers.issuer(), Endpoint::Jwks.path());
        Ok(Self {
            server,
            answers,
            clock: Arc::new(SystemClock),
            jwks_uri,
            tokens: AtomicU64::new(0),
        })
    }

    /// Where tokens take the time of day from that they are issued at. Default: the system's clock.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        Self {
            clock: Arc::new(clock),
            ..self
        }
    }

    /// The issuer string and base URL, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.answers.issuer()
    }

    /// The same as [`issuer`](Self::issuer): the base of every URL served.
    #[must_use]
    pub fn url(&self) -> &str {
        self.issuer()
    }

    /// The URL of the JWK Set.
    #[must_use]
    pub fn jwks_uri(&self) -> &str {
        &self.jwks_uri
    }

    /// The JWK Set as it is published now, for [`KeySet::from_json`](crate::KeySet::from_json). Faults
    /// do not change it.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.answers.keys().jwks()
    }

    /// A token of this issuer that is valid now, to be changed as a test needs and signed.
    ///
    /// The builder keeps the signing keys of this moment: one made before a rotation signs with a key
    /// that is withdrawn after it.
    pub fn token(&self) -> TokenBuilder {
        let number = self
            .tokens
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        TokenBuilder::new(
            self.issuer(),
            self.answers.keys().signing(),
            self.clock.now().wall,
            number,
        )
    }

    /// Replaces every key by a new one under a new `kid`; the old ones are withdrawn at once.
    pub fn rotate(&self) {
        self.answers.rotate(IssuerKeys::rotated);
    }

    /// Replaces every key by a new one under a new `kid`; the old ones stay published until
    /// [`end_overlap`](Self::end_overlap) or [`rotate`](Self::rotate).
    pub fn rotate_with_overlap(&self) {
        self.answers.rotate(IssuerKeys::rotated_with_overlap);
    }

    /// Withdraws the keys that [`rotate_with_overlap`](Self::rotate_with_overlap) left published.
    pub fn end_overlap(&self) {
        self.answers.rotate(IssuerKeys::without_retired);
    }

    /// Replaces every signing key by a new one under its old `kid`, which no issuer should do.
    pub fn replace_keys(&self) {
        self.answers.rotate(IssuerKeys::replaced);
    }

    /// Makes every document fail in this way, until [`recover`](Self::recover) or another fault. The
    /// next request sees it, and a refused connection is refused when this returns.
    ///
    /// # Panics
    ///
    /// If a status is outside 200 to 599, or the server has panicked.
    #[track_caller]
    pub fn fail_with(&self, fault: Fault) {
        fault.assert_possible();
        self.change_faults(|faults| faults.set_all(Some(fault)));
    }

    /// Makes one document fail in this way; the others stay as they are. See
    /// [`fail_with`](Self::fail_with).
    ///
    /// # Panics
    ///
    /// As [`fail_with`](Self::fail_with).
    #[track_caller]
    pub fn fail_at(&self, endpoint: Endpoint, fault: Fault) {
        fault.assert_possible();
        self.change_faults(|faults| faults.set(endpoint, Some(fault)));
    }

    /// Ends all faults. What hangs is answered; connections are accepted when this returns.
    ///
    /// # Panics
    ///
    /// If the server has panicked.
    #[track_caller]
    pub fn recover(&self) {
        self.change_faults(|faults| faults.set_all(None));
    }

    #[track_caller]
    fn change_faults(&self, change: impl FnOnce(&mut Faults)) {
        self.answers.faults().send_modify(change);
        if let Err(error) = self.server.adjust() {
            panic!("the test issuer cannot change its faults: {error}");
        }
    }

    /// Makes the server panic at the next request.
    #[cfg(test)]
    pub(super) fn break_server(&self) {
        self.answers
            .faults()
            .send_modify(|faults| faults.set(Endpoint::Jwks, Some(Fault::Status(0))));
    }

    /// The requests received so far.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        *self.answers.requests().borrow()
    }

    /// Waits until at least `total` requests have been received, answered or not.
    ///
    /// With [`Fault::Hang`] a test thus knows that a fetch is under way, without sleeping.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing; it can be dropped at any time.
    pub async fn until_requests(&self, total: u64) {
        let mut requests = self.answers.requests().subscribe();
        // The sender lives as long as self, so this ends only when the number is reached.
        drop(
            requests
                .wait_for(|requests| requests.total() >= total)
                .await,
        );
    }

    /// Sends this `Cache-Control` with every answer. Default: none.
    ///
    /// # Panics
    ///
    /// If `value` cannot be a header value.
    #[track_caller]
    pub fn set_cache_control(&self, value: &str) {
        self.set_header(CACHE_CONTROL.as_str(), value);
    }

    /// Sends this header with every answer, failed ones included, in place of an earlier one of its
    /// name: `Age`, say, or `Retry-After`.
    ///
    /// # Panics
    ///
    /// If `name` or `value` cannot be a header's.
    #[track_caller]
    pub fn set_header(&self, name: &str, value: &str) {
        let value = HeaderValue::from_str(value).expect("a header value of visible ASCII");
        self.answers.headers().insert(header_name(name), value);
    }

    /// Ends what [`set_header`](Self::set_header) or [`set_cache_control`](Self::set_cache_control) began.
    ///
    /// # Panics
    ///
    /// If `name` cannot be a header's.
    #[track_caller]
    pub fn remove_header(&self, name: &str) {
        self.answers.headers().remove(header_name(name));
    }

    /// Shuts the server down and frees the port, as dropping the issuer does.
    ///
    /// To have it unreachable and still sign tokens, see [`Fault::Refuse`].
    ///
    /// # Panics
    ///
    /// If the server has panicked.
    pub fn stop(self) {
        drop(self);
    }
}

#[track_caller]
fn header_name(name: &str) -> HeaderName {
    HeaderName::try_from(name).expect("a header name")
}
