//! The story: who tries what, and how it must end.

use std::process::ExitCode;
use std::time::Duration;

use portcullis::testing::TestIssuer;

use super::client::{Client, Login, StepUp};
use super::exchange::{Exchange, ExchangeError};
use super::issuer::ShopIssuer;
use super::table::{Outcome, Table};
use super::{CATALOG_SECRET, Error, ORDERS_SECRET, catalog, ledger, orders};

pub struct Story {
    pub issuer: ShopIssuer,
    /// Another issuer, whom no service trusts.
    pub stranger: TestIssuer,
    pub client: Client,
    pub catalog: String,
    pub orders: String,
    pub table: Table,
}

/// The tokens that people keep after they have logged in.
struct Tokens {
    alice: String,
    bob: String,
    sam: String,
    ada: String,
}

const READ_WRITE: &str = "orders:read orders:write";
const ALL: &str = "orders:read orders:write orders:refund";

impl Story {
    pub async fn play(mut self) -> Result<ExitCode, Error> {
        self.anybody().await?;
        self.strangers().await?;
        let mut tokens = Tokens {
            alice: self.log_in("alice", orders::AUDIENCE, READ_WRITE).await?,
            bob: self.log_in("bob", orders::AUDIENCE, READ_WRITE).await?,
            sam: self.log_in("sam", orders::AUDIENCE, READ_WRITE).await?,
            ada: self.log_in("ada", orders::AUDIENCE, ALL).await?,
        };
        self.customers(&tokens).await?;
        self.support(&tokens).await?;
        self.refunds(&mut tokens).await?;
        let exchanged = self.on_behalf(&tokens).await?;
        self.exchanges(&tokens).await?;
        self.rotation(&tokens).await?;
        self.outage(&tokens, &exchanged).await?;
        Ok(self.table.verdict())
    }

    async fn anybody(&mut self) -> Result<(), Error> {
        self.table.chapter("The catalog is for everybody");
        let alice = self.log_in("alice", catalog::AUDIENCE, "").await?;
        let expired = self.expired(catalog::AUDIENCE)?;
        let (nobody, tries) = (None, "GET /products");
        self.catalog(
            "nobody",
            nobody,
            tries,
            200,
            r#"{"for":"everybody","products":["bread","tea"]}"#,
        )
        .await?;
        self.catalog(
            "alice",
            Some(&alice),
            tries,
            200,
            r#"{"for":"alice","products":["bread","tea"]}"#,
        )
        .await?;
        self.catalog(
            "alice, token expired",
            Some(&expired),
            tries,
            401,
            &invalid_token("catalog"),
        )
        .await
    }

    async fn strangers(&mut self) -> Result<(), Error> {
        self.table
            .chapter("Orders are for whom the issuer says, with a token for orders");
        let expired = self.expired(orders::AUDIENCE)?;
        let stranger = self
            .stranger
            .token()
            .audience(orders::AUDIENCE)
            .scope(ALL)
            .sign();
        let impostor = self
            .stranger
            .token()
            .issuer(self.issuer.url())
            .audience(orders::AUDIENCE)
            .scope(ALL)
            .sign();
        let elsewhere = self.log_in("alice", catalog::AUDIENCE, ALL).await?;
        let reader = self
            .log_in("alice", orders::AUDIENCE, "orders:read")
            .await?;
        let (nobody, tries, invalid) = (None, "GET /orders", invalid_token("orders"));
        self.orders(
            "nobody",
            nobody,
            tries,
            401,
            r#"Bearer realm="orders", scope="orders:read""#,
        )
        .await?;
        self.orders("alice, token expired", Some(&expired), tries, 401, &invalid)
            .await?;
        self.orders(
            "alice, of another issuer",
            Some(&stranger),
            tries,
            401,
            &invalid,
        )
        .await?;
        self.orders(
            "alice, signed by another issuer",
            Some(&impostor),
            tries,
            401,
            &invalid,
        )
        .await?;
        self.orders(
            "alice, with a token for catalog",
            Some(&elsewhere),
            tries,
            401,
            &invalid,
        )
        .await?;
        self.orders("alice, may read", Some(&reader), tries, 200, "[]")
            .await?;
        self.orders(
            "alice, may read",
            Some(&reader),
            BREAD,
            403,
            &insufficient_scope("orders:write"),
        )
        .await?;
        self.orders(
            "nobody",
            nobody,
            "GET /admin/export",
            401,
            r#"Bearer realm="orders""#,
        )
        .await?;
        self.orders(
            "alice, may read",
            Some(&reader),
            "GET /admin/export",
            404,
            NOT_FOUND,
        )
        .await
    }

