//! The orders: an axum service. A function asks for a policy where its route is, an object where it is found.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router, response};
use portcullis::axum::PolicyRouter;
use portcullis::middleware::Caller;
use portcullis::{
    Audience, AuthLayer, BearerToken, Issuer, Policy, PolicyError, Rejection, Verifier,
};
use serde::Deserialize;
use tonic::Code;
use tonic::transport::Channel;

use super::Error;
use super::exchange::{Exchange, ExchangeError};
use super::ledger_proto::RefundRequest;
use super::ledger_proto::ledger_client::LedgerClient;
use super::order::{self, Order, Orders};

pub(crate) const AUDIENCE: &str = "https://orders.shop.test";

/// Who may do what. There is no way to add a route and not to say.
fn routes() -> PolicyRouter<Shop> {
    let read_scope = Policy::scope("orders:read");
    let write_scope = Policy::scope("orders:write");
    // What cannot be undone: an admin who has just proved who they are, with more than a password.
    let refunds = Policy::scope("orders:refund")
        .and(Policy::role("admin"))
        .and(Policy::acr_at_least("silver", ["bronze", "silver", "gold"]))
        .and(Policy::auth_time_within(Duration::from_secs(5 * 60)));
    PolicyRouter::new()
        .route("/orders", get(list), read_scope.clone())
        .route(
            "/orders",
            post(place),
            write_scope.clone().and(Policy::claim("sub").is_present()),
        )
        .route("/orders/{id}", get(read), read_scope)
        .route("/orders/{id}/cancel", post(cancel), write_scope)
        .route("/orders/{id}/refund", post(refund), refunds)
}

/// To whom. Who may not see an order does not learn that there is one.
struct ObjectPolicies {
    see: Policy,
    change: Policy,
}

impl ObjectPolicies {
    fn new() -> Result<Self, PolicyError> {
        let staff = Policy::role("support").or(Policy::role("admin"));
        let see = Policy::owner().or(staff).hidden().validated()?;
        let change = see.clone().and(Policy::owner()).validated()?;
        Ok(Self { see, change })
    }
}

#[derive(Clone)]
struct Shop(Arc<Inner>);

struct Inner {
    orders: Orders,
    policies: ObjectPolicies,
    exchange: Exchange,
    ledger: Ledger,
}

/// What a customer asks for.
#[derive(Deserialize)]
struct Wish {
    item: String,
}

/// The service that writes down refunds.
pub(crate) struct Ledger {
    pub(crate) channel: Channel,
    pub(crate) audience: &'static str,
}

/// Only the issuer's URL is shared with other services; `exchange` has what this one is known by there.
pub(crate) fn app(issuer: &str, exchange: Exchange, ledger: Ledger) -> Result<Router, Error> {
    let verifier = Verifier::new(Issuer::discover(issuer, Audience::of(AUDIENCE)))?;
    let shop = Shop(Arc::new(Inner {
        orders: Orders::default(),
        policies: ObjectPolicies::new()?,
        exchange,
        ledger,
    }));
    let guarded = routes().guarded_by(AuthLayer::new(verifier).realm("orders"))?;
    Ok(guarded.with_state(shop))
}

async fn list(caller: Caller, State(Shop(shop)): State<Shop>) -> Json<Vec<Order>> {
    let orders = shop.orders.all().into_iter();
    Json(
        orders
            .filter_map(|order| order.authorize(&shop.policies.see, caller.token()).ok())
            .collect(),
    )
}

async fn place(
    caller: Caller,
    State(Shop(shop)): State<Shop>,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<Order>), StatusCode> {
    let order = shop.orders.place(&wish.item, caller.token());
    let order = order.ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    Ok((StatusCode::CREATED, Json(order)))
}

async fn read(
    caller: Caller,
    State(Shop(shop)): State<Shop>,
    Path(id): Path<u64>,
) -> Result<Json<Order>, Rejection> {
    shop.order(id, &caller, &shop.policies.see).map(Json)
}

async fn cancel(
    caller: Caller,
    State(Shop(shop)): State<Shop>,
    Path(id): Path<u64>,
) -> Result<Json<Order>, Rejection> {
    let order = shop.order(id, &caller, &shop.policies.change)?;
    Ok(Json(shop.orders.set_state(order, order::State::Cancelled)))
}

async fn refund(
    caller: Caller,
    State(Shop(shop)): State<Shop>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> response::Result<Json<Order>> {
    let order = shop.order(id, &caller, &shop.policies.see)?;
    let token = BearerToken::from_headers(&headers)
        .ok()
        .flatten()
        .ok_or(StatusCode::BAD_REQUEST)?;
    shop.write_down(&order, token).await?;
    Ok(Json(shop.orders.set_state(order, order::State::Refunded)))
}

impl Inner {
    fn order(&self, id: u64, caller: &Caller, policy: &Policy) -> Result<Order, Rejection> {
        let order = self.orders.find(id).ok_or_else(|| caller.not_found())?;
        caller.authorize(order, policy)
    }

    /// Calls the ledger on behalf of the caller: their token is exchanged for one that is good there, and says who acts.
    async fn write_down(&self, order: &Order, token: BearerToken<'_>) -> Result<(), StatusCode> {
        let exchanged = self
            .exchange
            .token(token.as_str(), self.ledger.audience, "ledger:refund")
            .await;
        let token = exchanged.map_err(|error| match error {
            ExchangeError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ExchangeError::Refused(_) => StatusCode::BAD_GATEWAY,
        })?;
        let mut request = tonic::Request::new(RefundRequest {
            order: order.id,
            cents: order.cents,
        });
        let bearer = format!("Bearer {token}")
            .parse()
            .map_err(|_| StatusCode::BAD_GATEWAY)?;
        request.metadata_mut().insert("authorization", bearer);
        let written = LedgerClient::new(self.ledger.channel.clone())
            .refund(request)
            .await;
        written.map(drop).map_err(|status| match status.code() {
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::AlreadyExists => StatusCode::CONFLICT,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        })
    }
}
