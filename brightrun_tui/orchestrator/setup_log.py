"""The copy at home of what the preparation of a run's machines printed: it tells most where no worker ever started."""

from __future__ import annotations

from pathlib import Path

from brightrun_tui.domain.machine_parts import machine_heading
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run_directory import SETUP_LOG_LIMIT, RunDirectory
from brightrun_tui.hosts.arrivals import append
from brightrun_tui.lines import line_break


class SetupLog:
    """Of one machine, behind those of the machines before it; what exceeds the limit is left out."""

    def __init__(self, home: Path, lease: Lease, number: int = 0) -> None:
        """Log the set-up of a leased machine; ``number``: which part of the run it does."""
        self._path = RunDirectory(home).setup_log
        self._heading = machine_heading(lease.machine, number)

    def take(self, piece: bytes) -> None:
        """Append a piece of what was printed. Raises `OSError` when the disk is full but for its reserve."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if piece and size < SETUP_LOG_LIMIT:
            heading = line_break(self._path) + self._heading if self._heading else b""
            append(self._path, (heading + piece)[:SETUP_LOG_LIMIT])
            self._heading = b""
