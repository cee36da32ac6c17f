//! One token and all that its checks are about: what each of them expects, and what it found.

use std::fmt;
use std::time::SystemTime;

use super::super::IssuerStatus;
use super::super::trusted::{TrustedIssuer, TrustedIssuers};
use super::remedy::remedy;
use super::step::Step;
use super::witness::Seen;
use super::{Check, CheckOutcome};
use crate::algorithm::Algorithm;
use crate::claims::{
    Accepted, NumericDate, Payload, RegisteredClaims, ShownJwt, TokenType, Validation,
};
use crate::error::{Malformation, VerifyError};
use crate::jws::{MAX_TOKEN_BYTES, StatedHeader};
use crate::text::{Configured, Escaped, Unvouched, listed};
use crate::time_text::{Moment, Span};

/// See the module.
pub(super) struct Case<'a> {
    pub(super) token: &'a str,
    now: SystemTime,
    issuers: &'a TrustedIssuers,
    /// `None`: it cannot be read.
    pub(super) stated: Option<StatedHeader>,
    issuer: Option<&'a TrustedIssuer>,
    /// What the tokens of its issuer are held to.
    pub(super) rules: Option<&'a Validation>,
    pub(super) status: Option<&'a IssuerStatus>,
    pub(super) signed: Option<&'a ShownJwt>,
    pub(super) error: Option<&'a VerifyError>,
}

impl<'a> Case<'a> {
    pub(super) fn new(
        token: &'a str,
        issuers: &'a TrustedIssuers,
        seen: &'a Seen<'_>,
        status: Option<&'a IssuerStatus>,
        error: Option<&'a VerifyError>,
    ) -> Self {
        Self {
            token,
            now: seen.now.wall,
            issuers,
            stated: StatedHeader::of(token.as_bytes()),
            issuer: seen.issuer,
            rules: seen.issuer.map(|issuer| &issuer.validation),
            status,
            signed: seen.signed.as_ref(),
            error,
        }
    }

    /// The account of one check, when the token is refused for this one.
    pub(super) fn check(&self, step: Step, failed: Option<Step>) -> Check {
        let outcome = match failed {
            Some(failed) if step > failed => CheckOutcome::NotReached,
            Some(failed) if step == failed => CheckOutcome::Failed,
            _ => CheckOutcome::Passed,
        };
        let found = match outcome {
            CheckOutcome::Failed => self.error.and_then(|error| self.fault(step, error)),
            CheckOutcome::Passed => self.found(step),
            _ => None,
        };
        let refused = self.error.filter(|_| outcome == CheckOutcome::Failed);
        Check {
            name: step.name(),
            outcome,
            depth: 0,
            expected: self.expected(step),
            found,
            remedy: refused.map(|error| remedy(error, self.skipped_key())),
        }
    }

    pub(super) fn wants_audience(&self) -> bool {
        self.rules
            .is_some_and(|rules| matches!(rules.audience.0, Accepted::AnyOf(_)))
    }

    /// Whether this claim is one that configuration demands beside `exp` and `aud`.
    pub(super) fn requires(&self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    fn required(&self) -> impl Iterator<Item = &str> {
        let rfc9068 = self
            .rules
            .filter(|rules| rules.token_type == TokenType::AccessToken)
            .map_or(&[][..], |_| &["aud", "sub", "client_id", "iat", "jti"]);
        let configured = self.rules.map_or(&[][..], |rules| &rules.required_claims);
        let configured = configured.iter().map(|name| &**name);
        rfc9068.iter().copied().chain(configured)
    }

    /// The algorithm of a header that is known to name a supported one.
    pub(super) fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::from_name(self.stated.as_ref()?.algorithm.as_deref()?)
    }

    pub(super) fn key_id(&self) -> Option<&str> {
        self.stated.as_ref()?.key_id.as_deref()
    }

    fn claims(&self) -> Option<(&RegisteredClaims, &Payload)> {
        self.signed.map(ShownJwt::registered)
    }

    /// What its issuer's rules say, if it is known whose they are.
    fn by_rules(&self, expected: impl FnOnce(&Validation) -> String) -> String {
        let unknown = || "as its issuer is configured".to_owned();
        self.rules.map_or_else(unknown, expected)
    }

    /// What a check expects, as far as it is known which issuer's rules apply.
    fn expected(&self, step: Step) -> String {
        let text = |text: &str| text.to_owned();
        match step {
            Step::Size => format!("at most {MAX_TOKEN_BYTES} bytes"),
            Step::Parts => text("3 parts with 2 dots between"),
            Step::Header => text("a JSON object of at most 2048 bytes, each member once"),
            Step::Extensions => text("no crit, b64 or zip"),
            Step::Algorithm => text("a supported signature with a public key"),
            Step::Encoding => text("payload and signature in base64url, without padding"),
            Step::Claims => text("a JSON object, each member once"),
            Step::Issuer => {
                let names = self.issuers.iter().map(TrustedIssuer::name);
                format!("one of {}", listed(names.map(Configured)))
            }
            Step::AllowedAlgorithm => match self.issuer {
                Some(issuer) if issuer.algorithms.len() < Algorithm::ALL.len() => {
                    listed(issuer.algorithms.iter().map(Plain))
                }
                _ => text("one that the issuer may use"),
            },
            Step::Keys => text("keys of the issuer that may be used"),
            Step::Key => self.expected_key(),
            Step::Signature => text("made by that key"),
            Step::Type => self.by_rules(|rules| match &rules.token_type {
                TokenType::Usual => text("JWT or at+jwt, or no typ; no claims of another kind"),
                TokenType::AccessToken => text("at+jwt; no claims of another kind"),
                TokenType::Exactly(typ) => format!("{:?}", Configured(typ)),
                TokenType::DangerouslyAny => text("any"),
            }),
            Step::ClaimTypes => text("exp, and registered claims of their types"),
            Step::Audience => match self.rules.map(|rules| &rules.audience.0) {
                Some(Accepted::AnyOf(audiences)) => {
                    let names = audiences.iter().map(|name| Configured(name));
                    format!("one of {}", listed(names))
                }
                Some(Accepted::Everything) => text("any"),
                None => text("one that the service answers to"),
            },
            Step::RequiredClaims => self.by_rules(|_| match self.required().next() {
                Some(_) => listed(self.required().map(Configured)),
                None => text("no others"),
            }),
            Step::ExpiresAt => self
                .by_rules(|rules| format!("later than now, or {} ago at most", Span(rules.leeway))),
            Step::NotBefore | Step::IssuedAt => self.by_rules(|rules| {
                format!("no later than now, or in {} at most", Span(rules.leeway))
            }),
            Step::MaxAge => self.by_rules(|rules| match rules.max_token_age {
                Some(age) => format!(
                    "issued {} ago at most, and {}",
                    Span(age),
                    Span(rules.leeway)
                ),
                None => text("any age"),
            }),
            Step::Binding => text("none: no cnf"),
        }
    }

