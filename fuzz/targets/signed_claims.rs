//! Claims that are nearly right, really signed, and a second opinion on each: a model of the rules,
//! written from the documentation, says what must come out, down to the reason.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use portcullis_fuzz::{AUDIENCE, ISSUER, LEEWAY, NOW, SIGNER, reason};
use serde_json::{Value, json};

/// A token's claims: the three that are required, one of which may be missing, and others in their
/// place or beside them, in any order and also twice.
#[derive(Arbitrary, Debug)]
struct Claims<'a> {
    missing: Option<u8>,
    others: Vec<Claim<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Claim<'a> {
    name: Name<'a>,
    /// Whether the name's first character is written as an escape.
    escaped: bool,
    /// Zero: beside an earlier one of its name, and not in its place.
    twice: u8,
    /// None: one that fits the name.
    value: Option<Member<'a>>,
    seconds: i8,
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    Known(u8),
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Member<'a> {
    Issuer,
    Audience,
    Text(&'a str),
    Texts(Vec<&'a str>),
    Audiences(Vec<&'a str>),
    Mixed(&'a str, i8),
    /// So many seconds from now, and 256ths of a second.
    Time(i8, u8),
    FarTime(i64),
    Integer(u64),
    Float(f64),
    Flag(bool),
    Nothing,
    Object,
}

const NAMES: [&str; 19] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "scope",
    "scp",
    "acr",
    "amr",
    "auth_time",
    "cnf",
    "events",
    "at_hash",
    "c_hash",
    "tenant",
];

impl Claim<'_> {
    fn name(&self) -> &str {
        match self.name {
            Name::Known(index) => NAMES[usize::from(index) % NAMES.len()],
            Name::Other(name) => name,
        }
    }

    fn value(&self) -> Value {
        let now = i64::from(NOW);
        let Some(value) = &self.value else {
            return match self.name() {
                "iss" => json!(ISSUER),
                "aud" => json!([AUDIENCE]),
                "exp" | "nbf" | "iat" | "auth_time" => json!(now + i64::from(self.seconds)),
                _ => json!("a b"),
            };
        };
        match value {
            Member::Issuer => json!(ISSUER),
            Member::Audience => json!(AUDIENCE),
            Member::Text(text) => json!(text),
            Member::Texts(texts) => json!(texts),
            Member::Audiences(others) => {
                let mut all = others.clone();
                all.insert(others.len() / 2, AUDIENCE);
                json!(all)
            }
            Member::Mixed(text, number) => json!([text, number]),
            Member::Time(seconds, 0) => json!(now + i64::from(*seconds)),
            Member::Time(seconds, parts) => {
                json!(f64::from(NOW) + f64::from(*seconds) + f64::from(*parts) / 256.0)
            }
            Member::FarTime(time) => json!(time),
            Member::Integer(time) => json!(time),
            Member::Float(time) => json!(time),
            Member::Flag(flag) => json!(flag),
            Member::Nothing => Value::Null,
            Member::Object => json!({ "a": [1, { "b": null }] }),
        }
    }
}

fuzz_target!(|claims: Claims<'_>| {
    let required = [
        ("iss", json!(ISSUER)),
        ("aud", json!(AUDIENCE)),
        ("exp", json!(NOW + 300)),
    ];
    let mut members: Vec<_> = required
        .into_iter()
        .enumerate()
        .filter(|(index, _)| claims.missing.map(usize::from) != Some(*index))
        .map(|(_, (name, value))| (name.to_owned(), false, value))
        .collect();
    for claim in &claims.others {
        if claim.twice > 0 {
            members.retain(|(name, ..)| name != claim.name());
        }
        members.push((claim.name().to_owned(), claim.escaped, claim.value()));
    }

    let payload: Vec<_> = members.iter().map(member).collect();
    let token = SIGNER
        .token()
        .raw_payload(format!("{{{}}}", payload.join(",")))
        .sign();
    let outcome = SIGNER.verifier.verify_now(&token);
    let reason = reason(&outcome);
    if token.len() > 16 * 1024 {
        assert_eq!(reason, "too_large");
        return;
    }
    let model = Model(
        members
            .into_iter()
            .map(|(name, _, value)| (name, value))
            .collect(),
    );
    assert_eq!(reason, model.verdict(), "{payload:?}");
    if let Ok(token) = outcome {
        assert_eq!(token.subject(), model.get("sub").and_then(Value::as_str));
        let audience: Vec<_> = token.audience().collect();
        assert_eq!(Some(audience), model.texts("aud"));
        let scopes: Vec<_> = token.scopes().iter().collect();
        assert_eq!(scopes, model.scopes());
    }
});

