//! An object that nobody can get at before a policy allowed it.

use std::fmt;

use super::{Facts, Forbidden, Policy};
use crate::token::VerifiedToken;

/// An object that policies decide about.
///
/// # Security
///
/// The facts must be those of this object as it is stored: see [`Facts`].
pub trait Resource {
    /// What policies may ask of it.
    fn facts(&self) -> Facts<'_>;
}

/// An object that is not to be had before a policy allowed it.
///
/// What loads objects returns them guarded, and a handler that forgets the check does not compile:
/// the way in is [`authorize`](Self::authorize), and there is no other.
///
/// # Example
///
/// ```
/// use portcullis::{Facts, Forbidden, Guarded, Policy, Resource, VerifiedToken};
///
/// struct Order { issuer: String, customer: String, total: u64 }
///
/// impl Resource for Order {
///     fn facts(&self) -> Facts<'_> {
///         Facts::new().owner(&self.issuer, &self.customer)
///     }
/// }
///
/// # fn load(_: u64) -> Order { Order { issuer: String::new(), customer: String::new(), total: 7 } }
/// /// The only way to orders in this service.
/// fn find(id: u64) -> Guarded<Order> {
///     Guarded::new(load(id))
/// }
///
/// fn total(id: u64, token: &VerifiedToken, mine: &Policy) -> Result<u64, Forbidden> {
///     Ok(find(id).authorize(mine, token)?.total)
/// }
/// # let mine = Policy::owner().or(Policy::role("support"));
/// ```
///
/// ```compile_fail
/// # struct Order { total: u64 }
/// fn total(order: portcullis::Guarded<Order>) -> u64 {
///     order.total
/// }
/// ```
#[must_use = "the object is lost when it is not authorized"]
pub struct Guarded<T>(T);

impl<T: Resource> Guarded<T> {
    /// Guards this object.
    pub const fn new(object: T) -> Self {
        Self(object)
    }

    /// The object, when the policy allows this token to have it. It is dropped when not.
    ///
    /// # Errors
    ///
    /// [`Forbidden`] as from [`Policy::check_on`] with the object's own facts.
    pub fn authorize(self, policy: &Policy, token: &VerifiedToken) -> Result<T, Forbidden> {
        policy.check_on(token, &self.0.facts())?;
        Ok(self.0)
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded([not authorized])")
    }
}
