//! What a handler gets: a token of which everything has been checked.

mod authentication;
mod members;
mod moment;
mod parties;
mod scopes;

pub use authentication::Authentication;
pub(crate) use members::{MAX_DEPTH, Value};
pub use parties::{Actor, Confirmation};
pub use scopes::Scopes;

use std::any::{Any, TypeId, type_name};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::claims::{AcceptedJwt, NumericDate, Text, TextList};
use crate::error::ClaimError;
use crate::json::Name;
use crate::jws::Header;
use members::Members;
use moment::Moment;

/// A token whose signature, issuer, audience, type and times were checked by a
/// [`Verifier`](crate::Verifier). Cheap to clone.
///
/// Where it comes from: [`Verifier::verify`](crate::Verifier::verify); behind an `AuthLayer` the
/// extensions of the request, in axum an extractor (feature `axum`), in tonic
/// `portcullis::tonic::verified_token` (feature `tonic`).
///
/// # Security
///
/// Holding one is the proof: it has no public constructor, no `Default` and no `Deserialize`.
#[derive(Clone)]
pub struct VerifiedToken(Arc<Inner>);

struct Inner {
    jwt: AcceptedJwt,
    scopes: OnceLock<Scopes>,
    typed: Mutex<TypedViews>,
    members: OnceLock<Members>,
    verified_at: Moment,
}

/// Typed views already parsed: one or two types in practice.
#[derive(Default)]
struct TypedViews(Vec<(TypeId, Arc<dyn Any + Send + Sync>)>);

impl TypedViews {
    fn find<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let (_, view) = self.0.iter().find(|(id, _)| *id == TypeId::of::<T>())?;
        Arc::clone(view).downcast().ok()
    }

    /// Whoever parses the same type at the same time gets the view of whoever was first.
    fn find_or_insert<T: Send + Sync + 'static>(&mut self, view: Arc<T>) -> Arc<T> {
        if let Some(first) = self.find() {
            return first;
        }
        let shared: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(&view);
        self.0.push((TypeId::of::<T>(), shared));
        view
    }
}

impl VerifiedToken {
    /// The one place that makes a verified token, from the one proof there is.
    pub(crate) fn new(jwt: AcceptedJwt, now: NumericDate) -> Self {
        Self(Arc::new(Inner {
            jwt,
            scopes: OnceLock::new(),
            typed: Mutex::default(),
            members: OnceLock::new(),
            verified_at: Moment::new(now),
        }))
    }

    /// The proof it was made from.
    pub(crate) fn proof(&self) -> &AcceptedJwt {
        &self.0.jwt
    }

    /// A claim to decide on: parsed when the first decision reads it, and once.
    pub(crate) fn value(&self, name: &str) -> Option<&Value> {
        let payload = self.0.jwt.payload.json();
        let members = self.0.members.get_or_init(|| Members::read(payload));
        members.get(name, payload)
    }

    /// When a verifier last found this token acceptable: the moment at which a [`Policy`](crate::Policy)
    /// judges the age of a login.
    ///
    /// All clones share it, and so does whoever presents the same token later to the same verifier.
    #[must_use]
    pub fn verified_at(&self) -> SystemTime {
        self.0.verified_at.get()
    }

    /// It has been found acceptable again.
    pub(crate) fn verified_again(&self, now: NumericDate) {
        self.0.verified_at.set(now);
    }

