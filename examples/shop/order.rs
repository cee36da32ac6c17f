//! Orders, and the only way to them: nobody has an [`Order`] in hand before a policy allowed it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis::{Facts, Guarded, Resource, VerifiedToken};
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize)]
pub struct Order {
    pub id: u64,
    #[serde(flatten)]
    pub wish: Wish,
    pub state: State,
    /// `iss` and `sub` of whoever placed it.
    #[serde(skip)]
    customer: (String, String),
}

/// What a customer asks for.
#[derive(Clone, Deserialize, Serialize)]
pub struct Wish {
    pub item: String,
    pub cents: u64,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Placed,
    Cancelled,
    Refunded,
}

impl Resource for Order {
    fn facts(&self) -> Facts<'_> {
        let (issuer, subject) = &self.customer;
        Facts::new().owner(issuer, subject)
    }
}

#[derive(Default)]
pub struct Orders(Mutex<Vec<Order>>);

impl Orders {
    /// An order of whom the token is about.
    pub fn place(&self, wish: Wish, token: &VerifiedToken) -> Order {
        let mut orders = self.lock();
        let order = Order {
            id: orders.last().map_or(1, |last| last.id.saturating_add(1)),
            wish,
            state: State::Placed,
            customer: (
                token.issuer().to_owned(),
                token.subject().unwrap_or_default().to_owned(),
            ),
        };
        orders.push(order.clone());
        order
    }

    pub fn find(&self, id: u64) -> Option<Guarded<Order>> {
        self.lock()
            .iter()
            .find(|order| order.id == id)
            .cloned()
            .map(Guarded::new)
    }

    pub fn all(&self) -> Vec<Guarded<Order>> {
        self.lock().iter().cloned().map(Guarded::new).collect()
    }

    /// Changes an order that somebody was allowed to have.
    pub fn set_state(&self, mut order: Order, state: State) -> Order {
        order.state = state;
        if let Some(stored) = self.lock().iter_mut().find(|stored| stored.id == order.id) {
            stored.state = state;
        }
        order
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
