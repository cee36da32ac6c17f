//! A network that is a list of answers.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::{FetchError, FetchErrorKind};
use crate::fetch::{Fetch, FetchFuture, FetchRequest, FetchResponse};

type Answer = Result<FetchResponse, FetchError>;

/// A [`Fetch`] that opens no connection: it answers what a test told it to. Clones share the script.
///
/// For tests of time: nothing outside the process is waited for, so tokio's paused clock and a
/// [`VirtualClock`](super::VirtualClock) take a verifier through days in no time. A URL that has no
/// answer gets [`FetchErrorKind::Status`]`(404)`.
///
/// # Example
///
/// ```
/// use portcullis::testing::{AUDIENCE, ScriptedFetch, TestIssuer};
/// use portcullis::{Audience, FetchError, FetchErrorKind, FetchResponse, Issuer, Verifier};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// const KEYS: &str = "https://id.example.com/keys";
/// // Its keys and tokens are wanted here, its server is not.
/// let issuer = TestIssuer::start().await?;
/// let network = ScriptedFetch::new();
/// network.answer_once(KEYS, Err(FetchError::new(FetchErrorKind::Connection)));
/// network.answer(KEYS, Ok(FetchResponse::document(issuer.jwks())));
///
/// let trusted = Issuer::jwks_uri(issuer.issuer(), KEYS, Audience::of(AUDIENCE));
/// let verifier = Verifier::builder().issuer(trusted).fetch(network.clone()).build()?;
/// let error = verifier.verify(&issuer.token().sign()).await.unwrap_err();
/// assert_eq!(error.reason(), "keys_unavailable");
/// assert_eq!(network.count(KEYS), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct ScriptedFetch(Arc<State>);

#[derive(Default)]
struct State {
    scripts: Mutex<HashMap<String, Script>>,
    requests: watch::Sender<Vec<FetchRequest>>,
    held: watch::Sender<bool>,
}

/// The answers of one URL.
#[derive(Default)]
struct Script {
    once: VecDeque<Answer>,
    then: Option<Answer>,
}

impl ScriptedFetch {
    /// A network where nothing is found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers so to every fetch of `url` for which [`answer_once`](Self::answer_once) has nothing left.
    pub fn answer(&self, url: &str, answer: Result<FetchResponse, FetchError>) {
        self.0.scripts().entry(url.to_owned()).or_default().then = Some(answer);
    }

    /// Answers so to one fetch of `url`, after those that were given before.
    pub fn answer_once(&self, url: &str, answer: Result<FetchResponse, FetchError>) {
        self.0
            .scripts()
            .entry(url.to_owned())
            .or_default()
            .once
            .push_back(answer);
    }

    /// Lets every fetch wait until [`release`](Self::release).
    pub fn hold(&self) {
        self.0.held.send_replace(true);
    }

    /// Answers what waits, by the script as it is by then, and waits no more.
    pub fn release(&self) {
        self.0.held.send_replace(false);
    }

    /// Every request so far, in order, answered or not.
    #[must_use]
    pub fn requests(&self) -> Vec<FetchRequest> {
        self.0.requests.borrow().clone()
    }

    /// How many requests there were for `url`, answered or not.
    #[must_use]
    pub fn count(&self, url: &str) -> usize {
        self.0
            .requests
            .borrow()
            .iter()
            .filter(|request| request.url() == url)
            .count()
    }

    /// Waits until there were at least `total` requests, answered or not.
    ///
    /// # Cancel safety
    ///
    /// Changes nothing; it can be dropped at any time.
    pub async fn until_requests(&self, total: usize) {
        let mut requests = self.0.requests.subscribe();
        // The sender lives as long as self, so this ends only when the number is reached.
        drop(requests.wait_for(|requests| requests.len() >= total).await);
    }
}

impl State {
    fn scripts(&self) -> MutexGuard<'_, HashMap<String, Script>> {
        self.scripts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, url: &str) -> Answer {
        let mut scripts = self.scripts();
        let script = scripts.get_mut(url);
        let answer =
            script.and_then(|script| script.once.pop_front().or_else(|| script.then.clone()));
        answer.unwrap_or_else(|| Err(FetchError::new(FetchErrorKind::Status(404))))
    }
}

impl Fetch for ScriptedFetch {
    fn fetch(&self, request: FetchRequest) -> FetchFuture<'_> {
        Box::pin(async move {
            let url = request.url().to_owned();
            self.0
                .requests
                .send_modify(|requests| requests.push(request));
            let mut held = self.0.held.subscribe();
            drop(held.wait_for(|held| !held).await);
            self.0.next(&url)
        })
    }
}

impl fmt::Debug for ScriptedFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests = self.0.requests.borrow().len();
        f.debug_struct("ScriptedFetch")
            .field("requests", &requests)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::{FetchUrl, PlainHttp};

    const KEYS: &str = "https://id.test/keys";

    async fn fetch(network: &ScriptedFetch, url: &str) -> String {
        let url = FetchUrl::parse(url, PlainHttp::Never).unwrap();
        match network.fetch(FetchRequest::new(url, 1_000)).await {
            Ok(response) => String::from_utf8(response.body().unwrap().to_vec()).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    fn document(body: &str) -> Answer {
        Ok(FetchResponse::document(body))
    }

    #[tokio::test]
    async fn single_answers_come_first_and_in_order() {
        let network = ScriptedFetch::new();
        network.answer(KEYS, document("always"));
        network.answer_once(KEYS, document("first"));
        network.answer_once(KEYS, Err(FetchError::new(FetchErrorKind::Deadline)));
        for expected in [
            "first",
            "no complete answer within the deadline",
            "always",
            "always",
        ] {
            assert_eq!(fetch(&network, KEYS).await, expected);
        }
        network.answer(KEYS, document("now"));
        assert_eq!(fetch(&network.clone(), KEYS).await, "now");
        assert_eq!(
            fetch(&network, "https://id.test/other").await,
            "unexpected HTTP status 404"
        );
        assert_eq!((network.count(KEYS), network.requests().len()), (5, 6));
    }

    #[tokio::test]
    async fn what_is_held_is_answered_by_the_script_of_its_release() {
        let network = ScriptedFetch::new();
        network.answer(KEYS, document("before"));
        network.hold();
        let waiting = tokio::spawn({
            let network = network.clone();
            async move { fetch(&network, KEYS).await }
        });
        network.until_requests(1).await;
        network.answer(KEYS, document("after"));
        assert!(!waiting.is_finished());
        network.release();
        assert_eq!(waiting.await.unwrap(), "after");
    }
}
