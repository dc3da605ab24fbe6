"""Foreign text made fit to be shown: nothing in it steers a terminal, hides, or turns the order of what is read around.

Datasets, machines, bundles, models and providers write what they like. Every character is replaced by one character, so
styles and columns that were laid over a text stay where they were.
"""

from __future__ import annotations

import re

_STEERING = "\x00-\x1f\x7f-\x9f"
"""C0, DEL and C1: escape sequences begin with one of these, in seven bits or in eight."""
_BREAKS = "\u2028\u2029"
_TURNING = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates: what stands after them is shown in another order."""
_HIDDEN = "\u180b-\u180e\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e007f"
_JOINING = "\u061c\u200c-\u200f"
"""Joiners and direction marks: emoji, Persian and Hebrew need them; between Latin letters they only hide."""
_SURROGATES = "\ud800-\udfff"
_ALWAYS = _STEERING + _BREAKS + _TURNING + _HIDDEN + _SURROGATES

_UNFIT = re.compile(
    rf"(?P<kept>(?<=[^\x00-\x7f{_ALWAYS}{_JOINING}])[{_JOINING}]|[{_JOINING}](?=[^\x00-\x7f{_ALWAYS}{_JOINING}])"
    r"|(?<=\U0001f3f4)[\U000e0061-\U000e007a]{1,6}\U000e007f)"  # flags of regions are written so
    rf"|[{_ALWAYS}{_JOINING}]"
)
_UNFIT_IN_JSON = re.compile(f"[{_ALWAYS}]")
_EQUALS = re.compile(r"(?<!\\)=")


def sanitize(text: str, *, kept: str = "\n") -> str:
    """Return the text with a space for every character that a terminal would obey or a reader would not see, but for ``kept``.

    Line breaks stay unless ``kept`` is "". Emoji, combining marks, Arabic and Hebrew stay as they are. What cannot be
    encoded (a lone surrogate) becomes “�”. The length does not change.
    """
    if text.isprintable():
        return text

    def fit(found: re.Match[str]) -> str:
        if found["kept"] or found[0] in kept:
            return found[0]
        return "\ufffd" if "\ud800" <= found[0] <= "\udfff" else " "

    return _UNFIT.sub(fit, text)


def one_line(text: str) -> str:
    """Return the same on one line: a table's cell, a title, a question."""
    return sanitize(text, kept="")


def cell(text: str) -> str:
    """Return the same for a spreadsheet, which takes what begins so for a formula, and runs it."""
    text = one_line(text)
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20") else text


def shortened(text: str, most: int) -> str:
    """Return its words with one blank between them, and an ellipsis where they are more than ``most`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def at_equals(text: str) -> tuple[str, str, str]:
    """Do as ``text.partition("=")``, at the first sign that has no backslash before it; ``\\=`` is a sign of the text itself."""
    found = _EQUALS.search(text)
    parts = (text[: found.start()], "=", text[found.end() :]) if found else (text, "", "")
    return parts[0].replace("\\=", "="), parts[1], parts[2].replace("\\=", "=")


def plain_json(document: str) -> str:
    """Return the same JSON document with everything unfit to be shown written as ``\\u``: it stays data, in a terminal too."""
    if document.isprintable():
        return document
    return _UNFIT_IN_JSON.sub(_escaped, document)


def _escaped(found: re.Match[str]) -> str:
    if found[0] in "\n\t":
        return found[0]  # between the parts of an indented document; inside a string JSON has escaped them already
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
