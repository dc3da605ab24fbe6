"""What a line of a log says of itself: how bad it is, when it came, and at which step. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum
from itertools import pairwise


class Severity(IntEnum):
    """How bad a line is."""

    INFO = 0
    WARNING = 1
    ERROR = 2


_STAMP = re.compile(r"(\d\d:\d\d:\d\d)  (?:step (\d+))?")
_MARKED = re.compile(r"(?:\d\d:\d\d:\d\d  |\s*)([✗!]) ")
_ERROR = re.compile(r"\b(?:ERROR|CRITICAL|FATAL|Traceback \(most recent call last\))|^\w*(?:Error|Exception)\b")
_WARNING = re.compile(r"\bWARN(?:ING)?\b|\w+Warning:")
_TIME = re.compile(r"(\d?\d):(\d\d)(?::(\d\d))?")
_STEP = re.compile(r"(?:step\s*)?(\d[\d,]*)")


def severity(line: str, before: Severity = Severity.INFO) -> Severity:
    """Return the severity of a line; one that is indented belongs to the line above it, which was as bad as ``before``."""
    if marked := _MARKED.match(line):
        return Severity.ERROR if marked[1] == "✗" else Severity.WARNING
    if _ERROR.search(line):
        return Severity.ERROR
    if _WARNING.search(line):
        return Severity.WARNING
    return before if line.startswith((" ", "\t")) else Severity.INFO


def at_least(lines: Sequence[str], least: Severity, before: Severity = Severity.INFO) -> tuple[list[str], Severity]:
    """Return those of the lines that are as bad as ``least`` or worse, and how bad the last of all was, to go on with."""
    kept = []
    for line in lines:
        before = severity(line, before)
        if before >= least:
            kept.append(line)
    return kept, before


def wrapped(line: str, width: int) -> list[str]:
    """Return the line in pieces of at most ``width`` characters, the first one as it is."""
    if len(line) <= width or width < 8:
        return [line]
    starts = [0, *range(width, len(line), width - 2), len(line)]
    pieces = [line[first:last] for first, last in pairwise(starts)]
    return [pieces[0], *(f"  {piece}" for piece in pieces[1:])]


def place_of(lines: Sequence[str], wanted: str) -> int | None:
    """Return the first line of the newest stretch that is at or after a time (``14:05``) or a step (``120``); None where there
    is none.

    Raises:
        ValueError: it is neither.
    """
    if time := _TIME.fullmatch(wanted.strip()):
        return _newest(lines, 1, f"{int(time[1]):02}:{time[2]}:{time[3] or '00'}")
    if step := _STEP.fullmatch(wanted.strip().lower()):
        return _newest(lines, 2, int(step[1].replace(",", "")))
    raise ValueError(wanted)


def _newest(lines: Sequence[str], group: int, wanted: str | int) -> int | None:
    """Search from the end, until a line is earlier than wanted or, as on the day before, later than what follows."""
    found: int | None = None
    after: str | int | None = None
    for index in range(len(lines) - 1, -1, -1):
        stamp = _STAMP.match(lines[index])
        if stamp is None or stamp[group] is None:
            continue
        here: str | int = int(stamp[group]) if group == 2 else stamp[group]
        if here < wanted or (after is not None and here > after):  # type: ignore[operator]
            break
        found, after = index, here
    return found
