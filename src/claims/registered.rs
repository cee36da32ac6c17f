//! The registered claims in their types. A claim of the wrong type is an error, never an absent one:
//! a verifier once read `"exp": "..."` as no expiry at all (CVE-2026-25537).

use super::value::{Listed, Value};
use super::{Claim, NumericDate, Payload, Text};

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
    /// The texts of all lists.
    pub(super) listed: Vec<Text>,
}

/// One text, or a list of them; issuers use both for `aud` and for scopes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TextList {
    One(Text),
    Many(Listed),
}

impl RegisteredClaims {
    /// Puts a claim in its place. Whether it is of its type.
    #[inline]
    pub(super) fn put(&mut self, claim: Claim, value: Value) -> bool {
        match self.place(claim) {
            Some(Place::Identity(place)) => set(place, identity(value)),
            Some(Place::Text(place)) => set(place, text(value)),
            Some(Place::Texts(place)) => set(place, texts(value)),
            Some(Place::Date(place)) => set(place, date(value)),
            None => false,
        }
    }

    /// Where a claim goes.
    #[inline]
    fn place(&mut self, claim: Claim) -> Option<Place<'_>> {
        Some(match claim {
            Claim::Iss => return None,
            Claim::Sub => Place::Identity(&mut self.subject),
            Claim::Aud => Place::Texts(&mut self.audience),
            Claim::Exp => Place::Date(&mut self.expires_at),
            Claim::Nbf => Place::Date(&mut self.not_before),
            Claim::Iat => Place::Date(&mut self.issued_at),
            Claim::Jti => Place::Text(&mut self.jwt_id),
            Claim::ClientId => Place::Identity(&mut self.client_id),
            Claim::Azp => Place::Identity(&mut self.authorized_party),
            Claim::Scope => Place::Texts(&mut self.scope),
            Claim::Scp => Place::Texts(&mut self.scp),
            Claim::Acr => Place::Text(&mut self.acr),
            Claim::Amr => Place::Texts(&mut self.amr),
            Claim::AuthTime => Place::Date(&mut self.auth_time),
        })
    }

    /// `scope`, or `scp` where an issuer uses that name.
    pub(crate) fn scope(&self) -> Option<TextList> {
        self.scope.or(self.scp)
    }

    /// The texts of one of these claims; `payload` must be the one they were read from.
    pub(crate) fn texts<'a>(
        &'a self,
        list: &'a TextList,
        payload: &'a Payload,
    ) -> impl Iterator<Item = &'a str> {
        let texts = match list {
            TextList::One(text) => std::slice::from_ref(text),
            TextList::Many(Listed { start, end }) => {
                self.listed.get(*start..*end).unwrap_or_default()
            }
        };
        texts.iter().map(|text| payload.get(*text))
    }
}

/// By what goes there, so that the code that puts it there is there once and not for each claim: code that is
/// touched once a token costs more than what it does.
enum Place<'a> {
    Identity(&'a mut Option<Text>),
    Text(&'a mut Option<Text>),
    Texts(&'a mut Option<TextList>),
    Date(&'a mut Option<NumericDate>),
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
fn identity(value: Value) -> Option<Text> {
    text(value).filter(|text| !text.is_empty())
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
fn date(value: Value) -> Option<NumericDate> {
    match value {
        Value::Number(date) => Some(date),
        Value::Text(_) | Value::Texts(_) | Value::Other => None,
    }
}
