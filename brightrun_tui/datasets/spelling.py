"""Texts of programs where people's are meant: bytes and lists as they are spelt, escaped line breaks, a turn as JSON, errors."""

from __future__ import annotations

import re
from base64 import b64decode

from brightrun_tui.datasets.nesting import spelt_turns
from brightrun_tui.datasets.turns import printable

_BYTES = re.compile(r"b(?P<quote>['\"]).*(?P=quote)", re.DOTALL)
_ONE_IN_A_LIST = re.compile(r"\[(?P<quote>['\"]).*(?P=quote)\]", re.DOTALL)
_BREAK = re.compile(r"\\r\\n|\\n\\n|(?<!\\)[.!?:;,]\\n(?=[A-Z0-9*#-])")
_LETTER = re.compile(r"(?<!\\)\\u00[a-f0-9][a-f0-9]|\\u20(?:1[0-9]|2[0-6]|ac)")
_LOST = re.compile(r"(?<![\\0-9+])u00[c-f][0-9a-f]")
"""Letters whose backslash got lost."""
_MAIL = re.compile(r"=[C-F][0-9A-F]=[89AB][0-9A-F]|^.{70,76}=\n", re.MULTILINE)
"""Letters and line ends in the way of e-mails."""
_ADDRESS = re.compile(r"%20|%[C-F][0-9A-F]%[89AB][0-9A-F]")
_AS_TEXT = re.compile(r"'(?:[\d.,+/-]+|=.*|[+@-][^']+)", re.DOTALL)
"""How a spreadsheet is told that a number, or what it would take for a formula, is a text; some exports keep the mark."""
_CARRIAGE = "_x000D_"
"""What a spreadsheet writes for the line ends of Windows."""
_QUOTED = re.compile(r"""=?"(?:[^"\\]|\\.|"")+"|'(?:[^']|(?<=\w)'(?=\w))+'""", re.DOTALL)
_BYTE = "[¡-ª¬®-º¼-¿\x80-\x9fƒ†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ]"
"""What Windows-1252 makes of a later byte of a letter in UTF-8, without quotes, dashes and spaces that stand behind letters."""
_ANY_BYTE = "[\x80-\xbfƒ†‡ˆ‰Š‹ŒŽ•˜™š›œžŸ€‚„…‘’“”–—]"
_BYTE_1251 = "[ЂЃѓ†‡€‰Љ‹ЊЌЋЏђ™љ›њќћџЎўЈ¤Ґ¦§©Є¬®Ї°±Ііґµ¶·№єјЅѕїЁё]"
_GARBLED = tuple(
    (leads, re.compile(pattern))
    for leads, pattern in (
        ("\ufffd", "\ufffd"),
        ("Ã", f"Ã{_BYTE}"),
        ("Â", f"Â[\xa0«»{_BYTE[1:-1]}]"),
        ("â", "â(?:€|‚¬|„¢)"),
        ("ï", "ï»¿"),
        ("ð", "ðŸ"),
        ("ÐÑ", f"(?:[ÐÑ]{_ANY_BYTE}){{2}}"),
        ("äåæçèé", f"[ä-é]{_ANY_BYTE}{{2}}[ä-é]{_ANY_BYTE}{{2}}"),
        ("РС", f"[РС]{_BYTE_1251}(?:[РС]{_BYTE_1251}){{2}}"),
    )
)
"""By the letters that they begin with: looking for these first takes a tenth of the time."""
_ERROR = re.compile(
    r"""\W*(?:"?error"?: ?[{"]|(?:(?:api|openai|http|server|request) )?error(?: code)?: |http(?:/\d\.\d)? ?[45]\d\d\b"""
    r"|[45]\d\d (?:too many|internal server|bad gateway|service unavailable|gateway time)|traceback \(most"
    r"|(?:\w+\.)*[a-z]+(?:error|exception): |rate limit|request timed out|internal server error)",
    re.IGNORECASE,
)
_FORMULA = re.compile(r"=[A-ZÄÖÜÉ][A-ZÄÖÜÉ.0-9]{1,30}\((?=.*\)$)", re.DOTALL)
"""Of a spreadsheet, where its result was meant."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_LEAST_CODED = 24
_LONGEST_ERROR = 400
_SHOWN = 40
_CODE = "```"


def spelling_in(text: str) -> str:
    """Return an example of how a program spelt the text, in a few characters; empty if it is plain.

    Code and real JSON data do not count, nor does a text with line breaks of its own.
    """
    plain = text.strip()
    if plain[:2] in ("b'", 'b"') and _BYTES.fullmatch(plain):
        return f"b{plain[1]}…{plain[1]}"
    if plain[:5] == "{\\rtf":
        return "{\\rtf…"
    if plain[:1] == "=" and (found := _FORMULA.match(plain)):
        return f"{found[0]}…)"
    if len(plain) >= _LEAST_CODED and " " not in plain and (coded := _coded_in(plain)):
        return coded
    if plain[:2] in ("['", '["') and _ONE_IN_A_LIST.fullmatch(plain) and " " in plain:
        inner = plain[2:-2]
        if (plain[1] == "'" or "'" in inner) and not re.search(r"(?<!\\)['\"]\s*,\s*['\"]", inner):
            return f"[{plain[1]}…{plain[1]}]"
    if spelt_turns(plain):
        return '{"role": …, "content": …}'
    if plain[:1] == "'" and _AS_TEXT.fullmatch(plain):
        return plain[:2] + "…"
    if _CARRIAGE in plain:
        return _CARRIAGE
    if "=" in plain and (found := _MAIL.search(plain)):
        return found[0].strip()
    if "%" in plain and " " not in plain and "://" not in plain and (found := _ADDRESS.search(plain)):
        return found[0]
    if "u00" in plain and (found := _LOST.search(plain)):
        return found[0]
    if "\\" not in plain or _CODE in plain:
        return ""
    if plain.count('\\"') > 1 and plain.count('\\"') == plain.count('"') and plain[0] not in "[{":
        return '\\"'
    if "\n" not in plain and (found := _BREAK.search(plain)):
        return found[0].lstrip(".!?:;,")
    if found := _LETTER.search(plain):
        return found[0]
    return ""


def _coded_in(text: str) -> str:
    """Return the beginning of a text that is another one in base64; empty if it is not in base64."""
    if len(text) % 4 or not _BASE64.fullmatch(text):
        return ""
    try:
        held = b64decode(text, validate=True).decode()
    except ValueError:
        return ""
    return f"{text[:12]}…" if held.isprintable() and " " in held else ""


def garbled_in(text: str) -> str:
    """Return the first letters that come about where a text is read in the wrong encoding, in a few characters; else empty."""
    for leads, pattern in () if text.isascii() else _GARBLED:
        if any(lead in text for lead in leads) and (found := pattern.search(text)):
            return found[0]
    return ""


def is_quoted(text: str) -> bool:
    """Say whether the whole text is one string of JSON or of a spreadsheet's formula, in quotation marks."""
    return bool(_QUOTED.fullmatch(text.strip()))


def error_in(text: str) -> str:
    """Return the beginning of a short text that is an error of a program or a service rather than an answer; else empty."""
    if len(text) > _LONGEST_ERROR or not _ERROR.match(text):
        return ""
    return printable(text.strip(), _SHOWN)
