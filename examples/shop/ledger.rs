//! The ledger: what was refunded, written by orders alone. A tonic service.
//!
//! It does not trust orders to have judged right: the token that orders brings says on whose behalf it calls, and is
//! judged here again, the person and the actor.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use portcullis::middleware::RequireLayer;
use portcullis::tonic::caller;
use portcullis::{Audience, AuthLayer, BuildError, Issuer, Policy, Verifier};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{self, Server};
use tonic::{Request, Response, Status};

use super::ledger_proto::ledger_server::{Ledger, LedgerServer};
use super::ledger_proto::{CloseBooksReply, CloseBooksRequest, Entry, RefundRequest};

pub(crate) const AUDIENCE: &str = "https://ledger.shop.test";

/// Who may call what. A method that is not here is nobody's: `CloseBooks` was forgotten, and never runs.
fn policies() -> Result<RequireLayer, BuildError> {
    let refund = Policy::scope("ledger:refund")
        .and(Policy::role("admin"))
        .and(Policy::actor("orders"));
    RequireLayer::grpc_methods([("/shop.Ledger/Refund", refund)])
}

/// Serves until it is dropped.
pub(crate) fn serve(
    listener: TcpListener,
    issuer: &str,
) -> Result<impl Future<Output = Result<(), transport::Error>> + use<>, BuildError> {
    let verifier = Verifier::new(Issuer::discover(issuer, Audience::of(AUDIENCE)))?;
    Ok(Server::builder()
        .layer(AuthLayer::new(verifier).realm("ledger"))
        .layer(policies()?)
        .add_service(LedgerServer::new(Books::default()))
        .serve_with_incoming(TcpListenerStream::new(listener)))
}

#[derive(Default)]
struct Books(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    refunds: HashMap<u64, Entry>,
    closed: bool,
}

#[tonic::async_trait]
impl Ledger for Books {
    async fn refund(&self, request: Request<RefundRequest>) -> Result<Response<Entry>, Status> {
        let caller = caller(&request)?;
        let token = caller.token();
        let actor = token.actor().ok().flatten().and_then(|actor| actor.subject);
        let mut pages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.closed {
            return Err(Status::failed_precondition("the books are closed"));
        }
        if pages.refunds.contains_key(&request.get_ref().order) {
            return Err(Status::already_exists("the order was refunded before"));
        }
        let entry = Entry {
            number: u64::try_from(pages.refunds.len())
                .unwrap_or(u64::MAX)
                .saturating_add(1),
            subject: token.subject().unwrap_or_default().to_owned(),
            actor: actor.unwrap_or_default(),
        };
        pages.refunds.insert(request.get_ref().order, entry.clone());
        Ok(Response::new(entry))
    }

    async fn close_books(
        &self,
        _: Request<CloseBooksRequest>,
    ) -> Result<Response<CloseBooksReply>, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        Ok(Response::new(CloseBooksReply {}))
    }
}
