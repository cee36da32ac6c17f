"""Claims under a good signature."""

import json

from corpus_tokens import ABSENT, AUDIENCE, CLAIMS, ISSUER, LEEWAY, NOW, case, claims, text, token, with_text


def payloads():
    def claim(name, rows):
        for what, value in rows:
            body = with_text(claims(**{name: ABSENT}), f'"{name}":{value}')
            case(name, what, token(body=body))

    types = [
        ("null", "null"),
        ("true", "true"),
        ("false", "false"),
        ("a list", "[]"),
        ("an object", "{}"),
        ("empty text", '""'),
    ]
    odd = [
        ("a number as text", f'"{NOW}"'),
        ("text", '"soon"'),
        ("a number in a list", f"[{NOW + 600}]"),
        ("-1", "-1"),
        ("0", "0"),
        ("-0", "-0"),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("-Infinity", "-Infinity"),
        ("1e400", "1e400"),
        ("-1e400", "-1e400"),
        ("1e308", "1e308"),
        ("2^53 + 1", str(2**53 + 1)),
        ("2^63 - 1", str(2**63 - 1)),
        ("2^63", str(2**63)),
        ("2^64", str(2**64)),
        ("400 digits", "1" * 400),
        ("milliseconds", str(NOW * 1000)),
        ("a plus sign", f"+{NOW}"),
        ("a leading zero", f"0{NOW}"),
        ("hexadecimal", hex(NOW)),
        ("an exponent", f"{NOW}e0"),
        ("a date", '"2030-01-01T00:00:00Z"'),
        ("a fraction of .0", f"{NOW}.0"),
    ]
    for name in ["exp", "nbf", "iat"]:
        case(name, "missing", token(body=claims(**{name: ABSENT})))
        claim(name, types + odd)
        edge = NOW - LEEWAY if name == "exp" else NOW + LEEWAY
        steps = [
            ("a minute before", -60),
            ("2 s before", -2),
            ("1 s before", -1),
            ("half a second before", -0.5),
            ("at", 0),
            ("half a second after", 0.5),
            ("1 s after", 1),
            ("2 s after", 2),
            ("a minute after", 60),
        ]
        claim(name, [(f"{what} the end of the leeway", str(edge + step)) for what, step in steps])
        claim(name, [("now", str(NOW)), ("1 s ago", str(NOW - 1)), ("in 1 s", str(NOW + 1))])
    case("exp", "before iat", token(body=claims(iat=NOW + 20, exp=NOW + 10)))
    case("nbf", "after exp", token(body=claims(nbf=NOW + 25, exp=NOW + 10)))

    def near(name, url):
        host = url.removeprefix("https://")
        return [
            (f"{what}", json.dumps(value))
            for what, value in [
                ("a slash behind it", url + "/"),
                ("a space behind it", url + " "),
                ("a space before it", " " + url),
                ("a NUL behind it", url + "\0"),
                ("a line feed behind it", url + "\n"),
                ("upper case", url.upper()),
                ("host in upper case", f"https://{host.upper()}"),
                ("http", f"http://{host}"),
                ("a port", url + ":443"),
                ("no scheme", host),
                ("shorter", url[:-1]),
                ("longer", url + ".attacker.example"),
                ("one letter", "h"),
                ("user info", f"https://x@{host}"),
                ("percent", f"https://%69{host[1:]}"),
                ("another alphabet", url.replace("a", "а")),
                ("a dot behind it", url + "."),
                ("a query", url + "?"),
                ("a fragment", url + "#"),
                ("another", "https://other.example.com"),
                ("a pattern", "https://.*"),
                ("an asterisk", "*"),
                ("twice", f"{url} {url}"),
                ("two", f"{url} https://other.example.com"),
                ("two by comma", f"{url},https://other.example.com"),
                ("a list as text", json.dumps([url])),
                ("in a list", [url]),
                ("in a list of two", ["https://other.example.com", url]),
                ("in a list, twice", [url, url]),
                ("in a list with a number", [url, 7]),
                ("in a list with null", [None, url]),
                ("in a list with an object", [url, {}]),
                ("in a list in a list", [[url]]),
                ("a list of others", ["https://other.example.com"]),
                ("a list of numbers", [7]),
                ("a list with an empty text", [""]),
                ("an object with it", {url: True}),
                ("an object by number", {"0": url}),
                ("a number", 7),
            ]
        ] + [("escaped", '"\\u0068' + url[1:] + '"'), ("slashes escaped", '"' + url.replace("/", "\\/") + '"')]

    for name, url in [("iss", ISSUER), ("aud", AUDIENCE)]:
        case(name, "missing", token(body=claims(**{name: ABSENT})))
        claim(name, types + near(name, url))
    claim("aud", [("a list of 500", json.dumps([*(f"a{i}" for i in range(500)), AUDIENCE]))])

    for name in ["sub", "jti", "client_id", "azp", "scope", "acr"]:
        case(name, "missing", token(body=claims(**{name: ABSENT})))
        claim(name, types + [("a number", "7"), ("text in a list", '["a"]'), ("text", '"a b"')])
    claim(
        "sub",
        [
            ("300 letters", json.dumps("s" * 300)),
            ("a NUL in it", '"a\\u0000b"'),
            ("half a surrogate pair", '"\\ud800"'),
        ],
    )
    claim("scp", types + [("a number", "7"), ("a list of texts", '["a","b"]'), ("a list with a number", '["a",7]')])
    claim("amr", types + [("text", '"pwd"'), ("a list of texts", '["pwd"]'), ("a list with a number", "[7]")])
    claim(
        "auth_time",
        types + [("a number", str(NOW)), ("a number as text", f'"{NOW}"'), ("a fraction", f"{NOW}.5"), ("-1", "-1")],
    )
    claim("nonce", [("text", '"n"'), ("a number", "7")])
    claim(
        "cnf",
        [
            ("null", "null"),
            ("an empty object", "{}"),
            ("jkt", '{"jkt":"x"}'),
            ("x5t#S256", '{"x5t#S256":"x"}'),
            ("unknown", '{"x":1}'),
            ("text", '"x"'),
        ],
    )
    for name in ["at_hash", "c_hash", "s_hash", "events"]:
        case(
            "other kind",
            name,
            token(body=with_text(CLAIMS, f'"{name}":{"{}" if name == "events" else json.dumps("x")}')),
        )
    for name in ["vc", "vp", "_sd_alg", "htm", "token_use", "sid", "act", "may_act"]:
        case("other kind", name, token(body=with_text(CLAIMS, f'"{name}":"x"')))

    def extra(value):
        return with_text(CLAIMS, value)

    for name, value in [
        ("exp, the same", extra(f'"exp":{NOW + 600}')),
        ("exp, expired first", b'{"exp":1,' + text(CLAIMS)[1:]),
        ("exp, expired last", extra('"exp":1')),
        ("iss", b'{"iss":"https://other.example.com",' + text(CLAIMS)[1:]),
        ("aud", b'{"aud":"https://other.example.com",' + text(CLAIMS)[1:]),
        ("sub", extra('"sub":"admin"')),
        ("sub, one escaped", extra('"\\u0073ub":"admin"')),
        ("nbf", extra(f'"nbf":{NOW + 900},"nbf":1')),
        ("an unknown claim", extra('"role":"user","role":"admin"')),
        ("an unknown claim, one escaped", extra('"role":"user","r\\u006fle":"admin"')),
        ("within a claim", extra('"x":{"a":1,"a":2}')),
        ("an empty name", extra('"":1,"":2')),
    ]:
        case("duplicate", f"claims: {name}", token(body=value))

    plain = text(CLAIMS).decode()
    for name, value in [
        ("spaces", f" {plain} "),
        ("line feeds and tabs", "\n\t" + plain.replace(",", " ,\r\n ")),
        ("BOM", b"\xef\xbb\xbf" + plain.encode()),
        ("UTF-16", plain.encode("utf-16")),
        ("UTF-16 without BOM", plain.encode("utf-16-le")),
        ("UTF-32", plain.encode("utf-32-be")),
        ("form feed", "\f" + plain),
        ("NUL behind it", plain + "\0"),
        ("a word behind it", plain + " x"),
        ("a second object", plain + plain),
        ("a comma at the end", plain[:-1] + ",}"),
        ("two commas", plain.replace(",", ",,", 1)),
        ("a comment", plain[:-1] + "/**/}"),
        ("a comment to the line's end", plain + "//x"),
        ("single quotes", plain.replace('"', "'")),
        ("no closing brace", plain[:-1]),
        ("a list", f"[{plain}]"),
        ("a list of pairs", json.dumps([list(p) for p in CLAIMS.items()])),
        ("text", json.dumps(plain)),
        ("a number", "7"),
        ("null", "null"),
        ("true", "true"),
        ("an empty object", "{}"),
        ("empty", ""),
        ("a space", " "),
        ("a token", token()),
        ("NaN", extra('"x":NaN')),
        ("Infinity", extra('"x":Infinity')),
        ("1e400", extra('"x":1e400')),
        ("01", extra('"x":01')),
        (".5", extra('"x":.5')),
        ("5.", extra('"x":5.')),
        ("a number of 400 digits", extra('"x":' + "1" * 400)),
        ("a number of 5000 digits", extra('"x":' + "1" * 5000)),
        ("True", extra('"x":True')),
        ("a line feed in text", extra('"x":"a\nb"')),
        ("a NUL in text", extra('"x":"a\0b"')),
        ("a bad escape", extra('"x":"\\q"')),
        ("half a surrogate pair", extra('"x":"\\ud800"')),
        ("half a pair in a name", extra('"\\udc00":1')),
        ("text not UTF-8", extra('"x":"').rstrip(b"}") + b'\xff"}'),
        ("an overlong NUL", extra('"x":"').rstrip(b"}") + b'\xc0\x80"}'),
        ("an encoded surrogate", extra('"x":"').rstrip(b"}") + b'\xed\xa0\x80"}'),
        ("100 deep", extra('"x":' + "[" * 100 + "]" * 100)),
        ("126 deep", extra('"x":' + "[" * 125 + "]" * 125)),
        ("200 deep", extra('"x":' + "[" * 200 + "]" * 200)),
        ("2000 deep", extra('"x":' + "[" * 2000 + "]" * 2000)),
        ("unclosed, 5000 deep", extra('"x":' + "[" * 5000)),
        ("an empty name", extra('"":1')),
        ("__proto__", extra('"__proto__":{"sub":"admin"}')),
        ("names in upper case", plain.replace('"exp"', '"EXP"')),
        ("a NUL in a name", plain.replace('"exp"', '"exp\\u0000"')),
        ("10 KB", extra(f'"x":"{"y" * 10_000}"')),
        ("20 KB", extra(f'"x":"{"y" * 20_000}"')),
        ("40 KB", extra(f'"x":"{"y" * 40_000}"')),
        ("500 claims", extra(",".join(f'"m{i}":{i}' for i in range(500)))),
    ]:
        case("claims", name, token(body=value))
