"""Headers under a good signature, unless told otherwise."""

import hashlib
import hmac
import json
import zlib

from corpus_tokens import (
    ABSENT,
    CLAIMS,
    KEYS,
    NOW,
    STRANGERS,
    b64,
    case,
    header,
    jwk,
    sign,
    signing_input,
    text,
    token,
    with_text,
)


def headers():
    def members(kind, rows):
        for name, change in rows:
            case(kind, name, token(header(**change)))

    def raw_headers(kind, rows):
        for name, value in rows:
            case(kind, name, token(value))

    def extra(value):
        return with_text(header(), value)

    raw_headers(
        "duplicate",
        [
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
        ],
    )
    members(
        "crit",
        [
            ("empty", {"crit": []}),
            ("null", {"crit": None}),
            ("text", {"crit": "x"}),
            ("an object", {"crit": {}}),
            ("false", {"crit": False}),
            ("a number in it", {"crit": [1]}),
            ("names nothing there", {"crit": ["x"]}),
            ("an unknown member", {"crit": ["x"], "x": 1}),
            ("exp", {"crit": ["exp"], "exp": NOW + 600}),
            ("alg", {"crit": ["alg"]}),
            ("kid", {"crit": ["kid"]}),
            ("a name twice", {"crit": ["x", "x"], "x": 1}),
            ("an empty name", {"crit": [""], "": 1}),
            ("upper case", {"CRIT": ["x"], "x": 1}),
            ("b64 true", {"crit": ["b64"], "b64": True}),
            ("b64 false", {"crit": ["b64"], "b64": False}),
            ("b64 not there", {"crit": ["b64"]}),
            ("b64 null", {"crit": ["b64"], "b64": None}),
        ],
    )
    members(
        "b64", [("true without crit", {"b64": True}), ("false without crit", {"b64": False}), ("text", {"b64": "x"})]
    )
    for name, head in [("with crit", header(b64=False, crit=["b64"])), ("without crit", header(b64=False))]:
        # No dot may stand in it; an escaped one may.
        body = text(CLAIMS).replace(b".", b"\\u002e")
        data = b64(text(head)).encode() + b"." + body
        case("b64", f"payload as it is, {name}", f"{data.decode()}.{b64(sign('ES256', KEYS['ES256'], data))}")
    deflated = zlib.compress(text(CLAIMS), 9)[2:-4]
    members("zip", [("DEF, not compressed", {"zip": "DEF"}), ("null", {"zip": None}), ("empty", {"zip": ""})])
    case("zip", "DEF, compressed", token(header(zip="DEF"), deflated))
    case("zip", "compressed without zip", token(header(), deflated))
    members(
        "typ",
        [
            (json.dumps(typ), {"typ": typ})
            for typ in [
                "JWT",
                "jwt",
                "Jwt",
                "AT+JWT",
                "application/at+jwt",
                "Application/AT+JWT",
                "application/jwt",
                "",
                None,
                7,
                ["JWT"],
                {},
                True,
                "JOSE",
                "JOSE+JSON",
                "JWE",
                "at+jwt ",
                " at+jwt",
                "at+jwt; charset=utf-8",
                "at-jwt",
                "id+jwt",
                "dpop+jwt",
                "logout+jwt",
                "secevent+jwt",
                "token-introspection+jwt",
                "oauth-authz-req+jwt",
                "vp+jwt",
                "dc+sd-jwt",
                "kb+jwt",
                "client-authentication+jwt",
                "entity-statement+jwt",
                "wit+jwt",
                "statuslist+jwt",
                "rt+jwt",
                "x+jwt",
            ]
        ]
        + [("missing", {"typ": ABSENT})],
    )
    members(
        "cty", [("JWT over claims", {"cty": "JWT"}), ("a number", {"cty": 7}), ("json", {"cty": "application/json"})]
    )
    case("cty", "JWT over a token", token(header(cty="JWT"), token()))
    members(
        "kid",
        [
            (name, {"kid": kid})
            for name, kid in [
                ("unknown", "nobody"),
                ("empty", ""),
                ("null", None),
                ("a number", 7),
                ("true", True),
                ("a list", ["ES256"]),
                ("an object", {"ES256": 1}),
                ("of another curve", "ES384"),
                ("of another kind", "RS256"),
                ("lower case", "es256"),
                ("a space behind it", "ES256 "),
                ("a NUL behind it", "ES256\0"),
                ("a path", "../../../../dev/null"),
                ("a URL", "https://attacker.example/key"),
                ("SQL", "' OR '1'='1"),
                ("a shell's", "ES256|sleep 10"),
                ("a line feed", "ES256\nES256"),
                ("text that turns", "\u202e652SE"),
                ("256 bytes", "k" * 256),
                ("257 bytes", "k" * 257),
                ("a prototype's", "__proto__"),
                ("an index", "0"),
            ]
        ],
    )
    raw_headers("kid", [("escaped", '{"alg":"ES256","typ":"at+jwt","kid":"\\u0045S256"}')])
    stranger = STRANGERS["ES256"]
    for name, kid in [("", "ES256"), (" without kid", ABSENT), (" under an unknown kid", "nobody")]:
        own = {"jwk": jwk(stranger), "kid": kid}
        case("own key", f"jwk{name}, signed by it", token(header(**own), key=stranger))
    case(
        "own key",
        "jwk an oct key, HS256",
        (lambda data: f"{data}.{b64(hmac.new(b'k' * 32, data.encode(), hashlib.sha256).digest())}")(
            signing_input({"alg": "HS256", "jwk": {"kty": "oct", "k": b64(b"k" * 32)}}, CLAIMS)
        ),
    )
    members(
        "own key",
        [
            ("jwk, signed by ours", {"jwk": jwk(stranger)}),
            ("jwk of ours", {"jwk": jwk(KEYS["ES256"])}),
            ("jwk no object", {"jwk": 7}),
            ("jwk null", {"jwk": None}),
            ("jku", {"jku": "https://attacker.example/jwks"}),
            ("jku a number", {"jku": 7}),
            ("x5u", {"x5u": "https://attacker.example/cert"}),
            ("x5c", {"x5c": ["MIIB"]}),
            ("x5c no list", {"x5c": "MIIB"}),
            ("x5t", {"x5t": "AAAA"}),
            ("x5t#S256", {"x5t#S256": "AAAA"}),
        ],
    )
    case("own key", "jku, signed by another", token(header(jku="https://attacker.example/jwks"), key=stranger))
    case("own key", "x5c, signed by another", token(header(x5c=["MIIB"]), key=stranger))
    case("own key", "epk, apu, enc: members of a JWE", token(header(epk=jwk(stranger), apu="x", enc="A128GCM")))

    plain = text(header()).decode()
    raw_headers(
        "header",
        [
            ("spaces", f" {plain} "),
            ("line feeds and tabs", "\n\t" + plain.replace(",", " ,\r\n ")),
            ("BOM", b"\xef\xbb\xbf" + plain.encode()),
            ("UTF-16", plain.encode("utf-16")),
            ("UTF-32", plain.encode("utf-32-le")),
            ("form feed", "\f" + plain),
            ("no-break space", "\u00a0" + plain),
            ("NUL behind it", plain + "\0"),
            ("a word behind it", plain + " x"),
            ("a second object", plain + "{}"),
            ("a comma at the end", plain[:-1] + ",}"),
            ("a comment", plain[:-1] + "/**/}"),
            ("single quotes", plain.replace('"', "'")),
            ("no closing brace", plain[:-1]),
            ("names without quotes", plain.replace('"alg"', "alg")),
            ("a list", f"[{plain}]"),
            ("text", json.dumps(plain)),
            ("a number", "7"),
            ("null", "null"),
            ("an empty object", "{}"),
            ("empty", ""),
            ("not UTF-8", extra('"x":"').replace(b'"}', b'\xff"}')),
            ("NaN", extra('"x":NaN')),
            ("Infinity", extra('"x":-Infinity')),
            ("1e400", extra('"x":1e400')),
            ("01", extra('"x":01')),
            ("a hexadecimal number", extra('"x":0x1')),
            ("a number of 400 digits", extra('"x":' + "1" * 400)),
            ("a number of 1000 digits", extra('"x":' + "1" * 1000)),
            ("True", extra('"x":True')),
            ("a line feed in text", extra('"x":"a\nb"')),
            ("a NUL in text", extra('"x":"a\0b"')),
            ("a bad escape", extra('"x":"\\q"')),
            ("half a surrogate pair", extra('"x":"\\ud800"')),
            ("text not UTF-8", extra('"x":"').rstrip(b"}") + b'\xc0\x80"}'),
            ("an encoded surrogate", extra('"x":"').rstrip(b"}") + b'\xed\xa0\x80"}'),
            ("emoji", extra('"x":"\U0001f600"')),
            ("5 deep", extra('"x":' + "[" * 4 + "]" * 4)),
            ("8 deep", extra('"x":' + "[" * 7 + "]" * 7)),
            ("9 deep", extra('"x":' + "[" * 8 + "]" * 8)),
            ("10 deep", extra('"x":' + "[" * 9 + "]" * 9)),
            ("400 deep", extra('"x":' + "[" * 400 + "]" * 400)),
            ("unclosed, 1000 deep", extra('"x":' + "[" * 1000)),
            ("an empty name", extra('"":1')),
            ("__proto__", extra('"__proto__":{"alg":"none"}')),
            ("ALG", extra('"ALG":"none"')),
            ("a claim in it", extra('"iss":"https://other.example.com"')),
            ("2 KB", extra(f'"x":"{"y" * 1900}"')),
            ("3 KB", extra(f'"x":"{"y" * 3000}"')),
            ("100 members", extra(",".join(f'"m{i}":{i}' for i in range(100)))),
        ],
    )
