"""Writes the corpus that tests/components/differential.rs has judged: JSON lines.

    corpus.py NOW [WYCHEPROOF'S json_web_signature_test.json]

A line with `jwks` holds the settings for the cases that follow it; without an issuer only signatures
are judged. In a case `id` is the kind, a slash and what was done, `token` is what to judge. Two runs
write the same bytes, but for the salts of PSS and ML-DSA: keys come from a seeded generator, and ECDSA
is deterministic (RFC 6979).
"""

import base64
import hashlib
import hmac
import json
import random
import sys
import zlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = int(sys.argv[1])
LEEWAY = 30
ISSUER = "https://id.example.com"
AUDIENCE = "https://api.example.com"
ALGORITHMS = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
    "ML-DSA-44", "ML-DSA-65", "ML-DSA-87",
]  # fmt: skip
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
        "P-521", ec.SECP521R1(),
        int("1" + "f" * 65 + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409", 16),
    ),
}  # fmt: skip
ED_ORDER = 2**252 + 27742317777372353535851937790883648493

pkcs1, pss, any_rsa, weak, strange_rsa = (rsa_key(bits) for bits in [2048, 2048, 2048, 1024, 2048])
KEYS = {
    **{alg: pkcs1 for alg in ["RS256", "RS384", "RS512"]},
    **{alg: pss for alg in ["PS256", "PS384", "PS512"]},
    **{alg: ec_key(curve) for alg, (_, curve, _) in CURVES.items()},
    "EdDSA": ed_key(),
    "Ed25519": ed_key(),
}
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
    "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "app", "iat": NOW - 60, "exp": NOW + 600, "jti": "1",
}  # fmt: skip


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


def good():
    for alg in CLASSICAL:
        case("good", alg, token(alg=alg))
        case("good", f"{alg}, typ JWT", token(header(alg, typ="JWT"), alg=alg))
        case("kid", f"missing, {alg}", token(header(alg, kid=ABSENT), alg=alg))
    for alg in ["RS256", "RS512", "PS384"]:
        case("good", f"{alg}, a key without alg", token(header(alg, kid="any"), alg=alg, key=any_rsa))
    case("good", "EdDSA with a key for Ed25519", token(header("EdDSA", kid="Ed25519"), alg="EdDSA", key=KEYS["Ed25519"]))
    case("good", "Ed25519 with a key for EdDSA", token(header("Ed25519", kid="EdDSA"), alg="Ed25519", key=KEYS["EdDSA"]))


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
        bad("of other claims", lambda *_, alg=alg: sign(alg, KEYS[alg], signing_input(header(alg), claims(sub="bob")).encode()))
        case("signature", f"{alg}, another key's", token(alg=alg, key=STRANGERS[alg]))
        plain = token(alg=alg).split(".")
        other = signing_input(header(alg), claims(sub="admin"))
        case("signature", f"{alg}, claims replaced", f"{other}.{plain[2]}")

    # The header names one algorithm, the signature or the key is of another.
    for named, made in [("RS256", "RS384"), ("RS256", "PS256"), ("PS256", "RS256"), ("PS256", "PS512"), ("RS512", "RS256")]:
        case("algorithm", f"{named} over a signature by {made}", token(header(named), alg=made, key=KEYS[named]))
    for kid, used in [("RS256", "RS384"), ("RS256", "RS512"), ("RS256", "PS256"), ("PS256", "PS384"), ("PS512", "RS512")]:
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

        def ecdsa(name, change, alg=alg, length=length):
            def changed(_, s):
                return change(int.from_bytes(s[:length], "big"), int.from_bytes(s[length:], "big"))

            case("signature", f"{alg}, {name}", token(alg=alg, signature=changed))

        ecdsa("r and s zero", lambda *_, l=length: raw(0, 0, l))
        ecdsa("r zero", lambda _, s, l=length: raw(0, s, l))
        ecdsa("s zero", lambda r, _, l=length: raw(r, 0, l))
        ecdsa("r the order", lambda _, s, l=length, n=order: raw(n, s, l))
        ecdsa("s the order", lambda r, _, l=length, n=order: raw(r, n, l))
        ecdsa("r and s one", lambda *_, l=length: raw(1, 1, l))
        ecdsa("r and s swapped", lambda r, s, l=length: raw(s, r, l))
        ecdsa("r negated", lambda r, s, l=length, n=order: raw(n - r, s, l))
        ecdsa("s high", lambda r, s, l=length, n=order: raw(r, max(s, n - s), l))
        ecdsa("s low", lambda r, s, l=length, n=order: raw(r, min(s, n - s), l))
        ecdsa("r and s a byte longer each", lambda r, s, l=length: raw(r, s, l + 1))
        sha = {"ES256": hashes.SHA256(), "ES384": hashes.SHA384(), "ES512": hashes.SHA512()}[alg]
        der = lambda data, _, key=KEYS[alg], sha=sha: key.sign(data, ec.ECDSA(sha, deterministic_signing=True))
        case("signature", f"{alg}, DER", token(alg=alg, signature=der))

    def scalar(change):
        return lambda _, s: s[:32] + (change(int.from_bytes(s[32:], "little")) % 2**256).to_bytes(32, "little")

    for alg in ["EdDSA", "Ed25519"]:
        case("signature", f"{alg}, S plus the order", token(alg=alg, signature=scalar(lambda s: s + ED_ORDER)))
        case("signature", f"{alg}, S plus twice the order", token(alg=alg, signature=scalar(lambda s: s + 2 * ED_ORDER)))
        case("signature", f"{alg}, S negated", token(alg=alg, signature=scalar(lambda s: ED_ORDER - s)))
        case("signature", f"{alg}, the top bit of S", token(alg=alg, signature=scalar(lambda s: s | 1 << 255)))
        case("signature", f"{alg}, R and S swapped", token(alg=alg, signature=lambda _, s: s[32:] + s[:32]))
        case("signature", f"{alg}, R the identity, S zero", token(alg=alg, signature=lambda *_: b"\1" + bytes(63)))

    small = header("EdDSA", kid="small order")
    case("key", "small order, R the identity, S zero", token(small, alg="EdDSA", signature=lambda *_: b"\1" + bytes(63)))
    case("key", "RSA of 1024 bits", token(header("RS256", kid="weak"), alg="RS256", key=weak))
    case("key", "use enc", token(header("ES256", kid="enc"), key=for_encryption))
    case("key", "key_ops without verify", token(header("ES384", kid="ops"), alg="ES384", key=for_derivation))


