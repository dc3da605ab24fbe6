"""A run on a rented machine: kept hold of through broken links, lost machines and restarts of the engine."""

from __future__ import annotations

import asyncio
import logging
import math
import shlex
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BrightrunError,
    HostError,
    MachineLiesError,
    NoCapacityError,
    ProviderDownError,
    ProviderError,
    RateLimitedError,
    UnclearError,
)
from brightrun_tui.domain.live_change import LiveChange, asked_of_worker
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Notice, Run
from brightrun_tui.domain.run_directory import CHANGES, CONTROL, WORKER, ControlRequest
from brightrun_tui.hosts import ready
from brightrun_tui.hosts.base import JobStatus
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator import budget, run_budget
from brightrun_tui.orchestrator.acquire import MAX_MACHINES, Acquirer
from brightrun_tui.orchestrator.clock import add_time
from brightrun_tui.orchestrator.effort import Effort, effort_there
from brightrun_tui.orchestrator.environment import install
from brightrun_tui.orchestrator.gpu_proof import WITH_OUR_CODE, prove_gpu
from brightrun_tui.orchestrator.leases import note_rate
from brightrun_tui.orchestrator.mirror import Mirror
from brightrun_tui.orchestrator.notices import NoticeLevel, with_notice
from brightrun_tui.orchestrator.setup_log import SetupLog
from brightrun_tui.orchestrator.targets import WITHDRAWN, MachineLostError, Say
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.warm_worker import only_gpu
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Machine, Provider
from brightrun_tui.store import Database, runs
from brightrun_tui.store import leases as lease_store

log = logging.getLogger(__name__)

CATCH_UP_PIECES = 64
"""Pieces of events taken home in one look where the last word may be among them: of a worker that has ended, or that an
engine has just found. While one is at work it is a piece each look, so that a flood keeps nobody waiting."""
RESUME_SECONDS = 60.0
"""Between two requests to start a stopped machine again."""


