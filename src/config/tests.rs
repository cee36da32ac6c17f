//! Rows through one check each: what a text of JSON is read as, and what is wrong with it and where.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use std::time::Duration;

use super::*;
use crate::algorithm::Algorithm;
use crate::claims::{Audience, TokenType};
use crate::issuer::Issuer;
use crate::remote::KeyRefresh;

const SECOND: Duration = Duration::from_secs(1);
const ISSUER: &str = "https://id.example.com";

fn read(json: &str) -> Result<VerifierConfig, serde_path_to_error::Error<serde_json::Error>> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(json))
}

/// An issuer with these fields beside the two that must be there.
fn issuer(fields: &str) -> String {
    let comma = if fields.is_empty() { "" } else { "," };
    format!(r#"{{"issuers":[{{"issuer":"{ISSUER}","audience":"api"{comma}{fields}}}]}}"#)
}

fn discovered() -> Issuer {
    Issuer::discover(ISSUER, Audience::of("api"))
}

/// All that is set of an issuer, in one text.
fn settings(issuer: &Issuer) -> String {
    let Issuer {
        name,
        source,
        audience,
        algorithms,
        leeway,
        token_type,
        required_claims,
        max_token_age,
        allow_http,
        failover,
        key_refresh,
        config_path: _,
    } = issuer;
    let address = match source {
        crate::issuer::Source::Discovery => "none",
        crate::issuer::Source::JwksUri(uri) => uri,
        crate::issuer::Source::File(path) => path.to_str().unwrap(),
        crate::issuer::Source::Keys(_) => "keys",
    };
    format!(
        "{name} {source:?} {address} {audience:?} {algorithms:?} {leeway:?} {token_type:?} \
         {required_claims:?} {max_token_age:?} {allow_http} {failover:?} {key_refresh:?}"
    )
}

#[track_caller]
fn check(json: &str, expected: &Issuer) {
    let config = read(json).unwrap();
    let [read] = &*config.issuers.0 else {
        panic!("one issuer: {json}");
    };
    let read = read.clone().into_issuer().unwrap();
    assert_eq!(settings(&read), settings(expected), "{json}");
}

#[test]
fn every_field_is_what_its_setter_sets() {
    let every = r#"
        "algorithms": ["ES256", "RS256"],
        "leeway": "1s",
        "token_type": "access_token",
        "require_claims": ["sub", "jti"],
        "max_token_age": "2s",
        "failover_jwks_uri": "https://mirror.example.com/keys",
        "dangerously_allow_http": true,
        "key_refresh": {
            "default_lifetime": "3s",
            "min_lifetime": "4s",
            "max_lifetime": "5s",
            "refresh_at": {"share": 0.6, "jitter": 0.15},
            "stale_while_revalidate": "6s",
            "stale_if_error": "7s",
            "unpublished_grace": "8s",
            "unknown_key_interval": {"least": "9s", "most": "10s"},
            "bad_signature_interval": "11s",
            "back_off": {"first": "12s", "most": "13s"},
            "metadata_lifetime": "14s",
            "fetch_deadline": "15s",
            "max_wait": "16s",
            "max_waiters": 17
        }"#;
    let key_refresh = KeyRefresh::new()
        .default_lifetime(3 * SECOND)
        .min_lifetime(4 * SECOND)
        .max_lifetime(5 * SECOND)
        .refresh_at(0.6, 0.15)
        .stale_while_revalidate(6 * SECOND)
        .stale_if_error(7 * SECOND)
        .unpublished_grace(8 * SECOND)
        .unknown_key_interval(9 * SECOND, 10 * SECOND)
        .bad_signature_interval(11 * SECOND)
        .back_off(12 * SECOND, 13 * SECOND)
        .metadata_lifetime(14 * SECOND)
        .fetch_deadline(15 * SECOND)
        .max_wait(16 * SECOND)
        .max_waiters(17);
    let expected = discovered()
        .algorithms([Algorithm::Es256, Algorithm::Rs256])
        .leeway(SECOND)
        .token_type(TokenType::AccessToken)
        .require_claims(["sub", "jti"])
        .max_token_age(2 * SECOND)
        .failover_jwks_uri("https://mirror.example.com/keys")
        .dangerously_allow_http()
        .key_refresh(key_refresh);
    check(&issuer(every), &expected);
    // A field that the test above forgets would be found to be missing here.
    for fields in [set_of(issuer::FIELDS), set_of(key_refresh::FIELDS)] {
        let written = |field: &String| every.contains(&format!("\"{field}\":"));
        let elsewhere = [
            "issuer",
            "audience",
            "dangerously_any_audience",
            "jwks_uri",
            "jwks_file",
            "keys_file",
        ];
        let missing: Vec<_> = fields
            .iter()
            .filter(|field| !written(field) && !elsewhere.contains(&&***field))
            .collect();
        assert_eq!(missing, [""; 0]);
    }
}

#[test]
fn what_is_not_written_is_not_set() {
    check(&issuer(""), &discovered());
    check(&issuer(r#""key_refresh":{}"#), &discovered());
    check(&issuer(r#""dangerously_allow_http":false"#), &discovered());
    check(
        &issuer(r#""dangerously_any_audience":false"#),
        &discovered(),
    );
    assert_eq!(read(&issuer("")).unwrap().cache, None);
    assert_eq!(read("{}").unwrap().issuers.0.len(), 0);
}

#[test]
fn a_source_of_keys_is_its_constructor() {
    let audience = || Audience::of("api");
    check(
        &issuer(r#""jwks_uri":"https://id.example.com/keys""#),
        &Issuer::jwks_uri(ISSUER, "https://id.example.com/keys", audience()),
    );
    check(
        &issuer(r#""jwks_file":"/etc/keys.json""#),
        &Issuer::jwks_file(ISSUER, "/etc/keys.json", audience()),
    );
    let any = format!(r#"{{"issuers":[{{"issuer":"{ISSUER}","dangerously_any_audience":true}}]}}"#);
    check(&any, &Issuer::discover(ISSUER, Audience::dangerously_any()));
}

#[test]
fn token_types_and_caches_are_all_there() {
    for (written, expected) in [
        (r#""usual""#, TokenType::Usual),
        (r#""access_token""#, TokenType::AccessToken),
        (r#""dangerously_any""#, TokenType::DangerouslyAny),
        (r#"{"exactly":"a+jwt"}"#, TokenType::Exactly("a+jwt".into())),
    ] {
        match expected {
            // One that is added needs a row.
            TokenType::Usual
            | TokenType::AccessToken
            | TokenType::DangerouslyAny
            | TokenType::Exactly(_) => {}
        }
        check(
            &issuer(&format!(r#""token_type":{written}"#)),
            &discovered().token_type(expected),
        );
    }
    for (written, expected) in [
        (r#""off""#, TokenCache::off()),
        (r#"{"bytes":0}"#, TokenCache::bytes(0)),
        (
            r#"{"bytes":18446744073709551615}"#,
            TokenCache::bytes(u64::MAX),
        ),
        (r#"{"bytes":"1024"}"#, TokenCache::bytes(1024)),
    ] {
        let config = read(&format!(r#"{{"cache":{written}}}"#)).unwrap();
        assert_eq!(config.cache, Some(expected), "{written}");
    }
}

/// As environment variables have it: texts, and tables in place of lists.
#[test]
fn texts_are_read_as_what_they_say() {
    check(
        &issuer(
            r#""algorithms":"ES256","dangerously_allow_http":"true","require_claims":{"1":"b","0":"a"},
            "key_refresh":{"max_waiters":"5","refresh_at":{"share":"0.5","jitter":"0"}}"#,
        ),
        &discovered()
            .algorithms([Algorithm::Es256])
            .dangerously_allow_http()
            .require_claims(["a", "b"])
            .key_refresh(KeyRefresh::new().max_waiters(5).refresh_at(0.5, 0.0)),
    );
    let several = r#"{"issuers":{"main":{"issuer":"a","audience":{"0":"x","1":"y"}}}}"#;
    check(
        several,
        &Issuer::discover("a", Audience::any_of(["x", "y"])),
    );
    // A comma may be part of an audience: nothing is split.
    let comma = r#"{"issuers":[{"issuer":"a","audience":"x,y"}]}"#;
    check(comma, &Issuer::discover("a", Audience::of("x,y")));
}

#[test]
fn issuers_by_name_are_in_the_order_of_their_names() {
    let json =
        r#"{"issuers":{"b":{"issuer":"1","audience":"x"},"a":{"issuer":"2","audience":"x"}}}"#;
    let config = read(json).unwrap();
    let issuers = config.issuers.0.into_iter();
    let names: Vec<_> = issuers
        .map(|issuer| issuer.into_issuer().unwrap())
        .collect();
    assert_eq!((&*names[0].name, &*names[1].name), ("2", "1"));
}

#[track_caller]
fn check_error(json: &str, path: &str, expected: &str) {
    let error = read(json).expect_err(json);
    let text = error.inner().to_string();
    let place = if path.is_empty() { "" } else { ": " };
    assert!(
        text.starts_with(&format!("{path}{place}{expected}")),
        "{text}"
    );
    assert!(text.is_ascii() && text.len() < 500, "{text}");
    // Where serde was, or in the table of a field that is missing or must not be there.
    let read = error.path().to_string();
    assert!(read == "." || path.starts_with(&read), "{read}: {text}");
}

#[test]
fn an_unknown_field_is_told_at_each_level() {
    for (json, path, expected) in [
        (
            r#"{"issuer":[]}"#.to_owned(),
            "issuer",
            r#"unknown field, expected one of issuers, cache"#,
        ),
        (
            r#"{"cache":{"byte":1}}"#.to_owned(),
            "cache.byte",
            r#"unknown field, expected one of bytes"#,
        ),
        (
            issuer(r#""levy":"30s""#),
            "issuers[0].levy",
            r#"unknown field, expected one of issuer, jwks_uri, "#,
        ),
        (
            issuer(r#""token_type":{"exact":"a"}"#),
            "issuers[0].token_type.exact",
            r#"unknown field, expected one of exactly"#,
        ),
        (
            issuer(r#""key_refresh":{"max_life":"1h"}"#),
            "issuers[0].key_refresh.max_life",
            r#"unknown field, expected one of default_lifetime, "#,
        ),
        (
            issuer(r#""key_refresh":{"back_off":{"last":"1h"}}"#),
            "issuers[0].key_refresh.back_off.last",
            r#"unknown field, expected one of first, most"#,
        ),
        (
            issuer(r#""key_refresh":{"refresh_at":{"at":1}}"#),
            "issuers[0].key_refresh.refresh_at.at",
            r#"unknown field, expected one of share, jitter"#,
        ),
        (
            issuer(r#""key_refresh":{"unknown_key_interval":{"first":1}}"#),
            "issuers[0].key_refresh.unknown_key_interval.first",
            r#"unknown field, expected one of least, most"#,
        ),
        (
            r#"{"issuers":{"main":{"leewy":1}}}"#.to_owned(),
            "issuers.main.leewy",
            r#"unknown field, expected one of issuer, "#,
        ),
    ] {
        check_error(&json, path, expected);
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_told_with_what_is_expected() {
    let duration = r#"expected a duration with its unit, such as "30s", "10m" or "24h""#;
    let algorithms = "expected one of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, \
                      EdDSA, Ed25519, ML-DSA-44, ML-DSA-65, ML-DSA-87";
    for (field, path, found, expected) in [
        (r#""leeway":30"#, "leeway", "the number 30", duration),
        (r#""leeway":30.5"#, "leeway", "the number 30.5", duration),
        (r#""leeway":-1"#, "leeway", "the number -1", duration),
        (r#""leeway":"30""#, "leeway", "\"30\"", duration),
        (r#""leeway":"soon""#, "leeway", "\"soon\"", duration),
        (r#""leeway":null"#, "leeway", "nothing", duration),
        (r#""leeway":true"#, "leeway", "true", duration),
        (r#""leeway":["30s"]"#, "leeway", "a list", duration),
        (r#""leeway":{"secs":30}"#, "leeway", "a table", duration),
        (
            r#""max_token_age":1e300"#,
            "max_token_age",
            "the number 1e300",
            duration,
        ),
        (
            r#""algorithms":"HS256""#,
            "algorithms",
            "\"HS256\"",
            algorithms,
        ),
        (
            r#""algorithms":["ES256","none"]"#,
            "algorithms[1]",
            "\"none\"",
            algorithms,
        ),
        (
            r#""algorithms":["rs256"]"#,
            "algorithms[0]",
            "\"rs256\"",
            algorithms,
        ),
        (
            r#""algorithms":["ES256",null]"#,
            "algorithms[1]",
            "nothing",
            algorithms,
        ),
        (
            r#""algorithms":"ES256,RS256""#,
            "algorithms",
            "\"ES256,RS256\"",
            algorithms,
        ),
        (
            r#""token_type":"at+jwt""#,
            "token_type",
            "\"at+jwt\"",
            r#"expected "usual", "access_token", "dangerously_any" or a table with the field exactly"#,
        ),
        (
            r#""token_type":{"exactly":1}"#,
            "token_type.exactly",
            "the number 1",
            "expected a text",
        ),
        (
            r#""require_claims":7"#,
            "require_claims",
            "the number 7",
            "expected a text, or a list of such",
        ),
        (
            r#""require_claims":[7]"#,
            "require_claims[0]",
            "the number 7",
            "expected a text",
        ),
        (
            r#""jwks_uri":["a"]"#,
            "jwks_uri",
            "a list",
            "expected a text",
        ),
        (
            r#""dangerously_allow_http":1"#,
            "dangerously_allow_http",
            "the number 1",
            "expected true or false",
        ),
        (
            r#""dangerously_allow_http":"yes""#,
            "dangerously_allow_http",
            "\"yes\"",
            "expected true or false",
        ),
        (
            r#""key_refresh":"1h""#,
            "key_refresh",
            "\"1h\"",
            "expected a table of settings of KeyRefresh",
        ),
        (
            r#""key_refresh":[]"#,
            "key_refresh",
            "a list",
            "expected a table of settings of KeyRefresh",
        ),
        (
            r#""key_refresh":{"max_wait":2}"#,
            "key_refresh.max_wait",
            "the number 2",
            duration,
        ),
        (
            r#""key_refresh":{"max_waiters":-1}"#,
            "key_refresh.max_waiters",
            "the number -1",
            "expected a whole number from 0",
        ),
        (
            r#""key_refresh":{"max_waiters":1.5}"#,
            "key_refresh.max_waiters",
            "the number 1.5",
            "expected a whole number from 0",
        ),
        (
            r#""key_refresh":{"max_waiters":"many"}"#,
            "key_refresh.max_waiters",
            "\"many\"",
            "expected a whole number from 0",
        ),
        (
            r#""key_refresh":{"refresh_at":1}"#,
            "key_refresh.refresh_at",
            "the number 1",
            "expected a table with the fields share and jitter",
        ),
        (
            r#""key_refresh":{"refresh_at":{"share":"most","jitter":0}}"#,
            "key_refresh.refresh_at.share",
            "\"most\"",
            "expected a number such as 0.8",
        ),
        (
            r#""key_refresh":{"back_off":"1s"}"#,
            "key_refresh.back_off",
            "\"1s\"",
            "expected a table with the fields first and most",
        ),
        (
            r#""key_refresh":{"back_off":{"first":1,"most":"1s"}}"#,
            "key_refresh.back_off.first",
            "the number 1",
            duration,
        ),
        (
            r#""key_refresh":{"unknown_key_interval":"9s"}"#,
            "key_refresh.unknown_key_interval",
            "\"9s\"",
            "expected a table with the fields least and most",
        ),
    ] {
        check_error(
            &issuer(field),
            &format!("issuers[0].{path}"),
            &format!("found {found}, {expected}"),
        );
    }
    for (json, path, expected) in [
        (
            "[]",
            "",
            "found a list, expected a table of settings of a verifier",
        ),
        (
            "7",
            "",
            "found the number 7, expected a table of settings of a verifier",
        ),
        (
            r#"{"issuers":"a"}"#,
            "issuers",
            r#"found "a", expected a list of issuers, or a table of issuers by"#,
        ),
        (
            r#"{"issuers":["a"]}"#,
            "issuers[0]",
            r#"found "a", expected a table of settings of an issuer"#,
        ),
        (
            r#"{"cache":8}"#,
            "cache",
            r#"found the number 8, expected "off" or a table with the field bytes"#,
        ),
        (
            r#"{"cache":{"bytes":-1}}"#,
            "cache.bytes",
            "found the number -1, expected a whole number from 0 to 18446744073709551615",
        ),
        (
            r#"{"cache":{"bytes":"8 MiB"}}"#,
            "cache.bytes",
            r#"found "8 MiB", expected a whole number"#,
        ),
        (
            r#"{"cache":{"bytes":18446744073709551616}}"#,
            "cache.bytes",
            "found the number 1",
        ),
    ] {
        check_error(json, path, expected);
    }
}

#[test]
fn what_must_be_there_and_what_excludes_each_other_is_told_at_the_table() {
    for (json, path, expected) in [
        (
            r#"{"issuers":[{"audience":"a"}]}"#.to_owned(),
            "issuers[0].issuer",
            "the field is missing, expected a text",
        ),
        (
            r#"{"issuers":[{"issuer":"a"}]}"#.to_owned(),
            "issuers[0].audience",
            "the field is missing, expected a text, or a list of such",
        ),
        (
            r#"{"issuers":[{"issuer":"a","dangerously_any_audience":false}]}"#.to_owned(),
            "issuers[0].audience",
            "the field is missing, expected a text, or a list of such",
        ),
        (
            issuer(r#""dangerously_any_audience":true"#),
            "issuers[0]",
            "audience and dangerously_any_audience are both written",
        ),
        (
            issuer(r#""jwks_uri":"a","keys_file":"b""#),
            "issuers[0]",
            "more than one of jwks_uri, jwks_file and keys_file",
        ),
        (
            issuer(r#""leeway":"1s","leeway":"2s""#),
            "issuers[0].leeway",
            "the field is written twice",
        ),
        (
            r#"{"issuers":{"a":{"issuer":"a","audience":"a"},"a":{"issuer":"b","audience":"a"}}}"#
                .to_owned(),
            "issuers.a",
            "the field is written twice",
        ),
        (
            issuer(r#""key_refresh":{"back_off":{"first":"1s"}}"#),
            "issuers[0].key_refresh.back_off.most",
            "the field is missing, expected a duration with its unit",
        ),
        (
            issuer(r#""require_claims":{"1":"a"}"#),
            "issuers[0].require_claims",
            "found a table, expected a list, or a table with the fields 0, 1",
        ),
        (
            issuer(r#""require_claims":{"0":"a","2":"b"}"#),
            "issuers[0].require_claims",
            "found a table, expected a list, or a table with",
        ),
        (
            issuer(r#""require_claims":{"first":"a"}"#),
            "issuers[0].require_claims",
            "found a table, expected a list, or a table with",
        ),
    ] {
        check_error(&json, path, expected);
    }
}

#[test]
fn nothing_is_shown_whole_or_unescaped() {
    let long = "x".repeat(100_000);
    let shown = format!("found \"{}...\"", "x".repeat(64));
    check_error(
        &issuer(&format!(r#""leeway":"{long}""#)),
        "issuers[0].leeway",
        &shown,
    );
    let text = read(&issuer(&format!(r#""{long}":1"#))).unwrap_err();
    let text = text.inner().to_string();
    assert!(text.len() < 500, "{text}");
    check_error(
        &issuer(r#""leeway":"a\n\u001b[31m\u202e""#),
        "issuers[0].leeway",
        r#"found "a\u{a}\u{1b}[31m\u{202e}""#,
    );
    check_error(
        &issuer(r#""leeway":"https://user:hunter2@id.example.com/a?key=hunter2""#),
        "issuers[0].leeway",
        r#"found "@id.example.com/a", expected"#,
    );
}

#[test]
fn a_mistyped_address_shows_no_password() {
    for address in [
        "https://user:hunter2@id.example.com",
        "https:///user:hunter2@id.example.com",
        "https:/user:hunter2@id.example.com",
        "https:user:hunter2@id.example.com",
        "https:\\\\user:hunter2@id.example.com",
        "//user:hunter2@id.example.com",
        "user:hunter2@id.example.com",
        "https://user:a?hunter2@id.example.com",
        "https://user:a/hunter2@id.example.com",
        "https://id.example.com?key=hunter2",
        "id.example.com?key=hunter2",
    ] {
        let discovered = format!(r#"{{"issuers":[{{"issuer":"{address}","audience":"api"}}]}}"#);
        let uri = issuer(&format!(r#""jwks_uri":"{address}""#));
        let failover = issuer(&format!(
            r#""jwks_uri":"https://id.example.com/keys","failover_jwks_uri":"{address}""#
        ));
        for json in [discovered, uri, failover] {
            let config = read(&json).unwrap();
            // An address may have a query, which is shown nowhere.
            let shown = match config.build() {
                Err(error) => format!("{error} {error:?}"),
                Ok(verifier) => format!("{verifier:?} {:?}", verifier.status()),
            };
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}

#[test]
fn debug_shows_no_address() {
    let config = r#"{"issuers":[
        {"issuer":"https://user:hunter2@id.example.com?key=hunter2","audience":"api"},
        {"issuer":"a","audience":"api","jwks_uri":"https://user:hunter2@id.example.com?key=hunter2",
         "failover_jwks_uri":"https://id.example.com?key=hunter2"},
        {"issuer":"b","audience":"api","keys_file":"/keys.pem"}
    ]}"#;
    let shown = format!("{:?}", read(config).unwrap());
    assert!(
        shown.contains("@id.example.com") && shown.contains("api"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[track_caller]
fn check_duration(text: &str, expected: Option<Duration>) {
    assert_eq!(
        Duration::of_scalar(&setting::Scalar::Text(text)),
        expected,
        "{text}"
    );
}

#[test]
fn durations_are_written_as_people_do() {
    let milliseconds = |number| Some(Duration::from_millis(number));
    for (text, number) in [
        ("0s", 0),
        ("250ms", 250),
        ("30s", 30_000),
        ("30 s", 30_000),
        ("1.5s", 1_500),
        ("10m", 600_000),
        ("10min", 600_000),
        ("24h", 86_400_000),
        ("1day", 86_400_000),
        ("7d", 604_800_000),
        ("1h30m", 5_400_000),
        ("1h 30m 15s 500ms", 5_415_500),
    ] {
        check_duration(text, milliseconds(number));
    }
    for text in [
        "",
        " ",
        "0",
        "30",
        "1.5",
        "s",
        "-1s",
        "+1s",
        "1e3s",
        "30S",
        "10M",
        "1x",
        "1h30",
        "half an hour",
        "PT1H",
        "00:10:00",
        "\u{661}s",
        "1s\u{0}",
        "99999999999999999999s",
    ] {
        check_duration(text, None);
    }
    check_duration("000000000000000001s ", Some(SECOND));
    check_duration("0000000000000000001s ", None);
}

proptest! {
    /// `humantime` alone panics for "18446744073709551615s 1000ms".
    #[test]
    fn no_text_is_a_duration_that_panics(text in "[0-9]{0,20}[a-z.]{0,2} ?(1000ms|1000000us|[0-9]{1,9}[a-z]{1,3})?") {
        let _ = Duration::of_scalar(&setting::Scalar::Text(&text));
    }
}

#[test]
fn the_longest_second_is_too_long_a_text() {
    check_duration("18446744073709551615s", None);
    check_duration("18446744073709551615s 1000ms", None);
    check_duration("5124095576030431h15s1000ms", None);
}

#[track_caller]
fn check_build_error(json: &str, path: &str, says: &str) {
    let config = read(json).unwrap();
    let error = config.clone().build().unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("{path}: ")), "{text}");
    assert!(text.contains(says), "{text}");
    let BuildError::InConfig { path: told, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(told, path);
    let builder = config.into_builder().and_then(VerifierBuilder::build);
    assert!(path == "issuers" || builder.unwrap_err().to_string() == text);
}

#[test]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn what_build_finds_is_told_with_its_path() {
    check_build_error("{}", "issuers", "no issuer is configured");
    check_build_error(r#"{"issuers":[]}"#, "issuers", "no issuer is configured");
    for (fields, path, says) in [
        (r#""leeway":"301s""#, "leeway", "leeway of 301s"),
        (
            r#""algorithms":[]"#,
            "algorithms",
            "no algorithm is allowed",
        ),
        (r#""max_token_age":"0s""#, "max_token_age", "is zero"),
        (
            r#""require_claims":["sub"," "]"#,
            "require_claims",
            "is empty",
        ),
        (r#""token_type":{"exactly":""}"#, "token_type", "is empty"),
        (
            r#""jwks_uri":"http://id.example.com/keys""#,
            "jwks_uri",
            "dangerously_allow_http",
        ),
        (
            r#""failover_jwks_uri":"http://m.example.com""#,
            "failover_jwks_uri",
            "dangerously_allow_http",
        ),
        (r#""jwks_file":"""#, "jwks_file", "is empty"),
        (
            r#""jwks_file":"/a","failover_jwks_uri":"https://m.example.com""#,
            "failover_jwks_uri",
            "come from no URL",
        ),
        (
            r#""key_refresh":{"unpublished_grace":"5h"}"#,
            "key_refresh.unpublished_grace",
            "unpublished_grace(18000s)",
        ),
        (
            r#""key_refresh":{"refresh_at":{"share":"nan","jitter":0}}"#,
            "key_refresh.refresh_at",
            "out of its bounds",
        ),
        (
            r#""key_refresh":{"max_waiters":0}"#,
            "key_refresh.max_waiters",
            "from 1 to 65,536",
        ),
        (
            r#""keys_file":"/no/such/file""#,
            "keys_file",
            "/no/such/file",
        ),
        (r#""keys_file":"/""#, "keys_file", "not a regular file"),
    ] {
        check_build_error(&issuer(fields), &format!("issuers[0].{path}"), says);
    }
    for (json, path, says) in [
        (
            r#"[{"issuer":" ","audience":"a"}]"#,
            "issuers[0].issuer",
            "issuer is empty",
        ),
        (
            r#"[{"issuer":"id.example.com","audience":"a"}]"#,
            "issuers[0].issuer",
            "https://",
        ),
        (
            r#"[{"issuer":"https://u:p@id.example.com","audience":"a"}]"#,
            "issuers[0].issuer",
            "user name or password",
        ),
        (
            r#"[{"issuer":"https://a.example","audience":""}]"#,
            "issuers[0].audience",
            "is empty",
        ),
        (
            r#"[{"issuer":"https://a.example","audience":[]}]"#,
            "issuers[0].audience",
            "is empty",
        ),
        (
            r#"[{"issuer":"https://a.example","audience":"a"},{"issuer":"https://b.example","audience":"a","leeway":"1h"}]"#,
            "issuers[1].leeway",
            "b.example",
        ),
        (
            r#"[{"issuer":"https://a.example","audience":"a"},{"issuer":"https://a.example","audience":"a"}]"#,
            "issuers[1].issuer",
            "twice",
        ),
        (
            r#"{"main":{"issuer":"https://a.example","audience":"a","leeway":"1h"}}"#,
            "issuers.main.leeway",
            "3600s",
        ),
        (
            r#"{"a\n":{"issuer":"https://a.example","audience":"a","leeway":"1h"}}"#,
            r"issuers.a\u{a}.leeway",
            "3600s",
        ),
    ] {
        check_build_error(&format!(r#"{{"issuers":{json}}}"#), path, says);
    }
}

#[test]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
fn both_sides_of_a_bound() {
    for fields in [
        r#""leeway":"0s""#,
        r#""leeway":"300s""#,
        r#""leeway":"5m""#,
        r#""max_token_age":"1ns""#,
        r#""key_refresh":{"unpublished_grace":"4h","stale_if_error":"7d","max_waiters":65536}"#,
        r#""key_refresh":{"refresh_at":{"share":0.9,"jitter":0}}"#,
    ] {
        read(&issuer(fields)).unwrap().build().unwrap();
    }
    check_build_error(
        &issuer(r#""leeway":"5m 1ns""#),
        "issuers[0].leeway",
        "300.000000001s",
    );
    check_build_error(
        &issuer(r#""key_refresh":{"stale_if_error":"7d 1ns"}"#),
        "issuers[0].key_refresh.stale_if_error",
        "to 7 days",
    );
}

fn set_of(fields: &[&str]) -> BTreeSet<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

/// The public functions of a source file whose first argument begins so.
fn functions(source: &str, first_argument: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let code = code.replace("pub const fn ", "pub fn ");
    let functions = code.split("pub fn ").skip(1).filter_map(|function| {
        let (head, arguments) = function.split_once('(')?;
        let name = head.split('<').next()?;
        // `fn f<T: Into<String>>(`: no `(` in between.
        arguments
            .trim_start()
            .starts_with(first_argument)
            .then(|| name.to_owned())
    });
    functions.collect()
}

#[test]
fn every_setter_has_a_field() {
    let source = include_str!("../issuer.rs");
    let constructors = set_of(&["discover", "jwks_uri", "jwks_file", "keys"]);
    assert_eq!(functions(source, "issuer: impl"), constructors);
    let mut fields = functions(source, "mut self");
    fields.extend(set_of(&[
        "issuer",
        "audience",
        "dangerously_any_audience",
        "jwks_uri",
        "jwks_file",
        "keys_file",
    ]));
    assert_eq!(set_of(issuer::FIELDS), fields);

    let fields = functions(include_str!("../remote/settings.rs"), "mut self");
    assert_eq!(fields.len(), 14);
    assert_eq!(set_of(key_refresh::FIELDS), fields);

    // What only code can say.
    let code = set_of(&["clock", "fetch", "http_client", "observer"]);
    let setters = functions(include_str!("../verifier/builder.rs"), "mut self");
    let written: BTreeSet<_> = setters.difference(&code).cloned().collect();
    assert_eq!(written, set_of(&["cache", "issuer"]));
    assert_eq!(set_of(FIELDS), set_of(&["cache", "issuers"]));
}

#[test]
fn every_field_is_documented() {
    let source = include_str!("mod.rs");
    let mut missing = String::new();
    let forms = [
        set_of(FIELDS),
        set_of(issuer::FIELDS),
        set_of(key_refresh::FIELDS),
    ];
    for field in forms.iter().flatten() {
        let row = format!("//! | `{field}` |");
        if !source.contains(&row) {
            writeln!(missing, "{row}").unwrap();
        }
    }
    assert_eq!(missing, "");
}