def algorithms():
    names = ["none", "None", "NONE", "nOnE", "none ", "", "es256", "ES256 ", " ES256", "ES256\0", "Es256", "ES256K", "ES256,RS256"]
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
            "member": base64.urlsafe_b64decode((document.get("n") or document["x"]) + "=="),
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


def headers():
    def members(kind, rows):
        for name, change in rows:
            case(kind, name, token(header(**change)))

    def raw_headers(kind, rows):
        for name, value in rows:
            case(kind, name, token(value))

    def extra(value):
        return with_text(header(), value)

    raw_headers("duplicate", [
        ("header: alg, the same", '{"alg":"ES256","alg":"ES256","kid":"ES256","typ":"at+jwt"}'),
        ("header: alg, none first", '{"alg":"none","alg":"ES256","kid":"ES256","typ":"at+jwt"}'),
        ("header: alg, none last", '{"alg":"ES256","alg":"none","kid":"ES256","typ":"at+jwt"}'),
        ("header: alg, one escaped", '{"\\u0061lg":"RS256","alg":"ES256","kid":"ES256","typ":"at+jwt"}'),
        ("header: kid", '{"alg":"ES256","kid":"RS256","kid":"ES256","typ":"at+jwt"}'),
        ("header: kid, one escaped", '{"alg":"ES256","\\u006bid":"RS256","kid":"ES256","typ":"at+jwt"}'),
        ("header: typ", '{"alg":"ES256","kid":"ES256","typ":"logout+jwt","typ":"at+jwt"}'),
        ("header: crit", extra('"crit":[],"crit":["x"]')),
        ("header: an unknown member", extra('"x":1,"x":2')),
        ("header: within a member", extra('"x":{"a":1,"a":2}')),
    ])  # fmt: skip
    members("crit", [
        ("empty", {"crit": []}), ("null", {"crit": None}), ("text", {"crit": "x"}), ("an object", {"crit": {}}),
        ("false", {"crit": False}), ("a number in it", {"crit": [1]}), ("names nothing there", {"crit": ["x"]}),
        ("an unknown member", {"crit": ["x"], "x": 1}), ("exp", {"crit": ["exp"], "exp": NOW + 600}),
        ("alg", {"crit": ["alg"]}), ("kid", {"crit": ["kid"]}), ("a name twice", {"crit": ["x", "x"], "x": 1}),
        ("an empty name", {"crit": [""], "": 1}), ("upper case", {"CRIT": ["x"], "x": 1}),
        ("b64 true", {"crit": ["b64"], "b64": True}), ("b64 false", {"crit": ["b64"], "b64": False}),
        ("b64 not there", {"crit": ["b64"]}), ("b64 null", {"crit": ["b64"], "b64": None}),
    ])  # fmt: skip
    members("b64", [("true without crit", {"b64": True}), ("false without crit", {"b64": False}), ("text", {"b64": "x"})])
    for name, head in [("with crit", header(b64=False, crit=["b64"])), ("without crit", header(b64=False))]:
        # No dot may stand in it; an escaped one may.
        body = text(CLAIMS).replace(b".", b"\\u002e")
        data = b64(text(head)).encode() + b"." + body
        case("b64", f"payload as it is, {name}", f"{data.decode()}.{b64(sign('ES256', KEYS['ES256'], data))}")
    deflated = zlib.compress(text(CLAIMS), 9)[2:-4]
    members("zip", [("DEF, not compressed", {"zip": "DEF"}), ("null", {"zip": None}), ("empty", {"zip": ""})])
    case("zip", "DEF, compressed", token(header(zip="DEF"), deflated))
    case("zip", "compressed without zip", token(header(), deflated))
    members("typ", [(json.dumps(typ), {"typ": typ}) for typ in [
        "JWT", "jwt", "Jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT", "application/jwt", "", None, 7, ["JWT"],
        {}, True, "JOSE", "JOSE+JSON", "JWE", "at+jwt ", " at+jwt", "at+jwt; charset=utf-8", "at-jwt", "id+jwt", "dpop+jwt",
        "logout+jwt", "secevent+jwt", "token-introspection+jwt", "oauth-authz-req+jwt", "vp+jwt", "dc+sd-jwt", "kb+jwt",
        "client-authentication+jwt", "entity-statement+jwt", "wit+jwt", "statuslist+jwt", "rt+jwt", "x+jwt",
    ]] + [("missing", {"typ": ABSENT})])  # fmt: skip
    members("cty", [("JWT over claims", {"cty": "JWT"}), ("a number", {"cty": 7}), ("json", {"cty": "application/json"})])
    case("cty", "JWT over a token", token(header(cty="JWT"), token()))
    members("kid", [(name, {"kid": kid}) for name, kid in [
        ("unknown", "nobody"), ("empty", ""), ("null", None), ("a number", 7), ("true", True), ("a list", ["ES256"]),
        ("an object", {"ES256": 1}), ("of another curve", "ES384"), ("of another kind", "RS256"), ("lower case", "es256"),
        ("a space behind it", "ES256 "), ("a NUL behind it", "ES256\0"), ("a path", "../../../../dev/null"),
        ("a URL", "https://attacker.example/key"), ("SQL", "' OR '1'='1"), ("a shell's", "ES256|sleep 10"),
        ("a line feed", "ES256\nES256"), ("text that turns", "\u202e652SE"), ("256 bytes", "k" * 256), ("257 bytes", "k" * 257),
        ("a prototype's", "__proto__"), ("an index", "0"),
    ]])  # fmt: skip
    raw_headers("kid", [("escaped", '{"alg":"ES256","typ":"at+jwt","kid":"\\u0045S256"}')])
    stranger = STRANGERS["ES256"]
    for name, kid in [("", "ES256"), (" without kid", ABSENT), (" under an unknown kid", "nobody")]:
        own = {"jwk": jwk(stranger), "kid": kid}
        case("own key", f"jwk{name}, signed by it", token(header(**own), key=stranger))
    case("own key", "jwk an oct key, HS256", (lambda data: f"{data}.{b64(hmac.new(b'k' * 32, data.encode(), hashlib.sha256).digest())}")(
        signing_input({"alg": "HS256", "jwk": {"kty": "oct", "k": b64(b"k" * 32)}}, CLAIMS)))  # fmt: skip
    members("own key", [
        ("jwk, signed by ours", {"jwk": jwk(stranger)}), ("jwk of ours", {"jwk": jwk(KEYS["ES256"])}),
        ("jwk no object", {"jwk": 7}), ("jwk null", {"jwk": None}), ("jku", {"jku": "https://attacker.example/jwks"}),
        ("jku a number", {"jku": 7}), ("x5u", {"x5u": "https://attacker.example/cert"}), ("x5c", {"x5c": ["MIIB"]}),
        ("x5c no list", {"x5c": "MIIB"}), ("x5t", {"x5t": "AAAA"}), ("x5t#S256", {"x5t#S256": "AAAA"}),
    ])  # fmt: skip
    case("own key", "jku, signed by another", token(header(jku="https://attacker.example/jwks"), key=stranger))
    case("own key", "x5c, signed by another", token(header(x5c=["MIIB"]), key=stranger))
    case("own key", "epk, apu, enc: members of a JWE", token(header(epk=jwk(stranger), apu="x", enc="A128GCM")))

    plain = text(header()).decode()
    raw_headers("header", [
        ("spaces", f" {plain} "), ("line feeds and tabs", "\n\t" + plain.replace(",", " ,\r\n ")),
        ("BOM", b"\xef\xbb\xbf" + plain.encode()), ("UTF-16", plain.encode("utf-16")), ("UTF-32", plain.encode("utf-32-le")),
        ("form feed", "\f" + plain), ("no-break space", "\u00a0" + plain), ("NUL behind it", plain + "\0"),
        ("a word behind it", plain + " x"), ("a second object", plain + "{}"), ("a comma at the end", plain[:-1] + ",}"),
        ("a comment", plain[:-1] + "/**/}"), ("single quotes", plain.replace('"', "'")), ("no closing brace", plain[:-1]),
        ("names without quotes", plain.replace('"alg"', "alg")), ("a list", f"[{plain}]"), ("text", json.dumps(plain)),
        ("a number", "7"), ("null", "null"), ("an empty object", "{}"), ("empty", ""), ("not UTF-8", extra('"x":"').replace(b'"}', b'\xff"}')),
        ("NaN", extra('"x":NaN')), ("Infinity", extra('"x":-Infinity')), ("1e400", extra('"x":1e400')), ("01", extra('"x":01')),
        ("a hexadecimal number", extra('"x":0x1')), ("a number of 400 digits", extra('"x":' + "1" * 400)),
        ("a number of 1000 digits", extra('"x":' + "1" * 1000)), ("True", extra('"x":True')),
        ("a line feed in text", extra('"x":"a\nb"')), ("a NUL in text", extra('"x":"a\0b"')), ("a bad escape", extra('"x":"\\q"')),
        ("half a surrogate pair", extra('"x":"\\ud800"')), ("text not UTF-8", extra('"x":"').rstrip(b"}") + b'\xc0\x80"}'),
        ("an encoded surrogate", extra('"x":"').rstrip(b"}") + b'\xed\xa0\x80"}'), ("emoji", extra('"x":"\U0001f600"')),
        ("5 deep", extra('"x":' + "[" * 4 + "]" * 4)), ("8 deep", extra('"x":' + "[" * 7 + "]" * 7)),
        ("9 deep", extra('"x":' + "[" * 8 + "]" * 8)), ("10 deep", extra('"x":' + "[" * 9 + "]" * 9)),
        ("400 deep", extra('"x":' + "[" * 400 + "]" * 400)), ("unclosed, 1000 deep", extra('"x":' + "[" * 1000)),
        ("an empty name", extra('"":1')), ("__proto__", extra('"__proto__":{"alg":"none"}')), ("ALG", extra('"ALG":"none"')),
        ("a claim in it", extra('"iss":"https://other.example.com"')), ("2 KB", extra(f'"x":"{"y" * 1900}"')),
        ("3 KB", extra(f'"x":"{"y" * 3000}"')), ("100 members", extra(",".join(f'"m{i}":{i}' for i in range(100)))),
    ])  # fmt: skip


