//! Provider metadata of production issuers and of peers' tests.

use serde_json::Value;

use super::{Tally, open};
use crate::FetchErrorKind;
use crate::discovery::{candidates, parse};
use crate::fetch::PlainHttp;

#[test]
fn documents_of_production_issuers() {
    let Some(vectors) = open() else { return };
    let mut tally = Tally::of("provider metadata");
    let files = vectors.files("real-jwks/providers");
    let is_metadata = |file: &&std::path::PathBuf| {
        file.to_string_lossy()
            .ends_with(".openid-configuration.json")
    };
    for file in files.iter().filter(is_metadata) {
        let body = vectors.bytes(file);
        let document: Value = serde_json::from_slice(&body).unwrap();
        let issuer = document["issuer"].as_str().unwrap();
        let metadata = parse(&body, issuer, PlainHttp::Never).unwrap();
        assert_eq!(
            metadata.jwks_uri.as_str(),
            document["jwks_uri"].as_str().unwrap()
        );
        if issuer.contains('{') {
            // Entra's multi-tenant endpoints: every tenant has an issuer of its own, and is named by it.
            let tenant = issuer.replace("{tenantid}", "9188040d-6c67-4c5b-b112-36a304b66dad");
            let error = parse(&body, &tenant, PlainHttp::Never).unwrap_err();
            assert_eq!(error.kind(), FetchErrorKind::IssuerMismatch);
        } else {
            assert!(
                candidates(issuer, PlainHttp::for_issuer(issuer)).is_ok(),
                "{issuer}"
            );
        }
        tally.judge(file.display(), true, true, None);
    }
    tally.report(20);
}

/// With the issuer that each names: those of IdentityModel give a file's name for `jwks_uri`.
#[test]
fn documents_of_peers() {
    let Some(vectors) = open() else { return };
    let check = |file: &str, expected: Result<&str, FetchErrorKind>| {
        let body = vectors.bytes(format!("peer-fixtures/{file}"));
        let document = String::from_utf8(body.clone()).unwrap();
        let document = serde_json::from_str::<Value>(document.trim_start_matches('\u{feff}'));
        let document = document.unwrap_or_default();
        let issuer = document["issuer"]
            .as_str()
            .unwrap_or("https://id.example.com");
        let found = parse(&body, issuer, PlainHttp::Never);
        let found = found.map(|metadata| metadata.jwks_uri.as_str().to_owned());
        let found = found.map_err(|error| error.kind());
        assert_eq!(found.as_deref(), expected.as_ref().copied(), "{file}");
    };
    let identity_model = |name: &str, expected| {
        check(&format!("{IDENTITY_MODEL}/{name}.json"), expected);
    };
    use FetchErrorKind as K;
    for name in [
        "",
        "2",
        "BadBase64Data",
        "BadRsaDataMissingComponent",
        "BadX509Data",
        "End2End",
        "End2EndAcrValuesLast",
        "JsonWebKeySetBadUri",
        "UnrecognizedKty",
    ] {
        identity_model(
            &format!("OpenIdConnectMetadata{name}"),
            Err(K::ForbiddenUrl),
        );
    }
    // A byte order mark.
    identity_model("OpenIdConnectMetadataEnd2EndEC", Err(K::NotMetadata));
    let google = Ok("https://www.googleapis.com/oauth2/v2/certs");
    identity_model("google-openid-configuration", google);
    let ping = Ok("https://connect-interop.pinglabs.org:9031/pf/JWKS");
    identity_model("PingLabs-openid-configuration", ping);

    let mod_auth_openidc = |name: &str, expected| {
        check(
            &format!("OpenIDC__mod_auth_openidc/test/fuzz/corpus/{name}"),
            expected,
        );
    };
    mod_auth_openidc("metadata/provider", Ok("https://op.example.com/jwks"));
    for name in ["bad-types", "client", "conf", "empty"] {
        mod_auth_openidc(&format!("metadata/{name}"), Err(K::NotMetadata));
    }
}

const IDENTITY_MODEL: &str = "AzureAD__azure-activedirectory-identitymodel-extensions-for-dotnet/\
    test/Microsoft.IdentityModel.Protocols.OpenIdConnect.Tests";
