//! What a service expects of a token's claims, and the one place where a token becomes acceptable.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::IgnoredAny;

use super::value::Value;
use super::{Audience, NumericDate, Payload, RegisteredClaims, Text, VerifiedJwt};
use crate::clock::SharedClock;
use crate::error::{Malformation, VerifyError};
use crate::expiry::Expiry;
use crate::jwk::VerificationKey;
use crate::jws::{Header, Signed};
#[cfg(feature = "remote")]
use crate::key_set::LastFound;
use crate::token::VerifiedToken;

/// Which kinds of JWT an issuer's tokens may be, by their `typ` header
/// ([RFC 8725 §3.11](https://www.rfc-editor.org/rfc/rfc8725#section-3.11)).
///
/// `typ` is compared without case and with or without a leading `application/`.
///
/// # Security
///
/// Issuers sign many kinds of JWT with the same keys: ID tokens, logout tokens, security events,
/// DPoP proofs are made by clients. A verifier that does not tell them apart accepts one as another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum TokenType {
    /// `at+jwt`, `JWT` or none, and no claims that only an ID token, a logout token or a security
    /// event has (`at_hash`, `c_hash`, `events`). The default, because most issuers sign access
    /// tokens with `JWT`.
    #[default]
    Usual,
    /// An access token as [RFC 9068 §4](https://www.rfc-editor.org/rfc/rfc9068#section-4) has it:
    /// `at+jwt`, with `aud`, `iat`, and `sub`, `client_id` and `jti` that are not empty.
    AccessToken,
    /// Exactly this `typ`, and nothing more said about claims.
    Exactly(Cow<'static, str>),
    /// Any `typ` and any kind of claims. See the security note above.
    DangerouslyAny,
}

impl TokenType {
    fn accepts(&self, typ: Option<&str>) -> bool {
        let is = |expected: &str| {
            typ.is_some_and(|typ| {
                typ == expected || short(typ).eq_ignore_ascii_case(short(expected))
            })
        };
        match self {
            Self::Usual => typ.is_none() || is("at+jwt") || is("JWT"),
            Self::AccessToken => is("at+jwt"),
            Self::Exactly(expected) => is(expected),
            Self::DangerouslyAny => true,
        }
    }
}

/// `typ` without its media type's tree (RFC 7515 §4.1.9).
fn short(typ: &str) -> &str {
    match typ.split_at_checked("application/".len()) {
        Some((tree, kind)) if tree.eq_ignore_ascii_case("application/") && !kind.contains('/') => {
            kind
        }
        _ => typ,
    }
}

/// Everything an issuer's tokens are held to, apart from their signature.
#[derive(Clone, Debug)]
pub(crate) struct Validation {
    pub(crate) issuer: Arc<str>,
    pub(crate) audience: Audience,
    pub(crate) leeway: Duration,
    pub(crate) token_type: TokenType,
    pub(crate) required_claims: Vec<Arc<str>>,
    pub(crate) max_token_age: Option<Duration>,
    /// For the tokens to carry along.
    pub(crate) clock: SharedClock,
}

/// A token that passed every check. Only [`Validation::validate`] makes one, and only from one is a
/// [`VerifiedToken`] made: the proof is the data.
pub(crate) struct AcceptedJwt {
    pub(crate) header: Header,
    pub(crate) issuer: Text,
    pub(crate) payload: Payload,
    pub(crate) claims: RegisteredClaims,
    pub(crate) expires_at: NumericDate,
    /// The first moment at which its issuer's rules accept it.
    acceptable_from: NumericDate,
    pub(crate) expiry: Expiry,
    /// How far clocks may differ, for what is decided by time later.
    pub(crate) leeway: Duration,
    /// The key that made the signature; none for what a test asserts.
    pub(crate) key: Option<Arc<VerificationKey>>,
    /// Where this key was found last under this header.
    #[cfg(feature = "remote")]
    pub(crate) last_found: LastFound,
    _made_here: (),
}

impl AcceptedJwt {
    /// Whether the rules that accepted it do so at this moment, too: all they hold it to but time stays as it
    /// was.
    #[inline]
    pub(crate) fn is_acceptable(&self, now: NumericDate) -> bool {
        self.acceptable_from <= now && now < self.expiry.refused_from
    }
}

