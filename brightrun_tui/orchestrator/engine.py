"""The engine's loop: adopt what is there, start what is queued, answer requests, end when nothing is left."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from brightrun_tui import __version__, plugins
from brightrun_tui.config import MoneyLimits, load_section
from brightrun_tui.domain import humanize
from brightrun_tui.domain.disk import DISK_IS_FULL
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError, StoreError
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.domain.requests import Answer, Request
from brightrun_tui.domain.run import Failure, Run
from brightrun_tui.domain.run_states import ACTIVE
from brightrun_tui.domain.schedule import moment_words, waits_until
from brightrun_tui.domain.service_names import OWN_BOXES
from brightrun_tui.domain.slots import GpuRequest
from brightrun_tui.files import identity
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.orchestrator.admission import LOOK_SECONDS, Admission
from brightrun_tui.orchestrator.clock import WallClock, boot_and_seconds, follow
from brightrun_tui.orchestrator.courier import Courier
from brightrun_tui.orchestrator.endpoints import EndpointWatcher
from brightrun_tui.orchestrator.engine_status import SEE_LOG
from brightrun_tui.orchestrator.lease_manager import LeaseManager
from brightrun_tui.orchestrator.notices import with_notice
from brightrun_tui.orchestrator.paid_endpoints import Means
from brightrun_tui.orchestrator.rented import RentedMachine
from brightrun_tui.orchestrator.rented_endpoints import RentedEndpointWatcher
from brightrun_tui.orchestrator.request_handlers import respond
from brightrun_tui.orchestrator.reserve import Reserve
from brightrun_tui.orchestrator.runner import Runner
from brightrun_tui.orchestrator.serverless_endpoints import ServerlessEndpointWatcher
from brightrun_tui.orchestrator.service_tests import ServiceTests
from brightrun_tui.orchestrator.targets import LocalTarget, Target
from brightrun_tui.orchestrator.timings import EngineTimings, load_timings
from brightrun_tui.orchestrator.troubles import Troubles
from brightrun_tui.orchestrator.warm_worker import WarmWorker
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, endpoints, leases, requests, runs
from brightrun_tui.store import engine as engine_facts

log = logging.getLogger(__name__)


class Engine:
    """Everything that must not stop. Workers and servers outlive it; the next engine adopts them.

    Each part of a look, and each run, endpoint, request and lease, is on its own: what fails is put on record in `Troubles`,
    is tried again after a pause, and takes nothing else along.
    """

    def __init__(
        self,
        db: Database,
        paths: Paths,
        timings: EngineTimings,
        *,
        since: float | None = None,
        lock: tuple[int, int] | None = None,
    ) -> None:
        """Make the engine, visible to others since ``since`` (seconds since the epoch): requests to stop made after
        that mean this one. ``lock``: the identity of the file that keeps others from beginning, where there is one.
        """
        self.db, self.paths, self.timings = db, paths, timings
        self.ending = asyncio.Event()
        self.troubles = Troubles()
        self.lease_manager = LeaseManager(db, paths, timings, load_section(paths, OWN_BOXES, SshTimings), self.troubles)
        self.money = load_section(paths, "money", MoneyLimits)
        self.courier = Courier(db, paths)
        self.service_tests = ServiceTests(db, paths)
        self.warm_worker = WarmWorker(paths, timings.spare_seconds)
        self._means = Means(self.lease_manager.provider, self.lease_manager.key, self.lease_manager.ssh, self.money)
        self.admission = Admission(lambda: load_timings(paths).local_slots, self.lease_manager.provider)
        self.runners: dict[str, Runner] = {}
        self.watchers: dict[str, EndpointWatcher] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._taken: set[int] = set()
        self._unreadable: set[str] = set()
        self._waiting = self._was_gone = False
        self._home = os.open(paths.data, os.O_RDONLY | os.O_DIRECTORY)
        self._queue_again_at = float("inf")
        self._reserve = Reserve(paths.data / ".engine.reserve")
        self._clock = WallClock()
        self.wall_clock: Callable[[], float] = time.time
        self.started_at = time.time() if since is None else since
        self._lock = lock
        self._seen_version = -1
        self._changed = True

    async def serve(self) -> None:
        """Work until `ending` is set, nothing has been left to do for ``idle_seconds``, or the store or the lock was taken
        away.
        """
        last_work, last_beat = time.monotonic(), float("-inf")
        while not self.ending.is_set():
            now = time.monotonic()
            if now - last_beat >= self.timings.beat_seconds:
                last_beat = now
                if self.db.was_taken_away():
                    log.error("the database was deleted or replaced: what is there now is looked after from here on")
                    return
                if await self._has_lost_its_home():
                    log.error(
                        "the data directory is gone from %s: moved, deleted, or its disk was taken away; the next engine goes on "
                        "from where it is then",
                        self.paths.data,
                    )
                    return
                if self.lost_its_lock():
                    log.error("the lock was deleted or replaced: whoever takes it looks after everything from here on")
                    return
                async with self.troubles.guard("sign of life"):
                    await self._beat()
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
        await self.admission.close()
        await self.service_tests.close()
        await self.courier.close()
        await self.lease_manager.close()
        await asyncio.to_thread(self.warm_worker.close)
        await asyncio.to_thread(self._reserve.give_up)
        os.close(self._home)

    def lost_its_lock(self) -> bool:
        """Say whether another engine could take the lock: it was deleted, or another file is in its place."""
        return self._lock is not None and self.paths.data.is_dir() and identity(self.paths.engine_lock) != self._lock

    async def _has_lost_its_home(self) -> bool:
        """Say whether the data directory was gone at two looks in a row. Not while a machine is rented and nobody else could
        return it, because the directory was deleted.
        """
        gone, self._was_gone = self._was_gone, not self.paths.data.is_dir()
        if not (gone and self._was_gone):
            return False
        return os.fstat(self._home).st_nlink > 0 or not await leases.list_leases(self.db, open_only=True)

    def keep(self, endpoint: Endpoint) -> None:
        """Look after an endpoint from now on."""
        watcher: EndpointWatcher
        if endpoint.rental is not None and endpoint.rental.serverless is not None:
            watcher = ServerlessEndpointWatcher(self.db, self.paths, self.timings, endpoint, self._means)
        elif endpoint.rental is not None:
            watcher = RentedEndpointWatcher(self.db, self.paths, self.timings, endpoint, self._means)
        else:
            watcher = EndpointWatcher(self.db, self.paths, self.timings, endpoint)
        self.watchers[endpoint.id] = watcher
        self._spawn(f"endpoint {endpoint.id}", watcher.keep(), lambda: self.watchers.pop(endpoint.id, None))

    async def _beat(self) -> None:
        full = await asyncio.to_thread(self._reserve.look)
        said = [*self.troubles.words(), *self.courier.words()]
        said += [f"{self.paths.data}: {DISK_IS_FULL}"] if full else []
        await follow(self.db)
        jump = self._clock.jumped()
        if jump:
            await self._tell_of_clock(jump)
        await engine_facts.beat(
            self.db,
            pid=os.getpid(),
            started_at=self.started_at,
            version=__version__,
            runs=len(self.runners),
            endpoints=len(self.watchers),
            troubles=said,
            beat_boot=boot_and_seconds(),
        )

    async def _tell_of_clock(self, seconds: float) -> None:
        way = "forward" if seconds > 0 else "back"
        words = (
            f"the clock of this machine was set {way} by {humanize.duration(abs(seconds))}: times taken from it are wrong by as "
            "much; costs and limits, which count the seconds that pass, are not"
        )
        log.warning("%s", words)
        for run_id in list(self.runners):
            run = await runs.get(self.db, run_id)
            await runs.update(
                self.db, run_id, notices=with_notice(run, NoticeCode.CLOCK.told_apart(int(time.time())), words)
            )

    async def _look(self) -> bool:
        """Look at the store once; returns whether there is, or may be, anything to look after."""
        parts: dict[str, Callable[[], Awaitable[bool]]] = {
            "requests": self._look_at_requests,
            "runs and endpoints": self._look_at_work,
            "leases": self._look_at_leases,
            "news": self.courier.look,
            "services": self.service_tests.look,
        }
        busy = False
        for name, look in parts.items():
            found = True  # what cannot be seen may be there
            async with self.troubles.guard(f"looking at {name}"):
                found = await look()
            busy = busy or found
        return busy or bool(self._tasks) or self.warm_worker.waiting()

    async def _look_at_requests(self) -> bool:
        for request in await requests.pending(self.db):
            if request.id not in self._taken:
                self._taken.add(request.id)
                self._spawn(f"request {request.id} ({request.ask.kind})", self._answer(request), lambda: None)
        return False

    async def _look_at_work(self) -> bool:
        version = await self.db.data_version()
        due = time.monotonic() >= self._queue_again_at
        if version != self._seen_version or self._changed or self.troubles or due:
            self._seen_version, self._changed = version, False
            await self._look_at_runs()
            for endpoint in await endpoints.list_endpoints(self.db, live_only=True):
                if endpoint.id in self.watchers:
                    continue
                if self.troubles.resting(f"endpoint {endpoint.id}"):
                    self._waiting = True
                else:
                    self.keep(endpoint)
        return bool(self.runners or self.watchers or self._waiting)

    async def _look_at_leases(self) -> bool:
        return await self.lease_manager.look(frozenset(self._unreadable))

    async def _look_at_runs(self) -> None:
        """Adopt every active run; start queued ones in their order, each where there is room for it."""
        active = await runs.ids(self.db, ACTIVE)
        self._unreadable &= set(active)
        for run_id in active:
            if run_id not in self.runners and not self.troubles.resting(_name(run_id)):
                try:
                    await self._adopt(run_id)
                except StoreError:
                    raise
                except Exception as error:
                    self.troubles.failed(_name(run_id), error)
        self._waiting = bool(set(active) - set(self.runners) - self._unreadable)
        await self._look_at_queue()

    async def _adopt(self, run_id: str) -> None:
        try:
            run = await runs.get(self.db, run_id)
        except StoreError:
            raise
        except Exception as error:
            self._unreadable.add(run_id)  # it cannot be followed, so no machine is paid for it any longer
            log.debug("%s", _name(run_id), exc_info=error)
            raise BrightrunError(
                "what is stored of it cannot be read; a machine that it had is returned",
                kind=ErrorKind.UNREADABLE_RUN,
                fix=f"brightrun runs delete {run_id}",
            ) from error
        self._unreadable.discard(run_id)
        if run.state != "queued":
            await self._drive(run)

    async def _look_at_queue(self) -> None:
        """Start what may begin, and say of the others what they wait for: looked at again soon, as others' work ends unseen."""
        queue = [
            run
            for run in await runs.queue(self.db)
            if run.id not in self.runners and not self.troubles.resting(_name(run.id))
        ]
        self._queue_again_at = time.monotonic() + LOOK_SECONDS if queue else float("inf")
        begun = [run for run in await runs.list_runs(self.db, states=ACTIVE) if self._has_begun(run)] if queue else []
        for run in queue:
            async with self.troubles.guard(_name(run.id)):
                if (moment := waits_until(run, self.wall_clock())) is not None:
                    await self._say_what_for(run, f"waits until {moment_words(moment)}")
                elif await self._seat(run, begun):
                    begun.append(run)

    async def _seat(self, run: Run, begun: list[Run]) -> bool:
        """Start a run of the queue if it has room beside those that have ``begun``; returns whether it was started."""
        there = [one for one in begun if one.spec.provider == run.spec.provider]
        gpu_request = run.spec.settings.machine.gpu_request
        try:
            if run.spec.here:
                seat = await self.admission.here(gpu_request, there)
            else:
                open_leases = await leases.list_leases(self.db, open_only=True)
                held = {lease.run_id for lease in open_leases if lease.state == "live"}
                starting = [one for one in there if one.id not in held]
                seat = await self.admission.elsewhere(run, starting, await runs.names(self.db))
        except StoreError:
            raise
        except BrightrunError as error:
            await self._refuse(run, error)
            return False
        if seat.granted:
            gpu_id = seat.card.id if seat.card and run.spec.here else ""
            await self._drive(await runs.update(self.db, run.id, gpu_id=gpu_id, phase_detail=""))
        else:
            await self._say_what_for(run, f"waits for {seat.waits_for}")
        return seat.granted

    async def _say_what_for(self, run: Run, words: str) -> None:
        if run.phase_detail != words:
            await runs.update(self.db, run.id, phase="queued", phase_detail=words)

    async def next_gpu(self) -> str | None:
        """Return the UUID of the GPU of this machine that the next run would get, empty if it has none; None: there is no
        room.
        """
        begun = [run for run in await runs.list_runs(self.db, states=ACTIVE) if run.spec.here]
        seat = await self.admission.here(GpuRequest(), begun)
        return (seat.card.id if seat.card else "") if seat.granted else None

    def _has_begun(self, run: Run) -> bool:
        return run.state != "queued" or run.id in self.runners

    async def _drive(self, run: Run) -> None:
        try:
            target = await self._target(run)
        except StoreError:
            raise
        except BrightrunError as error:
            await self._refuse(run, error)
            return
        runner = Runner(self.db, self.paths, self.timings, run, target, self.troubles, self.money)
        self.runners[run.id] = runner
        self._spawn(_name(run.id), runner.drive(), lambda: self.runners.pop(run.id, None))

    async def _refuse(self, run: Run, error: BrightrunError) -> None:
        failure = Failure(error=error.kind, cause=error.statement, fix=error.fix)
        await runs.transition(self.db, run.id, "failed", failure=failure, phase_detail="")

    async def _target(self, run: Run) -> Target:
        plugins.look_again()  # what the run needs may have been installed since this engine began
        if run.spec.here:
            if run.state in ("queued", "preparing"):
                await self.warm_worker.want(run.gpu_id)
            return LocalTarget(Path(run.directory), self.timings.poll_seconds, self.warm_worker, run.gpu_id)
        provider = await self.lease_manager.provider(run.spec.provider)
        return RentedMachine(self.db, self.paths, provider, self.timings, self.lease_manager.ssh, self.money, run)

    async def _answer(self, request: Request) -> None:
        """Do what a person asked for, once, and say what came of it, when that can be written down."""
        came_of_it: Answer | BrightrunError
        try:
            came_of_it = await respond(self, request)
        except BrightrunError as error:
            came_of_it = error
        except Exception as error:
            log.exception("request %s (%s) failed", request.id, request.ask.kind)
            came_of_it = EngineError(
                f"the engine itself failed ({type(error).__name__})",
                where=str(self.paths.engine_log),
                kind=ErrorKind.INTERNAL,
                fix=SEE_LOG,
            )
        while True:
            try:
                if isinstance(came_of_it, BrightrunError):
                    return await requests.refuse(self.db, request.id, came_of_it)
                return await requests.answer(self.db, request.id, came_of_it)
            except StoreError as error:
                await asyncio.sleep(self.troubles.failed(f"request {request.id} ({request.ask.kind})", error))

    def _spawn(self, name: str, work: Coroutine[Any, Any, None], after: Callable[[], object]) -> None:
        """Start a task whose failure affects nothing else."""

        async def guarded() -> None:
            try:
                async with self.troubles.guard(name):
                    await work
            finally:
                after()
                self._changed = True

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _name(run_id: str) -> str:
    """Return what a run is called among the troubles."""
    return f"run {run_id}"
