//! The end of a token's life, for whoever keeps a connection open that began with it.

use crate::claims::NumericDate;
use crate::clock::SharedClock;
#[cfg(any(feature = "remote", feature = "tower"))]
use {
    crate::token::VerifiedToken,
    std::fmt,
    std::pin::Pin,
    std::task::{Context, Poll, ready},
    std::time::Duration,
    tokio::time::{Sleep, sleep},
};

/// The first moment at which the verifier that accepted a token refuses it, and that verifier's clock.
#[derive(Clone)]
pub(crate) struct Expiry {
    pub(crate) refused_from: NumericDate,
    #[cfg_attr(
        not(any(feature = "remote", feature = "tower")),
        expect(dead_code, reason = "without a runtime nobody waits for it")
    )]
    pub(crate) clock: SharedClock,
}

#[cfg(any(feature = "remote", feature = "tower"))]
impl VerifiedToken {
    /// Completes when the verifier would refuse this token for its age: its leeway after `exp`, or at
    /// `Issuer::max_token_age` when that is earlier. At once when it is there already.
    ///
    /// For connections that outlive the request they began with, such as a WebSocket: a token is checked
    /// once, when it is opened. Responses that a layer can end are ended by `AuthLayer::end_at_expiry`.
    ///
    /// It follows the verifier's clock, and looks at it again once a minute at least, as timers stand
    /// still while a machine sleeps.
    ///
    /// # Panics
    ///
    /// When it is awaited outside of a tokio runtime with time.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe. It can be polled by `&mut` in a loop with `tokio::select!`.
    ///
    /// # Example
    ///
    /// A WebSocket is closed with the code 1008, "policy violation"
    /// ([RFC 6455 §7.4.1](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1)); the client comes back with a
    /// new token. `Message` stands for that of your WebSocket library.
    ///
    /// ```
    /// use portcullis::VerifiedToken;
    /// use tokio::sync::mpsc::{Receiver, Sender};
    ///
    /// enum Message {
    ///     Text(String),
    ///     Close { code: u16, reason: &'static str },
    /// }
    ///
    /// async fn push(token: VerifiedToken, mut events: Receiver<String>, socket: Sender<Message>) {
    ///     let mut expired = token.expired();
    ///     loop {
    ///         let message = tokio::select! {
    ///             biased; // however many events there are
    ///             () = &mut expired => Message::Close { code: 1008, reason: "token expired" },
    ///             event = events.recv() => match event {
    ///                 Some(event) => Message::Text(event),
    ///                 None => return,
    ///             },
    ///         };
    ///         let last = matches!(message, Message::Close { .. });
    ///         if socket.send(message).await.is_err() || last {
    ///             return;
    ///         }
    ///     }
    /// }
    /// ```
    pub fn expired(&self) -> Expired {
        Expired {
            expiry: self.proof().expiry.clone(),
            nap: None,
        }
    }
}

/// The future of [`VerifiedToken::expired`].
#[cfg(any(feature = "remote", feature = "tower"))]
#[must_use = "a future does nothing until it is awaited"]
pub struct Expired {
    expiry: Expiry,
    nap: Option<Pin<Box<Sleep>>>,
}

#[cfg(any(feature = "remote", feature = "tower"))]
impl Expired {
    /// Whether the moment has come, without waiting for it.
    pub(crate) fn has_come(&self) -> bool {
        self.remaining().is_none()
    }

    fn remaining(&self) -> Option<Duration> {
        let now = NumericDate::from_system_time(self.expiry.clock.now().wall);
        self.expiry.refused_from.since(now)
    }
}

#[cfg(any(feature = "remote", feature = "tower"))]
impl Future for Expired {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(remaining) = self.remaining() {
            let nap = self
                .nap
                .get_or_insert_with(|| Box::pin(sleep(remaining.min(LONGEST_NAP))));
            ready!(nap.as_mut().poll(cx));
            self.nap = None;
        }
        Poll::Ready(())
    }
}

#[cfg(any(feature = "remote", feature = "tower"))]
impl fmt::Debug for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expired")
            .field("has_come", &self.has_come())
            .finish_non_exhaustive()
    }
}

/// How late the end may be found out when the time of day jumps forward or the machine has slept.
#[cfg(any(feature = "remote", feature = "tower"))]
const LONGEST_NAP: Duration = Duration::from_secs(60);
