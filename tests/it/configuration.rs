//! A verifier that a loader reads: from TOML, YAML and the environment, with the path of what is wrong.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat};
use portcullis::config::VerifierConfig;
use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{BuildError, KeyState, Policy, Verifier, VerifierBuilder};
use serde::Deserialize;

use crate::support::reason;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    verifier: VerifierConfig,
    #[serde(default)]
    policies: BTreeMap<String, Policy>,
}

fn load(
    text: &str,
    format: FileFormat,
    environment: &[(&str, &str)],
) -> Result<Settings, config::ConfigError> {
    let variables: HashMap<_, _> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let environment = Environment::with_prefix("PORTCULLIS").separator("__");
    Config::builder()
        .add_source(File::from_str(text, format))
        .add_source(environment.source(Some(variables)))
        .build()?
        .try_deserialize()
}

const TOML: &str = r#"
    [verifier]
    cache = "off"

    [[verifier.issuers]]
    issuer = "https://id.example.com"
    audience = "api"
    algorithms = ["ES256"]
    leeway = "30s"
    token_type = { exactly = "a+jwt" }
    key_refresh = { max_waiters = 7, refresh_at = { share = 0.6, jitter = 0 } }

    [policies.orders-read]
    scope = "orders:read"
"#;

const YAML: &str = r#"
    verifier:
      cache: off
      issuers:
        - issuer: https://id.example.com
          audience: [api]
          algorithms: ES256
          leeway: 30s
          token_type: {exactly: a+jwt}
          key_refresh:
            max_waiters: 7
            refresh_at: {share: 0.6, jitter: 0}
    policies:
      orders-read: {scope: "orders:read"}
"#;

#[test]
fn formats_say_the_same() {
    let [toml, yaml] = [(TOML, FileFormat::Toml), (YAML, FileFormat::Yaml)]
        .map(|(text, format)| load(text, format, &[]).unwrap());
    assert_eq!(format!("{toml:?}"), format!("{yaml:?}"));
    assert_eq!(
        toml.policies["orders-read"].to_string(),
        r#"scope "orders:read""#
    );
    for settings in [toml, yaml] {
        let verifier = settings.verifier.build().unwrap();
        let status = verifier.status();
        let issuer = &status.issuers()[0];
        assert_eq!(
            (issuer.issuer(), issuer.state()),
            ("https://id.example.com", KeyState::NotFetched)
        );
    }
}

