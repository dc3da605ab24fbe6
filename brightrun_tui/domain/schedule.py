"""When a run may begin: a moment as people write it, and what is said of a run that waits for one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import Run

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
MOST_DAYS = 366


def parse_moment(text: str, now: datetime) -> float | None:
    """Return seconds since the epoch of the next ``22:00``, or of ``2026-12-01 22:00`` and other forms of ISO 8601; None for
    nothing. Without an offset it is local time. ``now`` is local and aware.

    Raises:
        UsageError: it is not such a moment, has passed, or is more than a year away.
    """
    text = text.strip()
    if not text:
        return None
    if found := _TIME.fullmatch(text):
        naive = now.replace(tzinfo=None, hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0)
        then = naive.astimezone()
        if then <= now:
            then = (naive + timedelta(days=1)).astimezone()
        return then.timestamp()
    try:
        moment = datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError, OSError):
        raise _wrong(
            f"“{text}” is not a time", "write 22:00 for the next time it is ten, or 2026-12-01 22:00"
        ) from None
    if moment <= now:
        raise _wrong(f"“{text}” has passed", "leave it out to begin at once")
    if moment - now > timedelta(days=MOST_DAYS):
        raise _wrong(f"“{text}” is more than a year away", "give a moment within a year")
    return moment.timestamp()


def waits_until(run: Run, now: float) -> float | None:
    """Return the moment before which the run must not begin, where that is still to come."""
    moment = run.spec.not_before
    return moment if moment is not None and moment > now else None


def moment_words(moment: float) -> str:
    """Write as ``22:00`` today, ``Tue 1 Dec 22:00`` on another day."""
    then = datetime.fromtimestamp(moment)
    if then.date() == datetime.now().date():
        return humanize.clock(moment)
    return f"{then:%a} {then.day} {then:%b} {then:%H:%M}"


def _wrong(what: str, fix: str) -> UsageError:
    return UsageError(what, where="not before", fix=fix, kind=ErrorKind.BAD_LIMIT)