/// A member as JSON text.
fn member((name, escaped, value): &(String, bool, Value)) -> String {
    let mut characters = name.chars();
    let name = match characters.next() {
        Some(first) if *escaped && u32::from(first) < 0x1_0000 => {
            let rest = json!(characters.as_str()).to_string();
            format!("\"\\u{:04x}{}", u32::from(first), &rest[1..])
        }
        _ => json!(name).to_string(),
    };
    format!("{name}:{value}")
}

struct Model(Vec<(String, Value)>);

impl Model {
    fn get(&self, name: &str) -> Option<&Value> {
        self.0
            .iter()
            .find_map(|(other, value)| (other == name).then_some(value))
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.get(name).is_some())
    }

    fn texts(&self, name: &str) -> Option<Vec<&str>> {
        match self.get(name)? {
            Value::String(text) => Some(vec![text]),
            Value::Array(texts) => texts.iter().map(Value::as_str).collect(),
            _ => None,
        }
    }

    /// A string is split at spaces, the members of a list are not.
    fn scopes(&self) -> Vec<&str> {
        let granted = self.get("scope").or_else(|| self.get("scp"));
        match granted.and_then(Value::as_str) {
            Some(text) => text.split(' ').filter(|scope| !scope.is_empty()).collect(),
            None => self
                .texts("scope")
                .or_else(|| self.texts("scp"))
                .unwrap_or_default(),
        }
    }

    fn has_duplicates(&self) -> bool {
        let names: std::collections::HashSet<_> = self.0.iter().map(|(name, _)| name).collect();
        names.len() < self.0.len()
    }

    /// Whether a claim of these names is there and of another type than this.
    fn is_wrong(&self, names: &[&str], is_right: impl Fn(&Value) -> bool) -> bool {
        names
            .iter()
            .filter_map(|name| self.get(name))
            .any(|value| !is_right(value))
    }

    fn verdict(&self) -> &'static str {
        if self.has_duplicates() {
            return "malformed";
        }
        match self.get("iss") {
            None => return "missing_claim",
            Some(Value::String(issuer)) if issuer == ISSUER => {}
            Some(Value::String(_)) => return "untrusted_issuer",
            Some(_) => return "invalid_claim",
        }
        if self.has_any(&["events", "at_hash", "c_hash"]) {
            return "wrong_type";
        }
        let is_list = |value: &Value| {
            let texts = value.as_array();
            value.is_string() || texts.is_some_and(|texts| texts.iter().all(Value::is_string))
        };
        let is_name = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
        if self.is_wrong(&["sub", "client_id", "azp"], is_name)
            || self.is_wrong(&["jti", "acr"], Value::is_string)
            || self.is_wrong(&["aud", "scope", "scp", "amr"], is_list)
            || self.is_wrong(&["exp", "nbf", "iat", "auth_time"], Value::is_number)
        {
            return "invalid_claim";
        }
        let (now, leeway) = (f64::from(NOW), f64::from(LEEWAY));
        let time = |name| self.get(name).and_then(Value::as_f64);
        let Some(expiry) = time("exp") else {
            return "missing_claim";
        };
        match self.texts("aud") {
            None => return "missing_claim",
            Some(audience) if audience.contains(&AUDIENCE) => {}
            Some(_) => return "audience_mismatch",
        }
        if now >= expiry + leeway {
            return "expired";
        }
        if time("nbf").is_some_and(|time| now + leeway < time) {
            return "not_yet_valid";
        }
        if time("iat").is_some_and(|time| now + leeway < time) {
            return "issued_in_future";
        }
        if self.has_any(&["cnf"]) {
            "binding_required"
        } else {
            "accepted"
        }
    }
}