def payloads():
    def claim(name, rows):
        for what, value in rows:
            body = with_text(claims(**{name: ABSENT}), f'"{name}":{value}')
            case(name, what, token(body=body))

    types = [("null", "null"), ("true", "true"), ("false", "false"), ("a list", "[]"), ("an object", "{}"), ("empty text", '""')]
    odd = [
        ("a number as text", f'"{NOW}"'), ("text", '"soon"'), ("a number in a list", f"[{NOW + 600}]"), ("-1", "-1"), ("0", "0"),
        ("-0", "-0"), ("NaN", "NaN"), ("Infinity", "Infinity"), ("-Infinity", "-Infinity"), ("1e400", "1e400"),
        ("-1e400", "-1e400"), ("1e308", "1e308"), ("2^53 + 1", str(2**53 + 1)), ("2^63 - 1", str(2**63 - 1)), ("2^63", str(2**63)),
        ("2^64", str(2**64)), ("400 digits", "1" * 400), ("milliseconds", str(NOW * 1000)), ("a plus sign", f"+{NOW}"),
        ("a leading zero", f"0{NOW}"), ("hexadecimal", hex(NOW)), ("an exponent", f"{NOW}e0"), ("a date", '"2030-01-01T00:00:00Z"'),
        ("a fraction of .0", f"{NOW}.0"),
    ]  # fmt: skip
    for name in ["exp", "nbf", "iat"]:
        case(name, "missing", token(body=claims(**{name: ABSENT})))
        claim(name, types + odd)
        edge = NOW - LEEWAY if name == "exp" else NOW + LEEWAY
        steps = [("a minute before", -60), ("2 s before", -2), ("1 s before", -1), ("half a second before", -0.5), ("at", 0),
                 ("half a second after", 0.5), ("1 s after", 1), ("2 s after", 2), ("a minute after", 60)]  # fmt: skip
        claim(name, [(f"{what} the end of the leeway", str(edge + step)) for what, step in steps])
        claim(name, [("now", str(NOW)), ("1 s ago", str(NOW - 1)), ("in 1 s", str(NOW + 1))])
    case("exp", "before iat", token(body=claims(iat=NOW + 20, exp=NOW + 10)))
    case("nbf", "after exp", token(body=claims(nbf=NOW + 25, exp=NOW + 10)))

    def near(name, url):
        host = url.removeprefix("https://")
        return [
            (f"{what}", json.dumps(value)) for what, value in [
                ("a slash behind it", url + "/"), ("a space behind it", url + " "), ("a space before it", " " + url),
                ("a NUL behind it", url + "\0"), ("a line feed behind it", url + "\n"), ("upper case", url.upper()),
                ("host in upper case", f"https://{host.upper()}"), ("http", f"http://{host}"), ("a port", url + ":443"),
                ("no scheme", host), ("shorter", url[:-1]), ("longer", url + ".attacker.example"), ("one letter", "h"),
                ("user info", f"https://x@{host}"), ("percent", f"https://%69{host[1:]}"), ("another alphabet", url.replace("a", "а")),
                ("a dot behind it", url + "."), ("a query", url + "?"), ("a fragment", url + "#"), ("another", "https://other.example.com"),
                ("a pattern", "https://.*"), ("an asterisk", "*"), ("twice", f"{url} {url}"), ("two", f"{url} https://other.example.com"),
                ("two by comma", f"{url},https://other.example.com"), ("a list as text", json.dumps([url])),
                ("in a list", [url]), ("in a list of two", ["https://other.example.com", url]), ("in a list, twice", [url, url]),
                ("in a list with a number", [url, 7]), ("in a list with null", [None, url]), ("in a list with an object", [url, {}]),
                ("in a list in a list", [[url]]), ("a list of others", ["https://other.example.com"]), ("a list of numbers", [7]),
                ("a list with an empty text", [""]), ("an object with it", {url: True}), ("an object by number", {"0": url}),
                ("a number", 7),
            ]
        ] + [("escaped", '"\\u0068' + url[1:] + '"'), ("slashes escaped", '"' + url.replace("/", "\\/") + '"')]  # fmt: skip

    for name, url in [("iss", ISSUER), ("aud", AUDIENCE)]:
        case(name, "missing", token(body=claims(**{name: ABSENT})))
        claim(name, types + near(name, url))
    claim("aud", [("a list of 500", json.dumps([*(f"a{i}" for i in range(500)), AUDIENCE]))])

    for name in ["sub", "jti", "client_id", "azp", "scope", "acr"]:
        case(name, "missing", token(body=claims(**{name: ABSENT})))
        claim(name, types + [("a number", "7"), ("text in a list", '["a"]'), ("text", '"a b"')])
    claim("sub", [("300 letters", json.dumps("s" * 300)), ("a NUL in it", '"a\\u0000b"'), ("half a surrogate pair", '"\\ud800"')])
    claim("scp", types + [("a number", "7"), ("a list of texts", '["a","b"]'), ("a list with a number", '["a",7]')])
    claim("amr", types + [("text", '"pwd"'), ("a list of texts", '["pwd"]'), ("a list with a number", "[7]")])
    claim("auth_time", types + [("a number", str(NOW)), ("a number as text", f'"{NOW}"'), ("a fraction", f"{NOW}.5"), ("-1", "-1")])
    claim("nonce", [("text", '"n"'), ("a number", "7")])
    claim("cnf", [("null", "null"), ("an empty object", "{}"), ("jkt", '{"jkt":"x"}'), ("x5t#S256", '{"x5t#S256":"x"}'),
                  ("unknown", '{"x":1}'), ("text", '"x"')])  # fmt: skip
    for name in ["at_hash", "c_hash", "s_hash", "events"]:
        case("other kind", name, token(body=with_text(CLAIMS, f'"{name}":{"{}" if name == "events" else json.dumps("x")}')))
    for name in ["vc", "vp", "_sd_alg", "htm", "token_use", "sid", "act", "may_act"]:
        case("other kind", name, token(body=with_text(CLAIMS, f'"{name}":"x"')))

    def extra(value):
        return with_text(CLAIMS, value)

    for name, value in [
        ("exp, the same", extra(f'"exp":{NOW + 600}')), ("exp, expired first", b'{"exp":1,' + text(CLAIMS)[1:]),
        ("exp, expired last", extra('"exp":1')), ("iss", b'{"iss":"https://other.example.com",' + text(CLAIMS)[1:]),
        ("aud", b'{"aud":"https://other.example.com",' + text(CLAIMS)[1:]), ("sub", extra('"sub":"admin"')),
        ("sub, one escaped", extra('"\\u0073ub":"admin"')), ("nbf", extra(f'"nbf":{NOW + 900},"nbf":1')),
        ("an unknown claim", extra('"role":"user","role":"admin"')),
        ("an unknown claim, one escaped", extra('"role":"user","r\\u006fle":"admin"')),
        ("within a claim", extra('"x":{"a":1,"a":2}')), ("an empty name", extra('"":1,"":2')),
    ]:  # fmt: skip
        case("duplicate", f"claims: {name}", token(body=value))

    plain = text(CLAIMS).decode()
    for name, value in [
        ("spaces", f" {plain} "), ("line feeds and tabs", "\n\t" + plain.replace(",", " ,\r\n ")), ("BOM", b"\xef\xbb\xbf" + plain.encode()),
        ("UTF-16", plain.encode("utf-16")), ("UTF-16 without BOM", plain.encode("utf-16-le")), ("UTF-32", plain.encode("utf-32-be")),
        ("form feed", "\f" + plain), ("NUL behind it", plain + "\0"), ("a word behind it", plain + " x"),
        ("a second object", plain + plain), ("a comma at the end", plain[:-1] + ",}"), ("two commas", plain.replace(",", ",,", 1)),
        ("a comment", plain[:-1] + "/**/}"), ("a comment to the line's end", plain + "//x"), ("single quotes", plain.replace('"', "'")),
        ("no closing brace", plain[:-1]), ("a list", f"[{plain}]"), ("a list of pairs", json.dumps([list(p) for p in CLAIMS.items()])),
        ("text", json.dumps(plain)), ("a number", "7"), ("null", "null"), ("true", "true"), ("an empty object", "{}"), ("empty", ""),
        ("a space", " "), ("a token", token()), ("NaN", extra('"x":NaN')), ("Infinity", extra('"x":Infinity')), ("1e400", extra('"x":1e400')),
        ("01", extra('"x":01')), (".5", extra('"x":.5')), ("5.", extra('"x":5.')), ("a number of 400 digits", extra('"x":' + "1" * 400)),
        ("a number of 5000 digits", extra('"x":' + "1" * 5000)), ("True", extra('"x":True')), ("a line feed in text", extra('"x":"a\nb"')),
        ("a NUL in text", extra('"x":"a\0b"')), ("a bad escape", extra('"x":"\\q"')), ("half a surrogate pair", extra('"x":"\\ud800"')),
        ("half a pair in a name", extra('"\\udc00":1')), ("text not UTF-8", extra('"x":"').rstrip(b"}") + b'\xff"}'),
        ("an overlong NUL", extra('"x":"').rstrip(b"}") + b'\xc0\x80"}'), ("an encoded surrogate", extra('"x":"').rstrip(b"}") + b'\xed\xa0\x80"}'),
        ("100 deep", extra('"x":' + "[" * 100 + "]" * 100)), ("126 deep", extra('"x":' + "[" * 125 + "]" * 125)),
        ("200 deep", extra('"x":' + "[" * 200 + "]" * 200)), ("2000 deep", extra('"x":' + "[" * 2000 + "]" * 2000)),
        ("unclosed, 5000 deep", extra('"x":' + "[" * 5000)), ("an empty name", extra('"":1')), ("__proto__", extra('"__proto__":{"sub":"admin"}')),
        ("names in upper case", plain.replace('"exp"', '"EXP"')), ("a NUL in a name", plain.replace('"exp"', '"exp\\u0000"')),
        ("10 KB", extra(f'"x":"{"y" * 10_000}"')), ("20 KB", extra(f'"x":"{"y" * 20_000}"')), ("40 KB", extra(f'"x":"{"y" * 40_000}"')),
        ("500 claims", extra(",".join(f'"m{i}":{i}' for i in range(500)))),
    ]:  # fmt: skip
        case("claims", name, token(body=value))


