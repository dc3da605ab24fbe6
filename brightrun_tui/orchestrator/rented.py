"""A run on a rented machine: its worker there, and what it brings home, whatever becomes of links, machines and engines."""

from __future__ import annotations

import asyncio
import logging
import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import HostError, MachineLiesError
from brightrun_tui.domain.live_change import LiveChange, asked_of_worker
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.run import Notice, Run
from brightrun_tui.domain.run_directory import CHANGES, CONTROL, WORKER, ControlRequest
from brightrun_tui.hosts import ready
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.hosts.host import JobStatus
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator.effort import Effort, effort_there
from brightrun_tui.orchestrator.environment import install
from brightrun_tui.orchestrator.gpu_proof import WITH_OUR_CODE, prove_gpu
from brightrun_tui.orchestrator.holding import Holding
from brightrun_tui.orchestrator.machine_notes import part_number
from brightrun_tui.orchestrator.mirror import Mirror
from brightrun_tui.orchestrator.setup_log import SetupLog
from brightrun_tui.orchestrator.targets import WITHDRAWN, MachineLostError, Say
from brightrun_tui.orchestrator.tenants import RunTenant
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.warm_worker import only_gpu
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Provider
from brightrun_tui.store import Database, runs
from brightrun_tui.store import leases as lease_store

log = logging.getLogger(__name__)

CATCH_UP_PIECES = 64
"""Pieces of events taken home in one look where the last word may be among them: of a worker that has ended, or that an
engine has just found. While one is at work it is a piece each look, so that a flood keeps nobody waiting."""


