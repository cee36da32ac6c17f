//! The story: who tries what, and how it must end.

use std::process::ExitCode;

use super::client::StepUp;
use super::exchange::Exchange;
use super::stage::{Stage, Visitor};
use super::{Error, catalog, ledger, orders};

pub(crate) async fn play(mut stage: Stage) -> Result<ExitCode, Error> {
    let mut cast = Cast {
        alice: stage.log_in("alice", orders::AUDIENCE, CUSTOMER).await?,
        bob: stage.log_in("bob", orders::AUDIENCE, CUSTOMER).await?,
        sam: stage
            .log_in("sam of support", orders::AUDIENCE, CUSTOMER)
            .await?,
        ada: stage
            .log_in("ada, logged in this morning", orders::AUDIENCE, ADMIN)
            .await?,
    };
    everybody(&mut stage).await?;
    strangers(&mut stage).await?;
    customers(&mut stage, &cast).await?;
    support(&mut stage, &cast).await?;
    refunds(&mut stage, &mut cast).await?;
    let orders_for_ada = on_behalf(&mut stage, &cast).await?;
    exchanges(&mut stage, &cast).await?;
    rotation(&mut stage, &cast).await?;
    outage(&mut stage, &cast, &orders_for_ada).await?;
    Ok(stage.table.verdict())
}

/// Who keeps their token through the story.
struct Cast {
    alice: Visitor,
    bob: Visitor,
    sam: Visitor,
    ada: Visitor,
}

async fn everybody(stage: &mut Stage) -> Result<(), Error> {
    stage.chapter("The catalog is for everybody");
    let nobody = r#"{"for":"everybody","products":["bread","tea"]}"#;
    stage.catalog(&Visitor::nobody(), 200, nobody).await?;
    let alice = stage.log_in("alice", catalog::AUDIENCE, "").await?;
    stage
        .catalog(&alice, 200, &nobody.replace("everybody", "alice"))
        .await?;
    let expired = stage.expired(catalog::AUDIENCE)?;
    stage
        .catalog(&expired, 401, &invalid_token("catalog"))
        .await
}

async fn strangers(stage: &mut Stage) -> Result<(), Error> {
    stage.chapter("Orders are for whom the issuer vouches, with a token for orders");
    let (nobody, invalid) = (Visitor::nobody(), invalid_token("orders"));
    stage
        .orders(
            &nobody,
            LIST,
            401,
            r#"Bearer realm="orders", scope="orders:read""#,
        )
        .await?;
    let expired = stage.expired(orders::AUDIENCE)?;
    stage.orders(&expired, LIST, 401, &invalid).await?;
    let foreign = stage
        .stranger
        .token()
        .audience(orders::AUDIENCE)
        .scope(CUSTOMER)
        .sign();
    let foreign = Visitor::new("alice, of another issuer", foreign);
    stage.orders(&foreign, LIST, 401, &invalid).await?;
    let elsewhere = stage
        .log_in(
            "alice, with a token for catalog",
            catalog::AUDIENCE,
            CUSTOMER,
        )
        .await?;
    stage.orders(&elsewhere, LIST, 401, &invalid).await?;

    let reader = stage
        .log_in("alice, may read", orders::AUDIENCE, "orders:read")
        .await?;
    stage.orders(&reader, LIST, 200, "[]").await?;
    let insufficient = r#"Bearer realm="orders", error="insufficient_scope", scope="orders:write""#;
    stage.orders(&reader, BREAD, 403, insufficient).await?;

    // What has no policy is no route.
    stage
        .orders(
            &nobody,
            "GET /admin/export",
            401,
            r#"Bearer realm="orders""#,
        )
        .await?;
    stage
        .orders(&reader, "GET /admin/export", 404, NOT_FOUND)
        .await?;
    Ok(())
}

async fn customers(stage: &mut Stage, Cast { alice, bob, .. }: &Cast) -> Result<(), Error> {
    stage.chapter("Customers see and change their own orders, and learn of no others");
    stage.orders(alice, BREAD, 201, ORDER_1).await?;
    stage.orders(bob, TEA, 201, ORDER_2).await?;
    stage
        .orders(alice, LIST, 200, &format!("[{ORDER_1}]"))
        .await?;
    stage.orders(alice, "GET /orders/1", 200, ORDER_1).await?;
    stage.orders(bob, "GET /orders/1", 404, NOT_FOUND).await?;
    stage.orders(bob, "GET /orders/99", 404, NOT_FOUND).await?;
    stage
        .orders(bob, "POST /orders/1/cancel", 404, NOT_FOUND)
        .await?;
    stage
        .orders(
            bob,
            "POST /orders/2/cancel",
            200,
            &ORDER_2.replace("placed", "cancelled"),
        )
        .await?;
    Ok(())
}

