"""Writes the corpus that tests/components/differential.rs has judged: JSON lines.

    corpus.py NOW [WYCHEPROOF'S json_web_signature_test.json]

A line with `jwks` holds the settings for the cases that follow it; without an issuer only signatures
are judged. In a case `id` is the kind, a slash and what was done, `token` is what to judge. Two runs
write the same bytes, but for the salts of PSS and ML-DSA: keys come from a seeded generator, and ECDSA
is deterministic (RFC 6979).
"""

import json
import sys

from corpus_claims import payloads
from corpus_encodings import encodings
from corpus_headers import headers
from corpus_signatures import algorithms, good, signatures
from corpus_tokens import ALGORITHMS, AUDIENCE, ISSUER, JWKS, LEEWAY, NOW, POST_QUANTUM, case, cases, header, jwk, token


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
    case(
        "post-quantum",
        f"{alg}, a bit changed",
        token(header(alg), alg=alg, key=key, signature=lambda _, s: bytes([s[0] ^ 1]) + s[1:]),
    )
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
