"""Whether a number is the least in one text and the most in the other: from 6 years on, up to 6 years."""

from __future__ import annotations

import re

_LEAST = (
    r"at least|no less than|not less than|not under|not below|from|starting (?:at|from)|more than|over|above|minimum(?: of)?|"
    r"min\.?|mindestens|wenigstens|ab|über|mehr als|nicht unter|au moins|à partir de|plus de|dès|al menos|desde|más de|"
    r"a partir de|almeno|più di|minstens|vanaf|meer dan"
)
_MOST = (
    r"at most|no more than|not more than|not over|not above|not exceeding|up to|until|till|less than|fewer than|under|below|"
    r"maximum(?: of)?|max\.?|höchstens|maximal|bis(?: zu)?|unter|weniger als|nicht über|au plus|jusqu['’]à|moins de|como máximo|"
    r"hasta|menos de|al massimo|fino a|meno di|hoogstens|maximaal|tot|minder dan"
)
_BEHIND = r"(?:\s+[^\W\d_]+){0,2}?\s+(?:and|or|und|oder|et|ou|y|o|en|of)\s+"
_LEAST_BEHIND = (
    rf"{_BEHIND}(?:more|over|older|above|up|mehr|älter|plus|más|mayores|meer)\b"
    r"|(?:\s+[^\W\d_]+)?\s+(?:on|onwards|upwards)\b(?!\s+\d)"
)
_MOST_BEHIND = rf"{_BEHIND}(?:less|fewer|under|younger|below|weniger|jünger|moins|menos|minder)\b"
_NUMBER = r"[€$£]?\s?(?P<number>\d+(?:[.,]\d+)*)"
_BEFORE = re.compile(
    rf"\b(?:(?P<least>{_LEAST})|(?P<most>{_MOST}))\s+(?:the\s+|age\s+|den\s+)?{_NUMBER}", re.IGNORECASE
)
_AFTER = re.compile(rf"{_NUMBER}(?:(?P<least>{_LEAST_BEHIND})|(?P<most>{_MOST_BEHIND}))", re.IGNORECASE)
_TO_ANOTHER = re.compile(r"\s*(?:%|[^\W\d_]+)?\s*(?:to|until|till|and|bis|à|al?|[-–—])\s*\d", re.IGNORECASE)
"""Of a span: from 9 to 18 is the least and the most."""


def bounds_otherwise(wanted: str, said: str) -> bool:
    """Say whether a number that both have is a least one in one text and a most one in the other."""
    ours, theirs = _bounds(wanted), _bounds(said)
    return any(theirs.get(number, side) != side for number, side in ours.items())


def _bounds(text: str) -> dict[str, str]:
    """Return, by number as it is written, whether it is the least or the most; nothing of spans."""
    found = {}
    for form in (_BEFORE, _AFTER):
        for each in form.finditer(text):
            if not _TO_ANOTHER.match(text, each.end("number")):
                found[each["number"]] = "least" if each["least"] else "most"
    return found
