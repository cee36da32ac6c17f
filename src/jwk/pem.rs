//! Public keys in PEM text ([RFC 7468 §13](https://www.rfc-editor.org/rfc/rfc7468#section-13)).

use pem_rfc7468::Decoder;
use spki::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use spki::der::{Decode as _, Reader as _};
use spki::{SubjectPublicKeyInfoRef, der::Error as DerError};

use super::{SkipReason, ec, okp, rsa};
use crate::algorithm::KeyKind;
use crate::error::KeySetError;
use crate::signature::KeyMaterial;

/// The keys of all sections. Unlike a JWK Set, which others write, this text is ours to get right: one
/// bad section is an error.
pub(crate) fn parse(pem: &[u8]) -> Result<Vec<KeyMaterial>, KeySetError> {
    let mut rest = std::str::from_utf8(pem).map_err(|_| KeySetError::NotPem)?;
    let mut keys = Vec::new();
    while let Some((section, behind)) = next_section(rest)? {
        keys.push(key_of(section)?);
        rest = behind;
    }
    if keys.is_empty() {
        Err(KeySetError::NotPem)
    } else {
        Ok(keys)
    }
}

/// The next section, from its first dash to its last, and what stands behind it. Text around sections
/// is allowed and ignored (RFC 7468 §2).
fn next_section(text: &str) -> Result<Option<(&str, &str)>, KeySetError> {
    let Some((_, from_begin)) = text
        .find(BEGIN)
        .and_then(|begin| text.split_at_checked(begin))
    else {
        return Ok(None);
    };
    let label = from_begin
        .find(END)
        .map(|end| end.saturating_add(END.len()));
    label
        .and_then(|label| {
            from_begin
                .get(label..)?
                .find(DASHES)?
                .checked_add(label)?
                .checked_add(DASHES.len())
        })
        .and_then(|end| from_begin.split_at_checked(end))
        .map(Some)
        .ok_or(KeySetError::NotPem)
}

fn key_of(section: &str) -> Result<KeyMaterial, KeySetError> {
    let mut decoder =
        Decoder::new_detect_wrap(section.as_bytes()).map_err(|_| KeySetError::NotPem)?;
    let parse: fn(&[u8]) -> Result<KeyMaterial, KeySetError> = match decoder.type_label() {
        "PUBLIC KEY" => from_spki,
        "RSA PUBLIC KEY" => from_pkcs1,
        _ => return Err(KeySetError::NotAPublicKey),
    };
    let mut der = Vec::new();
    parse(
        decoder
            .decode_to_end(&mut der)
            .map_err(|_| KeySetError::NotPem)?,
    )
}

/// A `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
fn from_spki(der: &[u8]) -> Result<KeyMaterial, KeySetError> {
    let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeySetError::NotAPublicKey)?;
    let key = info
        .subject_public_key
        .as_bytes()
        .ok_or(KeySetError::NotAPublicKey)?;
    let material = match info.algorithm.oid {
        RSA => return from_pkcs1(key),
        EC => match info.algorithm.parameters_oid() {
            Ok(P256) => ec::from_point(KeyKind::P256, key),
            Ok(P384) => ec::from_point(KeyKind::P384, key),
            Ok(P521) => ec::from_point(KeyKind::P521, key),
            _ => Err(SkipReason::UnsupportedCurve),
        },
        ED25519 => okp::from_point(key),
        _ => Err(SkipReason::UnknownKeyType),
    };
    material.map_err(KeySetError::Unusable)
}

/// An `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn from_pkcs1(der: &[u8]) -> Result<KeyMaterial, KeySetError> {
    let numbers =
        |der| AnyRef::from_der(der)?.sequence(|reader| Ok((reader.decode()?, reader.decode()?)));
    let (n, e): (UintRef<'_>, UintRef<'_>) =
        numbers(der).map_err(|_: DerError| KeySetError::NotAPublicKey)?;
    rsa::from_numbers(n.as_bytes(), e.as_bytes()).map_err(KeySetError::Unusable)
}

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// RFC 3279 §2.3.1 and §2.3.5, RFC 5480 §2.1.1.1, RFC 8410 §3.
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
