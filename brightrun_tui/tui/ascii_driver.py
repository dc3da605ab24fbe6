"""For terminals that have no more than ASCII: every other character becomes one that looks most like it, as wide as it was."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache

from textual.driver import Driver

_LIKE = {
    **dict.fromkeys("─╌╍╴╶▁▔", "-"),
    **dict.fromkeys("━╸╺", "="),
    **dict.fromkeys("│┃▏▕▎▍▌▐▊▉╎╏", "|"),
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼┏┓┗┛╔╗╚╝", "+"),
    **dict.fromkeys("█▇▆▅▄▓■", "#"),
    **dict.fromkeys("▃▂░▒", ":"),
    **dict.fromkeys("‹«◂◀←", "<"),
    **dict.fromkeys("›»▸▶►→", ">"),
    **dict.fromkeys("“”„", '"'),
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("–—", "-"),
    **dict.fromkeys("▾▼↓", "v"),
    **dict.fromkeys("▴▲↑", "^"),
    "✓": "+",
    "✗": "x",
    "×": "x",
    "·": ".",
    "…": "~",
    "‖": "=",
    "≈": "~",
    "±": "~",
    "●": "*",
    "◆": "*",
    "★": "*",
    "☆": ".",
    "○": "o",
    "◌": "o",
    "▤": "=",
    "◫": "H",
    "◍": "o",
    "↻": "@",
    "⇄": "=",
    "❯": ">",
    "•": "*",
    "✎": "/",
    "−": "-",
    "°": "'",
    "↵": "<",
    "↳": ">",
    "√": "V",
    "\xa0": " ",
}
_BRAILLE = range(0x2800, 0x2900)
_UPPER, _LOWER = 0x1B, 0xE4
"""Dots of the upper and of the lower half of a braille cell."""


@cache
def like(character: str) -> str:
    """Return ASCII of the same width in cells."""
    if character.isascii():
        return character
    if character in _LIKE:
        return _LIKE[character]
    dots = ord(character) - _BRAILLE.start
    if ord(character) in _BRAILLE:
        upper, lower = bool(dots & _UPPER), bool(dots & _LOWER)
        return ":" if upper and lower else "'" if upper else "." if lower else " "
    if unicodedata.combining(character):
        return ""
    base = unicodedata.normalize("NFKD", character)[0]
    if base.isascii() and base.isprintable() and unicodedata.east_asian_width(character) not in "WF":
        return base
    return "??" if unicodedata.east_asian_width(character) in "WF" else "?"


def ascii_driver(driver: type[Driver]) -> type[Driver]:
    """Return the same driver, writing ASCII."""

    class AsciiDriver(driver):  # type: ignore[misc, valid-type]
        def write(self, data: str) -> None:
            super().write(data if data.isascii() else "".join(map(like, data)))

    return AsciiDriver


def wants_ascii(environment: Mapping[str, str]) -> bool:
    """Say whether the terminal is the Linux console, or the locale is said to be one without UTF-8.

    Python itself puts C.UTF-8 into LC_CTYPE where the locale is C, so that one counts only together with what else is said.
    """
    if environment.get("TERM") == "linux":
        return True
    kind = environment.get("LC_CTYPE", "")
    said = environment.get("LC_ALL") or ("" if kind == "C.UTF-8" else kind) or environment.get("LANG", "")
    return bool(said) and "utf" not in said.lower()
