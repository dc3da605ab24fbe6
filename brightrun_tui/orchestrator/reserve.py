"""Room on the disk that is given free when it is full, so that requests and their answers can still be written down."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from brightrun_tui.domain.disk import LOW_BYTES

RESERVE_BYTES = 4 << 20
PLENTY_BYTES = 64 << 20
"""Only with so much free space is the room taken (again)."""


class Reserve:
    """One file beside the store. Every method blocks, and none raises."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def look(self) -> bool:
        """Take the room, or give it up, as the disk is. Returns whether the disk is full."""
        try:
            free = shutil.disk_usage(self._path.parent).free
        except OSError:
            return False
        if free < LOW_BYTES:
            self.give_up()
        elif free > PLENTY_BYTES and not self._path.exists():
            with suppress(OSError), self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, RESERVE_BYTES)
        return free < LOW_BYTES

    def give_up(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
