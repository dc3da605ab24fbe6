"""Following ``events.jsonl`` by byte offset: whole lines only, so nothing is lost or doubled by any interruption.

What comes from a machine is not trusted. A line that is not an event is counted, shown and passed over; after a few of them, or
when the numbering of events breaks, the run ends, and with it the renting of its machine.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, StoreError
from brightrun_tui.domain.events import MAX_LINE_BYTES, BadLine, Body, Done, Event, Failed, Outcome, read_line
from brightrun_tui.domain.run import Failure, Run
from brightrun_tui.domain.run_directory import EVENTS, RunDirectory
from brightrun_tui.lines import LineFollower, cut, read_span, split
from brightrun_tui.orchestrator.lifecycle import OUTCOMES, Signal
from brightrun_tui.store import Database, events

MAX_BAD_LINES = 5
"""A worker that has written more of them since its launch cannot be relied on."""

_SAID: dict[Outcome, Signal] = {outcome: signal for signal, outcome in OUTCOMES.items()}


async def drain(db: Database, run: Run) -> Run:
    """Read every complete line at home that is not in the store yet, and store it.

    Raises:
        BrightrunError: too many lines are not events, or events are missing.
    """
    while True:
        follower = LineFollower(RunDirectory(Path(run.directory)).events, run.events_offset)
        data = await asyncio.to_thread(follower.read, MAX_LINE_BYTES)
        lines, length = await asyncio.to_thread(_events_in, data)
        if not lines:
            return run
        run = await events.ingest(db, run.id, lines, run.events_offset + length)
        if run.bad_lines > MAX_BAD_LINES:
            raise BrightrunError(
                f"the worker wrote {run.bad_lines} lines that are not events",
                kind=ErrorKind.BAD_EVENTS,
                where=f"{run.directory}/{EVENTS}",
                fix="its log may say more; a retry goes on from the newest checkpoint",
            )


async def see_that_it_is_there(db: Database, run: Run, *, at_work: bool) -> None:
    """See that a run's directory is at home, and, where a worker is ``at_work`` in it, what that has said already, too.

    Raises:
        BrightrunError: it was moved, deleted or emptied.
        StoreError: the whole data directory has left its place, which says nothing about this run.
    """
    directory = RunDirectory(Path(run.directory))
    size = await asyncio.to_thread(_size, directory.events)
    if size >= run.events_offset if at_work else await asyncio.to_thread(directory.root.is_dir):
        return
    if db.has_left():
        raise StoreError(
            "the data directory was moved, or its disk was taken away",
            where=str(db.path.parent),
            fix="set BRIGHTRUN_HOME to where it is now",
            kind=ErrorKind.FILE_MISSING,
        )
    raise BrightrunError(
        "its directory, or what was in it, was moved or deleted",
        where=run.directory,
        fix=f"put it back to go on from its newest checkpoint, or let it begin anew: brightrun runs retry {run.id}",
        kind=ErrorKind.FILE_MISSING,
    )


async def begin_where_events_end(db: Database, run: Run) -> Run:
    """Forget what is stored of events that are no longer at home, as after a power cut: the next worker takes their numbers."""
    path = RunDirectory(Path(run.directory)).events
    if await asyncio.to_thread(_size, path) >= run.events_offset:
        return run
    seq, size = await asyncio.to_thread(_whole_lines, path)
    return await events.rewind(db, run.id, seq, size)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _whole_lines(path: Path) -> tuple[int, int]:
    """Return the number of the last event, -1 for none, and how long its whole lines are in bytes."""
    seq, whole = -1, cut(read_span(path, 0))[0]
    for line in split(whole):
        said = read_line(line.removesuffix(b"\n"))
        seq = seq + 1 if isinstance(said, BadLine) else said.seq
    return seq, len(whole)


def _events_in(data: bytes) -> tuple[list[Event[Body] | BadLine], int]:
    """Read whole lines up to the first bad one too many; return what they say, and their length in bytes."""
    found: list[Event[Body] | BadLine] = []
    length = bad = 0
    for line in split(data):
        found.append(read_line(line.removesuffix(b"\n")))
        length += len(line)
        bad += isinstance(found[-1], BadLine)
        if bad > MAX_BAD_LINES:
            break
    return found, length


async def last_word(db: Database, run: Run) -> tuple[Signal, Failure | None] | None:
    """Say how the worker of the current launch said that it ended; None when it has not."""
    said = await events.read(db, run.id, kinds=("done", "failed"), after=run.launch_seq)
    match said[-1].body if said else None:
        case Done(outcome=outcome):
            return _SAID[outcome], None
        case Failed() as failed:
            return "worker_failed", Failure(
                error=failed.error, cause=failed.cause, fix=failed.fix, suggestion=failed.suggestion
            )
    return None