async fn support(stage: &mut Stage, Cast { sam, .. }: &Cast) -> Result<(), Error> {
    stage.chapter("Support sees all orders, and changes none");
    let all = format!("[{ORDER_1},{}]", ORDER_2.replace("placed", "cancelled"));
    stage.orders(sam, LIST, 200, &all).await?;
    stage.orders(sam, "GET /orders/1", 200, ORDER_1).await?;
    stage
        .orders(sam, "POST /orders/1/cancel", 403, FORBIDDEN)
        .await?;
    stage
        .orders(sam, "POST /orders/1/refund", 403, FORBIDDEN)
        .await?;
    Ok(())
}

async fn refunds(stage: &mut Stage, cast: &mut Cast) -> Result<(), Error> {
    stage.chapter("Admins refund, if they have just logged in with more than a password");
    let refund = "POST /orders/1/refund";
    let alice = stage
        .log_in("alice, with the scope for it", orders::AUDIENCE, ADMIN)
        .await?;
    stage.orders(&alice, refund, 403, FORBIDDEN).await?;

    let challenge = stage.orders(&cast.ada, refund, 401, STEP_UP).await?;
    let step_up = StepUp::asked_for_by(&challenge).ok_or("no login is asked for")?;
    let ada = "ada, logged in as she was told";
    cast.ada = stage
        .log_in_again(ada, orders::AUDIENCE, ADMIN, &step_up)
        .await?;
    stage
        .orders(
            &cast.ada,
            refund,
            200,
            &ORDER_1.replace("placed", "refunded"),
        )
        .await?;
    stage.orders(&cast.ada, refund, 409, "").await?;
    Ok(())
}

/// Returns orders as it calls the ledger for ada.
async fn on_behalf(stage: &mut Stage, Cast { alice, ada, .. }: &Cast) -> Result<Visitor, Error> {
    stage.chapter("The ledger is for orders, on behalf of admins, and judges both");
    let denied = "PermissionDenied";
    stage
        .refund(
            &Visitor::nobody(),
            "Unauthenticated",
            r#"Bearer realm="ledger""#,
        )
        .await?;
    for (who, with) in [
        ("alice, with a token for orders", alice),
        ("ada, with a token for orders", ada),
    ] {
        let with = Visitor::new(who, with.token.clone());
        stage
            .refund(&with, "Unauthenticated", &invalid_token("ledger"))
            .await?;
    }
    let by_herself = stage
        .log_in("ada, by herself", ledger::AUDIENCE, LEDGER)
        .await?;
    stage.refund(&by_herself, denied, "").await?;
    let at_catalog = stage.log_in("ada", catalog::AUDIENCE, "").await?;
    let catalog = stage.as_catalog()?;
    let catalog = stage
        .on_behalf("catalog for ada", &catalog, &at_catalog, LEDGER)
        .await?;
    stage.refund(&catalog, denied, "").await?;

    let orders = stage.as_orders()?;
    let for_alice = stage
        .on_behalf("orders for alice", &orders, alice, LEDGER)
        .await?;
    stage.refund(&for_alice, denied, "").await?;
    let reader = stage
        .on_behalf("orders for ada, may read", &orders, ada, "ledger:read")
        .await?;
    let insufficient =
        r#"Bearer realm="ledger", error="insufficient_scope", scope="ledger:refund""#;
    stage.refund(&reader, denied, insufficient).await?;

    // Nobody has said who may close the books. The refund after it finds them open.
    let for_ada = stage
        .on_behalf("orders for ada", &orders, ada, LEDGER)
        .await?;
    stage.close_books(&for_ada, denied).await?;
    stage
        .refund(&for_ada, "Ok", "entry 2: ada by orders")
        .await?;
    stage.refund(&for_ada, "AlreadyExists", "").await?;
    Ok(for_ada)
}

