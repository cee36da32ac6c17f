//! The catalog: for everybody, with a word for whom it knows. An axum service.

use axum::routing::get;
use axum::{Json, Router};
use portcullis::{Audience, AuthLayer, BuildError, Issuer, VerifiedToken, Verifier};
use serde_json::{Value, json};

pub(crate) const AUDIENCE: &str = "https://catalog.shop.test";

/// No token is fine. One that is not accepted is refused all the same: whoever sends one wants to be known.
pub(crate) fn app(issuer: &str) -> Result<Router, BuildError> {
    let verifier = Verifier::new(Issuer::discover(issuer, Audience::of(AUDIENCE)))?;
    Ok(Router::new()
        .route("/products", get(products))
        .layer(AuthLayer::new(verifier).realm("catalog").optional()))
}

async fn products(caller: Option<VerifiedToken>) -> Json<Value> {
    let caller = caller.as_ref().and_then(VerifiedToken::subject);
    Json(json!({ "products": ["bread", "tea"], "for": caller.unwrap_or("everybody") }))
}
