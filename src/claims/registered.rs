//! The registered claims in their types. A claim of the wrong type is an error, never an absent one:
//! a verifier once read `"exp": "..."` as no expiry at all (CVE-2026-25537).

use super::value::{Text, Value};
use super::{Claim, Claims, NumericDate};
use crate::error::VerifyError;

/// Claims of the right types, texts as places in the payload.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredClaims {
    pub(crate) subject: Option<Text>,
    pub(crate) audience: Option<TextList>,
    pub(crate) expires_at: Option<NumericDate>,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) jwt_id: Option<Text>,
    pub(crate) client_id: Option<Text>,
    pub(crate) authorized_party: Option<Text>,
    /// `scope`, or `scp` where an issuer uses that name.
    pub(crate) scope: Option<TextList>,
    pub(crate) acr: Option<Text>,
    pub(crate) amr: Option<TextList>,
    pub(crate) auth_time: Option<NumericDate>,
}

/// One text, or a list of them; issuers use both for `aud` and for scopes.
#[derive(Clone, Debug)]
pub(crate) enum TextList {
    One(Text),
    Many(Box<[Text]>),
}

impl TextList {
    pub(crate) fn iter<'a>(&'a self, payload: &'a str) -> impl Iterator<Item = &'a str> {
        let texts = match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        };
        texts.iter().map(move |text| text.get(payload))
    }
}

impl RegisteredClaims {
    /// The types of everything that is there, whether or not it will be asked for.
    pub(super) fn typed(mut claims: Claims, payload: &str) -> Result<Self, VerifyError> {
        let mut reader = Reader {
            claims: &mut claims,
            payload,
        };
        let scope = reader.texts(Claim::Scope)?;
        let scp = reader.texts(Claim::Scp)?;
        Ok(Self {
            subject: reader.identity(Claim::Sub)?,
            audience: reader.texts(Claim::Aud)?,
            expires_at: reader.date(Claim::Exp)?,
            not_before: reader.date(Claim::Nbf)?,
            issued_at: reader.date(Claim::Iat)?,
            jwt_id: reader.text(Claim::Jti)?,
            client_id: reader.identity(Claim::ClientId)?,
            authorized_party: reader.identity(Claim::Azp)?,
            scope: scope.or(scp),
            acr: reader.text(Claim::Acr)?,
            amr: reader.texts(Claim::Amr)?,
            auth_time: reader.date(Claim::AuthTime)?,
        })
    }
}

struct Reader<'a> {
    claims: &'a mut Claims,
    payload: &'a str,
}

impl Reader<'_> {
    fn take(&mut self, claim: Claim) -> Option<Value> {
        self.claims
            .values
            .get_mut(claim.index())
            .and_then(Option::take)
    }

    fn text(&mut self, claim: Claim) -> Result<Option<Text>, VerifyError> {
        match self.take(claim) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(VerifyError::invalid(claim.name())),
        }
    }

    /// A text that names somebody: an empty one names nobody, and code that compares it with an
    /// unset value would let it in.
    fn identity(&mut self, claim: Claim) -> Result<Option<Text>, VerifyError> {
        match self.text(claim)? {
            Some(text) if text.get(self.payload).is_empty() => {
                Err(VerifyError::invalid(claim.name()))
            }
            text => Ok(text),
        }
    }

    fn texts(&mut self, claim: Claim) -> Result<Option<TextList>, VerifyError> {
        match self.take(claim) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(TextList::One(text))),
            Some(Value::Texts(texts)) => Ok(Some(TextList::Many(texts))),
            Some(Value::Number(_) | Value::Other) => Err(VerifyError::invalid(claim.name())),
        }
    }

    fn date(&mut self, claim: Claim) -> Result<Option<NumericDate>, VerifyError> {
        match self.take(claim) {
            None => Ok(None),
            Some(Value::Number(date)) => Ok(Some(date)),
            Some(_) => Err(VerifyError::invalid(claim.name())),
        }
    }
}
