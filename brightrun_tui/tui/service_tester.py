"""Tests of services for the whole app: by themselves once it is drawn, and whenever a person asks; few of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from textual.dom import DOMNode
from textual.signal import Signal

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.integrations.connection import ServiceStatus, is_set_up, test_service
from brightrun_tui.integrations.services import Service, services
from brightrun_tui.orchestrator.service_tests import rests
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, engine
from brightrun_tui.store.engine import ServiceFacts

AT_ONCE = 2


class ServiceApp(Protocol):
    """What testing services needs of the app."""

    paths: Paths
    read_only: bool

    async def opened_store(self) -> Database:
        """Return the store, as soon as it is open."""

    def look_now(self) -> None:
        """Read the store again."""

    def show_error(self, error: BrightrunError) -> None:
        """Tell of it."""


class ServiceTester:
    """``statuses`` and ``tested_at`` (seconds since the epoch) are those of this process; the store has everybody's."""

    def __init__(self, app: ServiceApp, owner: DOMNode) -> None:
        """Test services for the app; ``changed`` is published, with the name of the service, when a test begins and
        ends.
        """
        self._app = app
        self._few = asyncio.Semaphore(AT_ONCE)
        self.changed: Signal[str] = Signal(owner, "services")
        self.testing: set[str] = set()
        self.statuses: dict[str, ServiceStatus] = {}
        self.tested_at: dict[str, float] = {}

    async def test_what_is_due(self) -> None:
        """Test what is set up and was never tested, or long ago. A service that limits how often it is asked is not asked anew at
        each start.
        """
        if self._app.read_only:
            return  # what is found could not be kept, and would be asked anew by everybody who looks
        try:
            known = await engine.services(await self._app.opened_store())
            ready = await asyncio.to_thread(lambda: [one for one in services() if is_set_up(one, self._app.paths)])
        except BrightrunError:  # the screen of the services says so
            return
        await self.test_all(
            service
            for service in ready
            if service.name not in self.tested_at and not rests(known.get(service.name), time.time())
        )

    async def test_all(self, wanted: Iterable[Service]) -> None:
        """Test all of them, and wait for the results."""
        await asyncio.gather(*(self.test(service) for service in wanted))

    async def test(self, service: Service) -> None:
        """Test it, unless it is being tested already."""
        name = service.name
        if name in self.testing:
            return
        self.testing.add(name)
        self.changed.publish(name)
        try:
            async with self._few:
                status = await test_service(name, self._app.paths)
        finally:
            self.testing.discard(name)
        await self.keep(service, status)

    async def keep(self, service: Service, status: ServiceStatus) -> None:
        """Keep what was found for this process, and for the others in the store."""
        self.statuses[service.name], self.tested_at[service.name] = status, time.time()
        if not self._app.read_only:
            try:
                await engine.save_service(
                    await self._app.opened_store(),
                    service.name,
                    status.state,
                    status.detail,
                    facts=status.facts,
                    fix=status.fix,
                )
            except BrightrunError as error:
                self._app.show_error(error)
        self._app.look_now()
        self.changed.publish(service.name)

    def status(self, name: str, known: ServiceFacts) -> ServiceStatus | None:
        """Return what this process found last; None where another one has tested it since, or nobody has here."""
        return None if known.get("checked_at", 0.0) > self.tested_at.get(name, 0.0) else self.statuses.get(name)
