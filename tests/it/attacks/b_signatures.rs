//! B: other bytes for the same signature, or bytes that are none.

use portcullis::Algorithm;

use super::forge::{integer, resigned, split, tlv, with_part};
use super::{Case, Target, check};

pub(super) fn cases(target: &Target) -> Vec<Case> {
    [psychic(target), other_lengths(target), other_base64(target)].concat()
}

/// The curves with the orders of their groups.
const CURVES: [(Algorithm, &str); 3] = [
    (
        Algorithm::Es256,
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
    ),
    (
        Algorithm::Es384,
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
    ),
    (
        Algorithm::Es512,
        "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
    ),
];

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn psychic(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for (algorithm, order) in CURVES {
        let token = target.token().algorithm(algorithm).sign();
        let (_, good) = split(&token);
        let half = good.len() / 2;
        let (zero, order) = (vec![0; half], bytes(order));
        assert_eq!(order.len(), half);
        let halves = |genuine: &[u8]| {
            [
                ("zero", zero.clone()),
                ("the order", order.clone()),
                ("genuine", genuine.to_vec()),
            ]
        };
        for (r, first) in halves(&good[..half]) {
            for (s, second) in halves(&good[half..]) {
                if (r, s) == ("genuine", "genuine") {
                    continue;
                }
                let signature = [first.clone(), second].concat();
                let what = format!("{algorithm} with r {r} and s {s}");
                cases.push(Case::new(
                    what,
                    resigned(&token, signature),
                    "invalid_signature",
                ));
            }
        }
    }
    cases
}

#[test]
fn b1_r_and_s_are_neither_zero_nor_the_order() {
    check(&psychic(Target::shared()), 24);
}

fn other_lengths(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for (algorithm, _) in CURVES {
        let token = target.token().algorithm(algorithm).sign();
        let (_, good) = split(&token);
        let (r, s) = good.split_at(good.len() / 2);
        let zero = [0];
        let mut add = |what: &str, signature: Vec<u8>| {
            cases.push(Case::new(
                format!("{algorithm}: {what}"),
                resigned(&token, signature),
                "invalid_signature",
            ));
        };
        add("DER", tlv(0x30, &[integer(r), integer(s)].concat()));
        add("a byte short", good[..good.len() - 1].to_vec());
        add("a byte more", [&good, &zero[..]].concat());
        add("a zero before", [&zero, &good[..]].concat());
        add("a zero before each half", [&zero, r, &zero, s].concat());
        add("twice", [&good[..], &good].concat());
        add("half", r.to_vec());
        add("one byte", vec![1]);
        add("halves swapped", [s, r].concat());
    }
    for algorithm in [Algorithm::Rs256, Algorithm::EdDsa] {
        let token = target.token().algorithm(algorithm).sign();
        let (_, good) = split(&token);
        let zero = [0];
        for (what, signature) in [
            ("a byte short", good[..good.len() - 1].to_vec()),
            ("a byte more", [&good, &zero[..]].concat()),
            ("a zero before", [&zero, &good[..]].concat()),
            ("zeros", vec![0; good.len()]),
            ("ones", vec![0xff; good.len()]),
        ] {
            cases.push(Case::new(
                format!("{algorithm}: {what}"),
                resigned(&token, signature),
                "invalid_signature",
            ));
        }
    }
    cases
}

#[test]
fn b2_a_signature_has_its_one_length_and_encoding() {
    check(&other_lengths(Target::shared()), 37);
}

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The same bytes, for a decoder that is lenient.
fn other_base64(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |what: &str, token: String| cases.push(Case::new(what, token, "malformed"));
    // A signature with both characters that have another form in the other alphabet, of which ES256 makes
    // another one each time, and a header and a payload whose last characters have unused bits.
    let token = std::iter::repeat_with(|| target.token().header("x", "").claim("x", ""))
        .enumerate()
        .map(|(length, token)| {
            let (x, y) = ("x".repeat(length % 3), "y".repeat(length / 3 % 3));
            token.header("x", x).claim("x", y).sign()
        })
        .find(|token| {
            let parts: Vec<_> = token.split('.').collect();
            let loose = |part: &str| !part.len().is_multiple_of(4);
            loose(parts[0]) && loose(parts[1]) && parts[2].contains('-') && parts[2].contains('_')
        })
        .unwrap();
    for (number, part) in token.split('.').enumerate() {
        let last = ALPHABET
            .iter()
            .position(|byte| byte == part.as_bytes().last().unwrap())
            .unwrap();
        // Two characters over encode one byte, three encode two.
        let unused = if part.len() % 4 == 2 { 16 } else { 4 };
        for bits in 1..unused {
            let other = char::from(ALPHABET[last ^ bits]);
            let part = format!("{}{other}", &part[..part.len() - 1]);
            add("unused bits", with_part(&token, number, &part));
        }
        for (what, part) in [
            ("padded", format!("{part}=")),
            ("padded twice", format!("{part}==")),
            ("a space behind", format!("{part} ")),
            ("a space before", format!(" {part}")),
            ("a line end behind", format!("{part}\n")),
            ("a tab inside", format!("{}\t{}", &part[..4], &part[4..])),
            ("a NUL behind", format!("{part}\0")),
            ("a percent escape", part.replacen('e', "%65", 1) + "%"),
            (
                "not ASCII",
                part.replacen(char::is_alphabetic, "\u{ff45}", 1),
            ),
            (
                "one character over",
                format!("{}A", &part[..part.len() / 4 * 4]),
            ),
        ] {
            add(what, with_part(&token, number, &part));
        }
    }
    let signature = token.rsplit('.').next().unwrap();
    for (what, part) in [
        ("plus for minus", signature.replace('-', "+")),
        ("slash for underscore", signature.replace('_', "/")),
        (
            "the other alphabet",
            signature.replace('-', "+").replace('_', "/"),
        ),
    ] {
        add(what, with_part(&token, 2, &part));
    }
    cases
}

#[test]
fn b3_base64url_has_one_spelling() {
    let cases = other_base64(Target::shared());
    assert!(cases.len() >= 3 * (3 + 10) + 3, "{}", cases.len());
    check(&cases, cases.len());
}
