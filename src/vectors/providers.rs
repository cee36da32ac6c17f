//! What production issuers publish.

use serde::Deserialize;
use serde_json::Value;

use super::{BACKEND, Tally, open};
use crate::{KeySet, KeySetError, SkipReason};

#[test]
fn the_keys_of_production_issuers() {
    let Some(vectors) = open() else { return };
    /// The name, how many keys are used, and which are not and why.
    type Provider = (&'static str, usize, &'static [(usize, &'static str)]);
    let providers: &[Provider] = &[
        ("apple", 3, &[]),
        // Standard base64 with padding in place of base64url.
        ("battle-net", 2, &[]),
        ("discord", 1, &[]),
        ("docker", 2, &[]),
        ("dropbox", 1, &[]),
        ("entra-common", 7, &[]),
        ("entra-organizations", 6, &[]),
        ("facebook", 2, &[]),
        ("gitlab", 2, &[]),
        ("google", 2, &[]),
        ("klarna", 4, &[]),
        ("lego", 5, &[]),
        ("mojeid", 1, &[]),
        ("paypal", 14, &[(7, "unsupported_curve")]),
        ("slack", 1, &[]),
        ("spotify", 3, &[]),
        ("stackoverflow", 0, &[]),
        ("twitch", 1, &[]),
        ("verimi", 2, &[]),
        (
            "yahoo",
            1,
            &[
                (0, "rsa_too_small"),
                (2, "rsa_too_small"),
                (3, "rsa_too_small"),
            ],
        ),
    ];
    let mut tally = Tally::of(format!("provider keys, {BACKEND}"));
    let mut published = 0;
    for (name, usable, skipped) in providers {
        let document = vectors.bytes(format!("real-jwks/providers/{name}.jwks.json"));
        let keys: Value = serde_json::from_slice(&document).unwrap();
        published += keys["keys"].as_array().unwrap().len();
        tally.judge_keys(
            name,
            &KeySet::from_json(&document).unwrap(),
            *usable,
            skipped,
        );
    }
    let files = vectors.files("real-jwks/providers");
    let sets = files
        .iter()
        .filter(|file| file.to_string_lossy().ends_with(".jwks.json"));
    assert_eq!(sets.count(), providers.len());
    tally.report(published);
}

#[test]
fn a_tenant_of_entra_may_not_use_the_key_of_another() {
    let Some(vectors) = open() else { return };
    let keys =
        KeySet::from_json(&vectors.bytes("real-jwks/providers/entra-common.jwks.json")).unwrap();
    let tenant = keys
        .for_issuer("https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0");
    let foreign: Vec<_> = tenant
        .skipped()
        .iter()
        .map(|key| (key.index(), key.reason()))
        .collect();
    assert_eq!(
        foreign,
        [
            (5, SkipReason::ForeignIssuer),
            (6, SkipReason::ForeignIssuer)
        ]
    );
    let consumers = keys
        .for_issuer("https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0");
    assert_eq!(consumers.len(), 7);
    assert_eq!(keys.for_issuer("https://id.example.com").len(), 0);
}

#[test]
fn every_version_of_a_rotation_history() {
    #[derive(Deserialize)]
    struct Version {
        jwks: Value,
    }
    let Some(vectors) = open() else { return };
    let mut tally = Tally::of(format!("provider keys over time, {BACKEND}"));
    let mut published = 0;
    for file in vectors.files("real-jwks/rotation-histories") {
        let versions: Vec<Version> = vectors.json(&file);
        assert!(!versions.is_empty());
        for version in versions {
            let keys = KeySet::from_json(version.jwks.to_string().as_bytes()).unwrap();
            let count = version.jwks["keys"].as_array().unwrap().len();
            assert_ne!(count, 0);
            tally.judge_keys(file.display(), &keys, count, &[]);
            published += count;
        }
    }
    tally.report(published);
}

#[test]
fn trust_bundles_of_spiffe() {
    let Some(vectors) = open() else { return };
    let mut tally = Tally::of(format!("SPIFFE bundles, {BACKEND}"));
    // Keys of a bundle are for SVIDs, whose `use` is not `sig`; those of the plain sets have none.
    let other_use: Vec<_> = (0..7).map(|index| (index, "other_use")).collect();
    let sets = [
        ("jwks_missing_kid", 2, 0),
        ("jwks_valid_1", 1, 0),
        ("jwks_valid_2", 2, 0),
        ("spiffebundle_missing_kid", 0, 2),
        ("spiffebundle_multiple_x509", 0, 2),
        ("spiffebundle_valid_1", 0, 2),
        ("spiffebundle_valid_2", 0, 7),
        ("spiffebundle_valid_with_wit", 0, 5),
    ];
    for (name, usable, skipped) in sets {
        let document = vectors.bytes(format!("real-jwks/spiffe/{name}.json"));
        let keys = KeySet::from_json(&document).unwrap();
        tally.judge_keys(name, &keys, usable, &other_use[..skipped]);
    }
    let without_keys = vectors.bytes("real-jwks/spiffe/spiffebundle_no_keys.json");
    assert_eq!(
        KeySet::from_json(&without_keys).err(),
        Some(KeySetError::NotAJwkSet)
    );
    assert_eq!(vectors.files("real-jwks/spiffe").len(), sets.len() + 1);
    tally.report(23);
}

/// Names and certificates are no JWK Set, nor are certificates PEM keys.
#[test]
fn certificates_by_name() {
    let Some(vectors) = open() else { return };
    for file in vectors.files("real-jwks/x509-map") {
        let map = vectors.bytes(&file);
        assert_eq!(KeySet::from_json(&map).err(), Some(KeySetError::NotAJwkSet));
        let map: Value = serde_json::from_slice(&map).unwrap();
        for certificate in map.as_object().unwrap().values() {
            let certificate = certificate.as_str().unwrap().as_bytes();
            assert_eq!(
                KeySet::from_pem(certificate).err(),
                Some(KeySetError::NotAPublicKey)
            );
        }
    }
}
