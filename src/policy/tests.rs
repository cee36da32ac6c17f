//! What holds for every policy and every token.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[test]
fn a_policy_has_no_more_depth_and_no_more_parts_than_are_walked_through() {
    let mut deep = Policy::scope("a");
    for _ in 1..MAX_DEPTH {
        deep = deep.not();
    }
    assert!(deep.clone().validated().is_ok());
    for _ in 0..100_000 {
        deep = deep.not();
        let error = deep.clone().validated().unwrap_err().to_string();
        assert!(error.contains("deeper than 32 levels"), "{error}");
    }
    let scopes = |count| Policy::any((0..count).map(|_| Policy::scope("a")));
    assert!(scopes(MAX_PARTS - 1).validated().is_ok());
    let error = scopes(MAX_PARTS).validated().unwrap_err().to_string();
    assert!(error.contains("more than 1024 parts"), "{error}");
    let levels = |count: usize| {
        let order: Vec<_> = (0..count).map(|level| level.to_string()).collect();
        Policy::acr_at_least("0", order)
    };
    assert!(levels(MAX_PARTS).validated().is_ok());
    assert!(levels(MAX_PARTS + 1).validated().is_err());
    assert!(
        levels(MAX_PARTS / 2)
            .and(levels(MAX_PARTS / 2))
            .validated()
            .is_err()
    );
    let mut doubled = Policy::scope("a");
    for _ in 0..1_000 {
        doubled = Policy::all([doubled.clone(), doubled]);
    }
    assert!(doubled.validated().is_err());
}

#[test]
fn and_and_or_do_not_nest() {
    let policy = (0..MAX_PARTS - 2).fold(Policy::scope("a"), |policy, _| {
        policy.or(Policy::scope("a"))
    });
    assert_eq!(policy.0.depth, 2);
    assert!(policy.validated().is_ok());
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "c"])
}

/// Every kind of part but code, over few names, so that tokens often have them.
fn part() -> impl Strategy<Value = Policy> {
    let path = prop_oneof![
        name().prop_map(ClaimPath::from),
        (name(), name()).prop_map(|(outer, inner)| ClaimPath::from([outer, inner])),
    ];
    let value = prop_oneof![
        name().prop_map(ClaimValue::from),
        (0_i64..3).prop_map(ClaimValue::from),
        any::<bool>().prop_map(ClaimValue::from),
    ];
    let values = vec(value.clone(), 1..3);
    let texts = || vec(name(), 0..3);
    prop_oneof![
        name().prop_map(Policy::scope),
        (path.clone(), name()).prop_map(|(path, name)| Policy::role_at(path, name)),
        name().prop_map(Policy::group),
        (path.clone(), value.clone()).prop_map(|(path, value)| Policy::claim(path).equals(value)),
        (path.clone(), values).prop_map(|(path, values)| Policy::claim(path).is_one_of(values)),
        (path.clone(), value).prop_map(|(path, value)| Policy::claim(path).contains(value)),
        path.clone()
            .prop_map(|path| Policy::claim(path).is_present()),
        (path.clone(), name()).prop_map(|(path, name)| Policy::claim(path).equals_fact(name)),
        (path, name()).prop_map(|(path, name)| Policy::claim(path).shares_fact(name)),
        name().prop_map(Policy::issuer),
        name().prop_map(Policy::client),
        name().prop_map(Policy::actor),
        (name(), name()).prop_map(|(issuer, subject)| Policy::actor_of(issuer, subject)),
        name().prop_map(|level| Policy::acr_at_least(level, ["a", "b", "c"])),
        name().prop_map(Policy::amr),
        (1_u64..4).prop_map(|age| Policy::auth_time_within(Duration::from_secs(age * 1_000))),
        (name(), texts(), texts()).prop_map(|(kind, actions, locations)| {
            let detail = AuthorizationDetail::of_type(kind);
            let detail = actions
                .into_iter()
                .fold(detail, AuthorizationDetail::action);
            let detail = locations
                .into_iter()
                .fold(detail, AuthorizationDetail::location);
            Policy::authorization_detail(detail)
        }),
        Just(Policy::owner()),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    part().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..4).prop_map(Policy::all),
            vec(inner.clone(), 1..4).prop_map(Policy::any),
            inner.clone().prop_map(Policy::not),
            inner.clone().prop_map(Policy::any_issuer),
            inner.prop_map(Policy::hidden),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_as_it_was(policy in policy()) {
        prop_assert!(policy.clone().validated().is_ok());
        let json = serde_json::to_string(&policy).unwrap();
        let read: Policy = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(read.to_string(), policy.to_string());
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let value = serde_json::to_value(&policy).unwrap();
        let read: Policy = serde_json::from_value(value).unwrap();
        prop_assert_eq!(read.to_string(), policy.to_string());
    }

    #[test]
    fn two_policies_read_alike_only_when_they_are(left in policy(), right in policy()) {
        let written = |policy: &Policy| serde_json::to_string(policy).unwrap();
        prop_assert_eq!(left.to_string() == right.to_string(), written(&left) == written(&right));
    }
}

