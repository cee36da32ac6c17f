//! What the pipeline lets somebody see who is to explain its verdict.

use super::super::trusted::TrustedIssuer;
use crate::claims::{ShownJwt, VerifiedJwt};
use crate::clock::Now;

/// Who looks on while a token is judged, and changes nothing of it.
pub(in crate::verifier) trait Witness<'v> {
    /// The token says it is of this issuer.
    fn trusts(&mut self, issuer: &'v TrustedIssuer);

    /// The signature is right.
    fn sees_signed(&mut self, jwt: &VerifiedJwt<'_>);
}

/// All that was seen.
pub(super) struct Seen<'v> {
    /// When the token was judged.
    pub(super) now: Now,
    pub(super) issuer: Option<&'v TrustedIssuer>,
    /// Only of a token whose signature is right.
    pub(super) signed: Option<ShownJwt>,
}

impl Seen<'_> {
    /// Nothing so far.
    pub(super) const fn at(now: Now) -> Self {
        Self {
            now,
            issuer: None,
            signed: None,
        }
    }
}

impl<'v> Witness<'v> for Seen<'v> {
    fn trusts(&mut self, issuer: &'v TrustedIssuer) {
        self.issuer = Some(issuer);
    }

    fn sees_signed(&mut self, jwt: &VerifiedJwt<'_>) {
        self.signed = Some(jwt.shown());
    }
}
