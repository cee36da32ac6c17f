//! Nothing of a refused token gets into errors, debug output, logs, events, metrics or responses: over
//! the tokens of every attack, and those of Wycheproof.

use std::collections::HashSet;
use std::error::Error;
use std::fs;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis::testing::{AUDIENCE, ScriptedFetch};
use portcullis::{
    Algorithm, Audience, BearerToken, Event, Explanation, FetchError, FetchErrorKind,
    FetchResponse, Issuer, KeySet, Observer, Policy, VerifiedJws, Verifier, verify_jws,
};
use serde_json::{Value, json};
use tracing::Level;

use crate::attacks::{Answer, Case, Door, Target, both_ways, cases};
use crate::support::{KEYS, Log, reason, vectors};

/// The longest piece of a token that may appear by chance.
const PIECE: usize = 12;

const MARK: &str = "s3cr3t-m4rk";

/// Tokens that carry a mark and what would garble a log in every place that a refusal might name.
fn marked(target: &Target) -> Vec<Case> {
    let evil = format!("{MARK}\r\n\u{1b}[31m\u{202e}");
    let case = |what: &str, token: String, reason| Case {
        what: format!("a mark in {what}"),
        token,
        reason,
    };
    let token = || target.token();
    vec![
        case(
            "sub",
            token().subject(&evil).with_invalid_signature(),
            "invalid_signature",
        ),
        case("kid", token().key_id(&evil).sign(), "unknown_key"),
        case("typ", token().token_type(&evil).sign(), "wrong_type"),
        case("iss", token().issuer(&evil).sign(), "untrusted_issuer"),
        case("aud", token().audience(&evil).sign(), "audience_mismatch"),
        case("exp", token().claim("exp", &evil).sign(), "invalid_claim"),
        case(
            "scope",
            token().claim("scope", [json!({ &evil: 1 })]).sign(),
            "invalid_claim",
        ),
        case(
            "cnf",
            token().claim("cnf", &evil).sign(),
            "binding_required",
        ),
        case(
            "alg",
            token().header("alg", &evil).sign(),
            "unsupported_algorithm",
        ),
        case(
            "crit",
            token().header("crit", [&evil]).sign(),
            "unsupported_critical",
        ),
        case(
            "no claims",
            token().raw_payload(format!("{{{evil}")).sign(),
            "malformed",
        ),
        case(
            "no header",
            token().raw_header(format!("{{{evil}")).sign(),
            "malformed",
        ),
        case(
            "a name of a claim",
            token().claim(&evil, 1).claim("sub", 1).sign(),
            "invalid_claim",
        ),
        case("the parts", format!("{MARK}.{MARK}.{MARK}"), "malformed"),
        case("a long text", MARK.repeat(10_000), "too_large"),
        case("no token", evil, "malformed"),
    ]
}

/// All texts that an error has, with those of its causes.
fn said(error: &dyn Error) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        texts.extend([
            error.to_string(),
            format!("{error:?}"),
            format!("{error:#?}"),
        ]);
        next = error.source();
    }
    texts
}

/// All that a client gets, and what layers outside find beside it.
fn shown(answer: &Answer) -> Vec<String> {
    let mut texts = vec![answer.status.to_string()];
    for headers in [Some(&answer.headers), answer.trailers.as_ref()]
        .into_iter()
        .flatten()
    {
        for (name, value) in headers {
            texts.extend([name.to_string(), value.to_str().unwrap().to_owned()]);
        }
        if let Some(status) = tonic::Status::from_header_map(headers) {
            texts.extend(said(&status));
        }
    }
    texts.push(String::from_utf8(answer.body.to_vec()).unwrap());
    if let Some(rejection) = &answer.rejection {
        texts.extend(said(rejection));
        texts.extend(
            rejection
                .error()
                .map(|error| said(error))
                .unwrap_or_default(),
        );
        #[cfg(feature = "tonic")]
        texts.extend(said(&tonic::Status::from(rejection)));
    }
    texts
}

