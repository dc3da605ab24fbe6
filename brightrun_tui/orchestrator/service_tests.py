"""Services that were tested once are tested again by themselves: hourly, and sooner after a failure."""

from __future__ import annotations

import asyncio
import time

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.service_names import ServiceState
from brightrun_tui.integrations.connection import test_service
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database
from brightrun_tui.store import engine as engine_facts
from brightrun_tui.store.engine import ServiceFacts

EVERY_SECONDS = 3600.0
AFTER_FAILURE_SECONDS = 300.0
LOOK_SECONDS = 30.0


def is_due(state: ServiceState, checked_at: float, now: float) -> bool:
    """Say whether to test a service again that was so when it was last tested; what is not connected is left alone."""
    return state in ("ok", "failed") and now - checked_at >= _rest_seconds(state)


def rests(known: ServiceFacts | None, now: float) -> bool:
    """Say whether a service that is set up was tested so lately, by anybody, that a start need not ask it again."""
    if not known:
        return False
    return now - known["checked_at"] < _rest_seconds(known["state"])


def _rest_seconds(state: ServiceState) -> float:
    return EVERY_SECONDS if state == "ok" else AFTER_FAILURE_SECONDS


class ServiceTests:
    """Of one engine. Nothing waits for them, and they keep no engine alive."""

    def __init__(self, db: Database, paths: Paths) -> None:
        self._db, self._paths = db, paths
        self._work: asyncio.Task[None] | None = None
        self._looked_at = float("-inf")

    async def look(self) -> bool:
        """Begin the tests that are due; always False."""
        if time.monotonic() - self._looked_at >= LOOK_SECONDS and (self._work is None or self._work.done()):
            self._looked_at = time.monotonic()
            known = await engine_facts.services(self._db)
            due = [name for name, facts in known.items() if is_due(facts["state"], facts["checked_at"], time.time())]
            if due:
                self._work = asyncio.create_task(self._test(due))
        return False

    async def close(self) -> None:
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)

    async def _test(self, names: list[str]) -> None:
        for name in names:
            try:
                status = await test_service(name, self._paths)
            except BrightrunError:  # the service no longer exists: its package has gone
                continue
            await engine_facts.save_service(
                self._db, name, status.state, status.detail, facts=status.facts, fix=status.fix
            )
