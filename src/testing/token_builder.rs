//! Tokens as a test needs them: right ones, and wrong in one named way.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::AUDIENCE;
use super::keys::IssuerKey;
use crate::algorithm::Algorithm;
use crate::signature::hmac_sha256;

/// A token to be changed and signed, from [`TestIssuer::token`](super::TestIssuer::token).
///
/// It starts as an access token in the sense of
/// [RFC 9068 §2](https://www.rfc-editor.org/rfc/rfc9068#section-2):
///
/// | member | value |
/// |---|---|
/// | `typ` | `at+jwt` |
/// | `alg`, `kid` | those of the issuer's first signing key |
/// | `iss` | the issuer |
/// | `aud` | [`AUDIENCE`] |
/// | `sub` | `alice` |
/// | `client_id` | `test-client` |
/// | `iat`, `exp` | now, and in 300 seconds |
/// | `jti` | another one for every token of the issuer |
///
/// Times are whole seconds, rounded down. Now is when the builder was made, so that one builder signs
/// the same claims however long a test takes.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis::testing::TestIssuer;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let issuer = TestIssuer::start().await?;
/// let token = issuer.token().subject("bob").claim("tenant", "acme").expires_in(Duration::from_secs(60));
///
/// let good = token.clone().sign();
/// let forged = token.clone().sign_with_unknown_key();
/// let without_expiry = token.without_claim("exp").sign();
/// # assert_ne!(good, forged);
/// # assert_ne!(good, without_expiry);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "a builder is no token until it is signed"]
pub struct TokenBuilder {
    keys: Arc<[Arc<IssuerKey>]>,
    key: Arc<IssuerKey>,
    now: SystemTime,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    raw_header: Option<Vec<u8>>,
    raw_payload: Option<Vec<u8>>,
}

impl TokenBuilder {
    pub(super) fn new(
        issuer: &str,
        keys: &Arc<[Arc<IssuerKey>]>,
        now: SystemTime,
        number: u64,
    ) -> Self {
        let key = keys.first().expect("a test issuer has at least one key");
        let builder = Self {
            keys: Arc::clone(keys),
            key: Arc::clone(key),
            now,
            header: Map::new(),
            claims: Map::new(),
            raw_header: None,
            raw_payload: None,
        };
        builder
            .header("alg", key.algorithm().name())
            .key_id(key.id())
            .token_type("at+jwt")
            .issuer(issuer)
            .audience(AUDIENCE)
            .subject("alice")
            .claim("client_id", "test-client")
            .claim("jti", format!("token-{number}"))
            .issued_at(now)
            .expires_in(LIFETIME)
    }

    /// `sub`: whom the token is about.
    pub fn subject(self, subject: &str) -> Self {
        self.claim("sub", subject)
    }

