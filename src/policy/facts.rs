//! What a service knows of the object that a request is about.

use std::fmt;
use std::time::SystemTime;

/// What a decision may need beside the token: facts of the object that the request is about.
///
/// For [`Policy::check_on`](crate::Policy::check_on), or given by a [`Resource`](crate::Resource). A fact that a
/// policy asks for and that is not there, is or has an empty text, or is a list where one text is needed,
/// is a fault: an object without a tenant is not everybody's. A list of none is no fault: nobody shares
/// anything with it.
///
/// # Security
///
/// Facts come from where the service keeps its objects, never from the request: an owner that the
/// caller names is always the caller.
///
/// # Example
///
/// ```
/// use portcullis::{Facts, Policy, VerifiedToken};
///
/// struct Order {
///     /// Who placed it: `iss` and `sub` of their token.
///     placed_by: (String, String),
///     tenant: String,
/// }
///
/// fn may_read(token: &VerifiedToken, order: &Order) -> Result<(), portcullis::Forbidden> {
///     let policy = Policy::owner().or(Policy::role("support").and(Policy::claim("tenant").equals_fact("tenant")));
///     let (issuer, subject) = &order.placed_by;
///     policy.check_on(token, &Facts::new().owner(issuer, subject).fact("tenant", &order.tenant))
/// }
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct Facts<'a> {
    pub(super) owner: Option<(&'a str, &'a str)>,
    named: Vec<(&'a str, Fact<'a>)>,
    pub(super) now: Option<SystemTime>,
}

#[derive(Clone)]
pub(super) enum Fact<'a> {
    Text(&'a str),
    List(Vec<&'a str>),
}

impl<'a> Facts<'a> {
    /// No facts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose the object is: `iss` and `sub` of their tokens. A subject alone is nobody, because two
    /// issuers may give the same one to two people.
    pub fn owner(mut self, issuer: &'a str, subject: &'a str) -> Self {
        self.owner = Some((issuer, subject));
        self
    }

    /// A fact that is one text. A later one of the same name replaces it.
    pub fn fact(self, name: &'a str, text: &'a str) -> Self {
        self.named(name, Fact::Text(text))
    }

    /// A fact that is a list of texts, such as the groups that an object is shared with.
    pub fn fact_list<T: AsRef<str> + ?Sized + 'a>(
        self,
        name: &'a str,
        texts: impl IntoIterator<Item = &'a T>,
    ) -> Self {
        let texts = texts.into_iter().map(AsRef::as_ref).collect();
        self.named(name, Fact::List(texts))
    }

    /// The moment to decide for, where it is not the one at which the token was verified: on a
    /// connection that has long been open, for one.
    pub fn now(mut self, now: SystemTime) -> Self {
        self.now = Some(now);
        self
    }

    fn named(mut self, name: &'a str, fact: Fact<'a>) -> Self {
        self.named.retain(|(known, _)| *known != name);
        self.named.push((name, fact));
        self
    }

    pub(super) fn get(&self, name: &str) -> Option<&Fact<'a>> {
        let (_, fact) = self.named.iter().find(|(known, _)| *known == name)?;
        Some(fact)
    }
}

impl<'a> Fact<'a> {
    /// Its texts, unless one of them is empty: two things that are not set have nothing in common.
    pub(super) fn texts(&self) -> Option<&[&'a str]> {
        let texts = match self {
            Self::Text(text) => std::slice::from_ref(text),
            Self::List(texts) => texts,
        };
        (!texts.iter().any(|text| text.is_empty())).then_some(texts)
    }
}

/// Which facts there are. What they say is the service's, and may be personal.
impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.named.iter().map(|(name, _)| *name);
        let owner = self.owner.map(|_| "owner");
        f.debug_list()
            .entries(owner.into_iter().chain(names))
            .finish()
    }
}
