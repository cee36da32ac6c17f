//! A shop of three services, each of which judges every token by itself, and the story of who tried what.
//!
//! Run with: `cargo run --example shop --all-features`
//!
//! Prints a table, each row of which is checked, and exits 0 only if every row is as expected.
//!
//! | service | is | lets in |
//! |---|---|---|
//! | [`catalog`] | axum | everybody, and knows who asks if they say so |
//! | [`orders`] | axum | customers to their own orders; support to see all and change none; admins to refund, after a fresh, strong login |
//! | [`ledger`] | tonic | orders, on behalf of an admin |
//!
//! They share nothing but the issuer's URL: there is no gateway, and no service takes another's word. What a refund
//! needs goes from `orders` to `ledger` with a token that was exchanged for it (RFC 8693), and `ledger` judges it again.
//!
//! **[`issuer`] stands in for a real one**, and so does its half of the exchange, [`token_exchange`]. In a shop of
//! yours the addresses are https, and that is all that changes in the three services.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::process::ExitCode;

use axum::Router;
use portcullis::testing::TestIssuer;
use tokio::net::TcpListener;
use tonic::transport::Channel;

mod issuer;
mod token_exchange;
mod catalog;
mod order;
mod orders;
mod exchange;
mod ledger_peer;
mod ledger;
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    reason = "generated"
)]
mod ledger_proto;
mod client;
mod story;
mod stage;
mod table;

use client::Client;
use exchange::Exchange;
use issuer::ShopIssuer;
use ledger_peer::LedgerPeer;
use stage::Stage;
use table::Table;
use token_exchange::Service;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<ExitCode, Error> {
    let issuer = ShopIssuer::start(vec![
        Service {
            id: "orders",
            secret: ORDERS_SECRET.to_owned(),
            audience: orders::AUDIENCE,
            calls: &[ledger::AUDIENCE],
        },
        Service {
            id: "catalog",
            secret: CATALOG_SECRET.to_owned(),
            audience: catalog::AUDIENCE,
            calls: &[ledger::AUDIENCE],
        },
    ])
    .await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let ledger = Channel::from_shared(format!("http://{}", listener.local_addr()?))?.connect_lazy();
    tokio::spawn(ledger::serve(listener, issuer.url())?);

    let ledger_peer = LedgerPeer {
        channel: ledger.clone(),
        audience: ledger::AUDIENCE,
        exchange: Exchange::new(issuer.url(), "orders", ORDERS_SECRET)?,
    };
    let stage = Stage {
        client: Client::new(issuer.url(), ledger),
        catalog_url: serve(catalog::app(issuer.url())?).await?,
        orders_url: serve(orders::app(issuer.url(), ledger_peer)?).await?,
        issuer,
        stranger: TestIssuer::start().await?,
        table: Table::new(),
    };
    story::play(stage).await
}

async fn serve(app: Router) -> Result<String, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, app).into_future());
    Ok(url)
}

/// What the services are known by at the issuer. Yours are in a secret store, if they are not keys (RFC 7523).
const ORDERS_SECRET: &str = "secret-of-orders";
const CATALOG_SECRET: &str = "secret-of-catalog";
