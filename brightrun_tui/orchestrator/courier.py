"""Who tells people what happens: every channel gets what it has not told yet, in order, for as long as it takes.

What is to be told is in the store, and so is what each channel has told: an engine that was away goes on where the last one was.
No run waits for a channel. One that does not work is tried again after growing pauses, which is said once, by the others.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime

from brightrun_tui.domain.errors import BrightrunError, StoreError
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.domain.quiet_hours import is_quiet
from brightrun_tui.domain.text import one_line
from brightrun_tui.integrations.channels import SavedChannel, open_channel, saved_channels
from brightrun_tui.notify.channel import Channel, Home
from brightrun_tui.notify.opening import open_channels, send
from brightrun_tui.paths import Paths
from brightrun_tui.redaction import redact
from brightrun_tui.store import Database, notifications
from brightrun_tui.store import engine as engine_facts

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 900.0
"""Seconds until a channel that failed is tried again; twice as long with each failure."""
GIVEN_UP_SECONDS = 86_400.0
"""What could not be told for so long is old news."""
SAID_AFTER = 2
"""Failures in a row; a single one may be an accident."""
LOOK_SECONDS = 1.0
CLOSE_SECONDS = 3.0


@dataclass
class _Line:
    """One channel at work. ``failures`` in a row; ``again_at`` on the monotonic clock; ``why`` it does not work now."""

    name: str
    saved: SavedChannel
    since: float
    failures: int = 0
    again_at: float = 0.0
    why: str = ""
    work: asyncio.Task[None] | None = None


class Courier:
    """Of one engine."""

    def __init__(self, db: Database, paths: Paths) -> None:
        self._db, self._paths = db, paths
        self._fixed = open_channels(paths, Home.ENGINE)
        self._lines: dict[str, _Line] = {}
        self._looked_at = float("-inf")
        self._waits = False

    def words(self) -> list[str]:
        """Return a sentence for each channel that does not work now, or cannot be used."""
        failing = [f"channel {line.name}: {line.why}" for line in self._lines.values() if line.why]
        return [*map(str, self._fixed.problems), *failing]

    async def look(self) -> bool:
        """Set every channel to work that has something to tell; returns whether any has, now or later. Waits for none."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            self._looked_at = time.monotonic()
            await self._find_lines()
            self._waits = False
            for line in self._lines.values():
                self._waits = await self._serve(line) or self._waits
        return self._waits

    async def close(self) -> None:
        """Give what is on its way a moment to arrive."""
        work = [line.work for line in self._lines.values() if line.work and not line.work.done()]
        if work:
            await asyncio.wait(work, timeout=CLOSE_SECONDS)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)

    async def _find_lines(self) -> None:
        saved = await asyncio.to_thread(saved_channels, self._paths)
        for name in set(self._lines) - set(saved) - set(self._fixed.channels):
            del self._lines[name]
        for name in self._fixed.channels:
            if name not in self._lines:
                self._lines[name] = _Line(name, SavedChannel(), await self._since(name))
        for name, channel in saved.items():
            if name not in self._lines:
                self._lines[name] = _Line(name, channel, channel.added_at)
            elif self._lines[name].saved != channel:
                self._lines[name].saved, self._lines[name].again_at = channel, 0.0

    async def _since(self, name: str) -> float:
        """Return when a channel was first there: nothing from before is told."""
        fact = f"channel {name} since"
        known = await engine_facts.fact(self._db, fact)
        if not isinstance(known, int | float):
            known = time.time()
            await engine_facts.set_fact(self._db, fact, known)
        return float(known)

    async def _serve(self, line: _Line) -> bool:
        if line.work is not None and not line.work.done():
            return True
        due = await notifications.undelivered(self._db, line.name, line.since, line.saved.kinds)
        if due and time.monotonic() >= line.again_at and not is_quiet(line.saved.quiet, datetime.now()):
            line.work = asyncio.create_task(self._tell(line, due))
        return bool(due)

    async def _tell(self, line: _Line, due: list[Notification]) -> None:
        """Deliver what is due in order, until one fails."""
        try:
            channel = await self._channel(line.name)
            for one in due:
                why = await send(line.name, channel, one)
                if why and time.time() - one.time < GIVEN_UP_SECONDS:
                    return await self._failed(line, one, why)
                await notifications.delivered(self._db, line.name, one.id, given_up=bool(why))
                line.failures, line.why = 0, why
        except StoreError:
            line.again_at = time.monotonic() + FIRST_PAUSE  # what was told cannot be put on record now
        except BrightrunError as error:
            await self._failed(line, due[0], str(error))

    async def _channel(self, name: str) -> Channel:
        fixed = self._fixed.channels.get(name)
        return fixed if fixed is not None else await asyncio.to_thread(open_channel, self._paths, name)

    async def _failed(self, line: _Line, one: Notification, why: str) -> None:
        why = one_line(redact(why))
        line.again_at = time.monotonic() + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(line.failures, 12))
        line.failures += 1
        if not line.why:
            log.warning("channel %s: %s; it is tried again", line.name, why)
        line.why = why
        if line.failures >= SAID_AFTER:
            await self._say_failing(line, one)

    async def _say_failing(self, line: _Line, one: Notification) -> None:
        message = f"channel “{line.name}” cannot reach you now: {line.why}; it is tried again"
        await notifications.add(
            self._db,
            Notification(
                "",
                "",
                notifications.failing_code(line.name),
                Level.WARNING,
                message,
                time.time(),
                NewsKind.SERVICE,
                key=f"channel {line.name} failing at {one.id}",
            ),
        )
