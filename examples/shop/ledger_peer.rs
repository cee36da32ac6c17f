//! The ledger, as orders calls it: on behalf of whoever has called orders.

use axum::http::StatusCode;
use portcullis::BearerToken;
use tonic::transport::Channel;
use tonic::{Code, Request};

use super::exchange::{Exchange, ExchangeError};
use super::ledger_proto::RefundRequest;
use super::ledger_proto::ledger_client::LedgerClient;
use super::order::Order;

pub(crate) struct LedgerPeer {
    pub(crate) channel: Channel,
    pub(crate) audience: &'static str,
    /// What orders is known by at the issuer.
    pub(crate) exchange: Exchange,
}

impl LedgerPeer {
    /// The caller's token is no good there. It is exchanged for one that is, and that says who acts; it could be kept
    /// until it expires.
    pub(crate) async fn write_refund(
        &self,
        order: &Order,
        token: BearerToken<'_>,
    ) -> Result<(), StatusCode> {
        let token = self
            .exchange
            .token(token.as_str(), self.audience, "ledger:refund")
            .await;
        let token = token.map_err(|error| match error {
            ExchangeError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ExchangeError::Refused(_) => StatusCode::BAD_GATEWAY,
        })?;
        let mut request = Request::new(RefundRequest {
            order: order.id,
            cents: order.cents,
        });
        let bearer = format!("Bearer {token}")
            .parse()
            .map_err(|_| StatusCode::BAD_GATEWAY)?;
        request.metadata_mut().insert("authorization", bearer);
        match LedgerClient::new(self.channel.clone())
            .refund(request)
            .await
        {
            Ok(_) => Ok(()),
            Err(status) => Err(match status.code() {
                Code::PermissionDenied => StatusCode::FORBIDDEN,
                Code::AlreadyExists => StatusCode::CONFLICT,
                Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_GATEWAY,
            }),
        }
    }
}
