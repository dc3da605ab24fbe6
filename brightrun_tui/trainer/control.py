"""Requests to the worker: files in ``control/`` and signals."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Literal

Request = Literal["stop", "pause", "checkpoint", "terminate"]

_FILES: tuple[Literal["stop", "pause", "checkpoint"], ...] = ("stop", "pause", "checkpoint")


class Terminated(BaseException):
    """Asked to end (signal or ``control/pause``) while there was nothing to save yet."""


class Control:
    """Answers the question "does anybody want something of me?" between two steps.

    ``stop``: finish now with what there is. ``pause``: save a checkpoint and exit. ``checkpoint``: save one and
    go on. ``terminate`` (SIGTERM, SIGINT): like pause. A file is removed once it was answered.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        self._signalled = False
        self._nothing_to_save = True

    def listen(self) -> None:
        """Take SIGTERM and SIGINT."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True
        if self._nothing_to_save:
            raise Terminated

    def hold_for_checkpoint(self) -> None:
        """From here on a request waits until the loop has saved a checkpoint."""
        self._nothing_to_save = False

    def release(self) -> None:
        """Everything worth keeping is on disk again: a request may interrupt at any line."""
        self._nothing_to_save = True
        self.leave_if_asked()

    def request(self) -> Request | None:
        """The most urgent request that is waiting, if any."""
        if self._signalled:
            return "terminate"
        for name in _FILES:
            if (self._directory / name).exists():
                return name
        return None

    def answered(self, *names: Request) -> None:
        """Remove the files of requests that were carried out."""
        for name in names:
            if name != "terminate":
                (self._directory / name).unlink(missing_ok=True)

    def leave_if_asked(self) -> None:
        """For the phases in which nothing can be lost.

        Raises:
            Terminated: a pause or a signal is waiting.
        """
        if self.request() in ("pause", "terminate"):
            self.answered("pause")
            raise Terminated
