"""Signatures, and the algorithms and keys they are made with."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from corpus_tokens import (
    ABSENT,
    CLAIMS,
    CLASSICAL,
    CURVES,
    ED_ORDER,
    JWKS,
    KEYS,
    STRANGERS,
    any_rsa,
    b64,
    case,
    claims,
    for_derivation,
    for_encryption,
    header,
    raw,
    sign,
    signing_input,
    token,
    weak,
    zero_first,
)


def good():
    for alg in CLASSICAL:
        case("good", alg, token(alg=alg))
        case("good", f"{alg}, typ JWT", token(header(alg, typ="JWT"), alg=alg))
        case("kid", f"missing, {alg}", token(header(alg, kid=ABSENT), alg=alg))
    for alg in ["RS256", "RS512", "PS384"]:
        case("good", f"{alg}, a key without alg", token(header(alg, kid="any"), alg=alg, key=any_rsa))
    case(
        "good", "EdDSA with a key for Ed25519", token(header("EdDSA", kid="Ed25519"), alg="EdDSA", key=KEYS["Ed25519"])
    )
    case(
        "good", "Ed25519 with a key for EdDSA", token(header("Ed25519", kid="EdDSA"), alg="Ed25519", key=KEYS["EdDSA"])
    )


def signatures():
    def flip(index):
        return lambda _, s: bytes(b ^ (1 if i == index % len(s) else 0) for i, b in enumerate(s))

    for alg in CLASSICAL:

        def bad(name, change, alg=alg):
            case("signature", f"{alg}, {name}", token(alg=alg, signature=change))

        for name, index in [("first", 0), ("middle", 31), ("last", -1)]:
            bad(f"a bit of the {name} byte", flip(index))
        bad("empty", lambda *_: b"")
        bad("one byte short", lambda _, s: s[:-1])
        bad("half", lambda _, s: s[: len(s) // 2])
        bad("a zero byte behind it", lambda _, s: s + b"\0")
        bad("a zero byte before it", lambda _, s: b"\0" + s)
        bad("all zero", lambda _, s: bytes(len(s)))
        bad("all ones", lambda _, s: b"\xff" * len(s))
        bad(
            "of other claims",
            lambda *_, alg=alg: sign(alg, KEYS[alg], signing_input(header(alg), claims(sub="bob")).encode()),
        )
        case("signature", f"{alg}, another key's", token(alg=alg, key=STRANGERS[alg]))
        plain = token(alg=alg).split(".")
        other = signing_input(header(alg), claims(sub="admin"))
        case("signature", f"{alg}, claims replaced", f"{other}.{plain[2]}")

    # The header names one algorithm, the signature or the key is of another.
    for named, made in [
        ("RS256", "RS384"),
        ("RS256", "PS256"),
        ("PS256", "RS256"),
        ("PS256", "PS512"),
        ("RS512", "RS256"),
    ]:
        case("algorithm", f"{named} over a signature by {made}", token(header(named), alg=made, key=KEYS[named]))
    for kid, used in [
        ("RS256", "RS384"),
        ("RS256", "RS512"),
        ("RS256", "PS256"),
        ("PS256", "PS384"),
        ("PS512", "RS512"),
    ]:
        case("algorithm", f"{used} with a key for {kid}", token(header(used, kid=kid), alg=used, key=KEYS[kid]))
    for kid, used in [("ES384", "ES256"), ("ES256", "ES384"), ("ES512", "ES384"), ("ES256", "ES512")]:
        key, length = KEYS[kid], (CURVES[used][1].key_size + 7) // 8

        def forged(data, _, key=key, used=used, length=length):
            sha = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}[used]
            r, s = decode_dss_signature(key.sign(data, ec.ECDSA(sha, deterministic_signing=True)))
            return raw(r, s, max(length, (key.curve.key_size + 7) // 8))

        case("algorithm", f"{used} with a key for {kid}", token(header(used, kid=kid), alg=used, signature=forged))
    case("algorithm", "EdDSA with a key for ES256", token(header("EdDSA", kid="ES256"), alg="EdDSA"))
    case("algorithm", "ES256 with a key for EdDSA", token(header("ES256", kid="EdDSA")))
    case("algorithm", "RS256 with a key for ES256", token(header("RS256", kid="ES256"), alg="RS256"))

    for name, length in [("no salt", 0), ("a salt of 20 bytes", 20), ("the longest salt", padding.PSS.MAX_LENGTH)]:
        salted = lambda data, _, length=length: KEYS["PS256"].sign(
            data, padding.PSS(padding.MGF1(hashes.SHA256()), length), hashes.SHA256()
        )
        case("signature", f"PS256, {name}", token(alg="PS256", signature=salted))
    mgf = lambda data, _: KEYS["PS256"].sign(data, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())
    case("signature", "PS256, MGF1 with SHA-1", token(alg="PS256", signature=mgf))
    n = KEYS["RS256"].public_key().public_numbers().n
    for name, value in [("plus the modulus", lambda s: s + n), ("the modulus less it", lambda s: n - s)]:
        size = lambda number: max(256, (number.bit_length() + 7) // 8)
        change = lambda _, s, value=value: (v := value(int.from_bytes(s, "big"))).to_bytes(size(v), "big")
        case("signature", f"RS256, {name}", token(alg="RS256", signature=change))

    for alg, (_, curve, order) in CURVES.items():
        length = (curve.key_size + 7) // 8

        def ecdsa(name, change, longer=0, alg=alg, length=length, order=order):
            def changed(_, s):
                r, s = int.from_bytes(s[:length], "big"), int.from_bytes(s[length:], "big")
                return raw(*change(r, s, order), length + longer)

            case("signature", f"{alg}, {name}", token(alg=alg, signature=changed))

        for name, change in [
            ("r and s zero", lambda r, s, n: (0, 0)),
            ("r zero", lambda r, s, n: (0, s)),
            ("s zero", lambda r, s, n: (r, 0)),
            ("r the order", lambda r, s, n: (n, s)),
            ("s the order", lambda r, s, n: (r, n)),
            ("r and s one", lambda r, s, n: (1, 1)),
            ("r and s swapped", lambda r, s, n: (s, r)),
            ("r negated", lambda r, s, n: (n - r, s)),
            ("s high", lambda r, s, n: (r, max(s, n - s))),
            ("s low", lambda r, s, n: (r, min(s, n - s))),
        ]:
            ecdsa(name, change)
        ecdsa("r and s a byte longer each", lambda r, s, n: (r, s), 1)
        sha = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}[alg]
        der = lambda data, _, key=KEYS[alg], sha=sha: key.sign(data, ec.ECDSA(sha, deterministic_signing=True))
        case("signature", f"{alg}, DER", token(alg=alg, signature=der))

    def scalar(change):
        return lambda _, s: s[:32] + (change(int.from_bytes(s[32:], "little")) % 2**256).to_bytes(32, "little")

    for alg in ["EdDSA", "Ed25519"]:
        case("signature", f"{alg}, S plus the order", token(alg=alg, signature=scalar(lambda s: s + ED_ORDER)))
        case(
            "signature", f"{alg}, S plus twice the order", token(alg=alg, signature=scalar(lambda s: s + 2 * ED_ORDER))
        )
        case("signature", f"{alg}, S negated", token(alg=alg, signature=scalar(lambda s: ED_ORDER - s)))
        case("signature", f"{alg}, the top bit of S", token(alg=alg, signature=scalar(lambda s: s | 1 << 255)))
        case("signature", f"{alg}, R and S swapped", token(alg=alg, signature=lambda _, s: s[32:] + s[:32]))
        case("signature", f"{alg}, R the identity, S zero", token(alg=alg, signature=lambda *_: b"\1" + bytes(63)))

    small = header("EdDSA", kid="small order")
    case(
        "key", "small order, R the identity, S zero", token(small, alg="EdDSA", signature=lambda *_: b"\1" + bytes(63))
    )
    case("key", "RSA of 1024 bits", token(header("RS256", kid="weak"), alg="RS256", key=weak))
    case("key", "use enc", token(header("ES256", kid="enc"), key=for_encryption))
    case("key", "a coordinate without its leading zero", token(header(kid="short"), key=zero_first))
    case("key", "key_ops without verify", token(header("ES384", kid="ops"), alg="ES384", key=for_derivation))


def algorithms():
    names = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        "es256",
        "ES256 ",
        " ES256",
        "ES256\0",
        "Es256",
        "ES256K",
        "ES256,RS256",
    ]
    names += ["ЕS256", "HS256", "RSA-OAEP", "dir", "RS1", "SHA256", "Ed448"]
    for name in names:
        case("alg", f"{json.dumps(name)}, signed by ES256", token(header(alg=name, kid="ES256")))
        case("alg", f"{json.dumps(name)}, no signature", signing_input(header(alg=name, kid="ES256"), CLAIMS) + ".")
    for name, value in [("missing", ABSENT), ("null", None), ("a number", 256), ("true", True), ("a list", ["ES256"])]:
        case("alg", name, token(header(alg=value, kid="ES256")))
    case("alg", "an object", token(header(alg={"name": "ES256"}, kid="ES256")))
    case("alg", "none without kid, no signature", signing_input({"alg": "none"}, CLAIMS) + ".")
    case("alg", "none, two parts", signing_input({"alg": "none"}, CLAIMS))
    case("alg", "escaped", token('{"al\\u0067":"E\\u0053256","typ":"at+jwt","kid":"ES256"}'))

    for kid in ["RS256", "ES256", "EdDSA"]:
        public, document = KEYS[kid].public_key(), next(key for key in JWKS["keys"] if key["kid"] == kid)
        info = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = public.public_bytes(serialization.Encoding.PEM, info)
        secrets = {
            "PEM": pem,
            "PEM without the line feed": pem.strip(),
            "DER": public.public_bytes(serialization.Encoding.DER, info),
            "JWK": json.dumps(document, separators=(",", ":")).encode(),
            "member": urlsafe_b64decode((document.get("n") or document["x"]) + "=="),
            "kid": kid.encode(),
            "empty": b"",
        }
        for name, secret in secrets.items():
            data = signing_input({"alg": "HS256", "typ": "at+jwt", "kid": kid}, CLAIMS)
            mac = hmac.new(secret, data.encode(), hashlib.sha256).digest()
            case("alg", f"HS256, the secret is the {name} of {kid}", f"{data}.{b64(mac)}")
    for bits in ["384", "512"]:
        data = signing_input({"alg": f"HS{bits}", "typ": "at+jwt", "kid": "RS256"}, CLAIMS)
        case("alg", f"HS{bits}, no secret", f"{data}.{b64(hmac.new(b'', data.encode(), f'sha{bits}').digest())}")
