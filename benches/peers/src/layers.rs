//! Each layer as its documentation sets it up, with the issuer, the audience and nothing else. All but
//! jwt-authorizer find the keys through the issuer's metadata.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use huskarl_axum::layers::{AuthenticatedLayer, ValidatorLayer};
use huskarl_axum::resource_server::core::server_metadata::AuthorizationServerMetadata;
use huskarl_axum::resource_server::validator::rfc9068::Rfc9068Validator;
use huskarl_reqwest::ReqwestClient;
use jwt_authorizer::layer::{AuthorizationLayer, AuthorizationService};
use jwt_authorizer::{AuthError, IntoLayer, JwtAuthorizer, RegisteredClaims, Validation};
use oauth_resource_server::http_layer::HttpAuthLayer;
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
use portcullis::testing::AUDIENCE;
use portcullis::{Audience, AuthLayer, Issuer, TokenCache, Verifier};
use tower::util::MapResponse;
use tower::{Layer, Service};
use tower_oauth2_resource_server::claims::DefaultClaims;
use tower_oauth2_resource_server::layer::OAuth2ResourceServerLayer;
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;

use crate::Error;

/// With its cache of verified tokens, or with none.
pub async fn portcullis(issuer: &str, cache: bool) -> Result<Verifier, Error> {
    let issuer = Issuer::discover(issuer, Audience::of(AUDIENCE));
    let mut builder = Verifier::builder().issuer(issuer);
    if !cache {
        builder = builder.cache(TokenCache::off());
    }
    let verifier = builder.build()?;
    verifier.warm_up().await?;
    Ok(verifier)
}

pub async fn portcullis_layer(issuer: &str, cache: bool) -> Result<AuthLayer, Error> {
    Ok(AuthLayer::new(portcullis(issuer, cache).await?))
}

pub async fn tower_oauth2_resource_server(
    issuer: &str,
) -> Result<OAuth2ResourceServerLayer<Body, DefaultClaims>, Error> {
    let tenant = TenantConfiguration::builder(issuer)
        .audiences(&[AUDIENCE])
        .build()
        .await?;
    let server = OAuth2ResourceServer::<DefaultClaims>::builder()
        .add_tenant(tenant)
        .build()
        .await?;
    // It fetches the keys behind one's back and refuses everything until then; nothing tells when.
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(server.into_layer())
}

pub async fn oauth_resource_server(issuer: &str) -> Result<HttpAuthLayer, Error> {
    let config = OAuthConfig {
        enabled: true,
        issuer: issuer.to_owned(),
        audience: AUDIENCE.to_owned(),
        resource: AUDIENCE.to_owned(),
        // It wants this or a scope.
        require_at_jwt: true,
        ..OAuthConfig::default()
    };
    let config = config
        .resolve(KeyNaming::Dotted("oauth"))?
        .ok_or("it is enabled")?;
    let validator = Arc::new(OAuthValidator::new(&config)?);
    validator.refresh_now().await?;
    validator.spawn_background_refresh();
    Ok(HttpAuthLayer::builder().oauth(validator).build()?)
}

pub async fn huskarl_axum(issuer: &str) -> Result<AuthenticatedLayer<Rfc9068Validator, ()>, Error> {
    let client = ReqwestClient::builder().build().await?;
    let metadata = AuthorizationServerMetadata::fetch()
        .http_client(&client)
        .issuer(issuer)
        .call()
        .await?;
    let validator = Rfc9068Validator::builder_from_metadata(&metadata)
        .jwks_source(client)
        .audience(AUDIENCE)
        .build()
        .await?;
    let layer = ValidatorLayer::builder().validator(validator).build();
    Ok(layer.authenticated())
}

pub async fn jwt_authorizer(issuer: &str) -> Result<WrappedJwtAuthorizer, Error> {
    let validation = Validation::new().iss(&[issuer]).aud(&[AUDIENCE]);
    let authorizer = JwtAuthorizer::<RegisteredClaims>::from_oidc(issuer)
        .validation(validation)
        .build()
        .await?;
    Ok(WrappedJwtAuthorizer(authorizer.into_layer()))
}

/// jwt-authorizer answers with responses of axum 0.7. The service's own pass it in a wrapper that its
/// refusals convert to, which costs nothing.
#[derive(Clone)]
pub struct WrappedJwtAuthorizer(AuthorizationLayer<RegisteredClaims>);

pub struct Wrapped(Response);

impl From<AuthError> for Wrapped {
    fn from(_: AuthError) -> Self {
        Self(StatusCode::UNAUTHORIZED.into_response())
    }
}

type Wrap = fn(Response) -> Wrapped;
type Unwrap = fn(Wrapped) -> Response;

impl<S> Layer<S> for WrappedJwtAuthorizer
where
    S: Service<http::Request<Body>, Response = Response> + Clone,
{
    type Service =
        MapResponse<AuthorizationService<MapResponse<S, Wrap>, RegisteredClaims>, Unwrap>;

    fn layer(&self, inner: S) -> Self::Service {
        let wrapped = MapResponse::new(inner, Wrapped as Wrap);
        MapResponse::new(self.0.layer(wrapped), |Wrapped(response)| response)
    }
}