#[cfg(feature = "testing")]
mod of_tokens {
    use std::time::UNIX_EPOCH;

    use serde_json::{Map, Value as Json, json};

    use super::*;

    fn json_value() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            (-1_i64..3).prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            any::<f64>().prop_map(Json::from),
            name().prop_map(Json::from),
            ".{0,4}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let member = (name(), inner.clone());
            prop_oneof![
                vec(inner, 0..4).prop_map(Json::from),
                vec(member, 0..4).prop_map(object),
            ]
        })
    }

    fn object(members: Vec<(&'static str, Json)>) -> Json {
        let members = members.into_iter();
        Json::Object(
            members
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        )
    }

    /// Registered claims of their types, which no token is accepted without, and any others.
    fn token() -> impl Strategy<Value = VerifiedToken> {
        let other = prop::sample::select(vec![
            "a",
            "b",
            "c",
            "groups",
            "act",
            "authorization_details",
        ]);
        let registered = (
            prop::option::of(name()),
            prop::option::of(name()),
            vec(name(), 0..3),
            prop::option::of(name()),
            vec(name(), 0..3),
            prop::option::of(0_i64..5_000),
        );
        (vec((other, json_value()), 0..8), registered).prop_map(|(others, registered)| {
            let (issuer, client, scopes, acr, amr, auth_time) = registered;
            let mut claims = Map::new();
            claims.extend(
                others
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value)),
            );
            let texts = [
                ("iss", issuer),
                ("azp", client),
                ("acr", acr),
                ("sub", issuer),
            ];
            for (name, text) in texts {
                claims.extend(text.map(|text| (name.to_owned(), text.into())));
            }
            claims.extend(auth_time.map(|time| ("auth_time".to_owned(), time.into())));
            claims.insert("scope".to_owned(), scopes.join(" ").into());
            claims.insert("amr".to_owned(), amr.into());
            VerifiedToken::dangerously_assert_verified(&claims)
        })
    }

    fn facts() -> Facts<'static> {
        let facts = Facts::new()
            .owner("a", "a")
            .fact("a", "a")
            .fact_list("b", ["a", "b"]);
        facts.now(UNIX_EPOCH + Duration::from_secs(3_000))
    }

    fn outcome(policy: &Policy, token: &VerifiedToken) -> &'static str {
        let facts = &facts();
        let verdict = policy.evaluate(Request {
            token,
            facts: Some(facts),
        });
        let allowed = policy.check_on(token, facts).is_ok();
        assert_eq!(allowed, verdict == Verdict::Allow, "{policy}");
        match verdict {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
            Verdict::Fault(_) => "fault",
        }
    }

    /// As `policy`, whose parts a caller can all mend or not at all.
    fn mendable() -> impl Strategy<Value = Policy> {
        let part = prop_oneof![
            name().prop_map(Policy::scope),
            name().prop_map(|level| Policy::acr_at_least(level, ["a", "b", "c"])),
            name().prop_map(|level| Policy::acr_at_least(level, ["c", "b", "a"])),
            (1_u64..4).prop_map(|age| Policy::auth_time_within(Duration::from_secs(age * 1_000))),
            name().prop_map(Policy::group),
            name().prop_map(Policy::issuer),
        ];
        part.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                vec(inner.clone(), 1..4).prop_map(Policy::all),
                vec(inner, 1..4).prop_map(Policy::any),
            ]
        })
    }

    /// Whoever has a token may have a say in what its claims nest.
    #[test]
    fn what_claims_nest_fits_a_small_stack() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let (open, close) = (open.repeat(126), close.repeat(126));
            let json = format!(r#"{{"x":{open}1{close}}}"#);
            let claims = serde_json::value::RawValue::from_string(json).unwrap();
            let checks = move || {
                let token = VerifiedToken::dangerously_assert_verified(&claims);
                assert!(Policy::claim("x").is_present().check(&token).is_ok());
                assert!(Policy::role_at("x", "a").check(&token).is_err());
            };
            let small_stack = std::thread::Builder::new().stack_size(64 << 10);
            small_stack.spawn(checks).unwrap().join().unwrap();
        }
    }

    proptest! {
        #[test]
        fn outcomes_obey_the_laws_of_three_values(left in policy(), right in policy(), token in token()) {
            let of = |policy: &Policy| outcome(policy, &token);
            let not = match of(&left) {
                "allow" => "deny",
                "deny" => "allow",
                fault => fault,
            };
            prop_assert_eq!(of(&left.clone().not()), not);
            prop_assert_eq!(of(&left.clone().not().not()), of(&left));
            let (no_left, no_right) = (left.clone().not(), right.clone().not());
            let (both, either) = (left.clone().and(right.clone()), left.clone().or(right.clone()));
            prop_assert_eq!(of(&both.not()), of(&no_left.clone().or(no_right.clone())));
            prop_assert_eq!(of(&either.not()), of(&no_left.and(no_right)));
            prop_assert_eq!(of(&left.clone().and(right.clone())), of(&right.clone().and(left.clone())));
            prop_assert_eq!(of(&left.clone().or(right.clone())), of(&right.or(left)));
        }

        #[test]
        fn a_fault_is_allowed_neither_as_it_is_nor_denied(policy in policy(), token in token()) {
            if outcome(&policy, &token) == "fault" {
                prop_assert!(policy.check_on(&token, &facts()).is_err());
                prop_assert!(policy.not().check_on(&token, &facts()).is_err());
            }
        }

        #[test]
        fn no_part_allows_a_claim_of_another_type(value in json_value(), negate in any::<bool>()) {
            let texts = |value: &Json| match value {
                Json::String(_) => true,
                Json::Array(list) => list.iter().all(Json::is_string),
                _ => false,
            };
            let well_typed = |part: &str| match part {
                "text" => value.is_string(),
                "integer" => value.as_i64().is_some(),
                "boolean" => value.is_boolean(),
                "texts" => texts(&value),
                _ => value.is_object(),
            };
            for (kind, policy) in [
                ("text", Policy::claim("x").equals("a")),
                ("text", Policy::claim("x").is_one_of(["a", "b"])),
                ("text", Policy::claim("x").equals_fact("a")),
                ("integer", Policy::claim("x").equals(1)),
                ("boolean", Policy::claim("x").equals(true)),
                ("texts", Policy::claim("x").contains("a")),
                ("texts", Policy::claim("x").shares_fact("a")),
                ("texts", Policy::role_at("x", "a")),
                ("object", Policy::role_at("x.a", "a")),
                ("object", Policy::claim("x.a").is_present()),
            ] {
                let token = VerifiedToken::dangerously_assert_verified(&json!({ "x": value }));
                let policy = if negate { policy.not() } else { policy };
                if !well_typed(kind) {
                    prop_assert_eq!(outcome(&policy, &token), "fault", "{} of {}", policy, value);
                }
            }
            let ill = |name: &str| VerifiedToken::dangerously_assert_verified(&json!({ name: value }));
            if !value.is_object() {
                prop_assert_eq!(outcome(&Policy::actor("a"), &ill("act")), "fault");
            }
            if !value.is_array() {
                let detail = Policy::authorization_detail(AuthorizationDetail::of_type("a"));
                prop_assert_eq!(outcome(&detail, &ill("authorization_details")), "fault");
            }
        }

        #[test]
        fn what_a_refusal_asks_for_is_enough(policy in mendable(), token in token()) {
            let facts = facts();
            let Err(refusal) = policy.check_on(&token, &facts) else {
                return Ok(());
            };
            let mut claims: Map<String, Json> = serde_json::from_str(token.proof().payload.json()).unwrap();
            let mut scopes: Vec<_> = token.scopes().iter().map(str::to_owned).collect();
            scopes.extend(refusal.missing_scopes().map(str::to_owned));
            claims.insert("scope".to_owned(), scopes.join(" ").into());
            let login = refusal.reason() == "insufficient_user_authentication";
            if login {
                claims.remove("acr");
                claims.extend(refusal.acr_values().next().map(|acr| ("acr".to_owned(), acr.into())));
                claims.insert("auth_time".to_owned(), 3_000.into());
            }
            let mended = VerifiedToken::dangerously_assert_verified(&claims);
            let told = login || refusal.reason() == "insufficient_scope";
            prop_assert_eq!(policy.check_on(&mended, &facts).is_ok(), told, "{:?}", refusal);
        }
    }
}
