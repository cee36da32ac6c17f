//! Drives the crate from outside: one JSON case a line on stdin, one verdict a line on stdout.
//!
//! Run with: `cargo run --example conformance < cases.jsonl`
//!
//! ```json
//! {"id":1,"token":"eyJ…","jwks":{"keys":[…]},"issuer":"https://id.example.com","audience":"api","now":1700000000}
//! {"id":1,"accepted":true,"reason":null,"sub":"alice"}
//! ```
//!
//! examples/README.md lists every member of a case.

use std::fmt;
use std::io::{BufRead as _, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::{
    Algorithm, Audience, BuildError, Clock, Issuer, KeySet, Now, TokenType, Verifier, verify_jws,
};
use serde::Deserialize;
use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

fn main() -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for line in std::io::stdin().lock().split(b'\n') {
        writeln!(stdout, "{}", answer(&line?))?;
    }
    Ok(())
}

fn answer(line: &[u8]) -> String {
    let line = std::str::from_utf8(line).unwrap_or_default();
    let id = id(line);
    let verdict = match serde_json::from_str::<Case<'_>>(line) {
        // Serde would read a list as a case, too.
        Ok(case) if id.is_ok() => case.judge(),
        _ => Err(BAD_CASE),
    };
    let id = id.ok().flatten().map_or("null", RawValue::get);
    let (accepted, reason) = (verdict.is_ok(), json!(verdict.as_ref().err()));
    let sub = json!(verdict.ok().flatten());
    format!(r#"{{"id":{id},"accepted":{accepted},"reason":{reason},"sub":{sub}}}"#)
}

/// The text of an object's `id`, whatever else stands there; an error if the line is no object.
fn id(line: &str) -> serde_json::Result<Option<&RawValue>> {
    let mut json = serde_json::Deserializer::from_str(line);
    let id = json.deserialize_map(FindId)?;
    json.end().map(|()| id)
}

struct FindId;

impl<'de> Visitor<'de> for FindId {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        while let Some(name) = map.next_key::<&RawValue>()? {
            if serde_json::from_str::<String>(name.get()).is_ok_and(|name| name == "id") {
                id = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(id)
    }
}

#[derive(Deserialize)]
struct Case<'a> {
    token: String,
    /// Kept as text: a parsed value would hide duplicate members from the crate.
    #[serde(borrow)]
    jwks: &'a RawValue,
    issuer: Option<String>,
    audience: Option<String>,
    now: Option<At>,
    // What is optional may be absent or `null`.
    leeway: Option<f64>,
    algorithms: Option<Vec<String>>,
    require: Option<Vec<String>>,
    typ: Option<Typ>,
    mode: Option<Mode>,
}

#[derive(Clone, Copy, Default, Deserialize)]
enum Typ {
    #[default]
    #[serde(rename = "default")]
    Usual,
    #[serde(rename = "any")]
    Any,
    #[serde(rename = "at+jwt")]
    AtJwt,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Token,
    Jws,
}

/// The subject, or the code of the reason.
type Verdict = Result<Option<String>, &'static str>;

const BAD_CASE: &str = "bad_case";

impl Case<'_> {
    fn judge(self) -> Verdict {
        let algorithms: Vec<Algorithm> = match &self.algorithms {
            None => Algorithm::ALL.to_vec(),
            Some(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
        };
        // An empty list is a `BuildError`; a case that asks for unknown algorithms only wants a refusal.
        if algorithms.is_empty() {
            return Err("algorithm_not_allowed");
        }
        let keys = KeySet::from_json(self.jwks.get().as_bytes()).or(Err("keys_unavailable"))?;
        match self.mode.unwrap_or_default() {
            Mode::Jws => verify_jws(&self.token, &keys, &algorithms)
                .map(|_| None)
                .map_err(|error| error.reason()),
            Mode::Token => self.judge_token(keys, &algorithms),
        }
    }

    fn judge_token(self, keys: KeySet, algorithms: &[Algorithm]) -> Verdict {
        let (Some(issuer), Some(audience), Some(now)) = (self.issuer, self.audience, self.now)
        else {
            return Err(BAD_CASE);
        };
        let leeway = Duration::try_from_secs_f64(self.leeway.unwrap_or_default());
        let issuer = Issuer::keys(issuer, keys, Audience::of(audience))
            .algorithms(algorithms.iter().copied())
            .leeway(leeway.or(Err(BAD_CASE))?)
            .require_claims(self.require.unwrap_or_default())
            .token_type(match self.typ.unwrap_or_default() {
                Typ::Usual => TokenType::Usual,
                Typ::Any => TokenType::DangerouslyAny,
                Typ::AtJwt => TokenType::Exactly("at+jwt".into()),
            });
        match Verifier::builder().issuer(issuer).clock(now).build() {
            Ok(verifier) => match verifier.verify_now(&self.token) {
                Ok(token) => Ok(token.subject().map(str::to_owned)),
                Err(error) => Err(error.reason()),
            },
            // No service starts without a key, but a case asks what is wrong with the token.
            Err(
                BuildError::NoUsableKey { .. }
                | BuildError::NoKeyForAlgorithms { .. }
                | BuildError::UnsupportedAlgorithms { .. },
            ) => {
                let fault = verify_jws(&self.token, &KeySet::default(), algorithms).err();
                Err(fault.map_or("unknown_key", |error| error.reason()))
            }
            Err(_) => Err(BAD_CASE),
        }
    }
}

/// A clock that stands still, at seconds since 1970.
#[derive(Debug, Deserialize)]
#[serde(try_from = "f64")]
struct At(SystemTime);

impl TryFrom<f64> for At {
    type Error = &'static str;

    fn try_from(seconds: f64) -> Result<Self, Self::Error> {
        let distance = Duration::try_from_secs_f64(seconds.abs()).or(Err("not a duration"))?;
        let time = match seconds < 0.0 {
            true => UNIX_EPOCH.checked_sub(distance),
            false => UNIX_EPOCH.checked_add(distance),
        };
        time.map(Self).ok_or("not a time of this platform")
    }
}

impl Clock for At {
    fn now(&self) -> Now {
        Now {
            wall: self.0,
            monotonic: Duration::ZERO,
        }
    }
}
