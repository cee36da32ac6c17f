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

use std::io::{BufRead as _, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use portcullis::{
    Algorithm, Audience, BuildError, Clock, Issuer, KeySet, Now, TokenType, Verifier, verify_jws,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn main() -> std::io::Result<()> {
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().split(b'\n') {
        let line = line?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        writeln!(stdout, "{}", answer(&line))?;
        stdout.flush()?;
    }
    Ok(())
}

fn answer(line: &[u8]) -> Value {
    // The id is echoed even when the rest is no case.
    let id = serde_json::from_slice::<Value>(line)
        .ok()
        .and_then(|case| case.get("id").cloned());
    let verdict = match serde_json::from_slice::<Case<'_>>(line) {
        Ok(case) => case.judge(),
        Err(_) => Err("bad_case".to_owned()),
    };
    match verdict {
        Ok(sub) => json!({ "id": id, "accepted": true, "reason": null, "sub": sub }),
        Err(reason) => json!({ "id": id, "accepted": false, "reason": reason, "sub": null }),
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
    now: Option<f64>,
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

type Verdict = Result<Option<String>, String>;

impl Case<'_> {
    fn judge(self) -> Verdict {
        let algorithms: Vec<Algorithm> = match &self.algorithms {
            None => Algorithm::ALL.to_vec(),
            Some(names) => names.iter().filter_map(|name| name.parse().ok()).collect(),
        };
        // An empty list is a `BuildError`; a case that asks for unknown algorithms only wants a refusal.
        if algorithms.is_empty() {
            return Err("algorithm_not_allowed".to_owned());
        }
        let Ok(keys) = KeySet::from_json(self.jwks.get().as_bytes()) else {
            return Err("keys_unavailable".to_owned());
        };
        match self.mode.unwrap_or_default() {
            Mode::Jws => match verify_jws(&self.token, &keys, &algorithms) {
                Ok(_) => Ok(None),
                Err(error) => Err(error.reason().to_owned()),
            },
            Mode::Token => self.judge_token(keys, algorithms),
        }
    }

    fn judge_token(self, keys: KeySet, algorithms: Vec<Algorithm>) -> Verdict {
        let (Some(issuer), Some(audience), Some(now)) = (self.issuer, self.audience, self.now)
        else {
            return Err("bad_case".to_owned());
        };
        let Ok(leeway) = Duration::try_from_secs_f64(self.leeway.unwrap_or_default()) else {
            return Err("bad_case".to_owned());
        };
        let issuer = Issuer::keys(issuer, keys, Audience::of(audience))
            .algorithms(algorithms)
            .leeway(leeway)
            .require_claims(self.require.unwrap_or_default())
            .token_type(match self.typ.unwrap_or_default() {
                Typ::Usual => TokenType::Usual,
                Typ::Any => TokenType::DangerouslyAny,
                Typ::AtJwt => TokenType::Exactly("at+jwt".into()),
            });
        match Verifier::builder().issuer(issuer).clock(At(now)).build() {
            Ok(verifier) => match verifier.verify_now(&self.token) {
                Ok(token) => Ok(token.subject().map(str::to_owned)),
                Err(error) => Err(error.reason().to_owned()),
            },
            // A set whose every key is left out has no key for this token, as far as a case goes.
            Err(BuildError::NoUsableKey { .. }) => Err("unknown_key".to_owned()),
            Err(_) => Err("bad_case".to_owned()),
        }
    }
}

/// A clock that stands still, at seconds since 1970.
#[derive(Debug)]
struct At(f64);

impl Clock for At {
    fn now(&self) -> Now {
        let distance = Duration::try_from_secs_f64(self.0.abs()).unwrap_or_default();
        let wall = if self.0 < 0.0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        Now {
            wall: wall.unwrap_or(UNIX_EPOCH),
            monotonic: Duration::ZERO,
        }
    }
}