    /// What a check found that passed.
    fn found(&self, step: Step) -> Option<String> {
        match step {
            Step::Size => Some(format!("{} bytes", self.token.len())),
            Step::Parts => Some("3".to_owned()),
            Step::Header | Step::Encoding | Step::Claims => None,
            Step::Extensions | Step::Binding => Some("none".to_owned()),
            Step::Algorithm | Step::AllowedAlgorithm => {
                self.algorithm().map(|algorithm| algorithm.to_string())
            }
            Step::Issuer => self
                .issuer
                .map(|issuer| format!("{:?}", Configured(issuer.name()))),
            Step::Keys => self.found_keys(),
            Step::Key => self.found_key(),
            Step::Signature => Some("right".to_owned()),
            Step::ClaimTypes | Step::RequiredClaims => None,
            Step::Type => self.found_type(),
            Step::Audience => self.found_audience(),
            Step::ExpiresAt => self.found_time(|claims| claims.expires_at),
            Step::NotBefore => self.found_time(|claims| claims.not_before),
            Step::IssuedAt | Step::MaxAge => self.found_time(|claims| claims.issued_at),
        }
    }

    /// What a check found that failed.
    fn fault(&self, step: Step, error: &VerifyError) -> Option<String> {
        let text = |text: &str| Some(text.to_owned());
        match (step, error) {
            (Step::Parts, _) => {
                let parts = self.token.split('.').count();
                Some(parts.to_string())
            }
            (Step::Header, VerifyError::TooLarge) => {
                text("the header is over 2048 bytes, or its kid over 256")
            }
            (Step::Encoding, VerifyError::Malformed(Malformation::EmptySignature)) => {
                text("no signature")
            }
            (Step::Header, VerifyError::Malformed(Malformation::Base64)) => {
                text("not base64url without padding")
            }
            (Step::Encoding, _) => text("one of them is not"),
            (Step::Header | Step::Claims, _) => text("something else"),
            (Step::Extensions, _) => text("one of them"),
            (Step::Algorithm, _) => {
                let stated = self.stated.as_ref()?.algorithm.as_deref();
                stated.map_or_else(
                    || text("no alg"),
                    |stated| Some(format!("{:?}", Unvouched(stated))),
                )
            }
            // Nothing more of an issuer that nobody configured.
            (Step::Issuer, VerifyError::MissingClaim(_)) => text("no iss"),
            (Step::Issuer, VerifyError::InvalidClaim(_)) => text("iss is not a text"),
            (Step::Issuer, _) => text("none of them"),
            (Step::Keys, VerifyError::KeyNotCached) => text("the key is not at hand"),
            (Step::Keys, VerifyError::KeysUnavailable(error)) => self.missing_keys(error),
            (Step::Key, error) => self.unfit_key(error),
            (Step::Signature, _) => Some(self.tried_keys()),
            (Step::Type, _) if self.signed.is_some_and(ShownJwt::is_of_other_kind) => {
                let typ = self.found_type().unwrap_or_default();
                Some(format!("{typ}, with events, at_hash or c_hash"))
            }
            (_, VerifyError::MissingClaim(name)) => Some(format!("no {name:?}")),
            (_, VerifyError::InvalidClaim(name)) => {
                Some(format!("{name:?} is of another type, or empty"))
            }
            (Step::Binding, _) => text("bound by cnf to a key or certificate"),
            (step, _) => self.found(step),
        }
    }

    fn found_type(&self) -> Option<String> {
        let typ = self.signed?.signed().header.token_type();
        Some(typ.map_or_else(|| "none".to_owned(), |typ| format!("{:?}", Escaped(typ))))
    }

    fn found_audience(&self) -> Option<String> {
        let (claims, payload) = self.claims()?;
        let audience = claims.audience.iter();
        let names = audience.flat_map(|audience| claims.texts(audience, payload));
        Some(listed(names.map(Escaped)))
    }

    fn found_time(
        &self,
        claim: impl Fn(&RegisteredClaims) -> Option<NumericDate>,
    ) -> Option<String> {
        let (claims, _) = self.claims()?;
        let Some(at) = claim(claims) else {
            return Some("none".to_owned());
        };
        let (at, now) = (at.to_system_time(), self.now);
        Some(Moment { at, now }.to_string())
    }
}

/// Something without quotes around it.
struct Plain<T>(T);

impl<T: fmt::Display> fmt::Debug for Plain<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
