"""Taking something whole and breaking it a little, the same way for the same seed."""

from __future__ import annotations

from random import Random
from typing import Any

LONG = "x" * 40_000
TEXTS = (
    "",
    " ",
    "\0",
    "\x1b[2J\x1b]0;PWNED\x07",
    "[/INST] [b]x[/b] [/]",
    "\u202egnp.exe",
    "\ud800",
    "日本語 🚀",
    "../../etc/passwd",
    "{{ 7*7 }}",
    "%s%n",
    "NaN",
    "-1",
    "true",
    LONG,
    "\r\n\t",
    "~nobody/x",
    "a\u0300" * 500,
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**63,
    2**64,
    -(2**70),
    10**400,
    0.5,
    -0.0,
    1e308,
    1e-320,
    float("inf"),
    float("nan"),
    [],
    {},
    [[]],
    {"": None},
    [None] * 300,
    {str(n): n for n in range(200)},
)
BYTES = (
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b"\\",
    b"\\ud800",
    b",",
    b":",
    b"\n",
    b"\r",
    b"\t",
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b"[" * 3000,
    b'{"a":' * 3000,
    b'"' + b"y" * 20_000,
    b"\x1b[2J",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"PAR1",
    b"<?xml",
    b"=",
    b"#",
    b"'",
    b"'''",
    b"\xc3\x28",
    b"inf",
    b"nan",
)


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """Some bytes flipped, cut, doubled, moved, or strange ones put in."""
    broken = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(broken) + 1)
        match random.randrange(8):
            case 0 if broken:
                broken[at % len(broken)] ^= 1 << random.randrange(8)
            case 1:
                del broken[at:]
            case 2:
                del broken[at : at + random.randrange(1, 200)]
            case 3:
                broken[at:at] = broken[at : at + random.randrange(1, 500)]
            case 4:
                broken[at:at] = random.randbytes(random.randrange(1, 40))
            case 5:
                del broken[:at]
            case _:
                broken[at:at] = random.choice(BYTES)
    return bytes(broken)


def mutate_value(document: Any, random: Random, *, deepest: int = 800) -> Any:
    """A JSON document with some of its values replaced, removed, renamed, repeated or nested."""
    holder = [document]
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        place: Any = holder
        key: Any = 0
        while isinstance(place[key], dict | list) and place[key] and random.random() < 0.8:
            place = place[key]
            key = random.choice(list(place)) if isinstance(place, dict) else random.randrange(len(place))
        match random.randrange(7):
            case 0 if place is not holder:
                del place[key]
            case 1 if isinstance(place, dict):
                place[random.choice(TEXTS)] = place.pop(key)
            case 2:
                place[key] = [place[key]] * random.choice((1, 2, 50))
            case 3:
                place[key] = nested(min(deepest, random.choice((5, 90, 150, 800))), place[key])
            case 4:
                place[key] = random.choice(TEXTS)
            case _:
                place[key] = random.choice(VALUES)
    return holder[0]


def nested(depth: int, value: Any) -> Any:
    for number in range(depth):
        value = [value] if number % 2 else {"a": value}
    return value
