"""When a turn was, or which one it is: the times and numbers that tools write beside turns, as something that can be compared."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_SORTABLE = re.compile(r"\d{4}-\d\d-\d\d")
"""Dates whose order is that of their letters."""
_DATE = re.compile(
    r"(?P<first>\d{1,2})[./-](?P<second>\d{1,2})[./-](?P<year>\d{2,4}),?\s*"
    r"(?:(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<seconds>\d\d))?\s*(?P<half>[ap])?.*)?",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,9})?")

MomentKey = tuple[Any, ...]


def order_of(value: Any) -> MomentKey:
    """Return what it can be compared by, in each way in which it may be read; empty if it is neither a time nor a number.

    Of a date with day and month in digits nobody knows which is first: there are two ways then.
    """
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return (float(value),)
    text = value.strip() if isinstance(value, str) else ""
    if _NUMBER.fullmatch(text):
        return (float(text),)
    if _SORTABLE.match(text):
        return (text,)
    return _ways(found) if (found := _DATE.fullmatch(text)) else ()


def is_moment(text: str) -> bool:
    """Say whether a text is a date, with or without a time."""
    return bool(_SORTABLE.match(text) or _DATE.fullmatch(text))


def _ways(found: re.Match[str]) -> MomentKey:
    first, second, hour = int(found["first"]), int(found["second"]), int(found["hour"] or 0)
    if found["half"]:
        hour = hour % 12 + 12 * (found["half"].lower() == "p")
    clock = (hour, int(found["minute"] or 0), int(found["seconds"] or 0))
    year = int(found["year"])
    return (year, second, first, *clock), (year, first, second, *clock)