    async fn customers(&mut self, tokens: &Tokens) -> Result<(), Error> {
        self.table.chapter(
            "Customers see and change their own orders, and cannot tell which others there are",
        );
        let (alice, bob) = (Some(&*tokens.alice), Some(&*tokens.bob));
        self.orders("alice", alice, BREAD, 201, ORDER_1).await?;
        self.orders("bob", bob, TEA, 201, ORDER_2).await?;
        self.orders("alice", alice, "GET /orders", 200, &format!("[{ORDER_1}]"))
            .await?;
        self.orders("alice", alice, "GET /orders/1", 200, ORDER_1)
            .await?;
        self.orders("bob", bob, "GET /orders/1", 404, NOT_FOUND)
            .await?;
        self.orders("bob", bob, "GET /orders/99", 404, NOT_FOUND)
            .await?;
        self.orders("bob", bob, "POST /orders/1/cancel", 404, NOT_FOUND)
            .await?;
        self.orders(
            "bob",
            bob,
            "POST /orders/2/cancel",
            200,
            &ORDER_2.replace("placed", "cancelled"),
        )
        .await
    }

    async fn support(&mut self, tokens: &Tokens) -> Result<(), Error> {
        self.table
            .chapter("Support sees all orders, and changes none");
        let sam = Some(&*tokens.sam);
        let both = format!("[{ORDER_1},{}]", ORDER_2.replace("placed", "cancelled"));
        self.orders("sam of support", sam, "GET /orders", 200, &both)
            .await?;
        self.orders("sam of support", sam, "GET /orders/1", 200, ORDER_1)
            .await?;
        self.orders(
            "sam of support",
            sam,
            "POST /orders/1/cancel",
            403,
            FORBIDDEN,
        )
        .await?;
        self.orders("sam of support", sam, REFUND_1, 403, FORBIDDEN)
            .await
    }

    async fn refunds(&mut self, tokens: &mut Tokens) -> Result<(), Error> {
        self.table
            .chapter("Admins refund, if they have just logged in with more than a password");
        let alice = self.log_in("alice", orders::AUDIENCE, ALL).await?;
        self.orders(
            "alice, with the scope for it",
            Some(&alice),
            REFUND_1,
            403,
            FORBIDDEN,
        )
        .await?;

        let step_up = r#"Bearer realm="orders", error="insufficient_user_authentication", acr_values="silver gold", max_age="300""#;
        let refused = self
            .client
            .send(&self.orders, REFUND_1, Some(&tokens.ada))
            .await?;
        self.table.row(
            ["ada, logged in this morning", "orders", REFUND_1],
            &Outcome::new(401, step_up),
            &refused,
        );
        let asked = StepUp::asked_for_by(&refused.told).ok_or("no login is asked for")?;
        let login = Login {
            username: "ada",
            audience: orders::AUDIENCE,
            scope: ALL,
        };
        tokens.ada = self.client.log_in(&login, &asked).await?;
        let refunded = ORDER_1.replace("placed", "refunded");
        self.orders(
            "ada, logged in again as told",
            Some(&tokens.ada),
            REFUND_1,
            200,
            &refunded,
        )
        .await?;
        self.orders(
            "ada, logged in again as told",
            Some(&tokens.ada),
            REFUND_1,
            409,
            "",
        )
        .await?;
        self.orders(
            "alice",
            Some(&tokens.alice),
            "GET /orders/1",
            200,
            &refunded,
        )
        .await
    }

