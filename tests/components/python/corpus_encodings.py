"""How the parts of a token are written, and how many there are."""

import json

from corpus_tokens import CLAIMS, KEYS, b64, case, header, sign, text, token, with_text


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
            case("encoding", f"{name}: {what}", swap(parts, index, change))
            if index < 2 and what in ["=", "==", "a space behind it", "a line feed within", "!", "= within"]:
                data = swap(parts[:2], index, change)
                case(
                    "encoding",
                    f"{name}: {what}, signed so",
                    f"{data}.{b64(sign('ES256', KEYS['ES256'], data.encode()))}",
                )

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
            case(
                "encoding",
                f"{name}: the alphabet with + and /, signed so",
                f"{data}.{b64(sign('ES256', KEYS['ES256'], data.encode()))}",
            )
    plain = token()
    head, body, mark = plain.split(".")
    jwe = b64(text({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "RS256"}))
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
        (
            "a JWE of dir",
            f"{b64(text({'alg': 'dir', 'enc': 'A128GCM'}))}..{b64(bytes(12))}.{b64(bytes(9))}.{b64(bytes(16))}",
        ),
        (
            "a JWE of PBES2",
            f"{b64(text({'alg': 'PBES2-HS256+A128KW', 'enc': 'A128GCM', 'p2c': 2**31 - 1, 'p2s': 'AAAA'}))}.AAAA.AAAA.AAAA.AAAA",
        ),
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
