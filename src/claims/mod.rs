//! The claims of a token ([RFC 7519 §4](https://www.rfc-editor.org/rfc/rfc7519#section-4)).
//!
//! They are read once, in one pass, before the signature is checked, because the issuer decides
//! whose keys to ask; what was read stays shut in [`UnverifiedJwt`] until they have been. Whether a
//! claim is of the right type is judged after that, by [`Validation::validate`].

mod audience;
mod numeric_date;
mod payload;
mod registered;
mod validation;
mod value;

pub(crate) use audience::Accepted;
pub use audience::Audience;
pub(crate) use numeric_date::NumericDate;
pub(crate) use payload::{Payload, Text, place};
pub(crate) use registered::{RegisteredClaims, TextList};
pub use validation::TokenType;
pub(crate) use validation::{AcceptedJwt, DEFAULT_LEEWAY, MAX_LEEWAY, Validation};

use std::collections::HashMap;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::error::{Malformation, VerifyError};
use crate::json::{Object, Scanned, has_duplicates, has_lone_surrogate, is_deeper_than};
use crate::jws::{CompactJws, Header, Signed, UnverifiedSignature};
use crate::key_set::Candidates;
use payload::Unescaped;
use value::{Aside, Value};

/// A parsed token with parsed claims, none of them verified and none of them readable.
pub(crate) struct UnverifiedJwt<'a> {
    signature: UnverifiedSignature<'a>,
    payload: Payload,
    claims: &'a mut Claims,
}

/// Where claims are while they are looked at. They are large and go through many hands, and stay here until
/// a token that is accepted takes them.
#[derive(Default)]
pub(crate) struct ClaimsRoom(Option<Claims>);

impl<'a> UnverifiedJwt<'a> {
    /// Reads the payload as claims: one JSON object in UTF-8, each top-level member once.
    #[inline(always)] // into its one caller, or what it makes is moved once more
    pub(crate) fn parse(
        jws: CompactJws<'a>,
        ClaimsRoom(room): &'a mut ClaimsRoom,
    ) -> Result<Self, VerifyError> {
        let (signature, payload) = jws.into_unverified_parts();
        let mut payload = Payload::new(text(payload)?.into());
        let claims = room.insert(Claims::default());
        claims.read(&mut payload)?;
        Ok(Self {
            signature,
            payload,
            claims,
        })
    }

    pub(crate) fn header(&self) -> &Header {
        self.signature.header()
    }

    /// The issuer the token claims to be from, to look up and not to read.
    pub(crate) fn unverified_issuer(&self) -> Result<UnverifiedIssuer<'_>, VerifyError> {
        match &self.claims.issuer {
            None => Err(VerifyError::missing("iss")),
            Some(Value::Text(issuer)) => Ok(UnverifiedIssuer(self.payload.get(*issuer))),
            Some(_) => Err(VerifyError::invalid("iss")),
        }
    }

    pub(crate) fn verify(
        self,
        candidates: &Candidates<'_>,
    ) -> Result<VerifiedJwt<'a>, VerifyError> {
        Ok(VerifiedJwt {
            signed: self.signature.verify(candidates)?,
            payload: self.payload,
            claims: self.claims,
        })
    }
}

/// JSON is UTF-8 (RFC 8259 §8.1).
fn text(payload: Vec<u8>) -> Result<String, VerifyError> {
    String::from_utf8(payload).map_err(|_| VerifyError::Malformed(Malformation::Claims))
}

/// What a token claims about its issuer. It can be given to a table of trusted issuers and do
/// nothing else: there is no way to read it, so none to build a URL or a log line from it.
pub(crate) struct UnverifiedIssuer<'a>(&'a str);

/// Trusted issuers by their names, which are configured: nobody else can make them collide.
pub(crate) type TrustedNames<T> = HashMap<Arc<str>, T, foldhash::fast::RandomState>;

impl UnverifiedIssuer<'_> {
    /// Whether it is this one, byte for byte.
    pub(crate) fn is(&self, trusted: &str) -> bool {
        self.0 == trusted
    }

    /// The entry whose key is this issuer, byte for byte.
    pub(crate) fn look_up<'t, T>(&self, trusted: &'t TrustedNames<T>) -> Option<&'t T> {
        trusted.get(self.0)
    }
}

/// A token whose signature is right and whose claims have not been looked at.
pub(crate) struct VerifiedJwt<'a> {
    signed: Signed,
    payload: Payload,
    claims: &'a mut Claims,
}

impl VerifiedJwt<'_> {
    pub(crate) fn signed(&self) -> &Signed {
        &self.signed
    }

    /// A copy, of which no token is made.
    pub(crate) fn shown(&self) -> ShownJwt {
        ShownJwt {
            signed: self.signed.clone(),
            payload: self.payload.clone(),
            claims: self.claims.clone(),
        }
    }
}