    /// Returns the token with which orders may call the ledger for ada.
    async fn on_behalf(&mut self, tokens: &Tokens) -> Result<String, Error> {
        self.table
            .chapter("The ledger is for orders, on behalf of admins");
        let scope = "ledger:refund";
        let direct = self.log_in("ada", ledger::AUDIENCE, scope).await?;
        let at_catalog = self.log_in("ada", catalog::AUDIENCE, "").await?;
        let by_catalog = self
            .as_catalog()?
            .token(&at_catalog, ledger::AUDIENCE, scope)
            .await?;
        let by_orders = self.as_orders()?;
        let for_alice = by_orders
            .token(&tokens.alice, ledger::AUDIENCE, scope)
            .await?;
        let for_ada = by_orders
            .token(&tokens.ada, ledger::AUDIENCE, scope)
            .await?;
        let unscoped = by_orders
            .token(&tokens.ada, ledger::AUDIENCE, "ledger:read")
            .await?;

        let no_token = r#"Bearer realm="ledger", scope="ledger:refund""#;
        self.refund("nobody", None, "Unauthenticated", no_token)
            .await?;
        let invalid = invalid_token("ledger");
        self.refund(
            "alice, with her token for orders",
            Some(&tokens.alice),
            "Unauthenticated",
            &invalid,
        )
        .await?;
        self.refund(
            "ada, with her token for orders",
            Some(&tokens.ada),
            "Unauthenticated",
            &invalid,
        )
        .await?;
        self.refund("ada, by herself", Some(&direct), "PermissionDenied", "")
            .await?;
        self.refund("catalog for ada", Some(&by_catalog), "PermissionDenied", "")
            .await?;
        self.refund("orders for alice", Some(&for_alice), "PermissionDenied", "")
            .await?;
        let challenge =
            r#"Bearer realm="ledger", error="insufficient_scope", scope="ledger:refund""#;
        self.refund(
            "orders for ada, may read",
            Some(&unscoped),
            "PermissionDenied",
            challenge,
        )
        .await?;

        // Nobody has said who may close the books. The refund after it finds them open.
        let closed = self.client.close_books(Some(&for_ada)).await?;
        let denied = Outcome::new("PermissionDenied", "");
        self.table.row(
            ["orders for ada", "ledger", "CloseBooks, has no policy"],
            &denied,
            &closed,
        );
        self.refund(
            "orders for ada",
            Some(&for_ada),
            "Ok",
            "entry 2: ada by orders",
        )
        .await?;
        self.refund("orders for ada", Some(&for_ada), "AlreadyExists", "")
            .await?;
        Ok(for_ada)
    }

    async fn exchanges(&mut self, tokens: &Tokens) -> Result<(), Error> {
        self.table
            .chapter("The issuer exchanges tokens for those who were called with them");
        let thief = Exchange::new(self.issuer.url(), "orders", "a guess")?;
        self.exchange(
            "somebody as orders",
            &thief,
            &tokens.ada,
            ledger::AUDIENCE,
            "invalid_client",
        )
        .await?;
        let (orders, catalog) = (self.as_orders()?, self.as_catalog()?);
        let expired = self.expired(orders::AUDIENCE)?;
        self.exchange(
            "orders, token expired",
            &orders,
            &expired,
            ledger::AUDIENCE,
            "invalid_request",
        )
        .await?;
        self.exchange(
            "catalog, with one for orders",
            &catalog,
            &tokens.ada,
            ledger::AUDIENCE,
            "invalid_request",
        )
        .await?;
        self.exchange(
            "orders, to call catalog",
            &orders,
            &tokens.ada,
            catalog::AUDIENCE,
            "invalid_target",
        )
        .await
    }

    async fn rotation(&mut self, tokens: &Tokens) -> Result<(), Error> {
        self.table.chapter(
            "The issuer has new keys, and publishes the old ones no longer: nobody notices",
        );
        self.issuer.rotate_keys();
        let bob = self.log_in("bob", orders::AUDIENCE, READ_WRITE).await?;
        let by_orders = self
            .as_orders()?
            .token(&tokens.ada, ledger::AUDIENCE, "ledger:refund")
            .await?;
        self.orders(
            "alice, token of the old key",
            Some(&tokens.alice),
            BREAD,
            201,
            ORDER_3,
        )
        .await?;
        self.orders(
            "bob, token of the new key",
            Some(&bob),
            "GET /orders/1",
            404,
            NOT_FOUND,
        )
        .await?;
        self.refund(
            "orders for ada, of the new key",
            Some(&by_orders),
            "AlreadyExists",
            "",
        )
        .await?;
        let refunded = ORDER_3.replace("placed", "refunded");
        self.orders(
            "ada, token of the old key",
            Some(&tokens.ada),
            "POST /orders/3/refund",
            200,
            &refunded,
        )
        .await
    }

