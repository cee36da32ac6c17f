//! What each crate makes of the time that the signature check alone takes, for one token again and again.
//!
//! `ratios [FILE]` prints a Markdown table, and writes the same into the file, its values between tabs.
//!
//! The floor is aws-lc-rs with a key parsed once. Time is CPU time of the one thread that does the work. Short rounds of all rows take turns; a figure is the
//! median of a row's ratios to the floor of the same round, with their quartiles. The floor is measured twice
//! in each round: what the two differ in is noise. A layer's row includes making the request and calling the
//! empty service in it, which has a row of its own. Before it is measured, each row must accept the
//! token and refuse it with another signature.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, StatusCode};
use jsonwebtoken::{DecodingKey, Validation};
use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{Algorithm, Verifier};
use portcullis_peers::{
    ALGORITHMS, Error, good_and_forged, huskarl_axum, jwt_authorizer, oauth_resource_server,
    portcullis, portcullis_layer, start, tower_oauth2_resource_server,
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::layer::util::Identity;
use tower::util::service_fn;
use tower::{Layer, Service, ServiceExt as _};

const ROUNDS: usize = 31;
/// Long enough that a reading of the clock is nothing beside it.
const ROUND: Duration = Duration::from_millis(5);

/// Verifies the token so many times, one after the other. False: it refused.
type Verify = Box<dyn Fn(&str, u32) -> bool>;

struct Row {
    name: &'static str,
    verify: Verify,
}

/// The one row that lets everything pass.
const NO_LAYER: &str = "the empty service, no layer";

fn main() -> Result<(), Error> {
    let runtime = Rc::new(Runtime::new()?);
    let issuer = runtime.block_on(start())?;
    let mut header = "| |".to_owned();
    let mut table: Vec<(&str, String)> = Vec::new();
    let mut tsv = "row\talgorithm\tmedian\tlower quartile\tupper quartile\n".to_owned();
    for algorithm in ALGORITHMS {
        let (good, forged) = good_and_forged(&issuer, algorithm);
        let rows = rows(&runtime, &issuer, algorithm)?;
        for Row { name, verify } in &rows {
            if !verify(&good, 1) || verify(&forged, 1) != (*name == NO_LAYER) {
                return Err(format!("{name} is wrong about {algorithm}").into());
            }
        }

        let rounds = measure(&rows, &good);
        let (_, floor, _) = quartiles(rounds.iter().map(|round| round[0]));
        write!(header, " {algorithm}: × {floor:.2} µs |")?;
        table.resize(rows.len(), ("", String::new()));
        for (n, (row, line)) in rows.iter().zip(&mut table).enumerate() {
            let (lower, median, upper) = quartiles(rounds.iter().map(|round| round[n] / round[0]));
            line.0 = row.name;
            write!(line.1, " {median:.3} ({lower:.3}–{upper:.3}) |")?;
            writeln!(
                tsv,
                "{}\t{algorithm}\t{median:.4}\t{lower:.4}\t{upper:.4}",
                row.name
            )?;
        }
    }

    println!("{header}\n|---|---|---|---|");
    for (name, cells) in table {
        println!("| {name} |{cells}");
    }
    let (token, _) = good_and_forged(&issuer, Algorithm::Rs256);
    println!(
        "\nMedians of {ROUNDS} rounds, in brackets their quartiles. Each is a layer around the empty service unless \
         it says otherwise. The RS256 token has {} bytes.",
        token.len()
    );
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, tsv)?;
    }
    Ok(())
}

/// The floor is the first.
fn rows(
    runtime: &Rc<Runtime>,
    issuer: &TestIssuer,
    algorithm: Algorithm,
) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    let mut add = |name, verify| rows.push(Row { name, verify });
    let url = issuer.issuer();
    let jwk = jwk(issuer, algorithm)?;
    add("raw aws-lc-rs check, the floor", raw(&jwk, algorithm)?);
    add("the floor again", raw(&jwk, algorithm)?);
    let _entered = runtime.enter();
    add(NO_LAYER, layered(runtime, &Identity::new()));
    for (cache, call, layer) in [
        (
            false,
            "portcullis, no cache, plain call",
            "portcullis, no cache",
        ),
        (
            true,
            "portcullis, repeated token, plain call",
            "portcullis, repeated token",
        ),
    ] {
        add(call, plain(runtime.block_on(portcullis(url, cache))?));
        add(
            layer,
            layered(runtime, &runtime.block_on(portcullis_layer(url, cache))?),
        );
    }
    add(
        "jsonwebtoken 11, decode only",
        decode(&jwk, issuer, algorithm)?,
    );
    let layer = runtime.block_on(tower_oauth2_resource_server(url))?;
    add(
        "tower-oauth2-resource-server 0.12",
        layered(runtime, &layer),
    );
    let layer = runtime.block_on(jwt_authorizer(url))?;
    add("jwt-authorizer 0.15", layered(runtime, &layer));
    let layer = runtime.block_on(oauth_resource_server(url))?;
    add("oauth-resource-server 0.4", layered(runtime, &layer));
    let layer = runtime.block_on(huskarl_axum(url))?;
    add("huskarl-axum 0.1", layered(runtime, &layer));
    Ok(rows)
}

