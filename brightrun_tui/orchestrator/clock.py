"""Time that no change of the wall clock touches: the seconds of this boot, sleep included."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

from brightrun_tui.domain.run import Run
from brightrun_tui.process import boot_seconds
from brightrun_tui.store import Database, wall_clock

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
JUMP_SECONDS = 60.0
"""A smaller correction of the wall clock is nobody's business."""


def boot_and_seconds() -> tuple[str, float]:
    """Say which boot this is, and how long ago it was, comparable between processes."""
    return _boot(), boot_seconds()


@cache
def _boot() -> str:
    if _BOOT_ID.exists():
        return _BOOT_ID.read_text().strip()
    import psutil  # here: every picture of the app asks for the engine

    return str(round(psutil.boot_time() / 60))


def add_time(run: Run) -> Run:
    """Return the run with the time since it was last counted, as far as that was in the same boot."""
    boot, seconds = boot_and_seconds()
    passed = max(0.0, seconds - run.counted_at[1]) if run.counted_at is not None and run.counted_at[0] == boot else 0.0
    return run.model_copy(update={"active_seconds": run.active_seconds + passed, "counted_at": (boot, seconds)})


async def follow(db: Database) -> None:
    """Let costs keep to the seconds that pass, where somebody has set the clock of this machine."""
    boot, seconds = boot_and_seconds()
    await wall_clock.follow(db, boot, time.time() - seconds, JUMP_SECONDS)


class SinceUse:
    """For how long something has not been used, once it is looked at by a clock that nobody sets."""

    def __init__(self) -> None:
        self._marks: tuple[float, ...] = ()
        self._since = 0.0

    def seconds(self, *marks: float) -> float:
        """Return the seconds since any of ``marks``, times on the wall clock at which it was used, was another one."""
        now = boot_and_seconds()[1]
        if marks != self._marks:
            before = 0.0 if self._marks else max(0.0, time.time() - max(marks))
            self._marks, self._since = marks, now - before
        return now - self._since


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
