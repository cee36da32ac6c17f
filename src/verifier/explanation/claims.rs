//! Claims of a token whose signature is right, as they may be shown.

use serde::Serialize;

use crate::claims::{NumericDate, Payload, RegisteredClaims, ShownJwt, Text, TextList};
use crate::signature::sha256;
use crate::text::Escaped;
use crate::time_text::Utc;

/// The registered claims that are there and of their types. `iss` is the configured issuer.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct ShownClaims {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<Subject>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aud: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    azp: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scope: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<String>,
}

impl ShownClaims {
    pub(super) fn of(jwt: &ShownJwt) -> Self {
        let (claims, payload) = jwt.registered();
        let text = |text: Option<Text>| text.map(|text| shown(payload.get(text)));
        let texts = |list: Option<&TextList>| -> Vec<_> {
            let texts = list
                .into_iter()
                .flat_map(|list| claims.texts(list, payload));
            texts.take(MAX_LISTED).map(shown).collect()
        };
        Self {
            sub: claims
                .subject
                .map(|subject| Subject::new(payload.get(subject))),
            aud: texts(claims.audience.as_ref()),
            exp: claims.expires_at.map(time),
            nbf: claims.not_before.map(time),
            iat: claims.issued_at.map(time),
            jti: text(claims.jwt_id),
            client_id: text(claims.client_id),
            azp: text(claims.authorized_party),
            scope: scopes(claims, payload),
            acr: text(claims.acr),
            amr: texts(claims.amr.as_ref()),
            auth_time: claims.auth_time.map(time),
        }
    }

    pub(super) fn show_subject(&mut self) {
        if let Some(subject) = &mut self.sub {
            subject.is_shown = true;
        }
    }

    /// Each claim that is there, in a line.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        let quoted = |text: &String| format!("\"{text}\"");
        let text = |text: &Option<String>| text.as_ref().map(quoted);
        let list = |texts: &[String]| {
            let texts: Vec<_> = texts.iter().map(quoted).collect();
            (!texts.is_empty()).then(|| texts.join(", "))
        };
        let lines = [
            ("sub", self.sub.as_ref().map(|sub| sub.as_str().to_owned())),
            ("aud", list(&self.aud)),
            ("exp", self.exp.clone()),
            ("nbf", self.nbf.clone()),
            ("iat", self.iat.clone()),
            ("jti", text(&self.jti)),
            ("client_id", text(&self.client_id)),
            ("azp", text(&self.azp)),
            ("scope", list(&self.scope)),
            ("acr", text(&self.acr)),
            ("amr", list(&self.amr)),
            ("auth_time", self.auth_time.clone()),
        ];
        let present = lines.into_iter();
        present.filter_map(|(name, value)| Some((name, value?)))
    }
}

/// `sub`, hidden behind its hash until somebody asks for it.
#[derive(Clone)]
struct Subject {
    hash: String,
    shown: String,
    is_shown: bool,
}

impl Subject {
    fn new(subject: &str) -> Self {
        let digits = sha256(subject).unwrap_or_default().into_iter();
        let digits: String = digits
            .take(HASH_BYTES)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Self {
            hash: format!("sha256:{digits}"),
            shown: shown(subject),
            is_shown: false,
        }
    }

    fn as_str(&self) -> &str {
        match self.is_shown {
            true => &self.shown,
            false => &self.hash,
        }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Subject {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

fn shown(text: &str) -> String {
    Escaped(text).to_string()
}

fn time(date: NumericDate) -> String {
    Utc(date.to_system_time()).to_string()
}

/// Of a text between spaces, or of a list, as a handler gets them.
fn scopes(claims: &RegisteredClaims, payload: &Payload) -> Vec<String> {
    let list = claims.scope();
    let texts = list.iter().flat_map(|list| {
        let is_text = matches!(list, TextList::One(_));
        claims
            .texts(list, payload)
            .flat_map(move |text| text.split(move |character| is_text && character == ' '))
    });
    let scopes = texts.filter(|scope| !scope.is_empty());
    scopes.take(MAX_LISTED).map(shown).collect()
}

/// As many of a list as are shown.
const MAX_LISTED: usize = 32;
/// 64 bits: enough to tell the subjects of a service apart.
const HASH_BYTES: usize = 8;
