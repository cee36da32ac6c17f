//! What the pipeline lets somebody see who is to explain its verdict.

use super::super::trusted::TrustedIssuer;
use crate::claims::VerifiedJwt;

/// Who looks on while a token is judged, and changes nothing of it.
pub(in crate::verifier) trait Witness<'v> {
    /// The token says it is of this issuer.
    fn trusts(&mut self, issuer: &'v TrustedIssuer);

    /// The signature is right.
    fn sees_signed(&mut self, jwt: &VerifiedJwt);
}

/// All that was seen.
#[derive(Default)]
pub(super) struct Seen<'v> {
    pub(super) issuer: Option<&'v TrustedIssuer>,
    /// Only of a token whose signature is right.
    pub(super) signed: Option<VerifiedJwt>,
}

impl<'v> Witness<'v> for Seen<'v> {
    fn trusts(&mut self, issuer: &'v TrustedIssuer) {
        self.issuer = Some(issuer);
    }

    fn sees_signed(&mut self, jwt: &VerifiedJwt) {
        self.signed = Some(jwt.clone());
    }
}
