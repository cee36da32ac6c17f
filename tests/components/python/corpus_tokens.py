"""The keys of corpus.py and of its key set, and tokens signed with them."""

import base64
import json
import random
import sys

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = int(sys.argv[1])
LEEWAY = 30
ISSUER = "https://id.example.com"
AUDIENCE = "https://api.example.com"
ALGORITHMS = [
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
]
CLASSICAL = ALGORITHMS[:11]

rng = random.Random(7)


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64_int(number, length=None):
    return b64(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))


# Keys


def rsa_key(bits):
    def prime():
        small = [q for q in range(3, 2000, 2) if all(q % d for d in range(3, q, 2))]
        while True:
            n = rng.getrandbits(bits // 2) | 3 << bits // 2 - 2 | 1
            if n % 65537 != 1 and all(n % q for q in small) and pow(2, n - 1, n) == 1:
                return n

    p, q, e = prime(), prime(), 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


def ec_key(curve):
    return ec.derive_private_key(rng.getrandbits(curve.key_size - 8) | 1, curve)


def ed_key():
    return ed25519.Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))


CURVES = {
    "ES256": ("P-256", ec.SECP256R1(), 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "ES384": ("P-384", ec.SECP384R1(), int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)),
    "ES512": (
        "P-521",
        ec.SECP521R1(),
        int("1" + "f" * 65 + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
    ),
}
ED_ORDER = 2**252 + 27742317777372353535851937790883648493

pkcs1, pss, any_rsa, weak, strange_rsa = (rsa_key(bits) for bits in [2048, 2048, 2048, 1024, 2048])
KEYS = {
    **{alg: pkcs1 for alg in ["RS256", "RS384", "RS512"]},
    **{alg: pss for alg in ["PS256", "PS384", "PS512"]},
    **{alg: ec_key(curve) for alg, (_, curve, _) in CURVES.items()},
    "EdDSA": ed_key(),
    "Ed25519": ed_key(),
}


def small_x():
    while (key := ec_key(ec.SECP256R1())).public_key().public_numbers().x >> 248:
        pass
    return key


zero_first = small_x()
for_encryption, for_derivation = ec_key(ec.SECP256R1()), ec_key(ec.SECP384R1())
# In no set of keys.
STRANGERS = {
    **{alg: strange_rsa for alg in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]},
    **{alg: ec_key(curve) for alg, (_, curve, _) in CURVES.items()},
    **{alg: ed_key() for alg in ["EdDSA", "Ed25519"]},
}
POST_QUANTUM = {
    name: getattr(mldsa, f"MLDSA{name[-2:]}PrivateKey").from_seed_bytes(rng.randbytes(32)) for name in ALGORITHMS[11:]
}


def jwk(key, **members):
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        shape = {"kty": "RSA", "n": b64_int(numbers.n), "e": b64_int(numbers.e)}
    elif isinstance(public, ec.EllipticCurvePublicKey):
        numbers, length = public.public_numbers(), (public.curve.key_size + 7) // 8
        name = next(name for name, curve, _ in CURVES.values() if curve.name == public.curve.name)
        shape = {"kty": "EC", "crv": name, "x": b64_int(numbers.x, length), "y": b64_int(numbers.y, length)}
    elif isinstance(public, ed25519.Ed25519PublicKey):
        shape = {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
    else:
        shape = {"kty": "AKP", "pub": b64(public.public_bytes_raw())}
    return shape | members


# The point of order 1: whoever knows nothing can sign for it, unless it is screened.
IDENTITY = {"kty": "OKP", "crv": "Ed25519", "x": b64(b"\1" + bytes(31)), "kid": "small order", "alg": "EdDSA"}
JWKS = {
    "keys": [
        *(jwk(key, kid=alg, alg=alg, use="sig") for alg, key in KEYS.items()),
        jwk(any_rsa, kid="any"),
        jwk(weak, kid="weak", alg="RS256", use="sig"),
        jwk(for_encryption, kid="enc", alg="ES256", use="enc"),
        jwk(for_derivation, kid="ops", alg="ES384", key_ops=["deriveBits"]),
        # As Authlib writes it, without the zero at the start of the coordinate.
        jwk(zero_first, kid="short", alg="ES256", x=b64_int(zero_first.public_key().public_numbers().x)),
        IDENTITY,
    ]
}

# Tokens


def sign(alg, key, data):
    if alg in POST_QUANTUM or alg.startswith("Ed"):
        return key.sign(data)
    sha = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[alg[2:]]
    if alg.startswith("RS"):
        return key.sign(data, padding.PKCS1v15(), sha)
    if alg.startswith("PS"):
        return key.sign(data, padding.PSS(padding.MGF1(sha), sha.digest_size), sha)
    r, s = decode_dss_signature(key.sign(data, ec.ECDSA(sha, deterministic_signing=True)))
    return raw(r, s, (key.curve.key_size + 7) // 8)


def raw(r, s, length):
    return r.to_bytes(length, "big") + s.to_bytes(length, "big")


def text(value):
    """JSON for a dict, whose members with the value ABSENT are left out; text and bytes as they are."""
    if isinstance(value, dict):
        value = json.dumps({k: v for k, v in value.items() if v is not ABSENT}, separators=(",", ":"))
    return value.encode() if isinstance(value, str) else value


ABSENT = object()
CLAIMS = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "alice",
    "client_id": "app",
    "iat": NOW - 60,
    "exp": NOW + 600,
    "jti": "1",
}


def header(alg="ES256", **members):
    return {"alg": alg, "typ": "at+jwt", "kid": alg} | members


def claims(**members):
    return CLAIMS | members


def with_text(members, extra):
    """An object's JSON with text before its closing brace, for what a dict cannot hold."""
    return text(members)[:-1] + b"," + extra.encode() + b"}"


def signing_input(head, body):
    return f"{b64(text(head))}.{b64(text(body))}"


def token(head=None, body=CLAIMS, alg="ES256", key=None, signature=None):
    """A token signed by `key`; `signature` makes another one of the signed bytes and the right signature."""
    data = signing_input(header(alg) if head is None else head, body)
    right = sign(alg, key or KEYS[alg], data.encode())
    return f"{data}.{b64(signature(data.encode(), right) if signature else right)}"


cases = []


def case(kind, name, value):
    cases.append({"id": f"{kind}/{name}", "token": value})