def encodings():
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

    def padded(length):
        """A token whose parts leave this remainder modulo 3, so that their last characters have unused bits."""
        filler = lambda members, extra: members | {"p": "p" * ((length - len(text(members | {"p": ""})) - extra) % 3)}
        return token(filler(header(), 0), filler(CLAIMS, 0))

    def swap(parts, index, change):
        return ".".join(change(part) if i == index else part for i, part in enumerate(parts))

    names = ["header", "claims", "signature"]
    for index, name in enumerate(names):
        for remainder, bits in [(1, 15), (2, 3)]:
            # The signature of ES256 is 64 bytes, that of RS256 256: both leave a remainder of 1.
            parts = (padded(remainder) if index < 2 else token()).split(".")
            if index == 2 and remainder == 2:
                parts = token(alg="RS256").split(".")
            last = parts[index][-1]
            assert len(parts[index]) % 4 == (3 if index < 2 and remainder == 2 else 2), (name, remainder)
            for flipped in [1, bits]:
                turned = alphabet[alphabet.index(last) ^ flipped]
                what = f"{name}: unused bits {flipped}, {'RS256' if index == 2 and remainder == 2 else f'{remainder} byte(s) over'}"
                case("encoding", what, swap(parts, index, lambda part, turned=turned: part[:-1] + turned))
                if index < 2:
                    # The same, signed as it stands: the bytes that are signed are the ones that were sent.
                    data = ".".join(part[:-1] + turned if i == index else part for i, part in enumerate(parts[:2]))
                    case("encoding", f"{what}, signed so", f"{data}.{b64(sign('ES256', KEYS['ES256'], data.encode()))}")
        parts = padded(1).split(".")
        for what, change in [
            ("=", lambda p: p + "="), ("==", lambda p: p + "=="), ("===", lambda p: p + "==="), ("a letter more", lambda p: p + "A"),
            ("four letters more", lambda p: p + "AAAA"), ("a letter less", lambda p: p[:-1]), ("a space before it", lambda p: " " + p),
            ("a space behind it", lambda p: p + " "), ("a space within", lambda p: p[:5] + " " + p[5:]), ("a line feed within", lambda p: p[:5] + "\n" + p[5:]),
            ("CR LF behind it", lambda p: p + "\r\n"), ("a tab within", lambda p: p[:5] + "\t" + p[5:]), ("a NUL behind it", lambda p: p + "\0"),
            ("!", lambda p: p[:5] + "!" + p[5:]), ("a percent escape", lambda p: f"%{ord(p[0]):02x}" + p[1:]), ("a letter not ASCII", lambda p: p + "é"),
            ("a wide letter", lambda p: "\uff45" + p[1:]), ("=== before it", lambda p: "===" + p), ("= within", lambda p: p[:5] + "=" + p[5:]),
            ("quoted", lambda p: f'"{p}"'), ("upper case", str.upper),
        ]:  # fmt: skip
            case("encoding", f"{name}: {what}", swap(parts, index, change))
            if index < 2 and what in ["=", "==", "a space behind it", "a line feed within", "!", "= within"]:
                data = swap(parts[:2], index, change)
                case("encoding", f"{name}: {what}, signed so", f"{data}.{b64(sign('ES256', KEYS['ES256'], data.encode()))}")

    # Claims and headers that hold both characters in which the two alphabets differ.
    special = "\u00ff\u00fe>>>???~~~"
    value = json.dumps({"x": special}, ensure_ascii=False)[1:-1]
    for index, name in enumerate(names):
        head, body = with_text(header(), value), with_text(CLAIMS, value)
        parts = token(head, body).split(".")
        turn = lambda part: part.replace("-", "+").replace("_", "/")
        assert index == 2 or turn(parts[index]) != parts[index], name
        case("encoding", f"{name}: the alphabet with + and /", swap(parts, index, turn))
        if index < 2:
            data = swap(parts[:2], index, turn)
            case("encoding", f"{name}: the alphabet with + and /, signed so", f"{data}.{b64(sign('ES256', KEYS['ES256'], data.encode()))}")
    plain = token()
    head, body, mark = plain.split(".")
    jwe = b64(text({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "RS256"}))
    protected = {"protected": head, "payload": body, "signature": mark}
    for name, value in [
        ("empty", ""), ("a dot", "."), ("two dots", ".."), ("three dots", "..."), ("four dots", "...."), ("1000 dots", "." * 1000),
        ("one part", head), ("two parts", f"{head}.{body}"), ("four parts", plain + ".x"), ("a dot behind it", plain + "."),
        ("a dot before it", "." + plain), ("two dots for one", plain.replace(".", "..", 1)), ("no header", f".{body}.{mark}"),
        ("no claims", f"{head}..{mark}"), ("no signature", f"{head}.{body}."), ("the signature first", f"{mark}.{head}.{body}"),
        ("five parts", plain + ".x.y"), ("a JWE", f"{jwe}.{b64(bytes(256))}.{b64(bytes(12))}.{b64(text(CLAIMS))}.{b64(bytes(16))}"),
        ("a JWE of dir", f"{b64(text({'alg': 'dir', 'enc': 'A128GCM'}))}..{b64(bytes(12))}.{b64(bytes(9))}.{b64(bytes(16))}"),
        ("a JWE of PBES2", f"{b64(text({'alg': 'PBES2-HS256+A128KW', 'enc': 'A128GCM', 'p2c': 2**31 - 1, 'p2s': 'AAAA'}))}.AAAA.AAAA.AAAA.AAAA"),
        ("a JWE header in three parts", f"{jwe}.{body}.{mark}"), ("JSON, flattened", json.dumps(protected)),
        ("JSON, general", json.dumps({"payload": body, "signatures": [{"protected": head, "signature": mark}]})),
        ("JSON before the token", '{"' + plain.replace(".", '":"",".', 1)), ("twice", f"{plain}.{plain}"), ("twice by space", f"{plain} {plain}"),
        ("twice by comma", f"{plain},{plain}"), ("a space before it", " " + plain), ("a space behind it", plain + " "),
        ("a line feed behind it", plain + "\n"), ("a NUL behind it", plain + "\0"), ("BOM before it", "\ufeff" + plain), ("a word behind it", plain + " x"),
        ("quoted", f'"{plain}"'), ("Bearer before it", "Bearer " + plain), ("upper case", plain.upper()), ("commas for dots", plain.replace(".", ",")),
        ("SD-JWT", plain + "~"), ("SD-JWT with a disclosure", plain + "~WyJzIiwiYSIsMV0~"), ("percent for dots", plain.replace(".", "%2e")),
        ("wide dots", plain.replace(".", "\uff0e")), ("JSON null", "null"), ("30 KB of letters", "A" * 30_000),
    ]:  # fmt: skip
        case("parts", name, value)