impl Validation {
    /// Holds verified claims against what is expected, at this moment.
    pub(crate) fn validate(
        &self,
        jwt: VerifiedJwt<'_>,
        now: SystemTime,
    ) -> Result<VerifiedToken, VerifyError> {
        let VerifiedJwt {
            signed: Signed { header, key, .. },
            payload,
            claims,
        } = jwt;
        let confirmation = claims.confirmation;
        let other_kind = claims.other_kind;

        if !self.token_type.accepts(header.token_type())
            || (other_kind && self.refuses_other_kinds())
        {
            return Err(VerifyError::WrongType);
        }
        // The issuer was looked up before the signature was checked; here it is compared as signed.
        let issuer = match claims.issuer.take() {
            Some(Value::Text(issuer)) if *payload.get(issuer) == *self.issuer => issuer,
            _ => return Err(VerifyError::UntrustedIssuer),
        };
        let claims = claims.typed()?;
        let expires_at = claims
            .expires_at
            .ok_or_else(|| VerifyError::missing("exp"))?;
        self.check_audience(claims, &payload)?;
        self.check_access_token(claims)?;
        self.check_required(payload.json())?;
        let now = NumericDate::from_system_time(now);
        self.check_times(claims, expires_at, now)?;
        if confirmation {
            return Err(VerifyError::BindingRequired);
        }
        let expiry = self.expiry(claims, expires_at);
        let acceptable_from = self.acceptable_from(claims);
        let jwt = AcceptedJwt {
            header,
            issuer,
            payload,
            claims: std::mem::take(claims),
            expires_at,
            acceptable_from,
            expiry,
            leeway: self.leeway,
            key: Some(key),
            #[cfg(feature = "remote")]
            last_found: LastFound::default(),
            _made_here: (),
        };
        Ok(VerifiedToken::new(jwt, now))
    }

    /// From when on [`check_times`](Self::check_times) accepts what it has accepted once.
    fn acceptable_from(&self, claims: &RegisteredClaims) -> NumericDate {
        let latest = claims.not_before.max(claims.issued_at);
        latest.map_or(NumericDate::EARLIEST, |latest| latest.minus(self.leeway))
    }

    /// From when on it refuses that again.
    fn expiry(&self, claims: &RegisteredClaims, expires_at: NumericDate) -> Expiry {
        let expired_from = expires_at.plus(self.leeway);
        let too_old_from = self.max_token_age.zip(claims.issued_at);
        let too_old_from = too_old_from.map(|(max_age, issued_at)| {
            let last = issued_at.plus(max_age).plus(self.leeway);
            last.plus(Duration::from_nanos(1))
        });
        Expiry {
            refused_from: too_old_from.map_or(expired_from, |too_old| too_old.min(expired_from)),
            clock: self.clock.clone(),
        }
    }

    fn refuses_other_kinds(&self) -> bool {
        matches!(self.token_type, TokenType::Usual | TokenType::AccessToken)
    }

    fn check_audience(
        &self,
        claims: &RegisteredClaims,
        payload: &Payload,
    ) -> Result<(), VerifyError> {
        match &claims.audience {
            Some(audience) if self.audience.accepts(claims.texts(audience, payload)) => Ok(()),
            Some(_) => Err(VerifyError::AudienceMismatch),
            None if self.audience.must_be_present() => Err(VerifyError::missing("aud")),
            None => Ok(()),
        }
    }

    /// What RFC 9068 §2.2 demands beyond `iss` and `exp`. An empty `sub` or `client_id` has been
    /// refused with the types.
    fn check_access_token(&self, claims: &RegisteredClaims) -> Result<(), VerifyError> {
        if self.token_type != TokenType::AccessToken {
            return Ok(());
        }
        for (name, present) in [
            ("aud", claims.audience.is_some()),
            ("sub", claims.subject.is_some()),
            ("client_id", claims.client_id.is_some()),
            ("iat", claims.issued_at.is_some()),
            ("jti", claims.jwt_id.is_some()),
        ] {
            if !present {
                return Err(VerifyError::missing(name));
            }
        }
        match claims.jwt_id {
            Some(jwt_id) if jwt_id.is_empty() => Err(VerifyError::invalid("jti")),
            _ => Ok(()),
        }
    }

    fn check_required(&self, payload: &str) -> Result<(), VerifyError> {
        if self.required_claims.is_empty() {
            return Ok(());
        }
        let present: HashMap<Cow<'_, str>, Option<IgnoredAny>> = serde_json::from_str(payload)
            .map_err(|_| VerifyError::Malformed(Malformation::Claims))?;
        let is_missing = |name: &str| !matches!(present.get(name), Some(Some(_)));
        match self.required_claims.iter().find(|name| is_missing(name)) {
            Some(name) => Err(VerifyError::missing(Arc::clone(name))),
            None => Ok(()),
        }
    }