/// All texts that an explanation has.
fn explained(explanation: &Explanation) -> Vec<String> {
    fn values(json: &Value, texts: &mut Vec<String>) {
        match json {
            Value::String(text) => texts.push(text.clone()),
            Value::Array(elements) => elements.iter().for_each(|json| values(json, texts)),
            Value::Object(members) => members.values().for_each(|json| values(json, texts)),
            _ => {}
        }
    }
    let mut texts = Vec::new();
    values(&serde_json::to_value(explanation).unwrap(), &mut texts);
    // In `Debug` a text is escaped once more.
    let debugged = format!("{explanation:?}").replace(r"\\", r"\");
    vec![explanation.to_string(), texts.join("\n"), debugged]
}

/// What an explanation may show of a token, as it shows it: `alg` and `kid`; and `typ` and registered claims
/// but `sub`, when the signature is right.
fn explainable(token: &str, is_signed: bool) -> Vec<String> {
    let json = |number| -> Value {
        let part = token.split('.').nth(number).unwrap_or_default();
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice(&decoded).unwrap_or_default()
    };
    let escaped = |text: &str, is_plain: fn(char) -> bool| -> String {
        let escape = |character| match is_plain(character) {
            true => String::from(character),
            false if matches!(character, '"' | '\\') => format!("\\{character}"),
            false => character.escape_unicode().to_string(),
        };
        text.chars().take(64).map(escape).collect()
    };
    let (header, claims) = (json(0), json(1));
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "-_.~+/=:".contains(character);
    let unvouched = [&header["alg"], &header["kid"]].into_iter();
    let mut shown: Vec<_> = unvouched
        .filter_map(|text| Some(escaped(text.as_str()?, is_plain)))
        .collect();
    if is_signed {
        let mut texts = vec![&header["typ"], &header["kid"]];
        for name in [
            "aud",
            "jti",
            "client_id",
            "azp",
            "scope",
            "scp",
            "acr",
            "amr",
        ] {
            texts.push(&claims[name]);
            texts.extend(claims[name].as_array().into_iter().flatten());
        }
        let texts = texts.into_iter().filter_map(Value::as_str);
        let is_plain = |character| matches!(character, ' '..='~') && !"\"\\".contains(character);
        for text in texts.flat_map(|text| [text].into_iter().chain(text.split(' '))) {
            shown.push(escaped(text, is_plain));
        }
    }
    shown.retain(|text| !text.is_empty());
    shown
}

/// Each event of the keys, as its `Debug` shows it.
#[derive(Clone, Debug, Default)]
struct Events(Arc<Mutex<Vec<String>>>);

impl Observer for Events {
    fn observe(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(format!("{event:?} {event:#?}"));
    }
}

/// What must not be found: pieces of a token's parts, as sent and decoded, and the texts in them.
struct Secrets {
    pieces: HashSet<Vec<u8>>,
    texts: HashSet<String>,
}

impl Secrets {
    fn of(token: &str) -> Self {
        let mut secrets = Self {
            pieces: HashSet::new(),
            texts: HashSet::from([MARK.to_owned()]),
        };
        for part in token.split('.') {
            secrets.add_pieces(part.as_bytes());
            // What has no end is refused before it is decoded; its first pieces do.
            let start = part.get(..32 << 10).unwrap_or(part);
            if let Ok(decoded) = BASE64_URL_SAFE_NO_PAD.decode(start) {
                secrets.add_pieces(&decoded);
                if let Ok(json) = serde_json::from_slice(&decoded) {
                    secrets.add_texts(&json);
                }
            }
        }
        secrets
    }

    fn add_pieces(&mut self, bytes: &[u8]) {
        self.pieces.extend(bytes.windows(PIECE).map(<[u8]>::to_vec));
    }

    /// Values of eight bytes and more, which no word of ours is by chance.
    fn add_texts(&mut self, json: &Value) {
        match json {
            Value::String(text) if text.len() >= 8 => {
                self.texts.insert(text.clone());
            }
            Value::Array(values) => values.iter().for_each(|value| self.add_texts(value)),
            Value::Object(members) => members.values().for_each(|value| self.add_texts(value)),
            _ => {}
        }
    }

    #[track_caller]
    fn are_not_in(&self, what: &str, text: &str) {
        for piece in text.as_bytes().windows(PIECE) {
            assert!(
                !self.pieces.contains(piece),
                "{what}: {:?}, a piece of the token, is in {text:?}",
                String::from_utf8_lossy(piece)
            );
        }
        for secret in &self.texts {
            assert!(!text.contains(secret), "{what}: {secret:?} is in {text:?}");
        }
        // Line ends are those of `{:#?}` and of log entries.
        let is_clean = |character| matches!(character, ' '..='~' | '\n');
        assert!(
            text.chars().all(is_clean),
            "{what}: a control character is in {text:?}"
        );
    }
}

/// An explanation shows more than a log does, to people who asked. Of a token that nobody vouches for that is what
/// its header says of algorithm and key.
#[tokio::test]
async fn nothing_but_registered_and_signed_claims_is_explained() {
    let target = Target::shared();
    let network = ScriptedFetch::new();
    network.answer(KEYS, Ok(FetchResponse::document(target.issuer.jwks())));
    let build = || {
        let issuer = Issuer::jwks_uri(target.issuer.issuer(), KEYS, Audience::of(AUDIENCE));
        let builder = Verifier::builder().issuer(issuer).fetch(network.clone());
        builder.clock(target.clock.clone()).build().unwrap()
    };
    let (well, ill) = (build(), build());
    well.warm_up().await.unwrap();
    network.answer(KEYS, Err(FetchError::new(FetchErrorKind::Connection)));
    let keys = KeySet::from_json(target.issuer.jwks().as_bytes()).unwrap();
    let policy = Policy::scope("a").and(Policy::claim("tenant").equals("b"));
    let (mut longest, mut signed) = (0, 0);
    for case in [cases(target), marked(target)].concat() {
        let (secrets, what) = (Secrets::of(&case.token), &case.what);
        let offline = target.verifier.explain_now(&case.token);
        let verdict = offline.verdict().map_err(Clone::clone);
        assert_eq!(reason(&verdict), case.reason, "{what}");
        let is_signed = verify_jws(&case.token, &keys, Algorithm::ALL).is_ok();
        for explanation in [
            offline,
            well.explain(&case.token).await,
            ill.explain_now(&case.token),
        ] {
            let json = serde_json::to_value(&explanation).unwrap();
            let shows_claims = !json["claims"].is_null();
            assert!(is_signed || !shows_claims, "{what}: {explanation}");
            signed += usize::from(shows_claims);
            let mut shown = explainable(&case.token, shows_claims);
            let published = json["keys"]["published"].as_array().into_iter().flatten();
            shown.extend(published.filter_map(|key| Some(key["kid"].as_str()?.to_owned())));
            shown.extend([target.issuer.issuer(), AUDIENCE].map(str::to_owned));
            // The longest first: one may be a part of another.
            shown.sort_by_key(|text| std::cmp::Reverse(text.len()));
            for text in explained(&explanation.with_policy(&policy)) {
                longest = longest.max(text.len());
                let rest = shown
                    .iter()
                    .fold(text, |text, shown| text.replace(shown, ""));
                secrets.are_not_in(what, &rest);
            }
        }
    }
    println!("{signed} explanations with claims, the longest of {longest} bytes");
    assert!(signed > 100 && longest < 64 << 10);
}

#[tokio::test]
async fn h9_nothing_of_a_refused_token_is_shown_anywhere() {
    let target = Target::shared();
    let (log, _guard) = Log::start(Level::TRACE);
    #[cfg(feature = "metrics")]
    let recorder = metrics_util::debugging::DebuggingRecorder::new();
    #[cfg(feature = "metrics")]
    let _recording = metrics::set_default_local_recorder(&recorder);

    let (network, events) = (ScriptedFetch::new(), Events::default());
    network.answer(KEYS, Ok(FetchResponse::document(target.issuer.jwks())));
    let issuer = target.issuer.issuer();
    let build = || {
        let issuer = Issuer::jwks_uri(issuer, KEYS, Audience::of(AUDIENCE));
        let builder = Verifier::builder().issuer(issuer).observer(events.clone());
        let builder = builder.clock(target.clock.clone());
        builder.fetch(network.clone()).build().unwrap()
    };
    let (well, ill) = (build(), build());
    well.warm_up().await.unwrap();

    let corpus = [cases(target), marked(target)].concat();
    println!("{} tokens", corpus.len());
    assert!(corpus.len() > 500);
    let (mut texts_seen, mut sent) = (0, 0);
    for case in &corpus {
        let mut texts = Vec::new();
        let mut heard = HashSet::new();
        // With keys, after whatever fetch an unknown one causes; and without any.
        network.answer(KEYS, Ok(FetchResponse::document(target.issuer.jwks())));
        for outcome in [well.verify(&case.token).await, well.verify_now(&case.token)] {
            heard.insert(reason(&outcome));
            texts.extend(said(&outcome.unwrap_err()));
        }
        assert_eq!(heard, HashSet::from([case.reason]), "{}", case.what);
        network.answer(KEYS, Err(FetchError::new(FetchErrorKind::Connection)));
        for outcome in [ill.verify(&case.token).await, ill.verify_now(&case.token)] {
            texts.extend(said(&outcome.unwrap_err()));
        }
        if let Some(bearer) = case.bearer() {
            for verifier in [&well, &ill] {
                let (strict, optional) = (Door::new(verifier.clone()), Door::new(verifier.clone()));
                for door in [strict, optional.optional()] {
                    for request in both_ways(&bearer) {
                        texts.extend(shown(&door.knock(request).await));
                    }
                }
            }
            let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer)]);
            texts.push(format!("{:?}", BearerToken::from_headers(&headers)));
            sent += 1;
        }
        for verifier in [&well, &ill] {
            texts.push(format!(
                "{verifier:?} {:?} {:#?}",
                verifier.status(),
                verifier.status()
            ));
        }
        let entries = log.take();
        for entry in &entries {
            let line = entry.strip_suffix('\n').unwrap();
            assert!(
                !line.contains('\n'),
                "{}: one line an entry: {line:?}",
                case.what
            );
        }
        texts.extend(entries);
        texts.extend(std::mem::take(&mut *events.0.lock().unwrap()));
        texts_seen += texts.len();
        let secrets = Secrets::of(&case.token);
        for text in &texts {
            // The issuer is configured and may be named, which every token does too; so are media types.
            let rest = text.replace(issuer, "").replace("application/", "");
            secrets.are_not_in(&case.what, &rest);
        }
    }
    println!("{sent} of them in requests, {texts_seen} texts");
    assert!(sent > 450 && texts_seen > 50 * corpus.len());

    #[cfg(feature = "metrics")]
    {
        let recorded = recorder.snapshotter().snapshot().into_vec();
        assert!(!recorded.is_empty());
        let reasons: HashSet<_> = corpus.iter().map(|case| case.reason).collect();
        for (key, ..) in recorded {
            for label in key.key().labels() {
                let known = match label.key() {
                    "reason" => {
                        let ours = [
                            "ok",
                            "keys_unavailable",
                            "key_not_cached",
                            "cross_site_request",
                        ];
                        let no_token = [
                            "malformed_credentials",
                            "several_credentials",
                            "no_credentials",
                        ];
                        reasons.contains(label.value())
                            || [&ours[..], &no_token].concat().contains(&label.value())
                    }
                    "status" => ["400", "401", "503"].contains(&label.value()),
                    "path" => ["verified", "waited"].contains(&label.value()),
                    "outcome" => ["accepted", "refused", "unavailable", "success", "failure"]
                        .contains(&label.value()),
                    "state" => ["published", "in_grace"].contains(&label.value()),
                    _ => [issuer, "unknown"].contains(&label.value()),
                };
                assert!(known, "{label:?}");
            }
        }
    }
}

