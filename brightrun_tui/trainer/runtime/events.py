"""The event log: the only thing a worker says, one JSON object a line."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from pathlib import Path

from brightrun_tui.domain.disk import is_disk_full
from brightrun_tui.domain.events import BadEventError, Body, Event, Failed
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import identity
from brightrun_tui.lines import cut, split

RESERVE_BYTES = 64 * 1024
"""Kept free beside the log, so that a full disk can still be reported."""


class AnotherWorkerError(Exception):
    """A worker is already writing to this run directory."""


class DirectoryGoneError(OSError):
    """The run directory is no longer at its place: nobody would find what is written from here on."""


class EventLog:
    """Appends events to ``events.jsonl``; safe to use from several threads.

    Opening it takes the run directory for this process (a lock that ends with the process), cuts off a last
    line that a crash left torn, and carries ``seq`` on. A whole line never goes, not even one that is not an event: a reader
    may have passed it already. It has taken a number all the same.

    Raises:
        AnotherWorkerError: another live process has this log open.
        OSError: the directory cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise AnotherWorkerError(str(path)) from error
        self.history, self._next_seq, self._size = read_whole_lines(path)
        os.ftruncate(self._descriptor, self._size)
        self._reserve = _keep_room(RunDirectory(path.parent).events_reserve)

    def write(self, body: Body) -> Event[Body]:
        """Append one event.

        Raises:
            OSError: the line could not be written whole; nothing of it is left in the file.
            DirectoryGoneError: the file was moved or deleted.
        """
        with self._lock:
            self._see_that_it_is_there()
            event = Event(self._next_seq, time.time(), body)
            line = event.to_line()
            try:
                self._append(line)
            except OSError as error:
                if not is_disk_full(error) or not isinstance(body, Failed):
                    raise
                self._give_up_room()
                self._append(line)
            self._next_seq += 1
        return event

    def _append(self, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(self._descriptor, line[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._size)
            raise
        self._size += len(line)

    def _give_up_room(self) -> None:
        room, self._reserve = self._reserve, None
        if room is not None:
            os.close(room)

    def _see_that_it_is_there(self) -> None:
        """Refuse to go on elsewhere: a directory that was moved takes open files along, and leaves behind what is named anew."""
        own = os.fstat(self._descriptor)
        if identity(self.path) != (own.st_dev, own.st_ino):
            raise DirectoryGoneError(str(self.path))

    def sync(self) -> None:
        """Wait until everything said is on the disk: a checkpoint must not outlive the events before it.

        Raises:
            DirectoryGoneError: the file was moved or deleted.
        """
        with self._lock:
            self._see_that_it_is_there()
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Flush to disk and give the run directory free."""
        with self._lock:
            self._give_up_room()
            os.fsync(self._descriptor)
            os.close(self._descriptor)


def _keep_room(path: Path) -> int | None:
    """Take some room on the disk, for as long as this process keeps the descriptor: the file no longer has a name.

    None when there is no such room: a nearly full disk is met, and reported, where it matters.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        path.unlink()
        os.write(descriptor, b"\0" * RESERVE_BYTES)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def read_whole_lines(path: Path) -> tuple[list[Event[Body]], int, int]:
    """Return the events, the number that comes next, and the size of the file up to the end of its last whole line."""
    events: list[Event[Body]] = []
    seq = 0
    whole, _ = cut(path.read_bytes())
    for line in split(whole):
        try:
            events.append(Event.from_line(line))
        except BadEventError:
            seq += 1
        else:
            seq = events[-1].seq + 1
    return events, seq, len(whole)