    /// `aud` with one member, as a string.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// `aud` as an array, also of one or none.
    pub fn audiences<'a>(self, audiences: impl IntoIterator<Item = &'a str>) -> Self {
        self.claim("aud", audiences.into_iter().collect::<Vec<_>>())
    }

    /// `scope`: names with a space between
    /// ([RFC 8693 §4.2](https://www.rfc-editor.org/rfc/rfc8693#section-4.2)).
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// `iss`: another issuer than the one that signs.
    pub fn issuer(self, issuer: &str) -> Self {
        self.claim("iss", issuer)
    }

    /// `iat`.
    pub fn issued_at(self, time: SystemTime) -> Self {
        self.claim("iat", numeric_date(time))
    }

    /// `exp`.
    pub fn expires_at(self, time: SystemTime) -> Self {
        self.claim("exp", numeric_date(time))
    }

    /// `exp`, so long after now; `iat` stays.
    ///
    /// # Panics
    ///
    /// If the operating system cannot represent that time.
    #[track_caller]
    pub fn expires_in(self, duration: Duration) -> Self {
        let time = self.now.checked_add(duration);
        self.expires_at(time.expect("the operating system can represent the expiry"))
    }

    /// A token that expired so long ago: `exp`, and `iat` 300 seconds before it.
    ///
    /// # Panics
    ///
    /// If the operating system cannot represent these times.
    #[track_caller]
    pub fn expired_for(self, duration: Duration) -> Self {
        let expiry = self.now.checked_sub(duration);
        let issued = expiry.and_then(|expiry| expiry.checked_sub(LIFETIME));
        let (expiry, issued) = expiry
            .zip(issued)
            .expect("the operating system can represent the past");
        self.issued_at(issued).expires_at(expiry)
    }

    /// `nbf`.
    pub fn not_before(self, time: SystemTime) -> Self {
        self.claim("nbf", numeric_date(time))
    }

    /// Any claim with any value, in place of an earlier one of its name.
    ///
    /// # Panics
    ///
    /// If `value` does not serialize to JSON, such as a map whose keys are not strings.
    #[track_caller]
    pub fn claim(mut self, name: &str, value: impl Serialize) -> Self {
        self.claims.insert(name.to_owned(), to_json(value));
        self
    }

    /// Leaves a claim out.
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Signs with the issuer's first key for this algorithm, and names the two in the header.
    /// A [`key_id`](Self::key_id) given or left out before stays so.
    ///
    /// # Panics
    ///
    /// If the issuer has no such key; see [`TestIssuer::start_with`](super::TestIssuer::start_with).
    #[track_caller]
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        let Some(key) = self.keys.iter().find(|key| key.algorithm() == algorithm) else {
            panic!("the test issuer has no {algorithm} key: start it with TestIssuer::start_with");
        };
        let key = Arc::clone(key);
        if self.header.get("kid").and_then(Value::as_str) == Some(self.key.id()) {
            self = self.key_id(key.id());
        }
        self.key = key;
        self.header("alg", algorithm.name())
    }

    /// `kid`: the name of another key than the one that signs.
    pub fn key_id(self, key_id: &str) -> Self {
        self.header("kid", key_id)
    }

    /// Leaves `kid` out.
    pub fn without_key_id(self) -> Self {
        self.without_header("kid")
    }

    /// `typ`.
    pub fn token_type(self, token_type: &str) -> Self {
        self.header("typ", token_type)
    }

    /// Leaves `typ` out.
    pub fn without_token_type(self) -> Self {
        self.without_header("typ")
    }

    /// Any header member with any value, in place of an earlier one of its name. An `alg` given here is
    /// only named: [`algorithm`](Self::algorithm) chooses what signs.
    ///
    /// # Panics
    ///
    /// If `value` does not serialize to JSON.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl Serialize) -> Self {
        self.header.insert(name.to_owned(), to_json(value));
        self
    }

    /// Leaves a header member out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// These bytes as the header, whatever they are: a member twice, say, or no JSON at all. Everything
    /// else said about the header is ignored.
    pub fn raw_header(mut self, header: impl Into<Vec<u8>>) -> Self {
        self.raw_header = Some(header.into());
        self
    }

    /// These bytes as the payload, whatever they are. All claims are ignored.
    pub fn raw_payload(mut self, payload: impl Into<Vec<u8>>) -> Self {
        self.raw_payload = Some(payload.into());
        self
    }

    /// The token, signed with the issuer's key.
    #[must_use]
    pub fn sign(self) -> String {
        let input = self.signing_input();
        token(&input, &self.key.sign(input.as_bytes()))
    }

    /// The token as a forger can make it: signed with a fresh key of the same algorithm that nobody
    /// publishes, under the `kid` of the issuer's.
    #[must_use]
    pub fn sign_with_unknown_key(self) -> String {
        let input = self.signing_input();
        token(&input, &self.key.impostor().sign(input.as_bytes()))
    }

    /// The token with one bit of its signature changed.
    #[must_use]
    pub fn with_invalid_signature(self) -> String {
        let input = self.signing_input();
        let mut signature = self.key.sign(input.as_bytes());
        if let Some(byte) = signature.last_mut() {
            *byte ^= 1;
        }
        token(&input, &signature)
    }

    /// The token with `alg` `none` and an empty signature
    /// ([RFC 7515 §A.5](https://www.rfc-editor.org/rfc/rfc7515#appendix-A.5)).
    #[must_use]
    pub fn unsigned(self) -> String {
        token(&self.header("alg", "none").signing_input(), &[])
    }

    /// The token with `alg` `HS256`, authenticated with the public key as the secret: the PEM text that
    /// anybody can make of it. Fools a verifier that lets the header choose the algorithm
    /// ([RFC 8725 §2.1](https://www.rfc-editor.org/rfc/rfc8725#section-2.1)).
    #[must_use]
    pub fn signed_with_hmac_of_public_key(self) -> String {
        let secret = self.key.public_pem();
        let input = self.header("alg", "HS256").signing_input();
        token(&input, &hmac_sha256(secret.as_bytes(), input.as_bytes()))
    }

    fn signing_input(&self) -> String {
        let part = |raw: &Option<Vec<u8>>, members: &Map<String, Value>| match raw {
            Some(raw) => URL_SAFE_NO_PAD.encode(raw),
            None => URL_SAFE_NO_PAD.encode(to_json(members).to_string()),
        };
        format!(
            "{}.{}",
            part(&self.raw_header, &self.header),
            part(&self.raw_payload, &self.claims)
        )
    }
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