def settings(keys, **more):
    print(json.dumps({"jwks": {"keys": keys}, "algorithms": ALGORITHMS, **more}))


def emit():
    ids = [entry["id"] for entry in cases]
    assert len(ids) == len(set(ids)), [name for name in ids if ids.count(name) > 1]
    for entry in cases:
        print(json.dumps(entry))
    cases.clear()


service = {"issuer": ISSUER, "audience": AUDIENCE, "now": NOW, "leeway": LEEWAY}
settings(JWKS["keys"], **service)
for kind in [good, signatures, algorithms, headers, payloads, encodings]:
    kind()
emit()

# Apart, as a set with such keys is of no use to some.
settings([jwk(key, kid=alg, alg=alg, use="sig") for alg, key in POST_QUANTUM.items()], **service)
for alg, key in POST_QUANTUM.items():
    case("post-quantum", alg, token(header(alg), alg=alg, key=key))
    case("post-quantum", f"{alg}, a bit changed", token(header(alg), alg=alg, key=key, signature=lambda _, s: bytes([s[0] ^ 1]) + s[1:]))
emit()

if len(sys.argv) > 2:
    with open(sys.argv[2], encoding="utf-8") as file:
        groups = json.load(file)["testGroups"]
    for group in groups:
        if "public" not in group:  # For HMAC.
            continue
        settings([group["public"]], mode="jws")
        for test in group["tests"]:
            case("wycheproof", f"{test['tcId']} {test['comment']}", test["jws"])
        emit()
