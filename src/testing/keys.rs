//! The keys of a test issuer: those that sign and those that are merely published still.

use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::signature::SigningKey;

/// A key that signs, and what it is published as.
pub(super) struct IssuerKey {
    id: String,
    algorithm: Algorithm,
    key: SigningKey,
}

impl IssuerKey {
    fn generate(id: String, algorithm: Algorithm) -> Arc<Self> {
        Arc::new(Self {
            id,
            algorithm,
            key: SigningKey::generate(algorithm),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn sign(&self, signing_input: &[u8]) -> Vec<u8> {
        self.key.sign(self.algorithm, signing_input)
    }

    pub(super) fn public_pem(&self) -> String {
        self.key.public_pem()
    }

    /// Another key under the same name.
    pub(super) fn impostor(&self) -> Arc<Self> {
        Self::generate(self.id.clone(), self.algorithm)
    }

    fn jwk(&self) -> Map<String, Value> {
        let mut jwk = self.key.public_jwk();
        for (name, value) in [
            ("kid", self.id.as_str()),
            ("alg", self.algorithm.name()),
            ("use", "sig"),
        ] {
            jwk.insert(name.to_owned(), value.into());
        }
        jwk
    }
}

impl fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuerKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// All that an issuer publishes at one time. A rotation makes another one and never changes this.
/// The first signing key is the one that signs unless told otherwise.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    signing: Arc<[Arc<IssuerKey>]>,
    retired: Vec<Arc<IssuerKey>>,
    names: Names,
}

impl IssuerKeys {
    /// One key for each of `algorithms`, named after the port of their issuer.
    pub(super) fn generate(algorithms: &[Algorithm], port: u16) -> Self {
        let names = Names {
            port,
            generation: 1,
        };
        let signing = names.generate(algorithms.iter().copied());
        Self {
            signing,
            retired: Vec::new(),
            names,
        }
    }

    /// The keys that sign.
    pub(super) fn signing(&self) -> &Arc<[Arc<IssuerKey>]> {
        &self.signing
    }

    /// New keys under new names; the old ones are published no more.
    pub(super) fn rotated(&self) -> Self {
        let names = self.names.next();
        let signing = names.generate(self.signing.iter().map(|key| key.algorithm));
        Self {
            signing,
            retired: Vec::new(),
            names,
        }
    }

    /// New keys under new names; the old ones stay published.
    pub(super) fn rotated_with_overlap(&self) -> Self {
        let retired = self.signing.iter().chain(&self.retired).cloned().collect();
        Self {
            retired,
            ..self.rotated()
        }
    }

    /// Only the keys that sign.
    pub(super) fn without_retired(&self) -> Self {
        Self {
            signing: Arc::clone(&self.signing),
            retired: Vec::new(),
            names: self.names,
        }
    }

    /// New keys under the names of those that sign.
    pub(super) fn replaced(&self) -> Self {
        let signing = self.signing.iter().map(|old| old.impostor()).collect();
        Self {
            signing,
            retired: self.retired.clone(),
            names: self.names,
        }
    }

    /// The JWK Set ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)), signing keys first.
    pub(super) fn jwks(&self) -> String {
        let keys = self.signing.iter().chain(&self.retired);
        let keys: Vec<_> = keys.map(|key| key.jwk()).collect();
        json!({ "keys": keys }).to_string()
    }

    pub(super) fn algorithm_names(&self) -> Vec<&'static str> {
        self.signing
            .iter()
            .map(|key| key.algorithm.name())
            .collect()
    }
}

/// What the keys of one generation are called: `es256-40123-1`, say. No two issuers that run at the
/// same time have a name in common, and a test sees which keys a token was signed with.
#[derive(Clone, Copy, Debug)]
struct Names {
    port: u16,
    generation: u64,
}

impl Names {
    fn next(self) -> Self {
        Self {
            generation: self.generation.saturating_add(1),
            ..self
        }
    }

    fn generate(self, algorithms: impl Iterator<Item = Algorithm>) -> Arc<[Arc<IssuerKey>]> {
        let mut keys: Vec<Arc<IssuerKey>> = Vec::new();
        for algorithm in algorithms {
            let twins = keys.iter().filter(|key| key.algorithm == algorithm).count();
            let mut id = format!(
                "{}-{}-{}",
                algorithm.name().to_lowercase(),
                self.port,
                self.generation
            );
            if twins > 0 {
                id = format!("{id}-{}", twins.saturating_add(1));
            }
            keys.push(IssuerKey::generate(id, algorithm));
        }
        keys.into()
    }
}
