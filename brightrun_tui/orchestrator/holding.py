"""The rented machine of one run or endpoint: had, kept hold of through broken links and restarts of the engine, let go."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BrightrunError,
    HostError,
    NoCapacityError,
    ProviderDownError,
    ProviderError,
    RateLimitedError,
    UnclearError,
)
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.hosts import ready
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator import budget, run_budget
from brightrun_tui.orchestrator.acquire import MAX_MACHINES, Acquirer
from brightrun_tui.orchestrator.leases import note_rate
from brightrun_tui.orchestrator.targets import MachineLostError, Say
from brightrun_tui.orchestrator.tenants import Tenant
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Machine, Provider
from brightrun_tui.store import Database
from brightrun_tui.store import leases as lease_store

log = logging.getLogger(__name__)

RESUME_SECONDS = 60.0
"""Between two requests to start a stopped machine again."""

Equip = Callable[[Lease, Say], Awaitable[None]]
"""Puts onto the machine in hand what it is rented for. Raises `HostError` where the machine cannot be used."""


class Holding:
    """The lease in the store says which machine it is; this knows whether it can be worked with at this moment.

    Args:
        tenant: for whom it is, as it stands in the store now.
        changed: called whenever another machine, or none, is in hand.
    """

    def __init__(
        self,
        db: Database,
        paths: Paths,
        provider: Provider,
        timings: EngineTimings,
        ssh: SshTimings,
        money: MoneyLimits,
        first: Tenant,
        tenant: Callable[[], Awaitable[Tenant]],
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.db, self.provider, self.timings = db, provider, timings
        self.money = run_budget.LiveLimits(paths, money)
        self.acquirer = Acquirer(db, provider, timings, ssh, first)
        self.lease: Lease | None = None
        self._first, self._tenant, self._changed = first, tenant, changed
        self._host: SshHost | None = None
        self._last_problem = ""
        self._unreachable_since: float | None = None
        self._resumed_at = self._stopped_since = float("-inf")
        self._kept = False
        self._beating: asyncio.Task[None] | None = None

    @property
    def host(self) -> SshHost:
        """The machine in hand. Raises `MachineLostError` where there is none."""
        if self._host is None:
            raise MachineLostError("the machine is not in hand", where=self.provider.name, kind=ErrorKind.MACHINE_LOST)
        return self._host

    @property
    def in_hand(self) -> bool:
        return self._host is not None

    @property
    def reachable(self) -> bool:
        """Whether it answers at present."""
        return self._host is not None and self._unreachable_since is None

    async def take(self, tenant: Tenant, equip: Equip, say: Say) -> None:
        """Have a machine in hand with everything on it that it is for.

        A provider that is down, busy or sold out is asked again for a while before it is given up.

        Raises:
            ProviderError: none can be had.
            BudgetError: what is left does not pay for one.
        """
        began = time.monotonic()
        problem: ProviderError
        while True:
            try:
                return await self._take(tenant, equip, say)
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

    async def _take(self, tenant: Tenant, equip: Equip, say: Say) -> None:
        for _attempt in range(MAX_MACHINES):
            try:
                lease = await self.acquirer.lease(tenant, await tenant.budget(self.db, self.money.now()), say)
            except NoCapacityError as error:
                raise self._with_last_problem(error) from None
            try:
                await self.let_go()
                self.lease = lease
                self._hold(*await self.acquirer.reach(lease, await self._seconds_left(tenant, lease), say))
                await equip(lease, say)
                return
            except HostError as error:
                log.warning("%s: machine %s cannot be used: %s", tenant.words, lease.provider_id, error)
                say(f"replacing the machine ({error.what})")
                if error.kind in (ErrorKind.GPU_UNFIT, ErrorKind.NO_GPUS):
                    self.acquirer.note_bad(lease)
                await self.drop(lease, str(error))
                self._last_problem = error.what
        raise NoCapacityError(
            f"{MAX_MACHINES} machines were tried and none could be used; the last one: {self._last_problem}",
            where=self.provider.name,
            fix="choose another GPU or provider",
            kind=ErrorKind.NO_GOOD_MACHINE,
        )

    def _with_last_problem(self, error: NoCapacityError) -> NoCapacityError:
        """Add why the last machine could not be used, where some were tried before none was left."""
        if not self._last_problem:
            return error
        return NoCapacityError(
            f"{error.what}; the last one that was tried: {self._last_problem}",
            where=error.where,
            fix=error.fix,
            kind=error.kind,
        )

    def heard(self) -> None:
        """Note that the machine has just answered."""
        self._unreachable_since = None

    async def find_again(self) -> bool:
        """Take the live lease's machine in hand again after a restart of the engine. False: it is gone, or there is
        none.

        True while it is not clear.
        """
        live = [lease for lease in await self._first.leases(self.db, open_only=True) if lease.state == "live"]
        if not live:
            return False
        try:
            machine = await self.provider.inspect(live[0].provider_id)
        except BrightrunError as error:
            log.warning("lease %s: %s", live[0].name, error)
            return True
        if why := await self._why_lost(live[0], machine):
            await self.drop(live[0], why)
            return False
        assert machine is not None
        lease = await note_rate(self.db, live[0], machine)
        if self._comes_back(machine):
            return True
        if machine.ssh_host:
            self._hold(lease, await self.acquirer.host_of(lease, machine))
            return True
        now = time.monotonic()
        self._unreachable_since = self._unreachable_since or now
        if now - self._unreachable_since > self.timings.silent_seconds:
            await self.drop(lease, f"unreachable: {machine.problem or 'its provider tells no address of it'}")
            return False
        return True

    async def silence(self, error: HostError) -> bool:
        """Ask the provider about a machine that cannot be reached; it counts as there until that is clear."""
        now = time.monotonic()
        self._unreachable_since = self._unreachable_since or now
        lease = self.lease
        if lease is None:
            return False
        try:
            machine = await self.provider.inspect(lease.provider_id)
        except BrightrunError as unreadable:
            # it may be our own network that is down: the machine's time begins when the provider can be heard again
            self._unreachable_since = now
            log.warning(
                "lease %s: unreachable (%s), and the provider does not tell (%s)", lease.name, error, unreadable
            )
            return True
        if machine is not None:
            self.lease = lease = await note_rate(self.db, lease, machine)
        why = await self._why_lost(lease, machine)
        if machine is not None and not why and self._comes_back(machine):
            await self.let_go()  # its address may be another one once it runs again
            self._unreachable_since = None
            return True
        if machine is not None and not why and self._has_moved(machine):
            await self.let_go()
            return True
        if not why and now - self._unreachable_since > self.timings.silent_seconds:
            why = f"unreachable: {error.what}"
        if why:
            await self.drop(lease, why)
        return not why

    async def _why_lost(self, lease: Lease, machine: Machine | None) -> str:
        """Say why a machine is not ours any more; empty while it is, or may be again.

        One that was stopped may hold a finished model, so it is started again: for as long as its own guard would have kept it
        where that may have stopped it while we were away, else for as long as a machine may be silent.
        """
        if machine is None or machine.interrupted or machine.status == "gone":
            return "it is gone or was taken away"
        now, first = time.monotonic(), self._stopped_since == float("-inf")
        if machine.status != "stopped" and not self._comes_back(machine):
            self._stopped_since = float("-inf")
            return ""
        if first:
            self._stopped_since = now
            silent = time.time() - max(lease.heard_at, lease.created_at)
            self._kept = silent >= self.timings.guard_silence_seconds / 2
        if now - self._stopped_since > (self.timings.keep_seconds if self._kept else self.timings.silent_seconds):
            return "it was stopped and does not start again"
        if machine.status == "stopped" and now - self._resumed_at > RESUME_SECONDS:
            self._resumed_at = now
            await (await self._tenant()).tell(
                self.db,
                NoticeCode.MACHINE_KEPT,
                "the machine kept what is on it while nobody was there; it is started again"
                if self._kept
                else "the machine was stopped; it is started again",
                Level.INFO,
            )
            try:
                return "" if await self.provider.resume(lease.provider_id) else "it was stopped"
            except BrightrunError as error:
                log.warning("lease %s: cannot be started again yet (%s)", lease.name, error)
        return ""

    def _comes_back(self, machine: Machine) -> bool:
        """Say whether it was found stopped, and does not run again yet."""
        return self._stopped_since > float("-inf") and machine.status in ("stopped", "starting")

    def _has_moved(self, machine: Machine) -> bool:
        """Say whether it is to be reached elsewhere than where it was taken in hand."""
        there = {(address.host, address.port) for address in self._host.addresses} if self._host else set()
        return bool(machine.ssh_host and there) and (machine.ssh_host, machine.ssh_port) not in there

    async def drop(self, lease: Lease, why: str) -> None:
        """Let go of it: it is on its way back."""
        await self.acquirer.drop(lease, why)
        self.lease = self._unreachable_since = None
        await self.let_go()

    async def release(self, tenant: Tenant) -> None:
        """Let go of whatever machine it has, in order."""
        for lease in await tenant.leases(self.db, open_only=True):
            if lease.state == "live":
                await self.acquirer.drop(lease, "")
        self.lease = None
        await self.let_go()

    def _hold(self, lease: Lease, host: SshHost) -> None:
        """Take hold of the machine, and keep its guard hearing from us whatever else is going on."""
        self.lease, self._host = lease, host
        self._changed()
        if self.provider.guard_options(time.time()) is not None:
            self._beating = asyncio.create_task(self._beat(lease, host))

    async def let_go(self) -> None:
        """Drop connections and heartbeat; nothing else changes."""
        self._changed()
        if self._beating is not None:
            self._beating.cancel()
        host, self._host = self._host, None
        if host is not None:
            await host.close()

    async def _beat(self, lease: Lease, host: SshHost) -> None:
        while True:
            try:
                await ready.beat(host, await self._seconds_left(await self._tenant(), lease))
                heard = await lease_store.update(self.db, lease, heard_at=time.time())
                self.lease = heard if self.lease is not None else None
            except Exception as error:  # whatever keeps one heartbeat back must not keep back the next
                log.info("lease %s: no heartbeat (%s)", lease.name, error)
            await asyncio.sleep(self.timings.guard_silence_seconds / 20)

    async def _seconds_left(self, tenant: Tenant, lease: Lease) -> float:
        """Return how many seconds the machine may live at most from now on, whatever becomes of us."""
        now = await tenant.budget(self.db, self.money.now())
        return budget.lease_seconds(now.ceiling, now.spent, lease.rate, tenant.hours_left(), timings=self.timings)
