//! The tools of a forger: parts of tokens put together by hand, keys in every wrapping, HMAC.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

pub(super) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// `header.payload` of a token, and its signature.
pub(super) fn split(token: &str) -> (&str, Vec<u8>) {
    let (input, signature) = token.rsplit_once('.').unwrap();
    (input, decode(signature))
}

/// The token with another signature.
pub(super) fn resigned(token: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}", split(token).0, encode(signature))
}

/// The token with one of its three parts replaced, as text.
pub(super) fn with_part(token: &str, number: usize, part: &str) -> String {
    let mut parts: Vec<_> = token.split('.').collect();
    parts[number] = part;
    parts.join(".")
}

/// The token authenticated with HMAC, as its header says.
pub(super) fn hmac_signed(token: &str, algorithm: &str, secret: &[u8]) -> String {
    let algorithm = match algorithm {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        _ => hmac::HMAC_SHA512,
    };
    let input = split(token).0;
    resigned(
        token,
        hmac::sign(&hmac::Key::new(algorithm, secret), input.as_bytes()),
    )
}

/// A public key in every wrapping that has been taken for a secret, each with its name.
pub(super) fn wrappings(jwk: &Value) -> Vec<(String, Vec<u8>)> {
    let member = |name: &str| decode(jwk[name].as_str().unwrap());
    let kty = jwk["kty"].as_str().unwrap();
    // (bytes of the key itself, as SubjectPublicKeyInfo, in the wire format of SSH)
    let (bare, spki, ssh) = match kty {
        "RSA" => {
            let pkcs1 = tlv(
                0x30,
                &[integer(&member("n")), integer(&member("e"))].concat(),
            );
            let spki = spki(&[OID_RSA, &[5, 0]].concat(), &pkcs1);
            let ssh = [
                ssh_string(b"ssh-rsa"),
                ssh_string(&member("e")),
                ssh_string(&[&[0], &member("n")[..]].concat()),
            ];
            (pkcs1, spki, ssh.concat())
        }
        "EC" => {
            let point = [&[4], &member("x")[..], &member("y")].concat();
            let spki = spki(&[OID_EC, OID_P256].concat(), &point);
            let ssh = [
                ssh_string(b"ecdsa-sha2-nistp256"),
                ssh_string(b"nistp256"),
                ssh_string(&point),
            ];
            (point, spki, ssh.concat())
        }
        _ => {
            let point = member("x");
            let spki = spki(OID_ED25519, &point);
            let ssh = [ssh_string(b"ssh-ed25519"), ssh_string(&point)];
            (point, spki, ssh.concat())
        }
    };
    let pem = pem("PUBLIC KEY", &spki);
    let number = jwk
        .get("n")
        .or_else(|| jwk.get("x"))
        .unwrap()
        .as_str()
        .unwrap();
    let texts = [
        ("PEM", pem.clone()),
        ("PEM without the last line end", pem.trim_end().to_owned()),
        ("PEM with CR LF", pem.replace('\n', "\r\n")),
        ("PEM behind white space", format!(" \n{pem}")),
        ("PEM behind junk", format!("junk\n{pem}")),
        ("JWK", jwk.to_string()),
        ("JWK Set", format!(r#"{{"keys":[{jwk}]}}"#)),
        ("number as text", number.to_owned()),
        ("kid", jwk["kid"].as_str().unwrap().to_owned()),
        ("SSH", format!("{kty} {}", STANDARD.encode(ssh))),
        ("nothing", String::new()),
    ];
    let bytes = [("DER", spki), ("bare DER or point", bare)];
    let texts = texts.map(|(name, text)| (name, text.into_bytes()));
    texts
        .into_iter()
        .chain(bytes)
        .map(|(name, secret)| (format!("{name} of the {kty} key"), secret))
        .collect()
}

pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

/// A value of DER: its kind, its length, its bytes.
pub(super) fn tlv(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let head = match (length, body.len()) {
        ([_, short], ..128) => vec![tag, short],
        ([_, byte], ..256) => vec![tag, 0x81, byte],
        ([high, low], _) => vec![tag, 0x82, high, low],
    };
    [&head, body].concat()
}

pub(super) fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = &number[zeros..];
    let sign = [0];
    let sign = if number.first().is_none_or(|byte| byte & 0x80 != 0) {
        &sign[..]
    } else {
        &[]
    };
    tlv(2, &[sign, number].concat())
}

fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = tlv(3, &[&[0], key].concat());
    tlv(0x30, &[tlv(0x30, algorithm), bits].concat())
}

fn ssh_string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length, bytes].concat()
}

const OID_RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
const OID_EC: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01";
const OID_P256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
const OID_ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";

/// The DER is what others make of the same key: those who read it get the key of the JWK.
#[test]
fn the_wrappings_are_real() {
    use portcullis::KeySet;

    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let target = super::Target::shared();
        let jwk = target.jwk(algorithm.parse().unwrap());
        let all = wrappings(&jwk);
        let keys = KeySet::from_pem(&all[0].1).unwrap();
        let token = target.token().algorithm(algorithm.parse().unwrap()).sign();
        let verified = portcullis::verify_jws(&token, &keys, portcullis::Algorithm::ALL);
        assert_eq!(crate::support::reason(&verified), "accepted", "{algorithm}");
    }
}
