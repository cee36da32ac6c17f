//! From an issuer to the URL of its keys.
//!
//! OpenID Connect Discovery 1.0 §4 first, then
//! [RFC 8414 §3](https://www.rfc-editor.org/rfc/rfc8414#section-3) for issuers that publish only
//! that. In: the configured issuer. Out: a `jwks_uri` that may be fetched, taken from a document
//! that names exactly this issuer.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::error::{FetchError, FetchErrorKind};
use crate::fetch::{Content, Fetch, FetchRequest, FetchUrl, MAX_BODY_BYTES, PlainHttp, UrlError};
use crate::json::{Name, has_duplicates};
use crate::text::Configured;

/// What we take from provider metadata: where the keys are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ProviderMetadata {
    pub(crate) jwks_uri: FetchUrl,
}

/// The two places where an issuer's metadata may be, the likelier one first.
///
/// A trailing slash of the issuer is dropped before a path is added, as both specifications say;
/// it still counts when the document's issuer is compared.
pub(crate) fn candidates(issuer: &str, plain_http: PlainHttp) -> Result<[FetchUrl; 2], UrlError> {
    let url = FetchUrl::parse(issuer, plain_http)?;
    if url.has_query() {
        return Err(UrlError::Query);
    }
    let path = url.path();
    let path = path.strip_suffix('/').unwrap_or(path);
    Ok([
        url.at_path(&format!("{path}/.well-known/openid-configuration")),
        url.at_path(&format!("/.well-known/oauth-authorization-server{path}")),
    ])
}

/// Reads a metadata document, and refuses one of another issuer
/// ([RFC 8414 §3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)).
///
/// Issuers are compared byte for byte. A document that passes for another issuer's would let that
/// one's keys, or an attacker's, sign for ours.
pub(crate) fn parse(
    body: &[u8],
    issuer: &str,
    plain_http: PlainHttp,
) -> Result<ProviderMetadata, FetchError> {
    let not_metadata = || FetchError::new(FetchErrorKind::NotMetadata);
    let text = str::from_utf8(body).map_err(|_| not_metadata())?;
    let members: Members<'_> = serde_json::from_str(text).map_err(|_| not_metadata())?;
    let published = members.issuer.ok_or_else(not_metadata)?;
    if published != issuer {
        // Shown: the two often differ in a slash, which nobody finds who sees only one of them.
        let (published, issuer) = (Configured(&published), Configured(issuer));
        return Err(FetchError::with_source(
            FetchErrorKind::IssuerMismatch,
            format!("the metadata says {published:?}, the configuration {issuer:?}"),
        ));
    }
    let jwks_uri = FetchUrl::parse(&members.jwks_uri.ok_or_else(not_metadata)?, plain_http)
        .map_err(|error| FetchError::with_source(FetchErrorKind::ForbiddenUrl, error))?;
    Ok(ProviderMetadata { jwks_uri })
}

/// Fetches and reads the issuer's metadata.
///
/// The second place is asked only when the first says that it has no document there, never after
/// one that is malformed or another issuer's, nor when the issuer is failing: two requests do not
/// help one that cannot answer one.
pub(crate) async fn discover(
    fetch: &dyn Fetch,
    issuer: &str,
    plain_http: PlainHttp,
) -> Result<ProviderMetadata, FetchError> {
    let [openid, oauth] = candidates(issuer, plain_http)
        .map_err(|error| FetchError::with_source(FetchErrorKind::ForbiddenUrl, error))?;
    let absent = match get(fetch, openid).await {
        Ok(body) => return parse(&body, issuer, plain_http),
        Err(error) if is_absent(&error) => error,
        Err(error) => return Err(error),
    };
    match get(fetch, oauth).await {
        Ok(body) => parse(&body, issuer, plain_http),
        // Absent in both places: the first is the one to look for.
        Err(error) if is_absent(&error) => Err(absent),
        Err(error) => Err(error),
    }
}

async fn get(fetch: &dyn Fetch, url: FetchUrl) -> Result<Vec<u8>, FetchError> {
    match FetchRequest::new(url, MAX_BODY_BYTES)
        .send(fetch)
        .await?
        .content
    {
        Content::Document { body, .. } => Ok(body),
        Content::NotModified => Err(FetchError::new(FetchErrorKind::Status(304))),
    }
}

