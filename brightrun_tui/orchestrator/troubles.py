"""What does not work at the moment: said once, tried again after growing pauses, and never in the way of anything else."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from brightrun_tui.domain.errors import BrightrunError

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
SAY_AGAIN_SECONDS = FORGOTTEN_SECONDS = 600.0


@dataclass
class Trouble:
    """Times are on the monotonic clock."""

    why: str
    times: int = 0
    failed_at: float = 0.0
    again_at: float = 0.0
    said_at: float = float("-inf")


class Troubles:
    """Of one engine, by the name of what does not work: ``looking at requests``, ``run demo (4f…)`` …"""

    def __init__(self) -> None:
        self._now: dict[str, Trouble] = {}

    def failed(self, name: str, error: BaseException) -> float:
        """Put on record that it failed. Returns the seconds after which it is worth another try."""
        why = str(error) if isinstance(error, BrightrunError) else type(error).__name__
        trouble = self._now.setdefault(name, Trouble(why))
        pause: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(trouble.times, 10))
        trouble.times += 1
        now = time.monotonic()
        trouble.failed_at, trouble.again_at = now, now + pause
        if why != trouble.why or now - trouble.said_at > SAY_AGAIN_SECONDS:
            foreseen = isinstance(error, BrightrunError)
            log.warning("%s: %s; it is tried again", name, why, exc_info=None if foreseen else error)
            trouble.why, trouble.said_at = why, now
        return pause

    def well(self, name: str, calm: float = 0.0) -> None:
        """Note that it worked; ``calm``: for so many seconds since it failed last, or it says nothing."""
        trouble = self._now.get(name)
        if trouble is not None and time.monotonic() - trouble.failed_at >= calm:
            del self._now[name]
            log.info("%s: works again, after %d failures", name, trouble.times)

    def resting(self, name: str) -> bool:
        """Say whether it failed so recently that it is left alone for now."""
        trouble = self._now.get(name)
        return trouble is not None and time.monotonic() < trouble.again_at

    @asynccontextmanager
    async def guard(self, name: str) -> AsyncIterator[None]:
        """Record whatever goes wrong inside, and let it go no further."""
        try:
            yield
        except Exception as error:
            self.failed(name, error)
        else:
            self.well(name)

    def words(self) -> list[str]:
        """Return a sentence for each that is still tried."""
        now = time.monotonic()
        return [
            f"{name}: {trouble.why}"
            for name, trouble in sorted(self._now.items())
            if now - trouble.again_at < FORGOTTEN_SECONDS
        ]

    def __bool__(self) -> bool:
        return bool(self._now)
