"""Spans of time as people write them."""

from __future__ import annotations

import re

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_FORM = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])")


def parse_duration(text: str, where: str) -> float:
    """Turn ``"30m"`` into 1800.0 seconds; ``"0"`` is none. Raises ``UsageError``, which names ``where``."""
    if text.strip() == "0":
        return 0.0
    found = _FORM.fullmatch(text.strip().lower())
    if found is None:
        raise UsageError(
            f"“{text}” is not a span of time", where=where, fix="write 90s, 30m, 2h or 1d", kind=ErrorKind.BAD_OPTION
        )
    return float(found[1]) * _UNITS[found[2]]