fn jwk(issuer: &TestIssuer, algorithm: Algorithm) -> Result<Value, Error> {
    let mut jwks: Value = serde_json::from_str(&issuer.jwks())?;
    let keys = jwks["keys"].as_array_mut().ok_or("a JWK Set has keys")?;
    let position = keys.iter().position(|key| key["alg"] == algorithm.name());
    Ok(keys.swap_remove(position.ok_or("each algorithm has a key")?))
}

/// The signature check alone.
fn raw(jwk: &Value, algorithm: Algorithm) -> Result<Verify, Error> {
    let member = |name: &str| BASE64URL.decode(jwk[name].as_str().unwrap_or_default());
    let key = match algorithm {
        Algorithm::Rs256 => RsaPublicKeyComponents {
            n: member("n")?,
            e: member("e")?,
        }
        .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Es256 => ParsedPublicKey::new(
            &signature::ECDSA_P256_SHA256_FIXED,
            [vec![4], member("x")?, member("y")?].concat(),
        ),
        _ => ParsedPublicKey::new(&signature::ED25519, member("x")?),
    }?;
    Ok(Box::new(move |token, times| {
        let Some((input, signature)) = token.rsplit_once('.') else {
            return false;
        };
        let Ok(signature) = BASE64URL.decode(signature) else {
            return false;
        };
        (0..times).all(|_| {
            key.verify_sig(black_box(input.as_bytes()), &signature)
                .is_ok()
        })
    }))
}

fn plain(verifier: Verifier) -> Verify {
    Box::new(move |token, times| (0..times).all(|_| verifier.verify_now(black_box(token)).is_ok()))
}

/// With its key made once, and every check that it has a setting for.
fn decode(jwk: &Value, issuer: &TestIssuer, algorithm: Algorithm) -> Result<Verify, Error> {
    let key = DecodingKey::from_jwk(&serde_json::from_value(jwk.clone())?)?;
    let mut validation = Validation::new(algorithm.name().parse()?);
    validation.set_issuer(&[issuer.issuer()]);
    validation.set_audience(&[AUDIENCE]);
    Ok(Box::new(move |token, times| {
        (0..times)
            .all(|_| jsonwebtoken::decode::<Value>(black_box(token), &key, &validation).is_ok())
    }))
}

/// The layer around a service that does nothing.
fn layered<L, S, B>(runtime: &Rc<Runtime>, layer: &L) -> Verify
where
    L: Layer<Empty, Service = S>,
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    let empty: Empty = service_fn(|_| ready(Ok(Response::new(Body::empty()))));
    let service = layer.layer(empty);
    let runtime = Rc::clone(runtime);
    Box::new(move |token, times| {
        let Ok(authorization) = HeaderValue::try_from(format!("Bearer {token}")) else {
            return false;
        };
        let mut service = service.clone();
        runtime.block_on(async {
            for _ in 0..times {
                let mut request = Request::new(Body::empty());
                let headers = request.headers_mut();
                headers.insert(AUTHORIZATION, black_box(&authorization).clone());
                let Ok(ready) = service.ready().await;
                let Ok(response) = ready.call(request).await;
                if response.status() != StatusCode::OK {
                    return false;
                }
            }
            true
        })
    })
}

type Empty = tower::util::ServiceFn<fn(Request<Body>) -> Ready<Result<Response<Body>, Infallible>>>;

/// Microseconds a call of each row, for each round.
fn measure(rows: &[Row], token: &str) -> Vec<Vec<f64>> {
    let time = |row: &Row, times| {
        let started = cpu_time();
        assert!(
            (row.verify)(token, times),
            "{} has accepted it before",
            row.name
        );
        cpu_time().saturating_sub(started)
    };
    let times: Vec<u32> = rows
        .iter()
        .map(|row| {
            let mut times = 8;
            while time(row, times) < ROUND {
                times *= 2;
            }
            times
        })
        .collect();
    let mut rounds = vec![vec![0.0; rows.len()]; ROUNDS];
    for (first, round) in rounds.iter_mut().enumerate() {
        // Each begins with another row, so that none always follows the same one.
        for n in (0..rows.len()).map(|n| (n + first) % rows.len()) {
            round[n] = time(&rows[n], times[n]).as_secs_f64() * 1e6 / f64::from(times[n]);
        }
    }
    rounds
}

/// Of this thread, which does all the work: it does not count when another program has the core.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The lower one, the median, the upper one.
fn quartiles(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let at = |quarter| values[(values.len() - 1) * quarter / 4];
    (at(1), at(2), at(3))
}
