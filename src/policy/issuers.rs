//! Which parts of a policy grant authority to tokens of whichever issuer.

use super::atom::Atom;
use super::{Node, Policy};

impl Policy {
    /// The first part that lets tokens in without saying of which issuer they must be.
    ///
    /// With several issuers, "role admin" is what any of them says it is: the one that was added for
    /// a partner's customers makes administrators, too. A part names its issuer when it is and-ed with
    /// one ([`issuer`](Self::issuer), or [`owner`](Self::owner), whose subject is one of an issuer), and
    /// is exempt within [`any_issuer`](Self::any_issuer).
    pub(crate) fn unnamed_issuer(&self) -> Option<&Self> {
        match &self.0.node {
            Node::All(policies) if policies.iter().any(Self::names_issuer) => None,
            Node::All(policies) | Node::Any(policies) => {
                policies.iter().find_map(Self::unnamed_issuer)
            }
            Node::Hidden(policy) => policy.unnamed_issuer(),
            Node::AnyIssuer(_) | Node::Atom(Atom::Issuer(_) | Atom::Owner) => None,
            // Also of an issuer: whoever is not of this one is of any other.
            Node::Not(_) | Node::Atom(_) => Some(self),
        }
    }

    /// Whether it allows tokens only of issuers that it names.
    fn names_issuer(&self) -> bool {
        match &self.0.node {
            Node::All(policies) => policies.iter().any(Self::names_issuer),
            Node::Any(policies) => policies.iter().all(Self::names_issuer),
            Node::AnyIssuer(policy) | Node::Hidden(policy) => policy.names_issuer(),
            Node::Atom(atom) => matches!(atom, Atom::Issuer(_) | Atom::Owner),
            Node::Not(_) => false,
        }
    }
}