/// A copy of a [`VerifiedJwt`], for who explains it.
pub(crate) struct ShownJwt {
    signed: Signed,
    payload: Payload,
    claims: Claims,
}

impl ShownJwt {
    pub(crate) fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The claims that are of their types, and the text that they stand in.
    pub(crate) fn registered(&self) -> (&RegisteredClaims, &Payload) {
        (&self.claims.registered, &self.payload)
    }

    /// Whether there are claims that only other kinds of token have.
    pub(crate) fn is_of_other_kind(&self) -> bool {
        self.claims.other_kind
    }
}

/// What the parser met, and whether members stand there that only other kinds of token have.
#[derive(Clone, Default)]
struct Claims {
    issuer: Option<Value>,
    registered: RegisteredClaims,
    unescaped: Unescaped,
    /// The first claim of a wrong type. Told when the signature is known to be right.
    ill_typed: Option<Claim>,
    /// `cnf`, whatever is in it (RFC 7800 §3).
    confirmation: bool,
    /// `events`, `at_hash` or `c_hash`: a security event, a logout or an ID token (RFC 8725 §2.8).
    other_kind: bool,
}

impl Claims {
    /// Reads claims where none have been read before.
    fn read(&mut self, payload: &mut Payload) -> Result<(), VerifyError> {
        self.read_members(payload.json())
            .ok_or(VerifyError::Malformed(Malformation::Claims))?;
        payload.take_in(&self.unescaped);
        Ok(())
    }

    fn read_members(&mut self, payload: &str) -> Option<()> {
        let (mut seen, mut other_names) = (0_u16, SmallVec::<[_; USUAL_CLAIMS]>::new());
        let mut object = Object::read(payload).ok()?;
        if !object.is_plain() && has_lone_surrogate(payload) {
            return None;
        }
        while let Some(member) = object.next_member().ok()? {
            if let Some(claim) = Claim::from_name(&member.name) {
                if seen & claim.bit() != 0 {
                    return None; // each member once
                }
                seen |= claim.bit();
                let aside = Aside {
                    unescaped: &mut self.unescaped,
                    listed: &mut self.registered.listed,
                };
                let value = Value::read(member.value, payload, aside).ok()?;
                self.put(claim, value);
                continue;
            }
            let is = |name: &[u8]| *member.name == *name;
            self.confirmation |= is(b"cnf");
            self.other_kind |= is(b"events") || is(b"at_hash") || is(b"c_hash");
            if let Scanned::Json(json) = member.value
                && is_deeper_than(json, MAX_CLAIM_DEPTH)
            {
                return None;
            }
            other_names.push(member.name);
        }
        (!has_duplicates(&mut other_names)).then_some(())
    }

    #[inline]
    fn put(&mut self, claim: Claim, value: Value) {
        match claim {
            Claim::Iss => self.issuer = Some(value),
            claim if self.registered.put(claim, value) => {}
            claim => self.ill_typed = self.ill_typed.or(Some(claim)),
        }
    }

    /// The claims, if each is of its type.
    fn typed(&mut self) -> Result<&mut RegisteredClaims, VerifyError> {
        match self.ill_typed {
            None => Ok(&mut self.registered),
            Some(claim) => Err(VerifyError::invalid(claim.name())),
        }
    }
}

/// The claims the crate reads.
#[derive(Clone, Copy)]
enum Claim {
    Iss,
    Sub,
    Aud,
    Exp,
    Nbf,
    Iat,
    Jti,
    ClientId,
    Azp,
    Scope,
    Scp,
    Acr,
    Amr,
    AuthTime,
}