    /// `sub`: whom the token speaks for; never empty. Unique only together with [`issuer`](Self::issuer)
    /// ([RFC 7519 §4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(self.0.jwt.claims.subject)
    }

    /// `iss`, equal to the configured issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.jwt.payload.get(self.0.jwt.issuer)
    }

    /// `aud`: every audience the token is meant for.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.texts(self.0.jwt.claims.audience.as_ref())
    }

    /// `exp`, clamped to the years 1970 to 9999. The token is refused from this moment on, plus leeway.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.0.jwt.expires_at.to_system_time()
    }

    /// `nbf`, clamped like [`expires_at`](Self::expires_at).
    #[must_use]
    pub fn not_before(&self) -> Option<SystemTime> {
        self.0
            .jwt
            .claims
            .not_before
            .map(NumericDate::to_system_time)
    }

    /// `iat`, clamped like [`expires_at`](Self::expires_at).
    #[must_use]
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.jwt.claims.issued_at.map(NumericDate::to_system_time)
    }

    /// `jti`: the token's own name, unique per issuer.
    #[must_use]
    pub fn jwt_id(&self) -> Option<&str> {
        self.text(self.0.jwt.claims.jwt_id)
    }

    /// `client_id`: the client the token was issued to
    /// ([RFC 8693 §4.3](https://www.rfc-editor.org/rfc/rfc8693#section-4.3)).
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text(self.0.jwt.claims.client_id)
    }

    /// `azp`: what issuers that follow OpenID Connect call the client.
    #[must_use]
    pub fn authorized_party(&self) -> Option<&str> {
        self.text(self.0.jwt.claims.authorized_party)
    }

    /// The scopes of `scope` (a string or an array), or of `scp` when there is no `scope`.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        self.0
            .scopes
            .get_or_init(|| match self.0.jwt.claims.scope() {
                Some(TextList::One(text)) => Scopes::split(self.0.jwt.payload.get(text)),
                list => Scopes(self.texts(list.as_ref()).map(Into::into).collect()),
            })
    }

    /// How and when the person behind the token proved who they are: `acr`, `amr`, `auth_time`.
    #[must_use]
    pub fn authentication(&self) -> Authentication<'_> {
        Authentication { token: self }
    }

    /// `roles` ([RFC 9068 §2.2.3.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1)); empty when absent.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] when the claim is neither a string nor an array of strings.
    pub fn roles(&self) -> Result<Vec<String>, ClaimError> {
        let roles = self.claim::<OneOrMany>("roles");
        let roles =
            roles.map_err(|_| ClaimError::new("roles", "a string or an array of strings"))?;
        Ok(roles.map(Vec::from).unwrap_or_default())
    }

    /// `act`: who acts for the subject, where the token was exchanged
    /// ([RFC 8693 §4.1](https://www.rfc-editor.org/rfc/rfc8693#section-4.1)).
    ///
    /// Only this, the current actor, may count in a decision; earlier ones are for information.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] when the claim is not an object, or its `sub` or `iss` is there and is not a
    /// string or is empty.
    pub fn actor(&self) -> Result<Option<Actor>, ClaimError> {
        self.object("act")
    }

    /// `cnf`: the key the token is bound to ([RFC 7800](https://www.rfc-editor.org/rfc/rfc7800)).
    /// Always `None` so far: a bound token is refused until its binding can be checked.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] when the claim is not an object, or a thumbprint is not a string or is empty.
    pub fn confirmation(&self) -> Result<Option<Confirmation>, ClaimError> {
        self.object("cnf")
    }

    /// Any claim, read as `T`; `None` when it is absent or `null`.
    ///
    /// Parses the claims anew at each call: for more than a few, or on a hot path, use
    /// [`claims`](Self::claims).
    ///
    /// # Errors
    ///
    /// [`ClaimError`] when the claim cannot be read as `T`.
    ///
    /// # Example
    ///
    /// ```
    /// # fn f(token: &portcullis::VerifiedToken) -> Result<(), portcullis::ClaimError> {
    /// let tenant: Option<String> = token.claim("tenant")?;
    /// # Ok(()) }
    /// ```
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ClaimError> {
        let no_t = |_| ClaimError::new(name, type_name::<T>());
        match self.json::<T>(name)? {
            Some(value) => serde_json::from_str(value.get()).map_err(no_t),
            None => Ok(None),
        }
    }

    /// A claim that is an object when it is there: unlike in [`claim`](Self::claim), `null` is not one.
    fn object<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ClaimError> {
        let no_t = |_| ClaimError::new(name, type_name::<T>());
        match self.json::<T>(name)? {
            Some(value) => serde_json::from_str(value.get()).map(Some).map_err(no_t),
            None => Ok(None),
        }
    }

    /// A claim's JSON, to be read as `T`.
    fn json<T>(&self, name: &str) -> Result<Option<&RawValue>, ClaimError> {
        serde_json::Deserializer::from_str(self.0.jwt.payload.json())
            .deserialize_map(Find { name, found: None })
            .map_err(|_| ClaimError::new(name, type_name::<T>()))
    }

    /// All claims as one type of yours, parsed once for this token and all its clones.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] with the name `"*"` when the claims cannot be read as `T`. It names the type, and
    /// the member that is missing where that can be told without showing anything of the token.
    ///
    /// # Example
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Tenant {
    ///     tenant: String,
    /// }
    ///
    /// # fn f(token: &portcullis::VerifiedToken) -> Result<(), portcullis::ClaimError> {
    /// let claims = token.claims::<Tenant>()?;
    /// # let _: &str = &claims.tenant;
    /// # Ok(()) }
    /// ```
    pub fn claims<T: DeserializeOwned + Send + Sync + 'static>(
        &self,
    ) -> Result<Arc<T>, ClaimError> {
        if let Some(view) = self.typed().find::<T>() {
            return Ok(view);
        }
        // The service's code runs here, so not under the lock: it may call this method, or take long.
        let view = Arc::new(self.parse_claims::<T>()?);
        Ok(self.typed().find_or_insert(view))
    }

    fn typed(&self) -> MutexGuard<'_, TypedViews> {
        // Nothing panics while it is held, so a poisoned lock still guards a sound list.
        self.0.typed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All claims as a `T`, parsed anew.
    pub(crate) fn parse_claims<T: DeserializeOwned>(&self) -> Result<T, ClaimError> {
        let payload = self.0.jwt.payload.json();
        serde_json::from_str(payload)
            .map_err(|error| ClaimError::of_all(type_name::<T>(), missing_member(&error, payload)))
    }

    /// The token's JOSE header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.jwt.header
    }

    fn text(&self, text: Option<Text>) -> Option<&str> {
        text.map(|text| self.0.jwt.payload.get(text))
    }

    fn texts<'a>(&'a self, list: Option<&'a TextList>) -> impl Iterator<Item = &'a str> {
        let AcceptedJwt {
            claims, payload, ..
        } = &self.0.jwt;
        list.into_iter()
            .flat_map(|list| claims.texts(list, payload))
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VerifiedToken([redacted; {} bytes of claims])",
            self.0.jwt.payload.json().len()
        )
    }
}