/// Tokens that others made, each with the key it is meant for.
#[test]
fn nothing_of_wycheproofs_tokens_is_shown() {
    let Some(vectors) = vectors() else { return };
    let (log, _guard) = Log::start(Level::TRACE);
    let target = Target::shared();
    let read = |name: &str| -> Value {
        let file = fs::read(vectors.join("wycheproof").join(name)).unwrap();
        serde_json::from_slice(&file).unwrap()
    };
    let (mut tokens, mut accepted) = (0, 0);
    for (file, member) in [
        ("json_web_signature_test.json", "jws"),
        ("json_web_encryption_test.json", "jwe"),
    ] {
        let document = read(file);
        for group in document["testGroups"].as_array().unwrap() {
            let keys = json!({ "keys": [group["public"]] }).to_string();
            let keys = KeySet::from_json(keys.as_bytes()).unwrap();
            for test in group["tests"].as_array().unwrap() {
                let Some(token) = test[member].as_str() else {
                    continue;
                };
                tokens += 1;
                let mut texts = said(&target.verifier.verify_now(token).unwrap_err());
                match verify_jws(token, &keys, Algorithm::ALL) {
                    Ok(jws) => {
                        accepted += 1;
                        texts.push(format!("{:?}", jws.payload().len()));
                    }
                    Err(error) => texts.extend(said(&error)),
                }
                texts.extend(log.take());
                let secrets = Secrets::of(token);
                for text in texts {
                    secrets.are_not_in(&test["tcId"].to_string(), &text);
                }
            }
        }
    }
    println!("{tokens} tokens, {accepted} of them rightly signed");
    assert!(tokens > 500, "{tokens}");
}

