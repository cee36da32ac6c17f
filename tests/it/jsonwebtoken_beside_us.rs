//! An application that uses jsonwebtoken with a crypto backend of its own choice, beside us.
//!
//! jsonwebtoken panics when two of its backends are enabled in one tree, so this also proves that we
//! enable none: the dev-dependency of this test chooses one, as an application would.

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, TokenData, Validation};
use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{Algorithm, Audience, Issuer, KeySet, Verifier};
use serde::Deserialize;

use crate::support::{reason, verifier};

#[derive(Debug, Deserialize, PartialEq)]
struct Claims {
    sub: String,
}

#[tokio::test]
async fn both_verify_the_same_token_in_one_process() {
    let issuer = TestIssuer::start_with([Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa])
        .await
        .unwrap();
    let verifier = verifier(&issuer);
    let jwks: JwkSet = serde_json::from_str(&issuer.jwks()).unwrap();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let token = issuer.token().subject("alice").algorithm(algorithm).sign();
        let ours = verifier.verify(&token).await.unwrap();

        let key =
            DecodingKey::from_jwk(jwks.find(ours.header().key_id().unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm.try_into().unwrap());
        validation.set_audience(&[AUDIENCE]);
        let theirs: TokenData<Claims> = jsonwebtoken::decode(&token, &key, &validation).unwrap();

        let converted = TokenData::<Claims>::try_from(&ours).unwrap();
        assert_eq!(converted.claims, theirs.claims);
        assert_eq!(converted.header.alg, theirs.header.alg);
        assert_eq!(converted.header.kid, theirs.header.kid);
        assert_eq!(converted.header.typ, theirs.header.typ);
    }
}

#[tokio::test]
async fn a_jwk_set_of_theirs_becomes_keys_of_ours() {
    let issuer = TestIssuer::start_with([Algorithm::Rs256, Algorithm::Es384])
        .await
        .unwrap();
    let jwks: JwkSet = serde_json::from_str(&issuer.jwks()).unwrap();
    let keys = KeySet::try_from(&jwks).unwrap();
    assert_eq!(keys.len(), 2);
    let verifier =
        Verifier::new(Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE))).unwrap();
    for algorithm in [Algorithm::Rs256, Algorithm::Es384] {
        let token = issuer.token().algorithm(algorithm).sign();
        assert_eq!(reason(&verifier.verify_now(&token)), "accepted");
    }
}

#[tokio::test]
async fn a_token_whose_algorithm_they_lack_does_not_convert() {
    let issuer = TestIssuer::start_with([Algorithm::Es512]).await.unwrap();
    let token = verifier(&issuer)
        .verify(&issuer.token().sign())
        .await
        .unwrap();
    assert!(TokenData::<Claims>::try_from(&token).is_err());
}
