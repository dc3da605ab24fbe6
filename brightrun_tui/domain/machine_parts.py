"""Which machine did which part of a run, and which bytes of its logs are that part's.

A machine is noted when a worker is about to be started on it: as a line of ``machines.jsonl``, with the length of events by then,
and as a heading in the worker's log, whose copy can lose its beginning.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.domain.run_directory import RunDirectory

THIS_MACHINE = "this machine"
Span = tuple[int, int | None]
"""Bytes of a file, from and up to; None: up to its end, which may still grow."""


class MachinePart(BaseModel):
    """The part of a run that one machine did. ``since``: seconds since the epoch; ``events``: bytes of events before it."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    machine: str = Field(min_length=1)
    since: float = 0.0
    events: int = Field(default=0, ge=0)


@dataclass(frozen=True)
class PartSpans:
    """Where the part of one machine stands in the three logs of a run."""

    setup: Span = (0, None)
    events: Span = (0, None)
    printed: Span = (0, None)


def machine_heading(machine: str, number: int = 0) -> bytes:
    """Return the line above what a machine printed. ``number``: which of the run's parts it is, from 1, so that no two are
    alike.
    """
    return f"── {f'machine {number}: ' if number else ''}{machine} ──\n".encode()


def read_parts(files: RunDirectory) -> tuple[MachinePart, ...]:
    """Return the machines of a run in the order in which they went on with it; empty where it never left this machine.

    A line that nobody can read is left out. Blocking. Raises ``OSError``.
    """
    try:
        lines = files.machines.read_bytes().splitlines()
    except FileNotFoundError:
        return ()
    return tuple(part for line in lines if (part := _part(line)) is not None)


def spans_of(files: RunDirectory, parts: Sequence[MachinePart], index: int) -> PartSpans:
    """Return the bytes of part ``index`` of ``parts``. Blocking: the worker's log is searched for headings. Raises
    ``OSError``.
    """
    last = index == len(parts) - 1
    events = (parts[index].events, None if last else parts[index + 1].events)
    return PartSpans(_headed(files.setup_log, parts)[index], events, _headed(files.log, parts)[index])


def _headed(path: Path, parts: Sequence[MachinePart]) -> list[Span]:
    """Return what stands from the heading of each part to the next. What comes before the first heading that is left is of the
    part before it. Another one without a heading has nothing, but that the last may still get something."""
    size = path.stat().st_size if path.exists() else 0
    begins: list[int | None] = _headings(path, parts) if size else [None] * len(parts)
    first = next((number for number, begin in enumerate(begins) if begin is not None), len(parts))
    begins[max(0, first - 1)] = 0
    spans: list[Span] = []
    end: int | None = None
    for begin in reversed(begins):
        spans.append((size, None if end is None else size) if begin is None else (begin, end))
        end = end if begin is None else begin
    return spans[::-1]


def _headings(path: Path, parts: Sequence[MachinePart]) -> list[int | None]:
    """Say where the heading of each part begins; None where it has none."""
    begins: list[int | None] = [None] * len(parts)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        after = 0
        for number, part in enumerate(parts):
            heading = machine_heading(part.machine, number + 1)
            if after == 0 and text[: len(heading)] == heading:
                found = 0
            elif (found := text.find(b"\n" + heading, max(0, after - 1)) + 1) == 0:
                continue
            begins[number] = found
            after = found + len(heading)
    return begins


def _part(line: bytes) -> MachinePart | None:
    try:
        return MachinePart.model_validate_json(line)
    except ValidationError:
        return None
