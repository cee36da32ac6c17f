//! What one call comes across on its way, for the metrics: written down in passing, counted once, at its end.
//! Nothing at all without the feature `metrics`.

#[cfg(feature = "metrics")]
pub(super) use counted::Account;
#[cfg(not(feature = "metrics"))]
pub(super) use uncounted::Account;

#[cfg(feature = "metrics")]
mod counted {
    use std::time::Duration;

    use crate::claims::VerifiedJwt;
    use crate::clock::{Now, SharedClock};
    use crate::error::VerifyError;
    use crate::metrics::{Passage, Verification};
    use crate::token::VerifiedToken;
    use crate::verifier::explanation::Witness;
    use crate::verifier::trusted::TrustedIssuer;

    #[derive(Default)]
    pub(in crate::verifier) struct Account<'v> {
        issuer: Option<&'v TrustedIssuer>,
        started: Option<Duration>,
        /// Whether it was among the tokens that are remembered, where there are any.
        remembered: Option<bool>,
        waited: bool,
    }

    impl<'v> Account<'v> {
        #[inline]
        pub(in crate::verifier) fn begin(&mut self, now: Now) {
            self.started.get_or_insert(now.monotonic);
        }

        #[inline]
        pub(in crate::verifier) fn looked_up(&mut self, hit: bool) {
            self.remembered = Some(hit);
        }

        pub(in crate::verifier) fn wait(&mut self) {
            self.waited = true;
        }

        /// Of no use for what goes on elsewhere: it is counted there.
        #[inline(never)]
        pub(in crate::verifier) fn close(
            self,
            clock: &SharedClock,
            verdict: &Result<VerifiedToken, VerifyError>,
        ) {
            let passage = match (self.waited, self.remembered) {
                (true, _) => Passage::Waited,
                (false, Some(true)) => Passage::Remembered,
                (false, _) => Passage::Verified,
            };
            crate::metrics::verification(&Verification {
                issuer: self.issuer.map(|issuer| &issuer.counted),
                error: verdict.as_ref().err(),
                remembered: self.remembered,
                passage,
                clock,
                started: self.started,
            });
        }
    }

    impl<'v> Witness<'v> for Account<'v> {
        #[inline]
        fn trusts(&mut self, issuer: &'v TrustedIssuer) {
            self.issuer = Some(issuer);
        }

        #[inline]
        fn sees_signed(&mut self, _: &VerifiedJwt<'_>) {}
    }
}

#[cfg(not(feature = "metrics"))]
mod uncounted {
    use std::marker::PhantomData;

    use crate::claims::VerifiedJwt;
    use crate::clock::{Now, SharedClock};
    use crate::error::VerifyError;
    use crate::token::VerifiedToken;
    use crate::verifier::explanation::Witness;
    use crate::verifier::trusted::TrustedIssuer;

    #[derive(Default)]
    pub(in crate::verifier) struct Account<'v>(PhantomData<&'v TrustedIssuer>);

    #[expect(clippy::unused_self, reason = "the other one uses it")]
    impl<'v> Account<'v> {
        #[inline]
        pub(in crate::verifier) fn begin(&mut self, _: Now) {}

        #[inline]
        pub(in crate::verifier) fn looked_up(&mut self, _: bool) {}

        #[cfg(feature = "remote")]
        #[inline]
        pub(in crate::verifier) fn wait(&mut self) {}

        #[inline]
        pub(in crate::verifier) fn close(
            self,
            _: &SharedClock,
            _: &Result<VerifiedToken, VerifyError>,
        ) {
        }
    }

    impl<'v> Witness<'v> for Account<'v> {
        #[inline]
        fn trusts(&mut self, _: &'v TrustedIssuer) {}

        #[inline]
        fn sees_signed(&mut self, _: &VerifiedJwt<'_>) {}
    }
}
