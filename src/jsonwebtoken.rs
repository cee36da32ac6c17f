//! The boundary with [jsonwebtoken], for services that already use its types.
//!
//! Keys and algorithms come in, algorithms and verified tokens go out; nothing is verified with that
//! crate.

use ::jsonwebtoken::{TokenData, jwk};
use serde::de::DeserializeOwned;

use crate::algorithm::{Algorithm, UnknownAlgorithm};
use crate::error::{ClaimError, KeySetError};
use crate::key_set::KeySet;
use crate::token::VerifiedToken;

/// Takes the keys of a set that jsonwebtoken parsed.
///
/// # Security
///
/// Prefer [`KeySet::from_json`] on the document itself. What jsonwebtoken's model drops is gone here:
/// a private member `d`, so that a private key looks like a public one, and the `issuer` by which
/// Entra marks the keys of other tenants. An `alg` it does not know (`ES512`, `Ed25519` and `ML-DSA-*`
/// among them) it turns into "unknown", and such a key is skipped.
impl TryFrom<&jwk::JwkSet> for KeySet {
    type Error = KeySetError;

    fn try_from(set: &jwk::JwkSet) -> Result<Self, Self::Error> {
        let json = serde_json::to_vec(set).map_err(|_| KeySetError::NotAJwkSet)?;
        Self::from_json(&json)
    }
}

/// Takes one key as a set; what holds for a [`JwkSet`](jwk::JwkSet) holds here.
impl TryFrom<&jwk::Jwk> for KeySet {
    type Error = KeySetError;

    fn try_from(key: &jwk::Jwk) -> Result<Self, Self::Error> {
        Self::try_from(&jwk::JwkSet {
            keys: vec![key.clone()],
        })
    }
}

/// Refuses the HMAC family, which has no public keys.
impl TryFrom<::jsonwebtoken::Algorithm> for Algorithm {
    type Error = UnknownAlgorithm;

    fn try_from(algorithm: ::jsonwebtoken::Algorithm) -> Result<Self, Self::Error> {
        use ::jsonwebtoken::Algorithm as Theirs;
        match algorithm {
            Theirs::RS256 => Ok(Self::Rs256),
            Theirs::RS384 => Ok(Self::Rs384),
            Theirs::RS512 => Ok(Self::Rs512),
            Theirs::PS256 => Ok(Self::Ps256),
            Theirs::PS384 => Ok(Self::Ps384),
            Theirs::PS512 => Ok(Self::Ps512),
            Theirs::ES256 => Ok(Self::Es256),
            Theirs::ES384 => Ok(Self::Es384),
            Theirs::EdDSA => Ok(Self::EdDsa),
            _ => Err(UnknownAlgorithm),
        }
    }
}

/// Refuses what jsonwebtoken lacks: `ES512` and `ML-DSA-*`. Both names of Ed25519 become the one that
/// it has, `EdDSA`.
impl TryFrom<Algorithm> for ::jsonwebtoken::Algorithm {
    type Error = ConversionError;

    fn try_from(algorithm: Algorithm) -> Result<Self, Self::Error> {
        match algorithm {
            Algorithm::Rs256 => Ok(Self::RS256),
            Algorithm::Rs384 => Ok(Self::RS384),
            Algorithm::Rs512 => Ok(Self::RS512),
            Algorithm::Ps256 => Ok(Self::PS256),
            Algorithm::Ps384 => Ok(Self::PS384),
            Algorithm::Ps512 => Ok(Self::PS512),
            Algorithm::Es256 => Ok(Self::ES256),
            Algorithm::Es384 => Ok(Self::ES384),
            Algorithm::EdDsa | Algorithm::Ed25519 => Ok(Self::EdDSA),
            Algorithm::Es512 | Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
                Err(ConversionError::Algorithm)
            }
        }
    }
}

/// Hands a verified token to code that takes jsonwebtoken's, such as existing handlers.
///
/// `claims` is the whole payload as a `T` of yours; `header` has `alg`, `kid` and `typ`.
impl<T: DeserializeOwned> TryFrom<&VerifiedToken> for TokenData<T> {
    type Error = ConversionError;

    fn try_from(token: &VerifiedToken) -> Result<Self, Self::Error> {
        let header = ::jsonwebtoken::Header {
            kid: token.header().key_id().map(str::to_owned),
            typ: token.header().token_type().map(str::to_owned),
            ..::jsonwebtoken::Header::new(token.header().algorithm().try_into()?)
        };
        Ok(Self {
            header,
            claims: token.parse_claims()?,
        })
    }
}

/// Why something of ours has no counterpart in jsonwebtoken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConversionError {
    /// The algorithm is none that jsonwebtoken has.
    #[error("jsonwebtoken has no such algorithm")]
    Algorithm,
    /// The claims are not of the type asked for.
    #[error(transparent)]
    Claims(#[from] ClaimError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwk::SkipReason;

    #[test]
    fn every_algorithm_crosses_and_comes_back_or_is_refused() {
        use ::jsonwebtoken::Algorithm as Theirs;
        for algorithm in Algorithm::ALL.iter().copied() {
            let back = Theirs::try_from(algorithm)
                .ok()
                .map(|theirs| Algorithm::try_from(theirs).unwrap());
            let expected = match algorithm {
                Algorithm::Ed25519 => Some(Algorithm::EdDsa),
                Algorithm::Es512 | Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87 => {
                    None
                }
                same => Some(same),
            };
            assert_eq!(back, expected, "{algorithm}");
        }
    }

    #[test]
    fn hmac_is_refused() {
        use ::jsonwebtoken::Algorithm as Theirs;
        for theirs in [Theirs::HS256, Theirs::HS384, Theirs::HS512] {
            assert_eq!(Algorithm::try_from(theirs), Err(UnknownAlgorithm));
        }
    }

    #[track_caller]
    fn check(key: &str, outcome: Result<(), SkipReason>) {
        let key: jwk::Jwk = serde_json::from_str(key).unwrap();
        let keys = KeySet::try_from(&key).unwrap();
        match outcome {
            Ok(()) => assert_eq!((keys.len(), keys.skipped()), (1, &[][..])),
            Err(reason) => assert_eq!((keys.len(), keys.skipped()[0].reason()), (0, reason)),
        }
    }

    #[test]
    fn keys_cross() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        check(
            &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#),
            Ok(()),
        );
        check(
            &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","alg":"EdDSA","use":"sig"}}"#),
            Ok(()),
        );
        check(
            &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","use":"enc"}}"#),
            Err(SkipReason::OtherUse),
        );
        check(
            r#"{"kty":"oct","k":"c2VjcmV0"}"#,
            Err(SkipReason::Symmetric),
        );
    }

    #[test]
    fn an_algorithm_it_does_not_know_is_not_taken_for_none() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        for alg in ["Ed25519", "RSA-OAEP", "HS256", "X"] {
            check(
                &format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","alg":"{alg}"}}"#),
                Err(SkipReason::UnsupportedAlgorithm),
            );
        }
        check(
            r#"{"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}"#,
            Err(SkipReason::UnsupportedAlgorithm),
        );
    }

    #[test]
    fn a_set_crosses_with_its_names() {
        let set: jwk::JwkSet = serde_json::from_str(
            r#"{"keys":[
                {"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
                {"kty":"oct","kid":"2","k":"c2VjcmV0"}
            ]}"#,
        )
        .unwrap();
        let keys = KeySet::try_from(&set).unwrap();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys.skipped()[0].key_id(), Some("2"));
    }
}
