//! What the story is played with: the shop, the people who come to it, and a row of the table for each thing they try.

use std::time::Duration;

use portcullis::testing::TestIssuer;

use super::client::{Client, Login, StepUp};
use super::exchange::{Exchange, ExchangeError};
use super::issuer::ShopIssuer;
use super::table::{Outcome, Table};
use super::{CATALOG_SECRET, Error, ORDERS_SECRET, ledger, orders};

pub(crate) struct Stage {
    pub(crate) issuer: ShopIssuer,
    /// Another issuer, whom no service trusts.
    pub(crate) stranger: TestIssuer,
    pub(crate) client: Client,
    pub(crate) catalog_url: String,
    pub(crate) orders_url: String,
    pub(crate) table: Table,
}

/// Somebody with a token, or without.
pub(crate) struct Visitor {
    pub(crate) who: &'static str,
    pub(crate) token: String,
}

impl Visitor {
    pub(crate) const fn new(who: &'static str, token: String) -> Self {
        Self { who, token }
    }

    pub(crate) const fn nobody() -> Self {
        Self::new("nobody", String::new())
    }
}

impl Stage {
    /// Somebody who logs in: the first word of `who`.
    pub(crate) async fn log_in(
        &self,
        who: &'static str,
        audience: &str,
        scope: &str,
    ) -> Result<Visitor, Error> {
        self.log_in_again(who, audience, scope, &StepUp::default())
            .await
    }

    /// The same, with a login that a service has asked for.
    pub(crate) async fn log_in_again(
        &self,
        who: &'static str,
        audience: &str,
        scope: &str,
        step_up: &StepUp,
    ) -> Result<Visitor, Error> {
        let username = who.split([' ', ',']).next().unwrap_or(who);
        let token = self
            .client
            .log_in(
                &Login {
                    username,
                    audience,
                    scope,
                },
                step_up,
            )
            .await?;
        Ok(Visitor::new(who, token))
    }

    /// Somebody whose token expired a minute ago.
    pub(crate) fn expired(&self, audience: &str) -> Result<Visitor, Error> {
        let token = self
            .issuer
            .token_of("alice", audience, "orders:read")
            .ok_or("who is alice?")?;
        Ok(Visitor::new(
            "alice, token expired",
            token.expired_for(Duration::from_secs(60)).sign(),
        ))
    }

    /// A service that exchanges the token it was called with, to call the ledger.
    pub(crate) async fn on_behalf(
        &self,
        who: &'static str,
        service: &Exchange,
        of: &Visitor,
        scope: &str,
    ) -> Result<Visitor, Error> {
        Ok(Visitor::new(
            who,
            service.token(&of.token, ledger::AUDIENCE, scope).await?,
        ))
    }

    pub(crate) fn as_orders(&self) -> Result<Exchange, Error> {
        Ok(Exchange::new(self.issuer.url(), "orders", ORDERS_SECRET)?)
    }

    pub(crate) fn as_catalog(&self) -> Result<Exchange, Error> {
        Ok(Exchange::new(self.issuer.url(), "catalog", CATALOG_SECRET)?)
    }

    pub(crate) fn chapter(&self, title: &str) {
        self.table.chapter(title);
    }

    pub(crate) async fn catalog(
        &mut self,
        visitor: &Visitor,
        status: u16,
        told: &str,
    ) -> Result<(), Error> {
        let tries = "GET /products";
        let happened = self
            .client
            .send(&self.catalog_url, tries, &visitor.token)
            .await?;
        self.table.row(
            [visitor.who, "catalog", tries],
            &Outcome::http(status, told),
            &happened,
        );
        Ok(())
    }

    /// Sends a request that is written as [`Client::send`] reads it. Returns what the visitor was told.
    pub(crate) async fn orders(
        &mut self,
        visitor: &Visitor,
        request: &str,
        status: u16,
        told: &str,
    ) -> Result<String, Error> {
        let happened = self
            .client
            .send(&self.orders_url, request, &visitor.token)
            .await?;
        let (tries, _) = request.split_once(" {").unwrap_or((request, ""));
        self.table.row(
            [visitor.who, "orders", tries],
            &Outcome::http(status, told),
            &happened,
        );
        Ok(happened.told)
    }

    pub(crate) async fn refund(
        &mut self,
        visitor: &Visitor,
        status: &str,
        told: &str,
    ) -> Result<(), Error> {
        let happened = self.client.refund(7, &visitor.token).await?;
        self.table.row(
            [visitor.who, "ledger", "Refund"],
            &Outcome::new(status, told),
            &happened,
        );
        Ok(())
    }

    pub(crate) async fn close_books(
        &mut self,
        visitor: &Visitor,
        status: &str,
    ) -> Result<(), Error> {
        let happened = self.client.close_books(&visitor.token).await?;
        self.table.row(
            [visitor.who, "ledger", "CloseBooks"],
            &Outcome::new(status, ""),
            &happened,
        );
        Ok(())
    }

    /// Tries to exchange a token for one that opens `audience`.
    pub(crate) async fn exchange(
        &mut self,
        who: &str,
        service: &Exchange,
        token: &Visitor,
        audience: &str,
        status: &str,
    ) -> Result<(), Error> {
        let happened = match service.token(&token.token, audience, "ledger:refund").await {
            Ok(_) => "a token".to_owned(),
            Err(ExchangeError::Refused(code)) => code,
            Err(error) => return Err(error.into()),
        };
        self.table.row(
            [who, "issuer", "exchange"],
            &Outcome::new(status, ""),
            &Outcome::new(happened, ""),
        );
        Ok(())
    }

    /// Tries to log in where nobody answers.
    pub(crate) async fn log_in_in_vain(&mut self, who: &'static str) {
        let happened = match self.log_in(who, orders::AUDIENCE, "orders:read").await {
            Ok(_) => "a token",
            Err(_) => "no answer",
        };
        self.table.row(
            [who, "issuer", "login"],
            &Outcome::new("no answer", ""),
            &Outcome::new(happened, ""),
        );
    }
}