    fn check_times(
        &self,
        claims: &RegisteredClaims,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> Result<(), VerifyError> {
        if now >= expires_at.plus(self.leeway) {
            return Err(VerifyError::Expired);
        }
        if claims
            .not_before
            .is_some_and(|not_before| now.plus(self.leeway) < not_before)
        {
            return Err(VerifyError::NotYetValid);
        }
        if claims
            .issued_at
            .is_some_and(|issued_at| now.plus(self.leeway) < issued_at)
        {
            return Err(VerifyError::IssuedInFuture);
        }
        if let Some(max_age) = self.max_token_age {
            let issued_at = claims
                .issued_at
                .ok_or_else(|| VerifyError::missing("iat"))?;
            if now > issued_at.plus(max_age).plus(self.leeway) {
                return Err(VerifyError::TooOld);
            }
        }
        Ok(())
    }
}

#[cfg(feature = "testing")]
impl AcceptedJwt {
    /// The one exception to being made by `validate`: claims that a user's test asserts.
    pub(crate) fn asserted(payload: Box<str>) -> Result<Self, VerifyError> {
        let (mut claims, mut payload) = (super::Claims::default(), Payload::new(payload));
        claims.read(&mut payload)?;
        let issuer = match claims.issuer.take() {
            Some(Value::Text(issuer)) => issuer,
            Some(_) => return Err(VerifyError::invalid("iss")),
            None => Text::default(),
        };
        let claims = std::mem::take(claims.typed()?);
        let expires_at = claims
            .expires_at
            .unwrap_or_else(|| NumericDate::from_seconds(i64::MAX));
        let header = Header::asserted();
        Ok(Self {
            header,
            issuer,
            payload,
            claims,
            expires_at,
            acceptable_from: NumericDate::EARLIEST,
            expiry: Expiry {
                refused_from: expires_at,
                clock: SharedClock::default(),
            },
            leeway: DEFAULT_LEEWAY,
            key: None,
            last_found: LastFound::default(),
            _made_here: (),
        })
    }
}

/// Default leeway: machines that keep time are within a second of each other, those that do it
/// badly within 30 s. RFC 7519 §4.1.4 allows "no more than a few minutes".
pub(crate) const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

/// Longest leeway. More would not be for clocks that differ, but for tokens that should be refused.
pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(300);

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn date() -> impl Strategy<Value = NumericDate> {
        let usual = (-20.0..20.0).prop_map(NumericDate::from_float);
        let far = any::<i64>().prop_map(NumericDate::from_seconds);
        prop_oneof![4 => usual, 1 => far, 1 => any::<f64>().prop_map(NumericDate::from_float)]
    }

    fn span() -> impl Strategy<Value = Duration> {
        (0..8_u64).prop_map(Duration::from_secs)
    }

    proptest! {
        /// What a token carries along says of every moment what the rules say.
        #[test]
        fn a_token_is_acceptable_when_its_rules_accept_it(
            [expires_at, now] in [date(), date()],
            not_before in proptest::option::of(date()),
            issued_at in proptest::option::of(date()),
            leeway in span(),
            max_age in proptest::option::of(span()),
        ) {
            let rules = Validation {
                issuer: "issuer".into(),
                audience: Audience::any_of(["audience"]),
                leeway,
                token_type: TokenType::Usual,
                required_claims: Vec::new(),
                max_token_age: max_age.filter(|_| issued_at.is_some()),
                clock: SharedClock::default(),
            };
            let claims = RegisteredClaims { not_before, issued_at, ..Default::default() };
            let mut jwt = AcceptedJwt::asserted("{}".into()).unwrap();
            jwt.acceptable_from = rules.acceptable_from(&claims);
            jwt.expiry = rules.expiry(&claims, expires_at);
            let moments = [now, jwt.acceptable_from, jwt.expiry.refused_from];
            let tick = Duration::from_nanos(1);
            for now in moments.into_iter().flat_map(|now| [now.minus(tick), now, now.plus(tick)]) {
                let accepted = rules.check_times(&claims, expires_at, now).is_ok();
                prop_assert_eq!(jwt.is_acceptable(now), accepted, "{:?}", now);
            }
        }
    }
}
