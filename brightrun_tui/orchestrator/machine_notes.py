"""Notes in a run directory at home of which machine goes on with the run, so that its logs can be read machine by machine."""

from __future__ import annotations

import time
from collections.abc import Sequence

from brightrun_tui.domain.machine_parts import THIS_MACHINE, MachinePart, machine_heading, read_parts
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.hosts.arrivals import append
from brightrun_tui.lines import line_break
from brightrun_tui.orchestrator.log_copy import LogCopy


def note_machine(files: RunDirectory, machine: str) -> None:
    """Note that ``machine`` goes on with the run; nothing happens where it did so before. No worker may be at work. Blocking.

    The heading comes before the note: after a crash in between it is there twice, and no machine is without one.

    Raises:
        OSError: the disk is full but for its reserve.
    """
    parts = read_parts(files)
    if machine == (parts[-1].machine if parts else THIS_MACHINE):
        return
    events = files.events.stat().st_size if files.events.exists() else 0
    heading = line_break(files.log) + machine_heading(machine, _next_number(files, parts))
    if not parts and _has_begun(files):
        _append(files, MachinePart(machine=THIS_MACHINE))
    if machine == THIS_MACHINE:
        LogCopy(files).begin_anew()
        append(files.log, heading)
    else:
        LogCopy(files).take_heading(heading)
    _append(files, MachinePart(machine=machine, since=time.time(), events=events))


def part_number(files: RunDirectory, machine: str) -> int:
    """Return which part of the run, from 1, ``machine`` does now or is about to do. Blocking. Raises ``OSError``."""
    parts = read_parts(files)
    return len(parts) if parts and parts[-1].machine == machine else _next_number(files, parts)


def _next_number(files: RunDirectory, parts: Sequence[MachinePart]) -> int:
    """Return the number of a machine that goes on after ``parts``. What began before any machine was noted counts as a
    part of this machine.
    """
    return len(parts) + (2 if not parts and _has_begun(files) else 1)


def _has_begun(files: RunDirectory) -> bool:
    """Say whether it has begun on this machine, as no other is noted."""
    return files.events.exists() or files.log.exists()


def _append(files: RunDirectory, part: MachinePart) -> None:
    append(files.machines, line_break(files.machines) + part.model_dump_json().encode() + b"\n")
