"""Makes a key and a token for each algorithm and exports the public key as its library does.

    producer.py PyJWT|Authlib|jwcrypto|joserfc ISSUER AUDIENCE ALGORITHM...

One line of JSON with name and version, then one for each algorithm: a token and a JWK, or an error.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")  # That a name is deprecated is no fault of its tokens.

import authlib.jose
import joserfc.jwk
import joserfc.jwt
import jwcrypto.jwk
import jwcrypto.jwt
import jwt
import jwt.algorithms
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

library, issuer, audience, *algorithms = sys.argv[1:]
now = int(time.time())
CLAIMS = {"iss": issuer, "aud": audience, "sub": "alice", "iat": now, "exp": now + 600}
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def kind(alg):
    """The kind of key, and the size or curve of one."""
    if alg[:2] in ("RS", "PS"):
        return "RSA", 2048
    if alg in CURVES:
        return "EC", CURVES[alg]
    return ("OKP", "Ed25519") if alg.startswith("Ed") else ("AKP", alg)


def pyjwt(alg):
    kty, detail = kind(alg)
    curves = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1}
    if kty == "RSA":
        key = rsa.generate_private_key(65537, detail)
    else:
        key = ec.generate_private_key(curves[detail]()) if kty == "EC" else ed25519.Ed25519PrivateKey.generate()
    token = jwt.encode(CLAIMS, key, alg)
    return token, jwt.algorithms.get_default_algorithms()[alg].to_jwk(key.public_key(), as_dict=True)


def with_authlib(alg):
    # It leaves off the zeros at the start of a coordinate, of which every other on P-521 has one. RFC 7518
    # §6.2.1.2 forbids that, and such a key is not used here, so keys are drawn until one has none.
    width = {"ES256": 43, "ES384": 64, "ES512": 88}.get(alg)
    while True:
        key = authlib.jose.JsonWebKey.generate_key(*kind(alg), options={"kid": f"authlib-{alg}"}, is_private=True)
        jwk = key.as_dict(is_private=False)
        if not width or len(jwk["x"]) == len(jwk["y"]) == width:
            return authlib.jose.JsonWebToken([alg]).encode({"alg": alg, "kid": key.kid}, CLAIMS, key).decode(), jwk


def with_jwcrypto(alg):
    kty, detail = kind(alg)
    names = {"RSA": "size", "AKP": "alg"}
    key = jwcrypto.jwk.JWK.generate(kty=kty, kid=f"jwcrypto-{alg}", **{names.get(kty, "crv"): detail})
    token = jwcrypto.jwt.JWT(header={"alg": alg, "kid": key["kid"], "typ": "JWT"}, claims=CLAIMS, algs=[alg])
    token.make_signed_token(key)
    return token.serialize(), key.export_public(as_dict=True)


def with_joserfc(alg):
    kty, detail = kind(alg)
    key = joserfc.jwk.generate_key(kty, detail, {"alg": alg, "use": "sig"}, auto_kid=True)
    token = joserfc.jwt.encode({"alg": alg, "kid": key.kid}, CLAIMS, key, algorithms=[alg])
    return token, key.as_dict(private=False)


print(json.dumps(f"{library} {version(library)}"))
makers = {"PyJWT": pyjwt, "Authlib": with_authlib, "jwcrypto": with_jwcrypto, "joserfc": with_joserfc}
for alg in algorithms:
    try:
        token, jwk = makers[library](alg)
        made = {"token": token, "jwk": jwk}
    except Exception as error:
        made = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"alg": alg, **made}))
