"""The engine's loop: adopt what is there, start what is queued, answer requests, end when nothing is left."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path

from brightrun_tui import __version__
from brightrun_tui.config import MoneyLimits, load_section
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import Endpoint
from brightrun_tui.domain.requests import Request
from brightrun_tui.domain.run import ACTIVE, Failure, Run
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.orchestrator.desk import DESK
from brightrun_tui.orchestrator.endpoints import Keeper
from brightrun_tui.orchestrator.landlord import Landlord
from brightrun_tui.orchestrator.places import Place, ThisMachine
from brightrun_tui.orchestrator.rented import RentedMachine
from brightrun_tui.orchestrator.runner import Runner
from brightrun_tui.orchestrator.spare import SpareWorker
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, endpoints, requests, runs
from brightrun_tui.store import engine as facts

log = logging.getLogger(__name__)

LOCAL = "local"
LOCAL_SLOTS = 1
"""Runs that train on this machine at the same time; the others wait in the queue."""


class Engine:
    """Everything that must not stop. Workers and servers outlive it; the next engine adopts them."""

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings) -> None:
        self.db, self.paths, self.timings = db, paths, timings
        self.ending = asyncio.Event()
        self.landlord = Landlord(db, paths, timings, load_section(paths, "ssh", SshTimings))
        self.money = load_section(paths, "money", MoneyLimits)
        self.spare = SpareWorker(paths, timings.spare_seconds)
        self.runners: dict[str, Runner] = {}
        self.keepers: dict[str, Keeper] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken: set[int] = set()
        self.started_at = time.time()
        self._seen_version = -1
        self._changed = True

    async def serve(self) -> None:
        """Until `ending` is set or nothing has been left to do for ``idle_seconds``."""
        last_work, last_beat = time.monotonic(), 0.0
        while not self.ending.is_set():
            now = time.monotonic()
            if now - last_beat >= self.timings.beat_seconds:
                last_beat = now
                await facts.beat(self.db, pid=os.getpid(), started_at=self.started_at, version=__version__,
                                 runs=len(self.runners), endpoints=len(self.keepers))
            if await self._look():
                last_work = now
            elif now - last_work > self.timings.idle_seconds:
                log.info("nothing left to look after")
                return
            try:
                await asyncio.wait_for(self.ending.wait(), self.timings.request_seconds)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Let go of everything without changing anything."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.landlord.close()
        await asyncio.to_thread(self.spare.close)

    def keep(self, endpoint: Endpoint) -> None:
        """Look after an endpoint from now on."""
        keeper = Keeper(self.db, self.paths, self.timings, endpoint)
        self.keepers[endpoint.id] = keeper
        self._spawn(keeper.keep(), lambda: self.keepers.pop(endpoint.id, None))

    async def _look(self) -> bool:
        """One look at the store; whether there is anything to look after."""
        for request in await requests.pending(self.db):
            if request.id not in self._taken:
                self._taken.add(request.id)
                self._spawn(self._answer(request), lambda: None)
        version = await self.db.data_version()
        if version != self._seen_version or self._changed:
            self._seen_version, self._changed = version, False
            await self._look_at_runs()
            for endpoint in await endpoints.list_endpoints(self.db, live_only=True):
                if endpoint.id not in self.keepers:
                    self.keep(endpoint)
        renting = await self.landlord.look()
        return bool(self.runners or self.keepers or self._tasks or renting or self.spare.waiting())

    async def _look_at_runs(self) -> None:
        """Adopt every active run; start queued ones, oldest first, while there is room on this machine."""
        active = await runs.list_runs(self.db, states=ACTIVE)
        for run in reversed(active):
            if run.id in self.runners:
                continue
            if run.state != "queued" or run.spec.provider != LOCAL or self._here() < LOCAL_SLOTS:
                await self._drive(run)

    def _here(self) -> int:
        return sum(isinstance(runner.place, ThisMachine) for runner in self.runners.values())

    async def _drive(self, run: Run) -> None:
        try:
            place = await self._place(run)
        except BrightrunError as error:
            failure = Failure(error=error.kind, cause=str(error), fix=error.fix)
            await runs.transition(self.db, run.id, "failed", failure=failure)
            return
        runner = Runner(self.db, self.paths, self.timings, run, place, self.money)
        self.runners[run.id] = runner
        self._spawn(runner.drive(), lambda: self.runners.pop(run.id, None))

    async def _place(self, run: Run) -> Place:
        if run.spec.provider == LOCAL:
            if run.state in ("queued", "preparing"):
                await self.spare.want()
            return ThisMachine(Path(run.directory), self.timings.poll_seconds, self.spare)
        provider = await self.landlord.provider(run.spec.provider)
        return RentedMachine(self.db, self.paths, provider, self.timings, self.landlord.ssh, self.money, run)

    async def _answer(self, request: Request) -> None:
        try:
            result = await DESK[request.kind](self, request)
        except BrightrunError as error:
            await requests.answer(self.db, request.id, failed=True, result={"error": error.as_dict()})
        else:
            await requests.answer(self.db, request.id, result=result)

    def _spawn(self, work: object, after: object) -> None:
        assert asyncio.iscoroutine(work) and callable(after)

        async def guarded() -> None:
            try:
                await work
            except Exception:
                log.exception("a task of the engine failed")
            finally:
                after()
                self._changed = True

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