class RentedMachine:
    """Implements `places.Place`. The run directory at home is a mirror; the lease in the store says which machine it is."""

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
        self.money = run_budget.LiveLimits(paths, money)
        self.run_id = run.id
        self.poll_seconds = timings.remote_poll_seconds
        self.mirror = Mirror(Path(run.directory), run.spec.settings.training.keep_checkpoints)
        self._acquirer = Acquirer(db, provider, timings, ssh, run)
        self._lease: Lease | None = None
        self._host: SshHost | None = None
        self._start: tuple[str, str] = ("", "")
        self._last_problem = ""
        self._was_lied_to = False
        self._unreachable_since: float | None = None
        self._resumed_at = self._stopped_since = float("-inf")
        self._beating: asyncio.Task[None] | None = None
        self._ended = self._caught_up = False

    @property
    def host(self) -> SshHost:
        if self._host is None:
            raise MachineLostError("the machine is not in hand", where=self.provider.name, kind=ErrorKind.MACHINE_LOST)
        return self._host

    async def take(self, run: Run, say: Say) -> None:
        """As `Place.take`; a provider that is down, busy or sold out is asked again for a while before the run is given up."""
        began = time.monotonic()
        problem: ProviderError
        while True:
            try:
                return await self._take(run, say)
            except (ProviderDownError, RateLimitedError, UnclearError) as error:
                patience, problem = self.timings.provider_seconds, error
            except NoCapacityError as error:
                patience, problem = self.timings.capacity_seconds, error
                if error.kind in (ErrorKind.NO_GOOD_MACHINE, ErrorKind.MACHINE_BUSY):
                    patience = 0.0 if error.kind == ErrorKind.NO_GOOD_MACHINE else math.inf
            if time.monotonic() - began > patience:
                raise problem
            say(f"waiting for {self.provider.name}: {problem.what}")
            await asyncio.sleep(self.timings.lease_poll_seconds * 2)

    async def _take(self, run: Run, say: Say) -> None:
        for _attempt in range(MAX_MACHINES):
            try:
                lease = await self._acquirer.lease(run, await run_budget.look(self.db, self.money.now(), run), say)
            except NoCapacityError as error:
                raise self._with_last_problem(error) from None
            try:
                await self._let_go()
                self._lease = lease
                self._hold(*await self._acquirer.reach(lease, await self._seconds_left(run, lease), say))
                await self._equip(run, lease, say)
                return
            except HostError as error:
                log.warning("run %s: machine %s is no good: %s", run.id, lease.provider_id, error)
                say(f"replacing the machine ({error.what})")
                if error.kind in (ErrorKind.GPU_UNFIT, ErrorKind.NO_GPUS):
                    self._acquirer.note_bad(lease)
                await self._drop(lease, str(error))
                self._last_problem = error.what
        raise NoCapacityError(
            f"{MAX_MACHINES} machines were tried and none could be used; the last one: {self._last_problem}",
            where=self.provider.name,
            fix="choose another GPU or provider",
            kind=ErrorKind.NO_GOOD_MACHINE,
        )

    def _with_last_problem(self, error: NoCapacityError) -> NoCapacityError:
        """Where machines were tried before there was none left, why the last of them was no good."""
        if not self._last_problem:
            return error
        return NoCapacityError(
            f"{error.what}; the last one that was tried: {self._last_problem}",
            where=error.where,
            fix=error.fix,
            kind=error.kind,
        )

    async def _equip(self, run: Run, lease: Lease, say: Say) -> None:
        say("environment")
        self._start = await install(
            self.host,
            self.paths.cache / "machines",
            say,
            python=self.timings.remote_python,
            objective=run.spec.settings.training.objective,
            keep=SetupLog(Path(run.directory), lease).take,
        )
        rented = lease.gpu and self.provider.guard_options(time.time()) is not None
        if (
            rented and not (await self.host.status(WORKER)).running
        ):  # one at work has the memory, and has proven the rest
            say("trying the GPU")
            await prove_gpu(self.host, self._start, lease, poll=min(2.0, self.timings.lease_poll_seconds))
        await self.mirror.send(self.host, run.spec, say)

    async def start(self) -> None:
        async def begin() -> None:
            interpreter, code = self._start
            worker = [interpreter, "-m", "brightrun_tui.trainer", str(self.host.directory)]
            await self.host.start(
                WORKER,
                ["sh", "-c", WITH_OUR_CODE, code, *worker],
                environment={"PYTHONUNBUFFERED": "1", **only_gpu(self._lease.gpu_id if self._lease else "")},
            )

        await self._patiently(begin)

    async def worker(self) -> JobStatus:
        if self._host is None:
            return await self._reconnect()
        try:
            status = await self._host.status(WORKER)
            self._unreachable_since = None
        except MachineLiesError as error:
            await self._lied(error)
        except HostError as error:
            return await self._silence(error)
        self._ended = not status.running
        return status

    @property
    def reachable(self) -> bool:
        return self._host is not None and self._unreachable_since is None

    async def effort(self) -> Effort | None:
        status = await self.worker()
        if self._host is None or not status.running or not status.pid:
            return None
        return await effort_there(self._host, status.pid)

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
        if self._host is None:
            return
        try:
            for _ in range(CATCH_UP_PIECES):
                complete = await self.mirror.follow(self._host)
                if complete or (self._caught_up and not self._ended):
                    break
        except MachineLiesError as error:
            await self._lied(error)
        except HostError as error:
            log.info("run %s: %s", run.id, error)
            return
        self._caught_up = self._caught_up or complete
        self.mirror.pull_in_background(self._host)

    async def collect(self, run: Run) -> None:
        await self.mirror.fetch_results(lambda: self.host, self._patiently)

    async def release(self, run: Run) -> None:
        if self._host is not None and run.state != "registering" and run.events_seq > run.launch_seq:
            hurried = run.ending == "killed" or (
                run.failure is not None and run.failure.error == ErrorKind.BUDGET_SPENT
            )
            await self.mirror.pull_the_rest(
                self._host, self.timings.release_seconds / 3 if hurried else self.timings.finish_seconds
            )
        if self._host is not None:
            with suppress(HostError):
                await ready.note_collected(self._host)
        for lease in await lease_store.list_leases(self.db, run_id=run.id, open_only=True):
            if lease.state == "live":
                await self._acquirer.drop(lease, "")
        self._lease = None
        await self.close()

    async def close(self) -> None:
        await self._let_go()

    async def price_per_hour(self) -> float:
        open_leases = await lease_store.list_leases(self.db, run_id=self.run_id, open_only=True)
        return sum(lease.rate for lease in open_leases if lease.provider_id)

    async def _reconnect(self) -> JobStatus:
        """After a restart of the engine: the machine of the live lease again, or the news that it is gone."""
        live = [
            lease
            for lease in await lease_store.list_leases(self.db, run_id=self.run_id, open_only=True)
            if lease.state == "live"
        ]
        if not live:
            return JobStatus(running=False)
        try:
            machine = await self.provider.inspect(live[0].provider_id)
        except BrightrunError as error:
            log.warning("lease %s: %s", live[0].name, error)
            return JobStatus(running=True)
        if why := await self._why_lost(live[0], machine):
            await self._drop(live[0], why)
            return JobStatus(running=False)
        assert machine is not None
        if self._comes_back(machine):
            return JobStatus(running=True)
        self._hold(await note_rate(self.db, live[0], machine), await self._acquirer.host_of(live[0], machine))
        return await self.worker()

    async def _why_lost(self, lease: Lease, machine: Machine | None) -> str:
        """Why a machine is not ours any more; empty while it is, or may be again: one that its own guard has stopped while we
        were away, to keep what is on it, is started again, for as long as the guard would have kept it."""
        if machine is None or machine.interrupted or machine.status == "gone":
            return "it is gone or was taken away"
        now, first = time.monotonic(), self._stopped_since == float("-inf")
        if machine.status != "stopped" and not self._comes_back(machine):
            self._stopped_since = float("-inf")
            return ""
        silent = time.time() - max(lease.heard_at, lease.created_at)
        if first and silent < self.timings.guard_silence_seconds / 2:  # far too early to have been the guard
            return "it was stopped"
        self._stopped_since = now if first else self._stopped_since
        if now - self._stopped_since > self.timings.keep_seconds:
            return "it was stopped and does not start again"
        if machine.status == "stopped" and now - self._resumed_at > RESUME_SECONDS:
            self._resumed_at = now
            await self._tell(
                "machine_kept", "the machine kept what is on it while nobody was there; it is started again", "info"
            )
            if not await self.provider.resume(lease.provider_id):
                return "it was stopped"
        return ""

    def _comes_back(self, machine: Machine) -> bool:
        """Whether it was found stopped, and does not run again yet."""
        return self._stopped_since > float("-inf") and machine.status in ("stopped", "starting")

    async def _tell(self, code: str, message: str, level: NoticeLevel = "warning") -> None:
        """A notice that stays with the run; each code once."""
        run = await runs.get(self.db, self.run_id)
        await runs.update(self.db, self.run_id, notices=with_notice(run, code, message, level))

    async def _silence(self, error: HostError) -> JobStatus:
        """The machine cannot be reached: does the provider still have it? Until that is clear the worker counts as alive."""
        now = time.monotonic()
        self._unreachable_since = self._unreachable_since or now
        lease = self._lease
        if lease is None:
            return JobStatus(running=False)
        try:
            machine = await self.provider.inspect(lease.provider_id)
        except BrightrunError as unreadable:
            # it may be our own network that is down: the machine's time begins when the provider can be heard again
            self._unreachable_since = now
            log.warning(
                "lease %s: unreachable (%s), and the provider does not tell (%s)", lease.name, error, unreadable
            )
            return JobStatus(running=True)
        if machine is not None:
            self._lease = lease = await note_rate(self.db, lease, machine)
        why = await self._why_lost(lease, machine)
        if machine is not None and not why and self._comes_back(machine):
            await self._let_go()  # its address may be another one once it runs again
            self._unreachable_since = None
            return JobStatus(running=True)
        if not why and now - self._unreachable_since > self.timings.silent_seconds:
            why = f"unreachable: {error.what}"
        if why:
            await self._drop(lease, why)
        return JobStatus(running=not why)

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
                await self._silence(error)
                if self._host is None:
                    raise MachineLostError(
                        "the machine was lost", where=self.provider.name, kind=ErrorKind.MACHINE_LOST
                    ) from None
            await asyncio.sleep(self.timings.lease_poll_seconds)

    async def _lied(self, error: MachineLiesError) -> NoReturn:
        """The machine goes back at once. Once in a run it is replaced by another; what lies twice is not worth a third.

        Raises:
            MachineLostError: the first time.
            MachineLiesError: after that; it ends the run with its cause.
        """
        log.warning("run %s: %s", self.run_id, error)
        run = await runs.get(self.db, self.run_id)
        if self._lease is not None:
            self._acquirer.prefer_others()
            await self._drop(self._lease, str(error))
        if self._was_lied_to or any(notice.code == error.kind for notice in run.notices):
            raise error
        self._was_lied_to = True
        notice = Notice(
            time=time.time(), level="warning", code=error.kind, message=f"a machine was returned: {error.what}"
        )
        await runs.update(self.db, self.run_id, notices=(*run.notices, notice))
        raise MachineLostError(error.what, where=error.where, kind=ErrorKind.MACHINE_LOST) from error

    async def _nobody_can_tell(self) -> bool:
        """Whether it is unclear at this moment if there is a machine at all; one that there is, is in hand then."""
        return self._host is None and (await self._reconnect()).running and self._host is None

    async def _drop(self, lease: Lease, why: str) -> None:
        await self._acquirer.drop(lease, why)
        self._lease = self._unreachable_since = None
        await self._let_go()

    def _hold(self, lease: Lease, host: SshHost) -> None:
        """From now on the machine is ours to use, and its guard hears of us whatever else is going on."""
        self._lease, self._host = lease, host
        self._caught_up = False
        if self.provider.guard_options(time.time()) is not None:
            self._beating = asyncio.create_task(self._beat(lease, host))

    async def _let_go(self) -> None:
        self.mirror.stop()
        if self._beating is not None:
            self._beating.cancel()
        host, self._host = self._host, None
        if host is not None:
            await host.close()

    async def _beat(self, lease: Lease, host: SshHost) -> None:
        while True:
            try:
                await ready.beat(host, await self._seconds_left(await runs.get(self.db, self.run_id), lease))
                heard = await lease_store.update(self.db, lease, heard_at=time.time())
                self._lease = heard if self._lease is not None else None
            except Exception as error:  # whatever keeps one heartbeat back must not keep back the next
                log.info("lease %s: no heartbeat (%s)", lease.name, error)
            await asyncio.sleep(self.timings.guard_silence_seconds / 20)

    async def _seconds_left(self, run: Run, lease: Lease) -> float:
        """How long the machine may live at most from now on, whatever becomes of us."""
        now = await run_budget.look(self.db, self.money.now(), run)
        return budget.lease_seconds(now.ceiling, now.spent, lease.rate, _hours_left(run), timings=self.timings)


def _hours_left(run: Run) -> float | None:
    limit = run.limits.max_hours
    return max(0.01, limit - add_time(run).active_seconds / 3600) if limit else None