    async fn outage(&mut self, tokens: &Tokens, exchanged: &str) -> Result<(), Error> {
        self.table
            .chapter("The issuer is gone: what needs no new token goes on");
        let expired = self.expired(orders::AUDIENCE)?;
        self.issuer.stop().await?;
        let logged_in = self.log_in("bob", orders::AUDIENCE, READ_WRITE).await;
        let happened = if logged_in.is_ok() {
            "a token"
        } else {
            "no answer"
        };
        self.table.row(
            ["bob", "issuer", "login"],
            &Outcome::new("no answer", ""),
            &Outcome::new(happened, ""),
        );
        self.orders(
            "alice",
            Some(&tokens.alice),
            "GET /orders/3",
            200,
            &ORDER_3.replace("placed", "refunded"),
        )
        .await?;
        self.orders(
            "bob",
            Some(&tokens.bob),
            TEA,
            201,
            &ORDER_2.replace('2', "4"),
        )
        .await?;
        self.orders(
            "alice, token expired",
            Some(&expired),
            "GET /orders/3",
            401,
            &invalid_token("orders"),
        )
        .await?;
        self.refund("orders for ada", Some(exchanged), "AlreadyExists", "")
            .await?;
        self.orders(
            "ada, who needs an exchange",
            Some(&tokens.ada),
            "POST /orders/4/refund",
            503,
            "",
        )
        .await
    }

    async fn catalog(
        &mut self,
        who: &str,
        token: Option<&str>,
        tries: &str,
        status: u16,
        told: &str,
    ) -> Result<(), Error> {
        let happened = self.client.send(&self.catalog, tries, token).await?;
        self.table.row(
            [who, "catalog", tries],
            &Outcome::new(status, told),
            &happened,
        );
        Ok(())
    }

    async fn orders(
        &mut self,
        who: &str,
        token: Option<&str>,
        tries: &str,
        status: u16,
        told: &str,
    ) -> Result<(), Error> {
        let happened = self.client.send(&self.orders, tries, token).await?;
        self.table.row(
            [who, "orders", tries],
            &Outcome::new(status, told),
            &happened,
        );
        Ok(())
    }

    async fn refund(
        &mut self,
        who: &str,
        token: Option<&str>,
        status: &str,
        told: &str,
    ) -> Result<(), Error> {
        let happened = self.client.refund(7, token).await?;
        self.table.row(
            [who, "ledger", "Refund 7"],
            &Outcome::new(status, told),
            &happened,
        );
        Ok(())
    }

    async fn exchange(
        &mut self,
        who: &str,
        client: &Exchange,
        token: &str,
        audience: &str,
        code: &str,
    ) -> Result<(), Error> {
        let happened = match client.token(token, audience, "ledger:refund").await {
            Ok(_) => "a token".to_owned(),
            Err(ExchangeError::Refused(code)) => code,
            Err(error) => return Err(error.into()),
        };
        self.table.row(
            [who, "issuer", "exchange"],
            &Outcome::new(code, ""),
            &Outcome::new(happened, ""),
        );
        Ok(())
    }

    async fn log_in(&self, username: &str, audience: &str, scope: &str) -> Result<String, Error> {
        self.client
            .log_in(
                &Login {
                    username,
                    audience,
                    scope,
                },
                &StepUp::default(),
            )
            .await
    }

    fn expired(&self, audience: &str) -> Result<String, Error> {
        let token = self
            .issuer
            .token_of("alice", audience, ALL)
            .ok_or("alice is not known")?;
        Ok(token.expired_for(Duration::from_secs(60)).sign())
    }

    fn as_orders(&self) -> Result<Exchange, Error> {
        Ok(Exchange::new(self.issuer.url(), "orders", ORDERS_SECRET)?)
    }

    fn as_catalog(&self) -> Result<Exchange, Error> {
        Ok(Exchange::new(self.issuer.url(), "catalog", CATALOG_SECRET)?)
    }
}

const BREAD: &str = r#"POST /orders {"item":"bread","cents":350}"#;
const TEA: &str = r#"POST /orders {"item":"tea","cents":450}"#;
const REFUND_1: &str = "POST /orders/1/refund";
const ORDER_1: &str = r#"{"id":1,"item":"bread","cents":350,"state":"placed"}"#;
const ORDER_2: &str = r#"{"id":2,"item":"tea","cents":450,"state":"placed"}"#;
const ORDER_3: &str = r#"{"id":3,"item":"bread","cents":350,"state":"placed"}"#;
/// The same for what is not there and for what is hidden.
const NOT_FOUND: &str =
    r#"{"title":"Not Found","status":404,"detail":"There is no such resource."}"#;
const FORBIDDEN: &str =
    r#"{"title":"Forbidden","status":403,"detail":"The caller is not allowed to do this."}"#;

fn invalid_token(realm: &str) -> String {
    format!(r#"Bearer realm="{realm}", error="invalid_token""#)
}

fn insufficient_scope(scope: &str) -> String {
    format!(r#"Bearer realm="orders", error="insufficient_scope", scope="{scope}""#)
}
