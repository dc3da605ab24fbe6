"""Requests to the worker: files in ``control/`` and signals."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Literal

from brightrun_tui.domain.run_directory import CONTROL_REQUESTS, LATER_STOPS, ControlRequest, LaterStop, UrgentRequest

EndRequest = UrgentRequest | Literal["terminate"]


class Terminated(Exception):
    """Asked to end (signal or ``control/pause``) while everything worth keeping was on disk."""


class Control:
    """Answers the question "does anybody want something of me?" between two steps.

    ``stop``: finish now with what there is. ``pause``: save a checkpoint and exit. ``checkpoint``: save one and go on. A stop
    after the next evaluation or the epoch waits until then. ``terminate`` (SIGTERM, SIGINT): like pause. A file is removed once
    it was answered.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.nothing_to_keep = False
        """A stop means what a pause means: whatever is not done is not worth keeping."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._signalled = False

    def listen(self) -> None:
        """Take SIGTERM and SIGINT."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signalled = True

    def request(self) -> EndRequest | None:
        """Return the most urgent request that is waiting, if any."""
        if self._signalled:
            return "terminate"
        for name in CONTROL_REQUESTS:
            if (self._directory / name).exists():
                return "pause" if name == "stop" and self.nothing_to_keep else name
        return None

    def later_stops(self) -> tuple[LaterStop, ...]:
        """Say where it is asked to stop by itself."""
        return tuple(name for name in LATER_STOPS if (self._directory / name).exists())

    def answered(self, *names: EndRequest | ControlRequest) -> None:
        """Remove the files of requests that were carried out."""
        for name in names:
            if name != "terminate":
                (self._directory / name).unlink(missing_ok=True)

    def leave_if_asked(self) -> None:
        """Leave where that is asked, in the phases in which nothing can be lost; a stop does not end them.

        Raises:
            Terminated: a pause or a signal is waiting.
        """
        if self.nothing_to_keep and (self._directory / "stop").exists():
            self.answered("stop")
            raise Terminated
        if self._signalled or (self._directory / "pause").exists():
            self.answered("pause")
            raise Terminated
