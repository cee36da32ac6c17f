//! Every wrong configuration is refused when it is built, with the value and the remedy.

use std::time::Duration;

use portcullis::middleware::{MetadataService, ProtectedResource, TokenSource};
use portcullis::testing::ScriptedFetch;
use portcullis::{
    Algorithm, Audience, BuildError, Issuer, KeyRefresh, KeySet, TokenType, Verifier,
};

const ISSUER: &str = "https://id.example.com";

fn issuer() -> Issuer {
    Issuer::discover(ISSUER, audience())
}

fn audience() -> Audience {
    Audience::of("api")
}

#[track_caller]
fn check(issuers: impl IntoIterator<Item = Issuer>, variant: &str, says: &[&str]) {
    let builder = issuers
        .into_iter()
        .fold(Verifier::builder(), portcullis::VerifierBuilder::issuer);
    let error = builder.build().expect_err("must not build");
    let text = error.to_string();
    // What `?` in `main` prints.
    assert_eq!(format!("{error:?}"), format!("{variant}: {text}"));
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn the_usual_configurations_build() {
    for issuer in [
        issuer(),
        Issuer::jwks_uri("anything", "https://id.example.com/keys", audience()),
        Issuer::discover("http://127.0.0.1:8080", audience()),
        Issuer::discover("http://[::1]:8080/realm", audience()),
        Issuer::discover("http://localhost", audience()),
        Issuer::discover("http://id.cluster.local", audience()).dangerously_allow_http(),
        issuer().leeway(Duration::ZERO),
        issuer().leeway(Duration::from_secs(300)),
        issuer().max_token_age(Duration::from_nanos(1)),
    ] {
        Verifier::new(issuer).unwrap();
    }
}

#[test]
fn issuers_are_given_and_differ() {
    check([], "NoIssuer", &["VerifierBuilder::issuer"]);
    for blank in ["", " \t"] {
        check(
            [Issuer::discover(blank, audience())],
            "EmptyIssuer",
            &["iss claim"],
        );
    }
    check([issuer(), issuer()], "DuplicateIssuer", &[ISSUER, "twice"]);
    let by_uri = Issuer::jwks_uri(ISSUER, "https://id.example.com/keys", audience());
    check([issuer(), by_uri], "DuplicateIssuer", &[ISSUER]);
}

#[test]
fn only_https_is_fetched() {
    for issuer in [
        "http://id.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "ftp://id.example.com",
        "id.example.com",
        "file:///etc/passwd",
    ] {
        check(
            [Issuer::discover(issuer, audience())],
            "ForbiddenUrl",
            &["the URL"],
        );
        check(
            [Issuer::jwks_uri(ISSUER, issuer, audience())],
            "ForbiddenUrl",
            &["jwks_uri", ISSUER],
        );
    }
}

#[test]
fn an_issuer_has_no_credentials() {
    let named = "http://127.0.0.1:hunter2@id.example.com";
    for issuer in [
        Issuer::discover(named, audience()),
        Issuer::jwks_uri(named, "https://id.example.com/keys", audience()),
    ] {
        let error = Verifier::new(issuer).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("IssuerWithCredentials") && text.contains("@id.example.com"));
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_url_that_may_not_be_fetched_is_shown_with_its_remedy() {
    let long = format!("https://id.example.com/{}", "k".repeat(2_048));
    for (url, shown, remedy) in [
        (
            "http://id.example.com/keys",
            "\"http://id.example.com/keys\"",
            "dangerously_allow_http",
        ),
        ("/etc/keys.json", "\"/etc/keys.json\"", "Issuer::jwks_file"),
        ("https:///keys", "\"https:///keys\"", "https://host/path"),
        (
            "https://id.example.com/a b",
            "\"https://id.example.com/a b\"",
            "percent-encode",
        ),
        (
            "https://u:p@id.example.com/keys",
            "\"@id.example.com/keys\"",
            "http_client",
        ),
        (
            "https://id.example.com/keys#1",
            "\"https://id.example.com/keys\"",
            "leave out the #",
        ),
        (&long, "kkk...\"", "shorter"),
    ] {
        check(
            [Issuer::jwks_uri(ISSUER, url, audience())],
            "ForbiddenUrl",
            &["jwks_uri", shown, ISSUER, remedy],
        );
    }
    for (issuer, remedy) in [
        ("http://id.example.com", "dangerously_allow_http"),
        ("accounts.example.com", "Issuer::jwks_uri"),
        ("https://id.example.com?tenant=1", "Issuer::jwks_uri"),
    ] {
        check(
            [Issuer::discover(issuer, audience())],
            "ForbiddenUrl",
            &["the URL of issuer", remedy],
        );
    }
}

#[test]
fn a_long_issuer_is_shown_to_its_end() {
    let tenant = "0123456789abcdef0123456789abcdef0123";
    let issuer =
        format!("https://contoso.b2clogin.example/tfp/{tenant}/b2c_1_sign_up_and_sign_in/v2.0/");
    check(
        [Issuer::discover(&issuer, Audience::of(""))],
        "EmptyAudience",
        &[&issuer],
    );
}

#[test]
fn urls_carry_no_credentials() {
    let secret = "https://user:hunter2@id.example.com";
    let error = Verifier::new(Issuer::jwks_uri(ISSUER, secret, audience())).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
}

#[test]
fn an_audience_is_named() {
    for (audience, what) in [
        (Audience::of(""), "the audience of"),
        (Audience::of(" "), "the audience of"),
        (Audience::any_of([""; 0]), "the list of audiences"),
        (Audience::any_of(["api", ""]), "one of the audiences"),
    ] {
        check(
            [Issuer::discover(ISSUER, audience)],
            "EmptyAudience",
            &[what, ISSUER, "dangerously_any"],
        );
    }
}

#[test]
fn settings_are_within_their_bounds() {
    check(
        [issuer().algorithms([])],
        "NoAlgorithms",
        &[ISSUER, "Issuer::algorithms"],
    );
    let leeway = Duration::from_secs(300) + Duration::from_nanos(1);
    check(
        [issuer().leeway(leeway)],
        "LeewayTooLong",
        &[ISSUER, "300.000000001s", "give 300 s or less"],
    );
    check(
        [issuer().max_token_age(Duration::ZERO)],
        "ZeroMaxTokenAge",
        &[ISSUER],
    );
    for blank in ["", " "] {
        check(
            [issuer().require_claims([blank])],
            "EmptyName",
            &["required claim"],
        );
    }
    for typ in ["", " ", "application/"] {
        check(
            [issuer().token_type(TokenType::Exactly(typ.into()))],
            "EmptyName",
            &["token type"],
        );
    }
}

#[test]
fn fixed_keys_have_a_usable_one() {
    let empty = KeySet::from_json(br#"{"keys":[]}"#).unwrap();
    check(
        [Issuer::keys(ISSUER, empty, audience())],
        "NoUsableKey",
        &[ISSUER, "empty", "public signing keys"],
    );
    let symmetric = KeySet::from_json(br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#).unwrap();
    check(
        [Issuer::keys(ISSUER, symmetric, audience())],
        "NoUsableKey",
        &["symmetric"],
    );
}

#[test]
fn building_needs_neither_runtime_nor_network() {
    let verifier = Verifier::new(issuer().algorithms([Algorithm::Es256])).unwrap();
    let error = verifier.verify_now("a.b.c").unwrap_err();
    assert_eq!(error.reason(), "malformed");
    assert!(matches!(
        Verifier::builder().build(),
        Err(BuildError::NoIssuer)
    ));
}

#[test]
fn a_setting_of_keys_out_of_bounds_is_named_with_its_value_and_bounds() {
    let too_long = KeyRefresh::new().unpublished_grace(Duration::from_secs(5 * 60 * 60));
    check(
        [issuer().key_refresh(too_long)],
        "KeyRefreshOutOfBounds",
        &["unpublished_grace(18000s)", ISSUER, "at most 4 h"],
    );
}

#[test]
fn a_failover_is_for_keys_that_are_fetched_and_may_be_fetched_itself() {
    let file = Issuer::jwks_file(ISSUER, "/keys.json", audience());
    check(
        [file.failover_jwks_uri("https://mirror.example.com/keys")],
        "NothingToFailOver",
        &[ISSUER, "failover_jwks_uri", "Issuer::jwks_uri"],
    );
    // Loopback too: only a first source on loopback has a second one without TLS.
    for plain in ["http://mirror.example.com/keys", "http://127.0.0.1/keys"] {
        check(
            [issuer().failover_jwks_uri(plain)],
            "ForbiddenUrl",
            &["failover_jwks_uri", plain],
        );
    }
    check(
        [Issuer::jwks_file(ISSUER, "", audience())],
        "EmptyName",
        &["jwks_file"],
    );
}

#[test]
fn one_client_fetches() {
    let builder = Verifier::builder().issuer(issuer());
    let builder = builder
        .fetch(ScriptedFetch::new())
        .http_client(|client| client);
    let text = builder.build().unwrap_err().to_string();
    assert!(
        text.contains("fetch") && text.contains("http_client"),
        "{text}"
    );
}

#[track_caller]
fn check_setting<T>(setting: Result<T, BuildError>, says: &[&str]) {
    let error = setting.err().expect("must not be taken");
    let text = error.to_string();
    assert_eq!(format!("{error:?}"), format!("InvalidSetting: {text}"));
    for part in says {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn a_place_of_tokens_says_what_is_wrong_with_it() {
    let cookie = |name, origin| TokenSource::cookie(name, &[origin]);
    let good = "https://app.example.com";
    check_setting(
        cookie("token", good),
        &["\"token\"", "__Host-", "dangerously_cookie"],
    );
    check_setting(cookie("", good), &["the name of a cookie", "\"\""]);
    check_setting(
        cookie("__Host-t", "https://app.example.com/"),
        &["\"https://app.example.com/\"", "without a path"],
    );
    check_setting(cookie("__Host-t", "http://app.example.com"), &["use https"]);
    check_setting(
        TokenSource::dangerously_cookie("a b", &[]),
        &["without spaces"],
    );
    check_setting(TokenSource::dangerously_query(""), &["a query parameter"]);
}

#[test]
fn metadata_says_what_is_wrong_with_it() {
    let resource =
        |resource, server| ProtectedResource::with_authorization_servers(resource, &[server]);
    let good = "https://api.example.com/mcp";
    check_setting(
        resource("api", ISSUER),
        &["resource", "\"api\"", "absolute https URL"],
    );
    check_setting(resource("http://api.example.com", ISSUER), &["loopback"]);
    check_setting(
        resource("https://a.example?x=1", ISSUER),
        &["without query"],
    );
    check_setting(
        resource(good, "internal"),
        &["authorization_servers", "internal"],
    );
    let fixed = || resource(good, ISSUER).unwrap();
    check_setting(
        fixed().resource_tos_uri("tos"),
        &["resource_tos_uri", "\"tos\""],
    );
    check_setting(fixed().member("resource", "x"), &["\"resource\"", "method"]);
    check_setting(MetadataService::new([fixed(), fixed()]), &["the same path"]);
}