class RentedMachine:
    """Implements `targets.Target`. The run directory at home is a mirror; the lease in the store says which machine it is."""

    def __init__(
        self,
        db: Database,
        paths: Paths,
        provider: Provider,
        timings: EngineTimings,
        ssh: SshTimings,
        money: MoneyLimits,
        run: Run,
    ) -> None:
        self.db, self.paths, self.provider, self.timings = db, paths, provider, timings
        self.run_id = run.id
        self.poll_seconds = timings.remote_poll_seconds
        self.mirror = Mirror(Path(run.directory), run.spec.settings.training.keep_checkpoints)
        self._holding = Holding(
            db, paths, provider, timings, ssh, money, RunTenant(run), self._tenant, self._another_machine
        )
        self._start: tuple[str, str] = ("", "")
        self._was_lied_to = False
        self._ended = self._caught_up = False

    @property
    def host(self) -> SshHost:
        return self._holding.host

    async def _tenant(self) -> RunTenant:
        return RunTenant(await runs.get(self.db, self.run_id))

    def _another_machine(self) -> None:
        self.mirror.stop()
        self._caught_up = False

    async def take(self, run: Run, say: Say) -> None:
        async def equip(lease: Lease, say: Say) -> None:
            await self._equip(run, lease, say)

        await self._holding.take(RunTenant(run), equip, say)

    async def _equip(self, run: Run, lease: Lease, say: Say) -> None:
        say("environment")
        number = await asyncio.to_thread(part_number, self.mirror.home, lease.machine)
        setup_log = SetupLog(Path(run.directory), lease, number)
        self._start = await install(
            self.host,
            self.paths.cache / "machines",
            say,
            python=self.timings.remote_python,
            objective=run.spec.settings.training.objective,
            keep=setup_log.take,
        )
        rented = lease.gpu and self.provider.guard_options(time.time()) is not None
        if (
            rented and not (await self.host.status(WORKER)).running
        ):  # one at work has the memory, and has proven the rest
            say("trying the GPU")
            poll = min(2.0, self.timings.lease_poll_seconds)
            await prove_gpu(self.host, self._start, lease, poll=poll, keep=setup_log.take)
        await self.mirror.send(self.host, lease.machine, run.spec, say)

    async def start(self) -> None:
        async def begin() -> None:
            interpreter, code = self._start
            worker = [interpreter, "-m", "brightrun_tui.trainer", str(self.host.directory)]
            lease = self._holding.lease
            await self.host.start(
                WORKER,
                ["sh", "-c", WITH_OUR_CODE, code, *worker],
                environment={"PYTHONUNBUFFERED": "1", **only_gpu(lease.gpu_id if lease else "")},
            )

        await self._patiently(begin)

    async def worker(self) -> JobStatus:
        if not self._holding.in_hand:
            there = await self._holding.find_again()
            return await self.worker() if self._holding.in_hand else JobStatus(running=there)
        try:
            status = await self.host.status(WORKER)
            self._holding.heard()
        except MachineLiesError as error:
            await self._lied(error)
        except HostError as error:
            return JobStatus(running=await self._holding.silence(error))
        self._ended = not status.running
        return status

    @property
    def reachable(self) -> bool:
        return self._holding.reachable

    async def effort(self) -> Effort | None:
        status = await self.worker()
        if not self._holding.in_hand or not status.running or not status.pid:
            return None
        return await effort_there(self.host, status.pid)

    async def signal(self, number: int) -> None:
        await self._patiently(lambda: self.host.signal(WORKER, number))

    async def ask(self, name: ControlRequest) -> None:
        await self._patiently(lambda: self.host.write(f"{CONTROL}/{name}", b"\n", 0o644))

    async def tell_changes(self, changes: Sequence[LiveChange]) -> None:
        await self._patiently(lambda: self.host.write(f"{CONTROL}/{CHANGES}", asked_of_worker(changes), 0o644))

    async def withdraw(self) -> None:
        async def remove() -> None:
            files = shlex.join(str(self.host.directory / CONTROL / name) for name in WITHDRAWN)
            await self.host.run(f"rm -f {files}", repeat=True)

        await self._patiently(remove)

    async def sync(self, run: Run) -> None:
        if not self._holding.in_hand:
            return
        host = self.host
        try:
            for _ in range(CATCH_UP_PIECES):
                complete = await self.mirror.follow(host)
                if complete or (self._caught_up and not self._ended):
                    break
        except MachineLiesError as error:
            await self._lied(error)
        except HostError as error:
            log.info("run %s: %s", run.id, error)
            return
        self._caught_up = self._caught_up or complete
        self.mirror.pull_in_background(host)

    async def collect(self, run: Run) -> None:
        await self.mirror.fetch_results(lambda: self.host, self._patiently)

    async def release(self, run: Run) -> None:
        if self._holding.in_hand and run.state != "registering" and run.events_seq > run.launch_seq:
            hurried = run.ending == "killed" or (
                run.failure is not None and run.failure.error == ErrorKind.BUDGET_SPENT
            )
            await self.mirror.pull_the_rest(
                self.host, self.timings.release_seconds / 3 if hurried else self.timings.finish_seconds
            )
        if self._holding.in_hand:
            with suppress(HostError):
                await ready.note_collected(self.host)
        await self._holding.release(RunTenant(run))

    async def close(self) -> None:
        await self._holding.let_go()

    async def price_per_hour(self) -> float:
        open_leases = await lease_store.list_leases(self.db, run_id=self.run_id, open_only=True)
        return sum(lease.rate for lease in open_leases if lease.provider_id)

    async def _patiently(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do something on the machine; as long as it may come back, wait for it.

        Raises:
            MachineLostError: it will not.
        """
        while True:
            try:
                if not await self._nobody_can_tell():
                    await work()
                    return
            except MachineLostError:
                raise
            except MachineLiesError as error:
                await self._lied(error)
            except HostError as error:
                if not await self._holding.silence(error):
                    raise MachineLostError(
                        "the machine was lost", where=self.provider.name, kind=ErrorKind.MACHINE_LOST
                    ) from None
            await asyncio.sleep(self.timings.lease_poll_seconds)

    async def _lied(self, error: MachineLiesError) -> NoReturn:
        """Return the machine that lied at once. It is replaced once in a run; the second lie ends it.

        Raises:
            MachineLostError: the first time.
            MachineLiesError: after that; it ends the run with its cause.
        """
        log.warning("run %s: %s", self.run_id, error)
        run = await runs.get(self.db, self.run_id)
        if self._holding.lease is not None:
            self._holding.acquirer.prefer_others()
            await self._holding.drop(self._holding.lease, str(error))
        if self._was_lied_to or any(notice.code == NoticeCode.MACHINE_LIES for notice in run.notices):
            raise error
        self._was_lied_to = True
        notice = Notice(
            time=time.time(),
            level=Level.WARNING,
            code=NoticeCode.MACHINE_LIES,
            message=f"a machine was returned: {error.what}",
        )
        await runs.update(self.db, self.run_id, notices=(*run.notices, notice))
        raise MachineLostError(error.what, where=error.where, kind=ErrorKind.MACHINE_LOST) from error

    async def _nobody_can_tell(self) -> bool:
        """Say whether it is unclear at this moment if there is a machine at all; one that there is, is in hand then."""
        return not self._holding.in_hand and (await self.worker()).running and not self._holding.in_hand
