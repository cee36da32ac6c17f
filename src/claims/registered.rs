//! The registered claims in their types. A claim of the wrong type is an error, never an absent one:
//! a verifier once read `"exp": "..."` as no expiry at all (CVE-2026-25537).

use super::value::{Text, Value};
use super::{Claim, NumericDate};

/// Claims of the right types, texts as places in the payload.
#[derive(Clone, Debug, Default)]
pub(crate) struct RegisteredClaims {
    pub(crate) subject: Option<Text>,
    pub(crate) audience: Option<TextList>,
    pub(crate) expires_at: Option<NumericDate>,
    pub(crate) not_before: Option<NumericDate>,
    pub(crate) issued_at: Option<NumericDate>,
    pub(crate) jwt_id: Option<Text>,
    pub(crate) client_id: Option<Text>,
    pub(crate) authorized_party: Option<Text>,
    pub(crate) scope: Option<TextList>,
    /// The other name that issuers use for `scope`.
    pub(crate) scp: Option<TextList>,
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
    /// Puts a claim in its place. Whether it is of its type.
    #[inline]
    pub(super) fn put(&mut self, claim: Claim, value: Value, payload: &str) -> bool {
        match claim {
            Claim::Iss => false,
            Claim::Sub => set(&mut self.subject, identity(value, payload)),
            Claim::Aud => set(&mut self.audience, texts(value)),
            Claim::Exp => set(&mut self.expires_at, date(&value)),
            Claim::Nbf => set(&mut self.not_before, date(&value)),
            Claim::Iat => set(&mut self.issued_at, date(&value)),
            Claim::Jti => set(&mut self.jwt_id, text(value)),
            Claim::ClientId => set(&mut self.client_id, identity(value, payload)),
            Claim::Azp => set(&mut self.authorized_party, identity(value, payload)),
            Claim::Scope => set(&mut self.scope, texts(value)),
            Claim::Scp => set(&mut self.scp, texts(value)),
            Claim::Acr => set(&mut self.acr, text(value)),
            Claim::Amr => set(&mut self.amr, texts(value)),
            Claim::AuthTime => set(&mut self.auth_time, date(&value)),
        }
    }

    /// `scope`, or `scp` where an issuer uses that name.
    pub(crate) fn scope(&self) -> Option<&TextList> {
        self.scope.as_ref().or(self.scp.as_ref())
    }
}

#[inline]
fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    *place = value;
    place.is_some()
}

#[inline]
fn text(value: Value) -> Option<Text> {
    match value {
        Value::Text(text) => Some(text),
        Value::Number(_) | Value::Texts(_) | Value::Other => None,
    }
}

/// A text that names somebody: an empty one names nobody, and code that compares it with an unset value
/// would let it in.
#[inline]
fn identity(value: Value, payload: &str) -> Option<Text> {
    text(value).filter(|text| !text.get(payload).is_empty())
}

#[inline]
fn texts(value: Value) -> Option<TextList> {
    match value {
        Value::Text(text) => Some(TextList::One(text)),
        Value::Texts(texts) => Some(TextList::Many(texts)),
        Value::Number(_) | Value::Other => None,
    }
}

#[inline]
fn date(value: &Value) -> Option<NumericDate> {
    match value {
        Value::Number(date) => Some(*date),
        Value::Text(_) | Value::Texts(_) | Value::Other => None,
    }
}