/// 404 and its kin: 204, redirects to a login page, 403 of a storage bucket. Not 429 and 5xx, where
/// the document may well be there.
fn is_absent(error: &FetchError) -> bool {
    matches!(error.kind(), FetchErrorKind::Status(status) if status < 500 && status != 429)
}

/// The members of a metadata document that we read, each `None` when absent.
struct Members<'a> {
    issuer: Option<Cow<'a, str>>,
    jwks_uri: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with each member once")
    }

    /// Parsers disagree on which of two equal members counts, so a document that has two means
    /// different issuers to different readers. It is refused.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members {
            issuer: None,
            jwks_uri: None,
        };
        let mut names = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "issuer" => members.issuer = Some(map.next_value::<Name<'de>>()?.0),
                "jwks_uri" => members.jwks_uri = Some(map.next_value::<Name<'de>>()?.0),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
            names.push(name);
        }
        if has_duplicates(&mut names) {
            return Err(de::Error::custom("a member stands twice"));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::*;
    use crate::fetch::{FetchFuture, FetchResponse};

    const ISSUER: &str = "https://id.example";

    #[track_caller]
    fn check_candidates(issuer: &str, expected: Result<[&str; 2], UrlError>) {
        let found = candidates(issuer, PlainHttp::for_issuer(issuer));
        let found = found
            .as_ref()
            .map(|urls| urls.each_ref().map(FetchUrl::as_str));
        assert_eq!(found, expected.as_ref().copied(), "{issuer:?}");
    }

    #[test]
    fn metadata_is_looked_for_in_two_places() {
        let at_root = [
            "https://id.example/.well-known/openid-configuration",
            "https://id.example/.well-known/oauth-authorization-server",
        ];
        check_candidates("https://id.example", Ok(at_root));
        check_candidates("https://id.example/", Ok(at_root));
        let in_realm = [
            "https://id.example:8443/realms/a/.well-known/openid-configuration",
            "https://id.example:8443/.well-known/oauth-authorization-server/realms/a",
        ];
        check_candidates("https://id.example:8443/realms/a", Ok(in_realm));
        check_candidates("https://id.example:8443/realms/a/", Ok(in_realm));
        check_candidates(
            "http://127.0.0.1:8080",
            Ok([
                "http://127.0.0.1:8080/.well-known/openid-configuration",
                "http://127.0.0.1:8080/.well-known/oauth-authorization-server",
            ]),
        );
    }

    #[test]
    fn an_issuer_that_is_no_https_url_has_no_metadata() {
        check_candidates("id.example", Err(UrlError::Scheme));
        check_candidates("http://id.example", Err(UrlError::PlainHttp));
        check_candidates("https://id.example?tenant=a", Err(UrlError::Query));
        check_candidates("https://id.example#a", Err(UrlError::Fragment));
        check_candidates("https://a@id.example", Err(UrlError::Userinfo));
    }

    #[track_caller]
    fn check(body: impl AsRef<[u8]>, expected: Result<&str, FetchErrorKind>) {
        let body = body.as_ref();
        let found = parse(body, ISSUER, PlainHttp::Never).map_err(|error| error.kind());
        let found = found
            .as_ref()
            .map(|metadata| metadata.jwks_uri.as_str())
            .map_err(|kind| *kind);
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(body));
    }

    const KEYS: &str = "https://id.example/keys";

    #[test]
    fn a_document_of_this_issuer_says_where_its_keys_are() {
        check(
            r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}"#,
            Ok(KEYS),
        );
        check(
            r#" {"jwks_uri":"https:\/\/id.example\/keys","iss\u0075er":"https://id.example","x":{"a":1,"a":[]}} "#,
            Ok(KEYS),
        );
        check(
            r#"{"issuer":"https://id.example","jwks_uri":"https://cdn.example/k?t=1"}"#,
            Ok("https://cdn.example/k?t=1"),
        );
    }

    #[test]
    fn an_issuer_is_compared_byte_for_byte() {
        for issuer in [
            "https://id.example/",
            "https://ID.example",
            "https://id.example:443",
            "https://id.example ",
            "id.example",
            "https://evil.example",
            "https://id.examplé",
            "",
        ] {
            let body = format!(r#"{{"issuer":"{issuer}","jwks_uri":"https://id.example/keys"}}"#);
            check(body, Err(FetchErrorKind::IssuerMismatch));
        }
        // Both are shown, so that the slash that makes the difference is.
        let body = br#"{"issuer":"https://id.example/\n","jwks_uri":"https://id.example/keys"}"#;
        let error = parse(body, "https://id.example", PlainHttp::Never).unwrap_err();
        assert!(error.to_string().contains("to the last slash"), "{error}");
        assert_eq!(
            std::error::Error::source(&error).unwrap().to_string(),
            r#"the metadata says "https://id.example/\u{a}", the configuration "https://id.example""#
        );
        // Whose document it is comes before what is in it.
        check(
            r#"{"issuer":"https://evil.example"}"#,
            Err(FetchErrorKind::IssuerMismatch),
        );
    }

    #[test]
    fn f7_a_jwks_uri_that_may_not_be_fetched_is_refused() {
        for jwks_uri in [
            "http://id.example/keys",
            "http://127.0.0.1/keys",
            "file:///etc/passwd",
            "/keys",
            "",
            "https://u:p@id.example/keys",
            "https://id.example/keys#a",
            "https://",
            "https://id.example/ keys",
        ] {
            let body = format!(r#"{{"issuer":"https://id.example","jwks_uri":"{jwks_uri}"}}"#);
            check(body, Err(FetchErrorKind::ForbiddenUrl));
        }
    }

    #[test]
    fn a_loopback_issuer_leads_to_plain_http_on_loopback_only() {
        let issuer = "http://127.0.0.1:8080";
        for (jwks_uri, allowed) in [
            ("http://127.0.0.1:8080/keys", true),
            ("http://localhost:9/keys", true),
            ("https://id.example/keys", true),
            ("http://id.example/keys", false),
            ("http://127.0.0.1.evil.com/keys", false),
            ("http://127.0.0.1@evil.com/keys", false),
        ] {
            let body = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}"}}"#);
            let found = parse(body.as_bytes(), issuer, PlainHttp::for_issuer(issuer))
                .map_err(|error| error.kind());
            match found {
                Ok(_) => assert!(allowed, "{jwks_uri}"),
                Err(kind) => assert_eq!(
                    (kind, allowed),
                    (FetchErrorKind::ForbiddenUrl, false),
                    "{jwks_uri}"
                ),
            }
        }
    }

    #[test]
    fn what_is_not_metadata_is_refused() {
        let twice = |member: &str| {
            format!(
                r#"{{{member},"issuer":"https://id.example",{member},"jwks_uri":"https://id.example/keys"}}"#
            )
        };
        for body in [
            "",
            "null",
            "[]",
            "\"https://id.example\"",
            "{}",
            "<html>",
            r#"{"issuer":"https://id.example"}"#,
            r#"{"jwks_uri":"https://id.example/keys"}"#,
            r#"{"issuer":null,"jwks_uri":"https://id.example/keys"}"#,
            r#"{"issuer":["https://id.example"],"jwks_uri":"https://id.example/keys"}"#,
            r#"{"issuer":"https://id.example","jwks_uri":null}"#,
            r#"{"issuer":"https://id.example","jwks_uri":["https://id.example/keys"]}"#,
            r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}x"#,
            r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys""#,
            "\u{feff}{\"issuer\":\"https://id.example\",\"jwks_uri\":\"https://id.example/keys\"}",
            &twice(r#""a":1"#),
            r#"{"issuer":"https://id.example","iss\u0075er":"https://id.example","jwks_uri":"https://id.example/keys"}"#,
            r#"{"issuer":"https://id.example","jwks_uri":"https://a/","jwks_uri":"https://id.example/keys"}"#,
        ] {
            check(body, Err(FetchErrorKind::NotMetadata));
        }
        check(b"{\"issuer\":\"https://id.example\",\"jwks_uri\":\"https://id.example/keys\",\"a\":\"\xff\"}", Err(FetchErrorKind::NotMetadata));
        // Depth is bounded, and memory does not grow with it.
        let deep = format!(
            r#"{{"a":{}{},"issuer":"https://id.example"}}"#,
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        check(deep, Err(FetchErrorKind::NotMetadata));
    }

    /// Answers by path, with 404 for what is not listed, and keeps what it was asked.
    #[derive(Debug)]
    struct Host {
        answers: HashMap<&'static str, Result<String, FetchErrorKind>>,
        asked: Mutex<Vec<String>>,
    }

    impl Fetch for Host {
        fn fetch(&self, request: FetchRequest) -> FetchFuture<'_> {
            let path = request.url().strip_prefix(ISSUER).unwrap().to_owned();
            let answer = self
                .answers
                .get(path.as_str())
                .cloned()
                .unwrap_or(Err(FetchErrorKind::Status(404)));
            self.asked.lock().unwrap().push(path);
            Box::pin(async { answer.map(FetchResponse::document).map_err(FetchError::new) })
        }
    }

    const OPENID: &str = "/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server";

    #[track_caller]
    fn check_discover(
        openid: Result<&str, FetchErrorKind>,
        oauth: Result<&str, FetchErrorKind>,
        expected: Result<(), FetchErrorKind>,
        asked: &[&str],
    ) {
        let answers = HashMap::from([
            (OPENID, openid.map(str::to_owned)),
            (OAUTH, oauth.map(str::to_owned)),
        ]);
        let host = Host {
            answers,
            asked: Mutex::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let found = runtime.block_on(discover(&host, ISSUER, PlainHttp::Never));
        assert_eq!(found.map(drop).map_err(|error| error.kind()), expected);
        assert_eq!(*host.asked.lock().unwrap(), asked);
    }

    #[test]
    fn the_second_place_is_asked_only_when_the_first_is_empty() {
        use FetchErrorKind as K;
        let good = r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}"#;
        let foreign = r#"{"issuer":"https://evil.example","jwks_uri":"https://evil.example/keys"}"#;
        let forbidden = r#"{"issuer":"https://id.example","jwks_uri":"http://id.example/keys"}"#;
        check_discover(Ok(good), Ok(foreign), Ok(()), &[OPENID]);
        for status in [201, 204, 302, 400, 401, 403, 404, 405, 410, 428, 430, 499] {
            check_discover(Err(K::Status(status)), Ok(good), Ok(()), &[OPENID, OAUTH]);
            check_discover(
                Err(K::Status(status)),
                Ok(foreign),
                Err(K::IssuerMismatch),
                &[OPENID, OAUTH],
            );
            check_discover(
                Err(K::Status(status)),
                Err(K::Status(403)),
                Err(K::Status(status)),
                &[OPENID, OAUTH],
            );
            check_discover(
                Err(K::Status(status)),
                Err(K::Status(503)),
                Err(K::Status(503)),
                &[OPENID, OAUTH],
            );
            check_discover(
                Err(K::Status(status)),
                Err(K::Connection),
                Err(K::Connection),
                &[OPENID, OAUTH],
            );
        }
        for kind in [
            K::Status(429),
            K::Status(500),
            K::Status(503),
            K::Connection,
            K::Deadline,
            K::TooLarge,
        ] {
            check_discover(Err(kind), Ok(good), Err(kind), &[OPENID]);
        }
        check_discover(Ok(foreign), Ok(good), Err(K::IssuerMismatch), &[OPENID]);
        check_discover(Ok(forbidden), Ok(good), Err(K::ForbiddenUrl), &[OPENID]);
        check_discover(Ok("<html>"), Ok(good), Err(K::NotMetadata), &[OPENID]);
    }

    #[test]
    fn a_document_is_at_most_512_kib() {
        let sized = |bytes: usize| {
            let good = r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys"}"#;
            format!("{good}{}", " ".repeat(bytes - good.len()))
        };
        check_discover(
            Ok(&sized(512 * 1024)),
            Err(FetchErrorKind::Status(404)),
            Ok(()),
            &[OPENID],
        );
        let too_large = Err(FetchErrorKind::TooLarge);
        check_discover(
            Ok(&sized(512 * 1024 + 1)),
            Err(FetchErrorKind::Status(404)),
            too_large,
            &[OPENID],
        );
    }
}