/// The member that a type of the service found missing.
///
/// Such a type can word errors of its own, with anything of the token in them: a name that the token
/// does not contain, nor could with an escape in it, is not from there.
fn missing_member(error: &serde_json::Error, payload: &str) -> Option<Box<str>> {
    let text = error.to_string();
    let name = text.strip_prefix("missing field `")?.split('`').next()?;
    let is_there = payload.contains(name) || payload.contains('\\');
    (!is_there).then(|| name.into())
}

/// A string or an array of strings.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Vec<String> {
    fn from(value: OneOrMany) -> Self {
        match value {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

/// Looks for one member of the claims and keeps its JSON.
struct Find<'n, 'de> {
    name: &'n str,
    found: Option<&'de RawValue>,
}

impl<'de> Visitor<'de> for Find<'_, 'de> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("claims")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(Name(name)) = map.next_key()? {
            if name == self.name {
                self.found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self.found)
    }
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Tenant {
        #[expect(dead_code, reason = "only read by serde")]
        tenant: String,
    }

    /// Words an error of its own, with what the token says.
    #[derive(Debug)]
    struct Chatty;

    impl<'de> Deserialize<'de> for Chatty {
        fn deserialize<D: serde::Deserializer<'de>>(claims: D) -> Result<Self, D::Error> {
            let claims = serde_json::Value::deserialize(claims)?;
            let text = format!("missing field `{}`", claims["sub"].as_str().unwrap());
            Err(serde::de::Error::custom(text))
        }
    }

    #[track_caller]
    fn check<T: DeserializeOwned + fmt::Debug + Send + Sync + 'static>(
        claims: &serde_json::Value,
        missing: Option<&str>,
    ) {
        let token = VerifiedToken::dangerously_assert_verified(claims);
        let error = token.claims::<T>().unwrap_err();
        let mut text = format!("the claims cannot be read as {}", type_name::<T>());
        if let Some(missing) = missing {
            text.push_str(&format!(": there is no {missing:?}"));
        }
        assert_eq!((error.name(), error.to_string()), ("*", text));
        assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
    }

    #[test]
    fn claims_of_another_type_are_told_by_the_type_and_never_by_what_they_say() {
        check::<Tenant>(&json!({}), Some("tenant"));
        check::<Tenant>(&json!({ "tenant": 7 }), None);
        check::<Tenant>(&json!({ "hidden": 1 }), None);
        check::<Tenant>(&json!({ "tenant": ["hidden"] }), None);
        check::<Chatty>(&json!({ "sub": "hidden" }), None);
    }

    #[test]
    fn claims_with_escapes_are_read_as_what_was_signed() {
        let claims = json!({ "sub": "a\"b", "tenant": "c\\d", "scope": ["\n"], "iss": "\t" });
        let token = VerifiedToken::dangerously_assert_verified(&claims);
        assert_eq!((token.subject(), token.issuer()), (Some("a\"b"), "\t"));
        assert_eq!(*token.claims::<serde_json::Value>().unwrap(), claims);
        assert_eq!(token.claim::<String>("tenant").unwrap().unwrap(), "c\\d");
        assert_eq!(token.value("tenant"), Some(&Value::Text("c\\d".into())));
        let bytes = claims.to_string().len();
        assert_eq!(
            format!("{token:?}"),
            format!("VerifiedToken([redacted; {bytes} bytes of claims])")
        );
    }

    #[test]
    fn a_claim_of_another_type_is_told_by_its_name_and_the_type() {
        let token =
            VerifiedToken::dangerously_assert_verified(&json!({ "tenant": "hidden", "roles": 1 }));
        let error = token.claim::<u32>("tenant").unwrap_err();
        assert_eq!(error.to_string(), r#"claim "tenant" cannot be read as u32"#);
        let error = token.roles().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"claim "roles" cannot be read as a string or an array of strings"#
        );
    }

    thread_local! {
        static TOKEN: RefCell<Option<VerifiedToken>> = const { RefCell::new(None) };
    }

    /// Reads the claims of the same token while it is read from them.
    struct Nested(String);

    impl<'de> Deserialize<'de> for Nested {
        fn deserialize<D: serde::Deserializer<'de>>(claims: D) -> Result<Self, D::Error> {
            #[derive(Deserialize)]
            struct Subject {
                sub: String,
            }
            IgnoredAny::deserialize(claims)?;
            let token = TOKEN.with_borrow(|token| token.clone().unwrap());
            Ok(Self(token.claims::<Subject>().unwrap().sub.clone()))
        }
    }

    #[test]
    fn a_type_may_ask_for_claims_while_it_is_read() {
        let token = VerifiedToken::dangerously_assert_verified(&json!({ "sub": "alice" }));
        TOKEN.set(Some(token.clone()));
        let nested = token.claims::<Nested>().unwrap();
        assert_eq!(nested.0, "alice");
        assert!(Arc::ptr_eq(&nested, &token.claims::<Nested>().unwrap()));
    }
}
