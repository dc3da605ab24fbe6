"""Time that no change of the wall clock touches: the seconds of this boot, sleep included."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import psutil

from brightrun_tui.domain.run import Run
from brightrun_tui.store import Database, wall_clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
JUMP_SECONDS = 60.0
"""A smaller correction of the wall clock is nobody's business."""


def boot_and_seconds() -> tuple[str, float]:
    """Say which boot this is, and how long ago it was, comparable between processes."""
    # what Linux calls so counts the time asleep, as CLOCK_MONOTONIC does elsewhere
    seconds = time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    return _boot(), seconds


@cache
def _boot() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else str(round(psutil.boot_time() / 60))


def add_time(run: Run) -> Run:
    """Return the run with the time since it was last counted, as far as that was in the same boot."""
    boot, seconds = boot_and_seconds()
    passed = max(0.0, seconds - run.counted_at[1]) if run.counted_at is not None and run.counted_at[0] == boot else 0.0
    return run.model_copy(update={"active_seconds": run.active_seconds + passed, "counted_at": (boot, seconds)})


async def follow(db: Database) -> None:
    """Let costs keep to the seconds that pass, where somebody has set the clock of this machine."""
    boot, seconds = boot_and_seconds()
    await wall_clock.follow(db, boot, time.time() - seconds, JUMP_SECONDS)


class WallClock:
    """Notices when somebody sets the clock of this machine."""

    def __init__(self) -> None:
        self._ahead = self._offset()

    def jumped(self) -> float:
        """Return by how many seconds it was set since the last look; 0 when it was not, or hardly."""
        now = self._offset()
        by, self._ahead = now - self._ahead, now
        return by if abs(by) > JUMP_SECONDS else 0.0

    @staticmethod
    def _offset() -> float:
        return time.time() - boot_and_seconds()[1]
