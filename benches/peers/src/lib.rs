//! portcullis and its peers, each as it ships, in front of the same service, with the same token, of the
//! same issuer.
//!
//! | program | does |
//! |---|---|
//! | `ratios` | prints what each costs beside the signature check alone |
//! | `issuer` | publishes the keys and signs the tokens that `server` is loaded with |
//! | `server` | a service behind one of the layers, for scripts/measure-load |
//! | `plot` | draws what the others measured |

mod issuer;
mod layers;

pub use issuer::{ALGORITHMS, good_and_forged, start, token};
pub use layers::{
    WrappedJwtAuthorizer, huskarl_axum, jwt_authorizer, oauth_resource_server, portcullis,
    portcullis_layer, tower_oauth2_resource_server,
};

/// Whatever went wrong: a measurement ends there.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
