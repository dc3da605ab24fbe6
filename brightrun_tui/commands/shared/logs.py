"""Reading and following what a process wrote: by byte offset, whole lines only."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from brightrun_tui.commands.shared.output import print_json, say
from brightrun_tui.commands.shared.session import Session
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.events import BadEventError, Body, Event
from brightrun_tui.domain.machine_parts import THIS_MACHINE, MachinePart, PartSpans, read_parts, spans_of
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.domain.run_states import TERMINAL
from brightrun_tui.domain.text import plain_json, sanitize
from brightrun_tui.lines import LineFollower, backwards, read_span, split
from brightrun_tui.store import runs

LOOK_SECONDS = 0.3

Fit = Callable[[str], str]
"""Makes a line fit to be shown."""


def print_tail(run: Run, lines: int) -> None:
    """Print the last ``lines`` lines of a run's log; all of it with 0, what the preparation of rented machines printed before it.

    Where no worker ever printed anything, that is what there is.
    """
    files = RunDirectory(Path(run.directory))
    found = [path for path in (files.setup_log, files.log) if path.exists()]
    if not found:
        say(
            f"Nothing was printed: the run is {run.state}."
            if run.state in TERMINAL
            else f"Nothing yet: the run is {run.state}."
        )
    for path in found if not lines else found[-1:]:
        print_last_lines(LineFollower(path), lines)


def print_part(run: Run, machine: str, lines: int, as_json: bool) -> None:
    """Print what one machine logged of a run, or with ``as_json`` its events: the last ``lines`` of them, all with 0.

    Raises:
        UsageError: no machine is meant, or more than one.
    """
    files = RunDirectory(Path(run.directory))
    parts = read_parts(files)
    meant = _part_meant(machine, parts)
    spans = spans_of(files, parts, meant) if parts else PartSpans()
    if as_json:
        told = [event for line in split(read_span(files.events, *spans.events)) if (event := _event(line))]
        print_json({"events": [event.as_dict() for event in told[-lines:]]})
        return
    printed = read_span(files.setup_log, *spans.setup) + read_span(files.log, *spans.printed)
    _write(list(split(printed))[-lines:], _plain_text)


def _event(line: bytes) -> Event[Body] | None:
    try:
        return Event.from_line(line)
    except BadEventError:
        return None


def _part_meant(machine: str, parts: Sequence[MachinePart]) -> int:
    names = [part.machine for part in parts] or [THIS_MACHINE]
    if machine.isdecimal():  # never a word: “4” is the fourth machine, not the one with an RTX 4090
        found = [number for number in range(len(names)) if number == int(machine) - 1]
    else:
        found = [number for number, name in enumerate(names) if machine.casefold() in name.casefold()]
    if len(found) == 1:
        return found[0]
    known = "; ".join(f"{number}: {name}" for number, name in enumerate(names, 1))
    raise UsageError(
        f"“{machine}” is more than one machine" if found else f"no machine of this run is “{machine}”",
        where="--machine",
        fix=f"one of: {known}",
        kind=ErrorKind.BAD_OPTION,
    )


def print_last_lines(follower: LineFollower, lines: int, *, whole: bool = False) -> None:
    """Print the last ``lines`` lines of a file, all with 0, and leave the follower behind them.

    ``whole``: without a last one that is still being written. Raises ``OSError``.
    """
    follower.look()
    for begin, _ in islice(backwards(follower.path), lines):
        follower.offset = begin
    print_new_lines(follower)
    if not whole:
        rest = read_span(follower.path, follower.offset)
        _write([rest], _plain_text)
        follower.offset += len(rest)


async def follow_text(session: Session, run: Run, lines: int) -> None:
    """Print the log of a run until the run ends: what the preparation of its machines prints, and what its worker prints."""
    files = RunDirectory(Path(run.directory))
    followers = [LineFollower(path) for path in (files.setup_log, files.log)]
    there = [follower for follower in followers if follower.path.exists()]
    for follower in there:
        follower.look()
        if follower is there[-1] or not lines:
            print_last_lines(follower, lines, whole=True)
        else:
            follower.offset = follower.size
    await _follow(session, run, followers, _plain_text)


async def follow_events(session: Session, run: Run) -> None:
    """Print the events of a run as JSON lines, from the first, until the run ends."""
    await _follow(session, run, [LineFollower(RunDirectory(Path(run.directory)).events)], plain_json)


async def _follow(session: Session, run: Run, followers: Sequence[LineFollower], fit: Fit) -> None:
    while True:
        ended = (await runs.get(session.db, run.id)).state in TERMINAL
        for follower in followers:
            if follower.look():
                follower.offset = follower.size  # the copy of a flooding log was shortened
            print_new_lines(follower, fit)
        if ended:
            return
        await asyncio.sleep(LOOK_SECONDS)


def _plain_text(line: str) -> str:
    """Return the line with each redraw of a progress bar as a line of its own."""
    return sanitize(line.replace("\r\n", "\n").replace("\r", "\n"), kept="\n\t")


def print_new_lines(follower: LineFollower, fit: Fit = _plain_text) -> None:
    """Print every whole line from where the follower stands. Raises ``OSError``."""
    while whole := follower.read():
        _write(split(whole), fit)


def _write(lines: Iterable[bytes], fit: Fit) -> None:
    for line in lines:
        sys.stdout.write(fit(line.decode("utf-8", "replace")))
    sys.stdout.flush()
