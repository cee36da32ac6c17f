//! Orders, and the only way to them: nobody has an [`Order`] in hand before a policy allowed it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use portcullis::{Facts, Guarded, Resource, VerifiedToken};
use serde::Serialize;

#[derive(Clone, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) item: &'static str,
    pub(crate) cents: u64,
    pub(crate) state: State,
    /// `iss` and `sub` of whoever placed it.
    #[serde(skip)]
    customer: (String, String),
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
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
pub(crate) struct Orders(Mutex<Vec<Order>>);

impl Orders {
    /// An order of whom the token is about, if there is such an item.
    pub(crate) fn place(&self, item: &str, token: &VerifiedToken) -> Option<Order> {
        let (item, cents) = PRICES.into_iter().find(|(known, _)| *known == item)?;
        let mut orders = self.lock();
        let order = Order {
            id: orders.last().map_or(1, |last| last.id.saturating_add(1)),
            item,
            cents,
            state: State::Placed,
            customer: (token.issuer().to_owned(), token.subject()?.to_owned()),
        };
        orders.push(order.clone());
        Some(order)
    }

    pub(crate) fn find(&self, id: u64) -> Option<Guarded<Order>> {
        self.lock()
            .iter()
            .find(|order| order.id == id)
            .cloned()
            .map(Guarded::new)
    }

    pub(crate) fn all(&self) -> Vec<Guarded<Order>> {
        self.lock().iter().cloned().map(Guarded::new).collect()
    }

    /// Cancels an order that somebody was allowed to have, unless something else has happened to it.
    pub(crate) fn cancel(&self, order: Order) -> Option<Order> {
        self.change(
            order,
            |before| matches!(before, State::Placed),
            State::Cancelled,
        )
    }

    /// Notes that an order is refunded. The ledger sees to it that each is once.
    pub(crate) fn refund(&self, order: Order) -> Option<Order> {
        self.change(order, |_| true, State::Refunded)
    }

    fn change(&self, order: Order, may: impl Fn(State) -> bool, state: State) -> Option<Order> {
        let mut orders = self.lock();
        let stored = orders
            .iter_mut()
            .find(|stored| stored.id == order.id && may(stored.state))?;
        stored.state = state;
        Some(Order { state, ..order })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const PRICES: [(&str, u64); 2] = [("bread", 350), ("tea", 450)];
