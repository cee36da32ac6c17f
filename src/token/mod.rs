//! What a handler gets: a token of which everything has been checked.

mod authentication;
mod parties;
mod scopes;

pub use authentication::Authentication;
pub use parties::{Actor, Confirmation};
pub use scopes::Scopes;

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::claims::{AcceptedJwt, NumericDate, Text, TextList};
use crate::error::ClaimError;
use crate::json::Name;
use crate::jws::Header;

/// A token whose signature, issuer, audience, type and times were checked by a
/// [`Verifier`](crate::Verifier). Cheap to clone.
///
/// # Security
///
/// Holding one is the proof: it has no public constructor, no `Default` and no `Deserialize`.
///
/// ```compile_fail
/// let forged: portcullis::VerifiedToken = serde_json::from_str("{}").unwrap();
/// ```
///
/// ```compile_fail
/// let forged = portcullis::VerifiedToken::default();
/// ```
#[derive(Clone)]
pub struct VerifiedToken(Arc<Inner>);

struct Inner {
    jwt: AcceptedJwt,
    scopes: OnceLock<Scopes>,
    /// Typed views already parsed: one or two types in practice.
    typed: Mutex<Vec<(TypeId, Arc<dyn Any + Send + Sync>)>>,
}

impl VerifiedToken {
    /// The one place that makes a verified token, from the one proof there is.
    pub(crate) fn new(jwt: AcceptedJwt) -> Self {
        Self(Arc::new(Inner {
            jwt,
            scopes: OnceLock::new(),
            typed: Mutex::new(Vec::new()),
        }))
    }

    /// A token made of claims that nobody signed, for tests of handlers.
    ///
    /// Absent claims stay absent; without `exp` it never expires.
    ///
    /// # Panics
    ///
    /// When the claims are no JSON object, or a registered claim is of the wrong type.
    ///
    /// # Security
    ///
    /// Exists only with the feature `testing`, which must not be enabled outside of tests.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::VerifiedToken;
    ///
    /// let token = VerifiedToken::dangerously_assert_verified(&serde_json::json!({ "sub": "alice" }));
    /// assert_eq!(token.subject(), Some("alice"));
    /// ```
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn dangerously_assert_verified(claims: &impl serde::Serialize) -> Self {
        let payload = serde_json::to_string(claims).expect("claims serialize to JSON");
        Self::new(
            AcceptedJwt::asserted(payload.into())
                .expect("claims are an object of well-typed claims"),
        )
    }

    /// `sub`: whom the token speaks for; never empty. Unique only together with [`issuer`](Self::issuer)
    /// ([RFC 7519 §4.1.2](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.2)).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.text(self.0.jwt.claims.subject.as_ref())
    }

    /// `iss`, equal to the configured issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.jwt.issuer
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
        self.text(self.0.jwt.claims.jwt_id.as_ref())
    }

    /// `client_id`: the client the token was issued to
    /// ([RFC 8693 §4.3](https://www.rfc-editor.org/rfc/rfc8693#section-4.3)).
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.text(self.0.jwt.claims.client_id.as_ref())
    }

    /// `azp`: what issuers that follow OpenID Connect call the client.
    #[must_use]
    pub fn authorized_party(&self) -> Option<&str> {
        self.text(self.0.jwt.claims.authorized_party.as_ref())
    }

    /// The scopes of `scope` (a string or an array), or of `scp` when there is no `scope`.
    #[must_use]
    pub fn scopes(&self) -> &Scopes {
        self.0
            .scopes
            .get_or_init(|| match &self.0.jwt.claims.scope {
                Some(TextList::One(text)) => Scopes::split(text.get(&self.0.jwt.payload)),
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
        Ok(self
            .claim::<OneOrMany>("roles")?
            .map(Vec::from)
            .unwrap_or_default())
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
        match self.json(name)? {
            Some(value) => serde_json::from_str(value.get()).map_err(|_| ClaimError::new(name)),
            None => Ok(None),
        }
    }

    /// A claim that is an object when it is there: unlike in [`claim`](Self::claim), `null` is not one.
    fn object<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ClaimError> {
        let read = |value: &RawValue| serde_json::from_str(value.get());
        self.json(name)?
            .map(read)
            .transpose()
            .map_err(|_| ClaimError::new(name))
    }

    /// A claim's JSON.
    fn json(&self, name: &str) -> Result<Option<&RawValue>, ClaimError> {
        serde_json::Deserializer::from_str(&self.0.jwt.payload)
            .deserialize_map(Find { name, found: None })
            .map_err(|_| ClaimError::new(name))
    }

    /// All claims as one type of yours, parsed once for this token and all its clones.
    ///
    /// # Errors
    ///
    /// [`ClaimError`] with the name `"*"` when the claims cannot be read as `T`.
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
        // Nothing panics while it is held, so a poisoned lock still guards a sound list.
        let mut typed = self.0.typed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = typed.iter().find(|(id, _)| *id == TypeId::of::<T>());
        if let Some(view) = known.and_then(|(_, view)| Arc::clone(view).downcast::<T>().ok()) {
            return Ok(view);
        }
        let view = Arc::new(self.parse_claims::<T>()?);
        let shared: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(&view);
        typed.push((TypeId::of::<T>(), shared));
        Ok(view)
    }

    /// All claims as a `T`, parsed anew.
    pub(crate) fn parse_claims<T: DeserializeOwned>(&self) -> Result<T, ClaimError> {
        serde_json::from_str(&self.0.jwt.payload).map_err(|_| ClaimError::new("*"))
    }

    /// The token's JOSE header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.0.jwt.header
    }

    fn text<'a>(&'a self, text: Option<&'a Text>) -> Option<&'a str> {
        text.map(|text| text.get(&self.0.jwt.payload))
    }

    fn texts<'a>(&'a self, list: Option<&'a TextList>) -> impl Iterator<Item = &'a str> {
        list.into_iter()
            .flat_map(|list| list.iter(&self.0.jwt.payload))
    }
}

impl fmt::Debug for VerifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "VerifiedToken([redacted; {} bytes of claims])",
            self.0.jwt.payload.len()
        )
    }
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
