//! Policies and the tokens that a verifier hands out.

use std::time::{Duration, UNIX_EPOCH};

use portcullis::{Facts, Forbidden, Guarded, Policy, Resource, VerifiedToken};
use serde_json::json;

use crate::support::Scene;

#[tokio::test]
async fn a_login_ages_while_its_token_is_remembered() {
    let scene = Scene::with(|issuer| issuer.leeway(Duration::from_secs(5))).await;
    let now = 1_800_000_000;
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let token = scene.token().claim("auth_time", now);
    let token = token.issued_at(at(now)).expires_at(at(now + 600)).sign();
    let policy = Policy::auth_time_within(Duration::from_secs(60));
    for (seconds, reason) in [
        (now, None),
        (now + 65, None),
        (now + 66, Some("insufficient_user_authentication")),
        (now + 60, None),
    ] {
        scene.clock.set_wall(at(seconds));
        let verified = scene.verifier.verify(&token).await.unwrap();
        assert_eq!(verified.verified_at(), at(seconds));
        let refusal = policy.check(&verified).err();
        assert_eq!(refusal.as_ref().map(Forbidden::reason), reason, "{seconds}");
        // What is open for long says for which moment it asks.
        let later = Facts::new().now(at(now + 66));
        assert!(policy.check_on(&verified, &later).is_err());
    }
    let held = scene.verifier.verify(&token).await.unwrap();
    scene.clock.set_wall(at(now + 700));
    assert_eq!(scene.verify(&token).await, "expired");
    assert_eq!(held.verified_at(), at(now + 60)); // a refusal is noted nowhere
}

/// An order, and whose it is.
#[derive(Debug)]
struct Order(&'static str);

impl Resource for Order {
    fn facts(&self) -> Facts<'_> {
        Facts::new().owner("https://id.example.com", self.0)
    }
}

#[test]
fn an_object_is_had_by_whom_the_policy_allows() {
    let policy = Policy::owner().or(Policy::role("support")).hidden();
    let alice = json!({ "iss": "https://id.example.com", "sub": "alice" });
    let support = json!({ "sub": "bob", "roles": ["support"] });
    let namesake = json!({ "iss": "https://id.example.org", "sub": "alice" });
    for (claims, owner, allowed) in [
        (&alice, "alice", true),
        (&alice, "bob", false),
        (&support, "alice", true),
        (&namesake, "alice", false),
    ] {
        let token = VerifiedToken::dangerously_assert_verified(claims);
        let guarded = Guarded::new(Order(owner));
        assert!(!format!("{guarded:?}").contains(owner));
        match guarded.authorize(&policy, &token) {
            Ok(order) => assert!(allowed && order.0 == owner, "{claims}"),
            Err(refusal) => assert!(!allowed && refusal.is_hidden(), "{claims}: {refusal}"),
        }
    }
}
