"""How the parts of a token are written, and how many there are."""

import json

from corpus_tokens import CLAIMS, KEYS, b64, case, header, sign, text, token, with_text

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def padded(remainder):
    """A token whose header and claims leave this remainder modulo 3: the last character of each has unused bits."""

    def fill(members):
        return members | {"p": "p" * ((remainder - len(text(members | {"p": ""}))) % 3)}

    return token(fill(header()), fill(CLAIMS))


def change_part(parts, index, change):
    return ".".join(change(part) if i == index else part for i, part in enumerate(parts))


def signed_so(parts, index, change):
    """The same with a signature over what is sent, not over what it was before."""
    data = change_part(parts[:2], index, change)
    return f"{data}.{b64(sign('ES256', KEYS['ES256'], data.encode()))}"


def turn_bits(bits):
    return lambda part: part[:-1] + ALPHABET[ALPHABET.index(part[-1]) ^ bits]


def encodings():
    names = ["header", "claims", "signature"]
    for remainder, unused in [(1, 4), (2, 2)]:
        parts = padded(remainder).split(".")
        for index, name in enumerate(names[:2]):
            assert len(parts[index]) % 4 == remainder + 1
            for bits, which in [(1, "the last"), (2**unused - 1, "all")]:
                what = f"{name}: {which} of {unused} unused bits"
                case("encoding", what, change_part(parts, index, turn_bits(bits)))
                case("encoding", f"{what}, signed so", signed_so(parts, index, turn_bits(bits)))
    for alg in ["ES256", "RS256"]:
        for bits, which in [(1, "the last"), (15, "all")]:
            value = change_part(token(alg=alg).split("."), 2, turn_bits(bits))
            case("encoding", f"signature: {which} of 4 unused bits, {alg}", value)

    for index, name in enumerate(names):
        parts = padded(1).split(".")
        for what, change in [
            ("=", lambda p: p + "="),
            ("==", lambda p: p + "=="),
            ("===", lambda p: p + "==="),
            ("a letter more", lambda p: p + "A"),
            ("four letters more", lambda p: p + "AAAA"),
            ("a letter less", lambda p: p[:-1]),
            ("a space before it", lambda p: " " + p),
            ("a space behind it", lambda p: p + " "),
            ("a space within", lambda p: p[:5] + " " + p[5:]),
            ("a line feed within", lambda p: p[:5] + "\n" + p[5:]),
            ("CR LF behind it", lambda p: p + "\r\n"),
            ("a tab within", lambda p: p[:5] + "\t" + p[5:]),
            ("a NUL behind it", lambda p: p + "\0"),
            ("!", lambda p: p[:5] + "!" + p[5:]),
            ("a percent escape", lambda p: f"%{ord(p[0]):02x}" + p[1:]),
            ("a letter not ASCII", lambda p: p + "é"),
            ("a wide letter", lambda p: "\uff45" + p[1:]),
            ("=== before it", lambda p: "===" + p),
            ("= within", lambda p: p[:5] + "=" + p[5:]),
            ("quoted", lambda p: f'"{p}"'),
            ("upper case", str.upper),
        ]:
            case("encoding", f"{name}: {what}", change_part(parts, index, change))
            if index < 2 and what in ["=", "==", "a space behind it", "a line feed within", "!", "= within"]:
                case("encoding", f"{name}: {what}, signed so", signed_so(parts, index, change))

    # Claims and headers that hold both characters in which the two alphabets differ.
    special = "\u00ff\u00fe>>>???~~~"
    value = json.dumps({"x": special}, ensure_ascii=False)[1:-1]
    for index, name in enumerate(names):
        head, body = with_text(header(), value), with_text(CLAIMS, value)
        parts = token(head, body).split(".")
        turn = lambda part: part.replace("-", "+").replace("_", "/")
        assert index == 2 or turn(parts[index]) != parts[index], name
        case("encoding", f"{name}: the alphabet with + and /", change_part(parts, index, turn))
        if index < 2:
            case("encoding", f"{name}: the alphabet with + and /, signed so", signed_so(parts, index, turn))

    plain = token()
    head, body, mark = plain.split(".")
    jwe = b64(text({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "RS256"}))
    direct = b64(text({"alg": "dir", "enc": "A128GCM"}))
    pbes2 = b64(text({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2**31 - 1, "p2s": "AAAA"}))
    protected = {"protected": head, "payload": body, "signature": mark}
    for name, value in [
        ("empty", ""),
        ("a dot", "."),
        ("two dots", ".."),
        ("three dots", "..."),
        ("four dots", "...."),
        ("1000 dots", "." * 1000),
        ("one part", head),
        ("two parts", f"{head}.{body}"),
        ("four parts", plain + ".x"),
        ("a dot behind it", plain + "."),
        ("a dot before it", "." + plain),
        ("two dots for one", plain.replace(".", "..", 1)),
        ("no header", f".{body}.{mark}"),
        ("no claims", f"{head}..{mark}"),
        ("no signature", f"{head}.{body}."),
        ("the signature first", f"{mark}.{head}.{body}"),
        ("five parts", plain + ".x.y"),
        ("a JWE", f"{jwe}.{b64(bytes(256))}.{b64(bytes(12))}.{b64(text(CLAIMS))}.{b64(bytes(16))}"),
        ("a JWE of dir", f"{direct}..{b64(bytes(12))}.{b64(bytes(9))}.{b64(bytes(16))}"),
        ("a JWE of PBES2", f"{pbes2}.AAAA.AAAA.AAAA.AAAA"),
        ("a JWE header in three parts", f"{jwe}.{body}.{mark}"),
        ("JSON, flattened", json.dumps(protected)),
        ("JSON, general", json.dumps({"payload": body, "signatures": [{"protected": head, "signature": mark}]})),
        ("JSON before the token", '{"' + plain.replace(".", '":"",".', 1)),
        ("twice", f"{plain}.{plain}"),
        ("twice by space", f"{plain} {plain}"),
        ("twice by comma", f"{plain},{plain}"),
        ("a space before it", " " + plain),
        ("a space behind it", plain + " "),
        ("a line feed behind it", plain + "\n"),
        ("a NUL behind it", plain + "\0"),
        ("BOM before it", "\ufeff" + plain),
        ("a word behind it", plain + " x"),
        ("quoted", f'"{plain}"'),
        ("Bearer before it", "Bearer " + plain),
        ("upper case", plain.upper()),
        ("commas for dots", plain.replace(".", ",")),
        ("SD-JWT", plain + "~"),
        ("SD-JWT with a disclosure", plain + "~WyJzIiwiYSIsMV0~"),
        ("percent for dots", plain.replace(".", "%2e")),
        ("wide dots", plain.replace(".", "\uff0e")),
        ("JSON null", "null"),
        ("30 KB of letters", "A" * 30_000),
    ]:
        case("parts", name, value)
