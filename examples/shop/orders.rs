//! The orders: an axum service. Each route asks for a policy where it is added, each order where it is found.

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

use super::Error;
use super::ledger_peer::LedgerPeer;
use super::order::{Order, Orders};

pub(crate) const AUDIENCE: &str = "https://orders.shop.test";

/// Who may do what. There is no way to add a route without saying so.
fn routes() -> PolicyRouter<Arc<Shop>> {
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

/// Who may do it to which order. Who may not see one does not learn that it is there.
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

struct Shop {
    orders: Orders,
    policies: ObjectPolicies,
    ledger: LedgerPeer,
}

/// What a customer asks for.
#[derive(Deserialize)]
struct Wish {
    item: String,
}

/// Of other services it knows where the ledger is, and whose word to take: the issuer's.
pub(crate) fn app(issuer: &str, ledger: LedgerPeer) -> Result<Router, Error> {
    let verifier = Verifier::new(Issuer::discover(issuer, Audience::of(AUDIENCE)))?;
    let (orders, policies) = (Orders::default(), ObjectPolicies::new()?);
    let app = routes().guarded_by(AuthLayer::new(verifier).realm("orders"))?;
    Ok(app.with_state(Arc::new(Shop {
        orders,
        policies,
        ledger,
    })))
}

async fn list(caller: Caller, State(shop): State<Arc<Shop>>) -> Json<Vec<Order>> {
    let (token, see) = (caller.token(), &shop.policies.see);
    let orders = shop.orders.all().into_iter();
    Json(
        orders
            .filter_map(|order| order.authorize(see, token).ok())
            .collect(),
    )
}

async fn place(
    caller: Caller,
    State(shop): State<Arc<Shop>>,
    Json(wish): Json<Wish>,
) -> Result<(StatusCode, Json<Order>), StatusCode> {
    let order = shop.orders.place(&wish.item, caller.token());
    let order = order.ok_or(StatusCode::UNPROCESSABLE_ENTITY)?;
    Ok((StatusCode::CREATED, Json(order)))
}

async fn read(
    caller: Caller,
    State(shop): State<Arc<Shop>>,
    Path(id): Path<u64>,
) -> Result<Json<Order>, Rejection> {
    shop.order(id, &caller, &shop.policies.see).map(Json)
}

async fn cancel(
    caller: Caller,
    State(shop): State<Arc<Shop>>,
    Path(id): Path<u64>,
) -> response::Result<Json<Order>> {
    let order = shop.order(id, &caller, &shop.policies.change)?;
    Ok(Json(shop.orders.cancel(order).ok_or(StatusCode::CONFLICT)?))
}

async fn refund(
    caller: Caller,
    State(shop): State<Arc<Shop>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> response::Result<Json<Order>> {
    let order = shop.order(id, &caller, &shop.policies.see)?;
    let token = BearerToken::from_headers(&headers).map_err(|_| StatusCode::BAD_REQUEST)?;
    let token = token.ok_or(StatusCode::BAD_REQUEST)?;
    shop.ledger.write_refund(&order, token).await?;
    Ok(Json(
        shop.orders.refund(order).ok_or(StatusCode::NOT_FOUND)?,
    ))
}

impl Shop {
    fn order(&self, id: u64, caller: &Caller, policy: &Policy) -> Result<Order, Rejection> {
        let order = self.orders.find(id).ok_or_else(|| caller.not_found())?;
        caller.authorize(order, policy)
    }
}