/// A token that was accepted is shown to nobody either, but by those who ask for a claim.
#[test]
fn a_verified_token_keeps_its_claims_to_itself() {
    let target = Target::shared();
    let token = target.token().subject(MARK).scope(MARK).claim("acr", MARK);
    let token = token.claim("act", json!({ "sub": MARK }));
    // What a header says of itself is shown, once it is verified, and always escaped.
    let evil = "a\r\nb\u{1b}[31m\u{202e}";
    let dressed = token.clone().key_id(evil).token_type(evil).sign();
    let keys = target.issuer.jwks().replace(r#""kid":""#, r#""was":""#);
    let keys = KeySet::from_json(keys.as_bytes()).unwrap();
    let mut named: Value = serde_json::from_str(&target.issuer.jwks()).unwrap();
    for key in named["keys"].as_array_mut().unwrap() {
        key["kid"] = evil.into();
    }
    let named = KeySet::from_json(named.to_string().as_bytes()).unwrap();
    for (token, keys) in [
        (dressed, &named),
        (token.clone().without_key_id().sign(), &keys),
    ] {
        let jws = verify_jws(&token, keys, Algorithm::ALL).unwrap();
        let shown = format!("{} {:?}", debugged(&jws), jws.header());
        assert!(!shown.contains(MARK), "{shown}");
        assert!(!shown.contains(['\r', '\u{1b}', '\u{202e}']), "{shown:?}");
        assert!(!format!("{:?}", jws.header()).contains('\n'), "{shown:?}");
    }
    let token = token.sign();
    let verified = target.verifier.verify_now(&token).unwrap();
    let shown = format!(
        "{verified:?} {verified:#?} {:?} {:?}",
        verified.scopes(),
        verified.authentication()
    );
    assert!(!shown.contains(MARK), "{shown}");
    let error = verified.claim::<u64>("acr").unwrap_err();
    for text in said(&error) {
        assert!(!text.contains(MARK), "{text}");
    }
}

/// A verified JWS as a developer prints it.
fn debugged(jws: &VerifiedJws) -> String {
    format!("{jws:?} {jws:#?}")
}

/// What the other tests trust: that a leak is found.
#[test]
fn a_leak_is_found() {
    let token = Target::shared().token().subject("nobody-else").sign();
    let secrets = Secrets::of(&token);
    let part = |number| token.split('.').nth(number).unwrap();
    for leak in [
        format!("token {}", &part(0)[..PIECE]),
        format!("signature {}", &part(2)[10..10 + PIECE]),
        "subject nobody-else".to_owned(),
        format!(
            "claims {}",
            &String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part(1)).unwrap()).unwrap()[3..20]
        ),
        "a \u{1b}[31m".to_owned(),
        "a\r".to_owned(),
        "a \u{202e}".to_owned(),
        MARK.to_owned(),
    ] {
        let found = std::panic::catch_unwind(|| secrets.are_not_in("leak", &leak));
        assert!(found.is_err(), "{leak:?}");
    }
    secrets.are_not_in("nothing", "token is malformed: the signature is empty\n");
}
