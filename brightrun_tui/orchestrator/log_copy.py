"""The copy at home of a worker's log on another machine: all of a calm log, the end of one that floods."""

from __future__ import annotations

import asyncio
import json
import os
from typing import NamedTuple

from brightrun_tui.domain.run_directory import LOG, LOG_LIMIT, RunDirectory
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts.arrivals import append, open_file
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.lines import from_next_line

PIECE = 1 << 20
"""Bytes taken home in one round; of what is new beyond that, only the end is."""


class _Mark(NamedTuple):
    """How far the log was read there and how long the copy was then, in bytes. Equal as long as nothing was left out."""

    there: int
    here: int


class LogCopy:
    """A mark lies beside the copy only once something was left out of it; until then its size says how far it was read."""

    def __init__(self, home: RunDirectory, limit: int = LOG_LIMIT) -> None:
        """Keep a copy of at most ``limit`` bytes."""
        self._home, self._limit = home, limit

    async def follow(self, host: SshHost) -> None:
        """Take one piece of what is new. Raises `HostError`, and ``OSError`` when the disk is full but for its reserve."""
        size = await host.size(LOG)
        mark = await asyncio.to_thread(self._mark)
        if size <= mark.there:
            return
        skipped = max(0, size - mark.there - PIECE)
        piece = await host.read(LOG, mark.there + skipped, PIECE)
        if piece:
            await asyncio.to_thread(self._take, mark, skipped, piece)

    def take_heading(self, heading: bytes) -> None:
        """Put a line of our own into the copy, that the machine's log does not have. Raises ``OSError`` as `follow`."""
        mark = self._mark()
        self._note(_Mark(mark.there, mark.here + len(heading)))
        append(self._home.log, heading)

    def begin_anew(self) -> None:
        """Take the copy for the whole log from now on: it was sent to a new machine, or a worker of this one goes on with it."""
        self._home.log_mark.unlink(missing_ok=True)

    def _take(self, mark: _Mark, skipped: int, piece: bytes) -> None:
        there = mark.there + skipped + len(piece)
        if skipped:
            piece = _left_out(skipped, "on the machine") + from_next_line(piece)
        self._note(_Mark(there, mark.here + len(piece)))
        append(self._home.log, piece)
        if mark.here + len(piece) > self._limit:
            self._shorten(there)

    def _shorten(self, there: int) -> None:
        """Keep the second half."""
        with open_file(self._home.log) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(size - self._limit // 2)
            kept = from_next_line(file.read())
        whole = _left_out(size - len(kept), "to save space") + kept
        self._note(_Mark(there, len(whole)))
        write_atomic(self._home.log, whole)

    def _note(self, mark: _Mark) -> None:
        """Note the mark before the copy changes: after a crash in between a piece of the log is missing, and none is
        doubled.
        """
        if mark.there != mark.here or self._home.log_mark.exists():
            write_atomic(self._home.log_mark, json.dumps(mark._asdict()))

    def _mark(self) -> _Mark:
        size = self._home.log.stat().st_size if self._home.log.exists() else 0
        try:
            mark = _Mark(**json.loads(self._home.log_mark.read_bytes()))
        except (OSError, ValueError, TypeError):
            return _Mark(size, size)
        if size > mark.here:
            os.truncate(self._home.log, mark.here)
        return _Mark(mark.there, min(size, mark.here))


def _left_out(count: int, where: str) -> bytes:
    return f"\n… {count:,} bytes of this log were left out {where} …\n".encode()
