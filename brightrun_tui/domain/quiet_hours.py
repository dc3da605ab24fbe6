"""Hours of the day in which a channel is silent, as people write them: ``22:00-07:00``."""

from __future__ import annotations

import re
from datetime import datetime

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*[-–]\s*([01]?\d|2[0-3]):([0-5]\d)")


def is_quiet_hours(text: str) -> bool:
    """Say whether this can be read; nothing means that it is never quiet."""
    return not text or _HOURS.fullmatch(text.strip()) is not None


def is_quiet(text: str, now: datetime) -> bool:
    """Say whether it is quiet at this time of the day. Hours that end before they begin go over midnight."""
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        return False
    first, last = (int(found[at]) * 60 + int(found[at + 1]) for at in (1, 3))
    minute = now.hour * 60 + now.minute
    return first <= minute < last if first <= last else minute >= first or minute < last
