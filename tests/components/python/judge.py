"""Judges the tokens of corpus.py as a service in Python would: one verdict a line.

    judge.py pyjwt|joserfc

The first line it writes is its name and version.
"""

import json
import sys

import cryptography
import joserfc
import jwt
from joserfc import jws
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet, import_key
from jwt.api_jws import PyJWS


class FixedKeys(jwt.PyJWKClient):
    """PyJWT chooses a key of a set only in the client that fetches the set."""

    def __init__(self, jwks):
        super().__init__("https://nobody.test", cache_keys=False)
        self.jwks = jwks

    def fetch_data(self):
        return self.jwks


class PyJwt:
    version = f"PyJWT {jwt.__version__} on cryptography {cryptography.__version__}"

    def __init__(self, settings):
        self.settings = settings
        self.keys = FixedKeys(settings["jwks"])

    def judge(self, token):
        algorithms = self.settings["algorithms"]
        if "issuer" not in self.settings:
            PyJWS().decode(token, jwt.PyJWK(self.settings["jwks"]["keys"][0]), algorithms=algorithms)
            return
        jwt.decode(
            token,
            self.keys.get_signing_key_from_jwt(token),
            algorithms=algorithms,
            issuer=self.settings["issuer"],
            audience=self.settings["audience"],
            leeway=self.settings["leeway"],
            options={"require": ["iss", "aud", "exp"]},
        )


class Joserfc:
    version = f"joserfc {joserfc.__version__} on cryptography {cryptography.__version__}"

    def __init__(self, settings):
        self.settings = settings
        self.keys = None

    def judge(self, token):
        # By default it refuses every member of a header that it does not know.
        registry = jws.JWSRegistry(algorithms=self.settings["algorithms"], strict_check_header=False)
        if "issuer" not in self.settings:
            jws.deserialize_compact(token, import_key(self.settings["jwks"]["keys"][0]), registry=registry)
            return
        self.keys = self.keys or KeySet.import_key_set(self.settings["jwks"])
        decoded = joserfc_jwt.decode(token, self.keys, registry=registry)
        joserfc_jwt.JWTClaimsRegistry(
            leeway=self.settings["leeway"],
            iss={"essential": True, "value": self.settings["issuer"]},
            aud={"essential": True, "value": self.settings["audience"]},
            exp={"essential": True},
        ).validate(decoded.claims)


library = {"pyjwt": PyJwt, "joserfc": Joserfc}[sys.argv[1]]
print(json.dumps(library.version))
for line in sys.stdin:
    case = json.loads(line)
    if "jwks" in case:
        judge = library(case)
        continue
    reason = None
    try:
        judge.judge(case["token"])
    except Exception as error:  # Whatever it is, the token does not pass.
        reason = f"{type(error).__name__}: {error}"[:200]
    print(json.dumps({"id": case["id"], "accepted": reason is None, "reason": reason}))