impl Claim {
    /// Names of three letters are told apart in one piece: letter by letter it would be many times the code.
    fn from_name(name: &[u8]) -> Option<Self> {
        const ISS: u32 = short_name(*b"iss");
        const SUB: u32 = short_name(*b"sub");
        const AUD: u32 = short_name(*b"aud");
        const EXP: u32 = short_name(*b"exp");
        const NBF: u32 = short_name(*b"nbf");
        const IAT: u32 = short_name(*b"iat");
        const JTI: u32 = short_name(*b"jti");
        const AZP: u32 = short_name(*b"azp");
        const SCP: u32 = short_name(*b"scp");
        const ACR: u32 = short_name(*b"acr");
        const AMR: u32 = short_name(*b"amr");
        let long_name = || match name {
            _ if name == b"scope" => Some(Self::Scope),
            _ if name == b"client_id" => Some(Self::ClientId),
            _ if name == b"auth_time" => Some(Self::AuthTime),
            _ => None,
        };
        let &[a, b, c] = name else {
            return long_name();
        };
        Some(match short_name([a, b, c]) {
            ISS => Self::Iss,
            SUB => Self::Sub,
            AUD => Self::Aud,
            EXP => Self::Exp,
            NBF => Self::Nbf,
            IAT => Self::Iat,
            JTI => Self::Jti,
            AZP => Self::Azp,
            SCP => Self::Scp,
            ACR => Self::Acr,
            AMR => Self::Amr,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Exp => "exp",
            Self::Nbf => "nbf",
            Self::Iat => "iat",
            Self::Jti => "jti",
            Self::ClientId => "client_id",
            Self::Azp => "azp",
            Self::Scope => "scope",
            Self::Scp => "scp",
            Self::Acr => "acr",
            Self::Amr => "amr",
            Self::AuthTime => "auth_time",
        }
    }

    /// A bit of its own.
    #[expect(
        clippy::as_conversions,
        reason = "the discriminant of a field-less enum"
    )]
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// As a number.
const fn short_name([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

/// Claims beside the registered ones, as a rule.
const USUAL_CLAIMS: usize = 16;

/// Deepest nesting of a claim. `serde_json` reads no deeper for a handler, which would find a token that
/// was accepted and cannot be read.
const MAX_CLAIM_DEPTH: usize = 126;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(payload: &str) -> Result<Claims, VerifyError> {
        let mut claims = Claims::default();
        let mut payload = Payload::new(payload.into());
        claims.read(&mut payload).map(|()| claims)
    }

    #[track_caller]
    fn check(payload: &str, reason: &str) {
        let outcome = parse(payload);
        assert_eq!(
            outcome.as_ref().err().map_or("parsed", VerifyError::reason),
            reason,
            "{payload}"
        );
    }

    #[test]
    fn each_claim_has_a_name_and_a_bit_of_its_own() {
        let mut bits = 0;
        for name in ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id"]
            .into_iter()
            .chain(["azp", "scope", "scp", "acr", "amr", "auth_time"])
        {
            let claim = Claim::from_name(name.as_bytes()).unwrap();
            assert_eq!(claim.name(), name);
            assert_eq!(bits & claim.bit(), 0);
            bits |= claim.bit();
            for at in 0..name.len() {
                let mut other = name.as_bytes().to_vec();
                other[at] ^= 0x20; // a capital, as a rule
                assert!(Claim::from_name(&other).is_none(), "{at} of {name}");
            }
        }
        assert_eq!(bits.count_ones(), 14);
        assert!(Claim::from_name(b"cnf").is_none());
    }

    #[test]
    fn only_an_object_holds_claims() {
        check(r#" {"iss":"a","x":[{"y":[]}]} "#, "parsed");
        check("{}", "parsed");
        for payload in [
            "",
            "[]",
            "null",
            r#"{"a":1}x"#,
            r#"{"a":1,}"#,
            r#"{"a":NaN}"#,
            "{'a':1}",
            "{} {}",
        ] {
            check(payload, "malformed");
        }
        check("\u{feff}{}", "malformed");
        assert!(text(b"{\"a\":\"\xff\"}".to_vec()).is_err());
        assert!(text(b"\xff\xfe{\0}\0".to_vec()).is_err());
    }

    #[test]
    fn duplicates_at_the_top_are_refused() {
        for payload in [
            r#"{"iss":"a","iss":"b"}"#,
            r#"{"iss":"a","\u0069ss":"b"}"#,
            r#"{"x":1,"y":2,"x":3}"#,
            r#"{"x":1,"\u0078":2}"#,
            r#"{"cnf":{},"cnf":{}}"#,
        ] {
            check(payload, "malformed");
        }
        let many = |last| {
            let others = (0..2 * USUAL_CLAIMS).map(|n| format!(r#""{n}":1,"#));
            let others = others.collect::<Vec<_>>().concat();
            format!(r#"{{{others}"{last}":1}}"#)
        };
        check(&many("x"), "parsed");
        check(&many("0"), "malformed");
        check(&many(r"\u0030"), "malformed");
        check(r#"{"x":{"y":1,"y":2}}"#, "parsed");
    }

    #[test]
    fn any_number_may_stand_anywhere() {
        for number in ["1", "-1", "1.5", "4.0e9", "18446744073709551616", "-0"] {
            let payload = format!(r#"{{"iss":{number},"aud":["a",{number}],"exp":{number}}}"#);
            let claims = parse(&payload).unwrap();
            assert!(claims.registered.expires_at.is_some(), "{payload}");
            check(&format!(r#"{{"x":[{{"y":{number}}}]}}"#), "parsed");
        }
        check(r#"{"exp":1e400}"#, "malformed");
    }

    #[test]
    fn a_claim_says_the_same_whatever_escapes_others_have() {
        let texts = ["iss", "sub", "jti", "client_id", "azp", "acr"];
        let lists = ["aud", "scope", "scp", "amr"];
        let written = |name: &str, escaped: bool| {
            let first = name.chars().next().map_or(0, u32::from);
            let rest = &name[1..];
            if escaped {
                format!(r#""\u{first:04x}{rest}\ud83d\ude00""#)
            } else {
                format!("\"{name}\u{1f600}\"")
            }
        };
        for pattern in 0..1_u32 << (texts.len() + lists.len()) {
            let escaped = |at: usize| (pattern >> at) & 1 == 1;
            let text_members = texts
                .iter()
                .enumerate()
                .map(|(at, name)| format!(r#""{name}":{}"#, written(name, escaped(at))));
            let lists = lists.iter().enumerate().map(|(at, name)| {
                let [first, last] = ["a", "b"].map(|end| format!("{name}{end}"));
                let escaped = escaped(texts.len() + at);
                let list = [written(&first, escaped), written(&last, !escaped)].join(",");
                format!(r#""{name}":[{list}]"#)
            });
            let members: Vec<_> = text_members.chain(lists).collect();
            let json = format!("{{{}}}", members.join(","));
            let (mut claims, mut payload) = (Claims::default(), Payload::new(json.as_str().into()));
            claims.read(&mut payload).unwrap();
            let Some(Value::Text(issuer)) = claims.issuer else {
                panic!("{json}");
            };
            let registered = &claims.registered;
            for (name, text) in [
                ("iss", Some(issuer)),
                ("sub", registered.subject),
                ("jti", registered.jwt_id),
                ("client_id", registered.client_id),
                ("azp", registered.authorized_party),
                ("acr", registered.acr),
            ] {
                assert_eq!(
                    payload.get(text.unwrap()),
                    format!("{name}\u{1f600}"),
                    "{json}"
                );
            }
            for (name, list) in [
                ("aud", registered.audience),
                ("scope", registered.scope),
                ("scp", registered.scp),
                ("amr", registered.amr),
            ] {
                let list = list.unwrap();
                let said: Vec<_> = registered.texts(&list, &payload).collect();
                let expected = ["a", "b"].map(|end| format!("{name}{end}\u{1f600}"));
                assert_eq!(said, expected, "{json}");
            }
            assert_eq!(payload.json(), json);
        }
    }

    #[test]
    fn half_of_a_surrogate_pair_is_refused_wherever_it_stands() {
        for text in [r"\ud800", r"a\uDBFF\u0041", r"\udc00", r"\udc00\ud800"] {
            for payload in [
                format!(r#"{{"sub":"{text}"}}"#),
                format!(r#"{{"aud":["{text}"]}}"#),
                format!(r#"{{"exp":["{text}",1]}}"#),
                format!(r#"{{"x":"{text}"}}"#),
                format!(r#"{{"{text}":1}}"#),
                format!(r#"{{"x":[{{"y":["a","{text}"]}}]}}"#),
                format!(r#"{{"x":[{{"{text}":1}}]}}"#),
                format!(r#"{{"x":{}"{text}"{}}}"#, "[".repeat(200), "]".repeat(200)),
            ] {
                check(&payload, "malformed");
            }
        }
        check(r#"{"x":{"\ud83d\ude00":"\\ud800"}}"#, "parsed");
    }

    #[test]
    fn deep_nesting_neither_overflows_nor_hurts() {
        let depth = 8_000;
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let payloads = [
                format!(r#"{{"x":{nested}}}"#),
                format!(r#"{{"aud":{nested}}}"#),
                format!(r#"{{"sub":[{nested}]}}"#),
            ];
            std::thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn(move || {
                    for payload in payloads {
                        let _either = parse(&payload);
                    }
                })
                .unwrap()
                .join()
                .unwrap();
        }
    }

    #[test]
    fn a_claim_is_as_deep_as_a_handler_can_read_and_no_deeper() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| {
                let (open, close) = (open.repeat(depth), close.repeat(depth));
                format!(r#"{{"x":{open}1{close}}}"#)
            };
            let (fits, too_deep) = (nested(MAX_CLAIM_DEPTH), nested(MAX_CLAIM_DEPTH + 1));
            check(&fits, "parsed");
            check(&too_deep, "malformed");
            assert!(serde_json::from_str::<serde_json::Value>(&fits).is_ok());
            assert!(serde_json::from_str::<serde_json::Value>(&too_deep).is_err());
        }
    }

    #[test]
    fn an_issuer_is_looked_up_byte_for_byte() {
        let trusted = TrustedNames::from_iter([(Arc::from("https://id.example.com"), 7)]);
        assert_eq!(
            UnverifiedIssuer("https://id.example.com").look_up(&trusted),
            Some(&7)
        );
        for other in [
            "https://id.example.com/",
            "https://ID.example.com",
            "https://id.example.co",
            "",
        ] {
            assert_eq!(UnverifiedIssuer(other).look_up(&trusted), None);
        }
    }
}
