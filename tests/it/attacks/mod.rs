//! How real verifiers failed, as tests: a module a letter of the catalogue, a test a class.
//!
//! `docs/threat-model.md` lists the classes with their tests. Those whose letter has none here are
//! tested where their subject is.

mod a_algorithms;
mod b_signatures;
mod c_header;
mod d_parsing;
mod e_claims;
mod f_keys;
mod forge;
mod g_possession;
mod h_browser;
mod h_grpc;
mod h_http;
mod h_layers;
mod n_beyond_the_list;
mod target;

pub(crate) use h_layers::{Answer, Door, both_ways};
pub(crate) use target::Target;

use std::fmt::Display;

use http::HeaderValue;
use portcullis::Verifier;

use crate::support::reason;

/// One hostile token, and the one reason it may be refused for.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) what: String,
    pub(crate) token: String,
    pub(crate) reason: &'static str,
}

impl Case {
    fn new(what: impl Display, token: impl Into<String>, reason: &'static str) -> Self {
        Self {
            what: what.to_string(),
            token: token.into(),
            reason,
        }
    }

    /// The token in a header, unless no client can send it as it is: a value has no control characters,
    /// and a space before a token belongs to the scheme.
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let sendable = !self.token.starts_with(' ');
        let value = HeaderValue::from_bytes(format!("Bearer {}", self.token).as_bytes());
        value.ok().filter(|_| sendable)
    }
}

/// Every hostile token of every class, made for this target.
pub(crate) fn cases(target: &Target) -> Vec<Case> {
    [
        a_algorithms::cases(target),
        b_signatures::cases(target),
        c_header::cases(target),
        d_parsing::cases(target),
        e_claims::cases(target),
        g_possession::cases(target),
        n_beyond_the_list::cases(target),
    ]
    .concat()
}

/// Each case of a class is refused for its reason, and a good token beside them is not.
#[track_caller]
fn check(cases: &[Case], count: usize) {
    check_with(&Target::shared().verifier, cases);
    assert_eq!(cases.len(), count, "so many cases has the class");
}

#[track_caller]
fn check_with(verifier: &Verifier, cases: &[Case]) {
    for Case {
        what,
        token,
        reason: expected,
    } in cases
    {
        let outcome = verifier.verify_now(token);
        assert_eq!(reason(&outcome), *expected, "{what}");
    }
    let good = verifier.verify_now(&Target::shared().good());
    assert_eq!(reason(&good), "accepted", "a good token");
}
