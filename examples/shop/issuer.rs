//! **Stands in for a real issuer**, such as Keycloak, Entra or Auth0, of which a shop would use one.
//!
//! The keys are those of a `TestIssuer`. Added to them are the metadata, the login and the token exchange
//! ([`token_exchange`](super::token_exchange)). A login takes a name and no password, there is no browser, and whatever
//! scope is asked for is granted: in place of `/login` a real issuer has the authorization code flow, with the same
//! `scope`, `acr_values` and `max_age`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use portcullis::testing::{Fault, TestIssuer, TokenBuilder};
use portcullis::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::Error;
use super::token_exchange::{self, Service, Services};

/// The issuer's URL, by which it is known, and what only an issuer can do.
pub(crate) struct ShopIssuer {
    desk: Arc<Desk>,
    stop: Arc<Notify>,
    server: JoinHandle<std::io::Result<()>>,
}

impl ShopIssuer {
    /// Starts on loopback. These services may exchange tokens.
    pub(crate) async fn start(services: Vec<Service>) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let keys = TestIssuer::start().await?;
        let desk = Arc::new(Desk {
            services: Services::new(services, &url, keys.jwks_uri())?,
            url,
            keys,
            sessions: Mutex::default(),
        });
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/login", post(login))
            .route("/token", post(token_exchange::exchange))
            .with_state(Arc::clone(&desk));
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop).notified_owned();
        let server = axum::serve(listener, app).with_graceful_shutdown(stopped);
        let server = tokio::spawn(server.into_future());
        Ok(Self { desk, stop, server })
    }

    pub(crate) fn url(&self) -> &str {
        &self.desk.url
    }

    /// What a person of the shop would be given for this, to be changed before it is signed.
    pub(crate) fn token_of(&self, name: &str, audience: &str, scope: &str) -> Option<TokenBuilder> {
        let person = Person::named(name)?;
        let session = Session::of_this_morning(SystemClock::default().now().wall);
        Some(self.desk.token(person, &session, audience, scope))
    }

    /// Signs with other keys from now on, and publishes the old ones no longer.
    pub(crate) fn rotate_keys(&self) {
        self.desk.keys.rotate();
    }

    /// Nothing of it answers any more.
    pub(crate) async fn stop(&mut self) -> Result<(), Error> {
        self.desk.keys.fail_with(Fault::Refuse);
        self.stop.notify_one();
        Ok((&mut self.server).await??)
    }
}

/// What its endpoints share.
pub(crate) struct Desk {
    pub(crate) url: String,
    pub(crate) keys: TestIssuer,
    pub(crate) services: Services,
    sessions: Mutex<HashMap<&'static str, Session>>,
}

struct Person {
    name: &'static str,
    roles: &'static [&'static str],
}

const PEOPLE: [Person; 4] = [
    Person {
        name: "alice",
        roles: &[],
    },
    Person {
        name: "bob",
        roles: &[],
    },
    Person {
        name: "sam",
        roles: &["support"],
    },
    Person {
        name: "ada",
        roles: &["admin"],
    },
];

impl Person {
    fn named(name: &str) -> Option<&'static Self> {
        PEOPLE.iter().find(|person| person.name == name)
    }
}

/// When and how somebody proved who they are.
#[derive(Clone)]
struct Session {
    acr: &'static str,
    amr: &'static [&'static str],
    auth_time: SystemTime,
}

impl Session {
    /// With a password, some hours ago.
    fn of_this_morning(now: SystemTime) -> Self {
        Self {
            acr: "bronze",
            amr: &["pwd"],
            auth_time: now
                .checked_sub(Duration::from_secs(4 * 60 * 60))
                .unwrap_or(now),
        }
    }

    /// With a password and a one-time password, now.
    const fn fresh_and_strong(now: SystemTime) -> Self {
        Self {
            acr: "silver",
            amr: &["pwd", "otp"],
            auth_time: now,
        }
    }

    fn is_enough(&self, wanted: &Login, now: SystemTime) -> bool {
        let strong = wanted
            .acr_values
            .as_ref()
            .is_none_or(|levels| levels.split(' ').any(|level| level == self.acr));
        let age = now.duration_since(self.auth_time).unwrap_or_default();
        strong
            && wanted
                .max_age
                .is_none_or(|seconds| age <= Duration::from_secs(seconds))
    }
}

#[derive(Deserialize)]
struct Login {
    username: String,
    audience: String,
    scope: String,
    acr_values: Option<String>,
    max_age: Option<u64>,
}

/// Whoever has logged in is not asked again, unless the login is too old or too weak for what is wanted.
async fn login(
    State(desk): State<Arc<Desk>>,
    Form(wanted): Form<Login>,
) -> Result<Response, OauthError> {
    let person = Person::named(&wanted.username).ok_or(OauthError("access_denied"))?;
    let now = SystemClock::default().now().wall;
    let session = {
        let mut sessions = desk.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions
            .entry(person.name)
            .or_insert_with(|| Session::of_this_morning(now));
        if !session.is_enough(&wanted, now) {
            *session = Session::fresh_and_strong(now);
        }
        session.clone()
    };
    if !session.is_enough(&wanted, now) {
        return Err(OauthError("unmet_authentication_requirements"));
    }
    let token = desk.token(person, &session, &wanted.audience, &wanted.scope);
    Ok(issued(
        &json!({ "access_token": token.sign(), "token_type": "Bearer", "scope": wanted.scope }),
    ))
}

async fn metadata(State(desk): State<Arc<Desk>>) -> Json<Value> {
    let url = &desk.url;
    Json(json!({
        "issuer": url,
        "jwks_uri": desk.keys.jwks_uri(),
        "token_endpoint": format!("{url}/token"),
        "grant_types_supported": [token_exchange::GRANT],
    }))
}

impl Desk {
    fn token(
        &self,
        person: &Person,
        session: &Session,
        audience: &str,
        scope: &str,
    ) -> TokenBuilder {
        let auth_time = session
            .auth_time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        self.keys
            .token()
            .issuer(&self.url)
            .subject(person.name)
            .audience(audience)
            .scope(scope)
            .claim("client_id", "shop-app")
            .claim("roles", person.roles)
            .claim("acr", session.acr)
            .claim("amr", session.amr)
            .claim("auth_time", auth_time.as_secs())
    }
}

/// A token in a response, which nobody may keep.
pub(crate) fn issued(answer: &Value) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

/// An error of OAuth ([RFC 6749 §5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2)).
pub(crate) struct OauthError(pub(crate) &'static str);

impl IntoResponse for OauthError {
    fn into_response(self) -> Response {
        let status = match self.0 {
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        (
            status,
            [(CACHE_CONTROL, "no-store")],
            Json(json!({ "error": self.0 })),
        )
            .into_response()
    }
}