async fn exchanges(stage: &mut Stage, Cast { ada, .. }: &Cast) -> Result<(), Error> {
    stage.chapter("The issuer exchanges a token for whom it was meant, and to call whom they may");
    let (target, bad) = (ledger::AUDIENCE, "invalid_request");
    let thief = Exchange::new(stage.issuer.url(), "orders", "a guess")?;
    stage
        .exchange("somebody as orders", &thief, ada, target, "invalid_client")
        .await?;
    let (orders, catalog) = (stage.as_orders()?, stage.as_catalog()?);
    let expired = stage.expired(orders::AUDIENCE)?;
    stage
        .exchange("orders, token expired", &orders, &expired, target, bad)
        .await?;
    stage
        .exchange(
            "catalog, with a token for orders",
            &catalog,
            ada,
            target,
            bad,
        )
        .await?;
    let target = catalog::AUDIENCE;
    stage
        .exchange(
            "orders, to call catalog",
            &orders,
            ada,
            target,
            "invalid_target",
        )
        .await
}

async fn rotation(stage: &mut Stage, Cast { alice, ada, .. }: &Cast) -> Result<(), Error> {
    stage.chapter("The issuer signs with a new key, and publishes the old one no longer");
    stage.issuer.rotate_keys();
    stage.orders(alice, BREAD, 201, ORDER_3).await?;
    let bob = stage
        .log_in("bob, token of the new key", orders::AUDIENCE, CUSTOMER)
        .await?;
    stage.orders(&bob, "GET /orders/3", 404, NOT_FOUND).await?;
    let refunded = ORDER_3.replace("placed", "refunded");
    stage
        .orders(ada, "POST /orders/3/refund", 200, &refunded)
        .await?;

    // Not before the rotation: after a key that does not exist, the next unknown one waits (docs/keys.md).
    let impostor = stage
        .stranger
        .token()
        .issuer(stage.issuer.url())
        .audience(orders::AUDIENCE);
    let impostor = Visitor::new(
        "alice, signed by another issuer",
        impostor.scope(CUSTOMER).sign(),
    );
    stage
        .orders(&impostor, LIST, 401, &invalid_token("orders"))
        .await?;
    Ok(())
}

async fn outage(stage: &mut Stage, cast: &Cast, orders_for_ada: &Visitor) -> Result<(), Error> {
    stage.chapter("The issuer is gone: all goes on, but what takes a new token");
    let Cast {
        alice, bob, ada, ..
    } = cast;
    let expired = stage.expired(orders::AUDIENCE)?;
    stage.issuer.stop().await?;
    stage.log_in_in_vain("bob").await;
    stage
        .orders(
            alice,
            "GET /orders/1",
            200,
            &ORDER_1.replace("placed", "refunded"),
        )
        .await?;
    stage.orders(bob, TEA, 201, ORDER_4).await?;
    stage.orders(bob, "GET /orders/1", 404, NOT_FOUND).await?;
    stage
        .orders(&expired, LIST, 401, &invalid_token("orders"))
        .await?;
    stage.refund(orders_for_ada, "AlreadyExists", "").await?;
    stage.orders(ada, "POST /orders/4/refund", 503, "").await?;
    Ok(())
}

const CUSTOMER: &str = "orders:read orders:write";
const ADMIN: &str = "orders:read orders:refund";
const LEDGER: &str = "ledger:refund";

const LIST: &str = "GET /orders";
const BREAD: &str = r#"POST /orders {"item":"bread"}"#;
const TEA: &str = r#"POST /orders {"item":"tea"}"#;

const ORDER_1: &str = r#"{"id":1,"item":"bread","cents":350,"state":"placed"}"#;
const ORDER_2: &str = r#"{"id":2,"item":"tea","cents":450,"state":"placed"}"#;
const ORDER_3: &str = r#"{"id":3,"item":"bread","cents":350,"state":"placed"}"#;
const ORDER_4: &str = r#"{"id":4,"item":"tea","cents":450,"state":"placed"}"#;
/// The same for what is not there and for what is hidden.
const NOT_FOUND: &str =
    r#"{"title":"Not Found","status":404,"detail":"There is no such resource."}"#;
const FORBIDDEN: &str =
    r#"{"title":"Forbidden","status":403,"detail":"The caller is not allowed to do this."}"#;
const STEP_UP: &str = r#"Bearer realm="orders", error="insufficient_user_authentication", acr_values="silver gold", max_age="300""#;

fn invalid_token(realm: &str) -> String {
    format!(r#"Bearer realm="{realm}", error="invalid_token""#)
}
