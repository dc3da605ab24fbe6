"""The copy at home of what the preparation of a run's machines printed: it tells most where no worker ever started."""

from __future__ import annotations

from pathlib import Path

from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run_directory import SETUP_LOG_LIMIT, RunDirectory
from brightrun_tui.hosts.arrivals import append


class SetupLog:
    """Of one machine, behind those of the machines before it; what exceeds the limit is left out."""

    def __init__(self, home: Path, lease: Lease) -> None:
        self._path = RunDirectory(home).setup_log
        self._heading = f"── {lease.gpu or lease.provider} {lease.provider_id} ──\n".encode()

    def take(self, piece: bytes) -> None:
        """Raises `OSError` when the disk is full but for its reserve."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if piece and size < SETUP_LOG_LIMIT:
            append(self._path, (self._heading + piece)[:SETUP_LOG_LIMIT])
            self._heading = b""