fn token(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[track_caller]
fn to_json(value: impl Serialize) -> Value {
    match serde_json::to_value(value) {
        Ok(value) => value,
        Err(error) => panic!("a member of a test token is not JSON: {error}"),
    }
}

/// Whole seconds since 1970, as [RFC 7519 §2](https://www.rfc-editor.org/rfc/rfc7519#section-2) counts
/// them; saturates.
fn numeric_date(time: SystemTime) -> i64 {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => seconds(after),
        Err(before) => {
            let before = before.duration();
            let part = i64::from(before.subsec_nanos() > 0);
            seconds(before).saturating_neg().saturating_sub(part)
        }
    }
}

const LIFETIME: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::keys::IssuerKeys;
    use super::*;
    use crate::key_set::KeySet;
    use crate::verifier::verify_jws;

    /// A builder over one key for each of two algorithms, made at 1,800,000,000.9 s.
    fn builder() -> TokenBuilder {
        let keys = IssuerKeys::generate(&[Algorithm::Es256, Algorithm::Es384], 80);
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_900);
        TokenBuilder::new("https://id.test", keys.signing(), now, 7)
    }

    fn part(token: &str, number: usize) -> Value {
        let part = token.split('.').nth(number).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    /// Signs what `change` makes of a default token and checks one of its claims.
    #[track_caller]
    fn check_claim(
        change: impl FnOnce(TokenBuilder) -> TokenBuilder,
        name: &str,
        expected: impl Into<Value>,
    ) {
        let claims = part(&change(builder()).sign(), 1);
        assert_eq!(
            claims.get(name).cloned().unwrap_or(Value::Null),
            expected.into()
        );
    }

    /// Signs what `change` makes of a default token and checks one member of its header.
    #[track_caller]
    fn check_header(
        change: impl FnOnce(TokenBuilder) -> TokenBuilder,
        name: &str,
        expected: impl Into<Value>,
    ) {
        let header = part(&change(builder()).sign(), 0);
        assert_eq!(
            header.get(name).cloned().unwrap_or(Value::Null),
            expected.into()
        );
    }

    #[test]
    fn a_default_token_is_an_access_token_of_rfc_9068() {
        let token = builder().sign();
        assert_eq!(
            part(&token, 0),
            json!({ "alg": "ES256", "kid": "es256-80-1", "typ": "at+jwt" })
        );
        let claims = json!({
            "iss": "https://id.test",
            "aud": AUDIENCE,
            "sub": "alice",
            "client_id": "test-client",
            "iat": 1_800_000_000,
            "exp": 1_800_000_300,
            "jti": "token-7",
        });
        assert_eq!(part(&token, 1), claims);
    }

    #[test]
    fn each_setter_changes_its_claim() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(99);
        check_claim(|token| token.subject("bob"), "sub", "bob");
        check_claim(|token| token.audience("a"), "aud", "a");
        check_claim(
            |token| token.audiences(["a", "b"]),
            "aud",
            json!(["a", "b"]),
        );
        check_claim(|token| token.audiences([]), "aud", json!([]));
        check_claim(|token| token.scope("a b"), "scope", "a b");
        check_claim(
            |token| token.issuer("https://other.test"),
            "iss",
            json!("https://other.test"),
        );
        check_claim(|token| token.issued_at(time), "iat", 99);
        check_claim(|token| token.expires_at(time), "exp", 99);
        check_claim(
            |token| token.expired_for(Duration::from_secs(60)),
            "exp",
            1_799_999_940,
        );
        check_claim(
            |token| token.expired_for(Duration::from_secs(60)),
            "iat",
            1_799_999_640,
        );
        check_claim(|token| token.not_before(time), "nbf", 99);
        check_claim(
            |token| token.expires_in(Duration::from_millis(99)),
            "exp",
            json!(1_800_000_000),
        );
        check_claim(
            |token| token.expires_in(Duration::from_millis(100)),
            "exp",
            json!(1_800_000_001),
        );
        check_claim(|token| token.claim("sub", 5), "sub", 5);
        check_claim(
            |token| token.claim("roles", ["admin"]),
            "roles",
            json!(["admin"]),
        );
        check_claim(|token| token.without_claim("exp"), "exp", Value::Null);
    }

    #[test]
    fn each_setter_changes_its_header_member() {
        check_header(|token| token.key_id("k"), "kid", "k");
        check_header(TokenBuilder::without_key_id, "kid", Value::Null);
        check_header(|token| token.token_type("JWT"), "typ", "JWT");
        check_header(TokenBuilder::without_token_type, "typ", Value::Null);
        check_header(
            |token| token.header("crit", ["b64"]),
            "crit",
            json!(["b64"]),
        );
        check_header(|token| token.without_header("alg"), "alg", Value::Null);
    }

    #[test]
    fn another_algorithm_brings_its_key_unless_a_kid_was_given() {
        check_header(
            |token| token.algorithm(Algorithm::Es384),
            "alg",
            json!("ES384"),
        );
        check_header(
            |token| token.algorithm(Algorithm::Es384),
            "kid",
            json!("es384-80-1"),
        );
        check_header(
            |token| token.key_id("k").algorithm(Algorithm::Es384),
            "kid",
            json!("k"),
        );
        check_header(
            |token| token.without_key_id().algorithm(Algorithm::Es384),
            "kid",
            Value::Null,
        );
    }

    #[test]
    #[should_panic = "no RS256 key"]
    fn an_algorithm_without_a_key_is_named() {
        drop(builder().algorithm(Algorithm::Rs256));
    }

    #[test]
    fn times_are_rounded_down_on_both_sides_of_1970() {
        let epoch = SystemTime::UNIX_EPOCH;
        let row = |time: SystemTime, expected: i64| assert_eq!(numeric_date(time), expected);
        row(epoch, 0);
        row(epoch + Duration::from_millis(1999), 1);
        row(epoch - Duration::from_secs(1), -1);
        row(epoch - Duration::from_millis(1001), -2);
        row(epoch - Duration::from_millis(1), -1);
    }

    #[test]
    fn raw_parts_are_taken_as_they_are() {
        let token = builder().raw_header(*b"{").raw_payload(*b"\xff").sign();
        let parts: Vec<_> = token.split('.').collect();
        assert_eq!((parts[0], parts[1]), ("ew", "_w"));
    }

    #[test]
    fn the_published_keys_verify_the_right_tokens_and_no_others() {
        let keys = IssuerKeys::generate(Algorithm::ALL, 80);
        let published = KeySet::from_json(keys.jwks().as_bytes()).unwrap();
        assert!(published.skipped().is_empty());
        let builder =
            TokenBuilder::new("https://id.test", keys.signing(), SystemTime::UNIX_EPOCH, 1);
        let outcome = |token: String| match verify_jws(&token, &published, Algorithm::ALL) {
            Ok(_) => "accepted",
            Err(error) => error.reason(),
        };
        for algorithm in Algorithm::ALL.iter().copied() {
            let token = builder.clone().algorithm(algorithm);
            assert_eq!(outcome(token.clone().sign()), "accepted", "{algorithm}");
            assert_eq!(
                outcome(token.clone().with_invalid_signature()),
                "invalid_signature",
                "{algorithm}"
            );
            assert_eq!(
                outcome(token.clone().sign_with_unknown_key()),
                "invalid_signature",
                "{algorithm}"
            );
            assert_eq!(
                outcome(token.clone().key_id("x").sign()),
                "unknown_key",
                "{algorithm}"
            );
            assert_ne!(outcome(token.clone().unsigned()), "accepted", "{algorithm}");
            assert_eq!(
                outcome(token.signed_with_hmac_of_public_key()),
                "unsupported_algorithm",
                "{algorithm}"
            );
        }
    }

    #[test]
    fn the_hmac_is_right_and_its_secret_is_the_public_key_as_pem() {
        use jsonwebtoken::{Algorithm::HS256, DecodingKey, Validation, decode};

        for algorithm in [Algorithm::Es256, Algorithm::Ed25519, Algorithm::Rs256] {
            let keys = IssuerKeys::generate(&[algorithm], 80);
            let now = crate::Clock::now(&crate::SystemClock).wall;
            let builder = TokenBuilder::new("https://id.test", keys.signing(), now, 1);
            let secret = builder.key.public_pem();
            assert_eq!(
                KeySet::from_pem(secret.as_bytes()).unwrap().len(),
                1,
                "{algorithm}"
            );
            let mut validation = Validation::new(HS256);
            validation.set_audience(&[AUDIENCE]);
            let token = builder.signed_with_hmac_of_public_key();
            let fooled = decode::<Value>(
                &token,
                &DecodingKey::from_secret(secret.as_bytes()),
                &validation,
            );
            assert_eq!(fooled.unwrap().claims["sub"], "alice", "{algorithm}");
        }
    }

    #[test]
    fn an_unsigned_token_says_so() {
        let token = builder().unsigned();
        assert_eq!(
            part(&token, 0),
            json!({ "alg": "none", "kid": "es256-80-1", "typ": "at+jwt" })
        );
        assert!(token.ends_with('.'));
    }

    #[test]
    fn debug_shows_neither_claims_nor_keys() {
        let shown = format!("{:?}", builder());
        let expected =
            r#"TokenBuilder { key: IssuerKey { id: "es256-80-1", algorithm: Es256, .. }, .. }"#;
        assert_eq!(shown, expected);
    }
}