#[test]
fn the_environment_alone_is_enough() {
    let settings = load(
        "",
        FileFormat::Toml,
        &[
            (
                "PORTCULLIS__VERIFIER__ISSUERS__MAIN__ISSUER",
                "https://id.example.com",
            ),
            ("PORTCULLIS__VERIFIER__ISSUERS__MAIN__AUDIENCE__0", "123"),
            ("PORTCULLIS__VERIFIER__ISSUERS__MAIN__AUDIENCE__1", "a,b"),
            ("PORTCULLIS__VERIFIER__ISSUERS__MAIN__ALGORITHMS", "ES256"),
            (
                "PORTCULLIS__VERIFIER__ISSUERS__MAIN__DANGEROUSLY_ALLOW_HTTP",
                "true",
            ),
            (
                "PORTCULLIS__VERIFIER__ISSUERS__MAIN__KEY_REFRESH__MAX_WAITERS",
                "9",
            ),
            (
                "PORTCULLIS__VERIFIER__ISSUERS__MAIN__KEY_REFRESH__REFRESH_AT__SHARE",
                "0.5",
            ),
            (
                "PORTCULLIS__VERIFIER__ISSUERS__MAIN__KEY_REFRESH__REFRESH_AT__JITTER",
                "0",
            ),
            ("PORTCULLIS__VERIFIER__CACHE__BYTES", "1024"),
            ("PORTCULLIS__POLICIES__ORDERS__SCOPE", "orders:read"),
            ("PORTCULLIS_VECTORS", "belongs to something else"),
        ],
    )
    .unwrap();
    let shown = format!("{:?}", settings.verifier);
    assert!(shown.contains(r#"AnyOf(["123", "a,b"])"#), "{shown}");
    assert!(
        shown.contains("[Es256]") && shown.contains("1024"),
        "{shown}"
    );
    assert_eq!(settings.policies.len(), 1);
    settings.verifier.build().unwrap();
}

const BY_NAME: &str = r#"
    [verifier.issuers.main]
    issuer = "https://id.example.com"
    audience = ["a", "b"]

    [policies.orders]
    all = [{ scope = "orders:read" }, { role = "admin" }]
"#;

#[test]
fn the_environment_overrules_a_file() {
    let set = |environment: &[(&str, &str)]| {
        format!(
            "{:?}",
            load(BY_NAME, FileFormat::Toml, environment).unwrap()
        )
    };
    assert!(set(&[]).contains(r#"AnyOf(["a", "b"])"#));
    for audience in ["AUDIENCE", "AUDIENCE__0"] {
        let name = format!("PORTCULLIS__VERIFIER__ISSUERS__MAIN__{audience}");
        let shown = set(&[(&name, "c")]);
        assert!(shown.contains(r#"AnyOf(["c"])"#), "{shown}");
    }
}

#[track_caller]
fn check_error(text: &str, environment: &[(&str, &str)], says: &[&str]) {
    let error = load(text, FileFormat::Toml, environment).unwrap_err();
    let error = error.to_string();
    for part in says {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
    assert!(error.len() < 500, "{error}");
}

#[test]
fn a_loader_tells_the_path() {
    let duration = r#"expected a duration with its unit, such as "30s""#;
    let leeway = |value: &str| TOML.replace(r#"leeway = "30s""#, value);
    let long = format!("leeway = \"{}\"", "x".repeat(10_000));
    for (text, says) in [
        (
            leeway("leeway = 30"),
            ["issuers[0].leeway: ", "found the number 30, ", duration],
        ),
        (
            leeway(r#"leeway = "30""#),
            ["issuers[0].leeway: ", "found \"30\", ", duration],
        ),
        (leeway(&long), ["issuers[0].leeway: ", "xxx...\"", duration]),
        (
            leeway("levy = 30"),
            [
                "issuers[0].levy: ",
                "unknown field, expected one of",
                "leeway",
            ],
        ),
        (
            TOML.replace(r#"audience = "api""#, ""),
            ["issuers[0].audience: ", "the field is missing", "a text"],
        ),
        (
            TOML.replace(r#"["ES256"]"#, r#"["ES256", "HS256"]"#),
            ["issuers[0].algorithms[1]: ", "found \"HS256\"", "ES256"],
        ),
        (
            TOML.replace("max_waiters = 7", "max_waiters = 1.5"),
            [
                "issuers[0].key_refresh.max_waiters: ",
                "found the number 1.5",
                "a whole number",
            ],
        ),
        (
            TOML.replace("share = 0.6", "chare = 0.6"),
            [
                "issuers[0].key_refresh.refresh_at.chare: ",
                "unknown field, expected one of",
                "share",
            ],
        ),
        (
            TOML.replace(r#"cache = "off""#, "cache = 8"),
            ["cache: ", "found the number 8", "\"off\""],
        ),
        (
            TOML.replace(r#"scope = "orders:read""#, "scope = \"a b\""),
            ["`policies.orders-read.scope`", "scope", ""],
        ),
    ] {
        check_error(&text, &[], &says);
    }
    for (name, value, says) in [
        (
            "LEEWAY",
            "30",
            ["issuers.main.leeway: ", "found \"30\"", duration],
        ),
        (
            "LEVY",
            "30s",
            ["issuers.main.levy: ", "unknown field", "leeway"],
        ),
        (
            "KEY_REFRESH",
            "1h",
            ["issuers.main.key_refresh: ", "found \"1h\"", "a table"],
        ),
        (
            "DANGEROUSLY_ALLOW_HTTP",
            "1",
            [
                "issuers.main.dangerously_allow_http: ",
                "found \"1\"",
                "true or false",
            ],
        ),
        (
            "ALGORITHMS__0",
            "none",
            ["issuers.main.algorithms.0: ", "found \"none\"", "ES256"],
        ),
    ] {
        let name = format!("PORTCULLIS__VERIFIER__ISSUERS__MAIN__{name}");
        check_error(BY_NAME, &[(&name, value)], &says);
    }
    // A list has no names that the environment could add to.
    let leeway = ("PORTCULLIS__VERIFIER__ISSUERS__0__LEEWAY", "5s");
    check_error(TOML, &[leeway], &["issuers.0.issuer: the field is missing"]);
}

#[test]
fn what_is_out_of_its_bounds_is_told_with_its_path() {
    let text = TOML.replace("30s", "301s");
    let settings = load(&text, FileFormat::Toml, &[]).unwrap();
    let error = settings.verifier.build().unwrap_err();
    let says = "issuers[0].leeway: leeway of 301s for issuer \"https://id.example.com\"";
    assert!(error.to_string().starts_with(says), "{error}");
    // What `?` in `main` prints.
    assert_eq!(format!("{error:?}"), format!("LeewayTooLong: {error}"));
    assert!(matches!(error, BuildError::InConfig { path, .. } if path == "issuers[0].leeway"));

    let secret = "https://user:hunter2@id.example.com/keys?key=hunter2";
    for field in ["jwks_uri", "failover_jwks_uri"] {
        let text = TOML.replace("leeway = \"30s\"", &format!("{field} = \"{secret}\""));
        let settings = load(&text, FileFormat::Toml, &[]).unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"), "{settings:?}");
        let text = settings.verifier.build().unwrap_err().to_string();
        assert!(text.starts_with(&format!("issuers[0].{field}: ")), "{text}");
        assert!(text.contains("user name or password"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// A verifier of the configuration and the clock of the test.
#[track_caller]
fn build(text: &str, clock: VirtualClock) -> Result<Verifier, BuildError> {
    let config: VerifierConfig = Config::builder()
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()
        .and_then(Config::try_deserialize)
        .unwrap();
    config
        .into_builder()
        .map(|builder| builder.clock(clock))
        .and_then(VerifierBuilder::build)
}

#[tokio::test]
async fn a_configured_verifier_verifies() {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
    let text = format!(
        "[[issuers]]\nissuer = \"{}\"\naudience = \"{AUDIENCE}\"\nleeway = \"5s\"",
        issuer.issuer()
    );
    let verifier = build(&text, clock).unwrap();
    let expired = |seconds: u64| issuer.token().claim("exp", 1_800_000_000 - seconds).sign();
    verifier.verify(&expired(4)).await.unwrap();
    assert_eq!(reason(&verifier.verify(&expired(5)).await), "expired");
}

/// A file of a test, removed with it.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str, content: &str) -> Self {
        let name = format!("portcullis-config-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, content).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// The key of RFC 8037 appendix A.2.
const JWKS: &str = r#" {"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-11",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";
/// Signed with it; good for the first hour of 2027.
const TOKEN: &str = include_str!("../../examples/offline.jwt");

fn with_keys_file(path: &Path) -> Result<Verifier, BuildError> {
    let text = format!(
        "[issuers.main]\nissuer = \"https://id.example.com\"\naudience = \"https://api.example.com\"\n\
         keys_file = '{}'",
        path.display()
    );
    build(&text, VirtualClock::at_unix(1_798_761_600))
}

#[test]
fn a_file_of_keys_is_a_jwk_set_or_pem() {
    for (name, content) in [("jwks", JWKS), ("pem", PEM)] {
        let file = Temporary::new(name, content);
        let verifier = with_keys_file(&file.0).unwrap();
        drop(file);
        verifier.verify_now(TOKEN.trim()).unwrap();
        assert_eq!(verifier.status().issuers()[0].state(), KeyState::Fixed);
    }
}

#[test]
fn a_file_without_keys_is_told_with_its_path() {
    for (name, content, says) in [
        ("empty", "", "not PEM text"),
        ("text", "hunter2", "not PEM text"),
        ("json", "{\"keys\":1}", "\"keys\""),
        ("none", "{\"keys\":[]}", "no usable key"),
        (
            "private",
            "-----BEGIN PRIVATE KEY-----\nMCowBQYDK2VwAyEA\n-----END PRIVATE KEY-----\n",
            "not a public key",
        ),
    ] {
        let file = Temporary::new(name, content);
        let text = with_keys_file(&file.0).unwrap_err().to_string();
        assert!(text.starts_with("issuers.main.keys_file: "), "{text}");
        assert!(text.contains(says) && !text.contains("hunter2"), "{text}");
    }
    let text = with_keys_file(Path::new("/no/such/file"))
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("\"/no/such/file\"") && text.contains("not found"),
        "{text}"
    );
}
