"""An endpoint that costs money elsewhere: what it costs is watched, and it ends only once the provider has said so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from brightrun_tui import serving
from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.serverless import ServedModel
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.orchestrator import budget
from brightrun_tui.orchestrator.endpoints import EndpointWatcher
from brightrun_tui.orchestrator.new_endpoints import prepare_place
from brightrun_tui.orchestrator.remote_server import LOOK_SECONDS, with_base
from brightrun_tui.orchestrator.run_budget import LiveLimits, RunBudget
from brightrun_tui.orchestrator.tenants import EndpointTenant, note_cost
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Provider
from brightrun_tui.serving.places import let_serve
from brightrun_tui.store import Database, endpoints

log = logging.getLogger(__name__)

MONEY_SECONDS = 5.0
"""Between two looks at what it costs, and whether anybody uses it."""


@dataclass(frozen=True)
class Means:
    """What an engine has to rent with.

    ``open_provider``: gives the provider of that name. Raises `BrightrunError`. ``key_of``: the key of the account at a service;
    empty where there is none.
    """

    open_provider: Callable[[str], Awaitable[Provider]]
    key_of: Callable[[str], Awaitable[str]]
    ssh: SshTimings
    money: MoneyLimits


class PaidEndpointWatcher(EndpointWatcher):
    """As `EndpointWatcher`; a subclass knows what is paid for. ``giving_back`` and ``given_back`` are what people are told."""

    giving_back = "returning the machine"
    given_back = "its machine was returned"

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, endpoint: Endpoint, means: Means) -> None:
        super().__init__(db, paths, timings, endpoint)
        self._means = means
        self._limits = LiveLimits(paths, means.money)
        self._resting = self._money_said = ""

    @property
    def _tenant(self) -> EndpointTenant:
        return EndpointTenant(self.endpoint)

    async def keep(self) -> None:
        minding = asyncio.create_task(self._mind_the_money())
        try:
            await super().keep()
        finally:
            minding.cancel()
            await asyncio.gather(minding, return_exceptions=True)
            await self._let_go()

    async def _made_ready(self, version: ModelVersion, serverless: ServedModel | None = None) -> bool:
        """Have what the gate needs in the endpoint's directory; False where the endpoint is left before that.

        Raises:
            BrightrunError: the base model cannot be had, or the directory not be written.
        """
        if not await asyncio.to_thread(self._is_prepared):
            here = await self._unless_left(with_base(self.db, version, self.paths))
            if here is None:
                return False
            await asyncio.to_thread(prepare_place, self.paths, self.endpoint, here, serverless=serverless)
            await asyncio.to_thread(let_serve, self.directory, ".")
        return True

    # What a subclass knows

    async def _let_go(self) -> None:
        """Drop connections; what is paid for stays."""

    async def _give_back(self) -> None:
        """Ask for the end of whatever is paid for. May raise `BrightrunError`: the lease manager goes on trying."""
        raise NotImplementedError

    def _forget_place(self) -> None:
        """Let the gate know that there is nothing to ask any more. Blocking."""
        raise NotImplementedError

    def _why_idle(self, endpoint: Endpoint) -> str:
        """Return a sentence where nobody has used it for as long as was agreed to; empty where that is not so."""
        return ""

    async def _look_at_usage(self) -> None:
        """Look at what is to be seen at the provider before the money is counted. May raise `BrightrunError`."""

    def _way_to(self, number: int) -> str:
        """Say how a person can have another version served that does not come by itself."""
        raise NotImplementedError

    async def _refuse(self, number: int, why: str) -> None:
        """Refuse the version, as news: the one that was promoted does not serve what is paid for, and nobody may be
        looking.
        """
        told = f"{why}; to have it: {self._way_to(number)}"
        await self._tenant.tell(self.db, NoticeCode.VERSION_REFUSED, f"version {number} does not serve: {told}")
        await self._save(doing="")
        await super()._refuse(number, told)

    # Money

    async def _mind_the_money(self) -> None:
        """Put on record what it costs, and end it when the money is used up, or nobody uses it."""
        idle_stop = self._tenant.rental.idle_stop
        pause = min(MONEY_SECONDS, self.timings.release_seconds / 4, max(LOOK_SECONDS, idle_stop / 4 or MONEY_SECONDS))
        while not self.leave.is_set():
            try:
                await self._look_at_money()
            except BrightrunError as error:
                log.warning("%s: cannot see what it costs (%s)", self._tenant.words, error)
            await asyncio.sleep(pause)

    async def _look_at_money(self) -> None:
        try:
            await self._look_at_usage()
        finally:
            await self._judge_money()

    async def _judge_money(self) -> None:
        stored = await note_cost(self.db, await endpoints.as_stored(self.db, self.endpoint))
        if not stored.serving:
            return
        tenant = EndpointTenant(stored)
        now = await tenant.budget(self.db, self._limits.now())
        open_leases = [lease for lease in await tenant.leases(self.db, open_only=True) if lease.provider_id]
        per_hour = sum(lease.rate for lease in open_leases)
        verdict = budget.judge_spending(
            now.spent, per_hour, now.ceiling, finish_seconds=0.0, release_seconds=self.timings.release_seconds
        )
        may_cost = per_hour or any(lease.metered for lease in open_leases)
        if may_cost and verdict in ("finish", "release"):
            await self._rest(NoticeCode.BUDGET_SPENT, f"{self.given_back} because {_money_words(now)} is spent")
        elif (part := budget.WARNED_AT.get(verdict)) and verdict != self._money_said:
            self._money_said = verdict
            await tenant.tell(
                self.db, NoticeCode(f"budget_{verdict}"), f"{humanize.percent(part)} of {_money_words(now)} is spent"
            )
        else:
            why = self._why_idle(stored)
            if why:
                await self._rest(NoticeCode.MACHINE_IDLE, why)

    async def _rest(self, code: NoticeCode, why: str) -> None:
        """Give it back though nobody has undeployed the endpoint, and say why."""
        if not self.leave.is_set():
            self._resting = why
            self.leave.set()
            await self._tenant.tell(
                self.db, code, why, Level.INFO if code is NoticeCode.MACHINE_IDLE else Level.WARNING
            )

    # The end

    async def _end(self) -> None:
        """End the gate, then give back what is paid for; the endpoint has ended only when that is proven."""
        stored = await endpoints.as_stored(self.db, self.endpoint)
        if self._resting and stored.state not in ("stopping", "stopped"):
            await self._save(rest_reason=self._resting)
        await self._save(state="stopping", doing=self.giving_back)
        await serving.stop(self.directory, grace=self.timings.stop_seconds)
        # where its provider cannot be opened, the lease manager says so, and goes on trying
        with suppress(BrightrunError):
            await self._give_back()
        while await self._tenant.leases(self.db, open_only=True):
            await asyncio.sleep(LOOK_SECONDS)
        await asyncio.to_thread(self._forget_place)
        await note_cost(self.db, self.endpoint)
        self.endpoint = await endpoints.as_stored(self.db, self.endpoint)
        if self.endpoint.rest_reason:
            await self._save(state="asleep", pid=None, doing="", error=self.endpoint.rest_reason)
        else:
            await self._save(state="stopped", pid=None, doing="", error="")

    async def _give_up(self, why: str) -> None:
        """Fail, and give the machine back: a failed endpoint pays for nothing."""
        await serving.stop(self.directory, grace=self.timings.stop_seconds)
        await self._fail(why)
        with suppress(BrightrunError):  # the lease manager goes on trying
            await self._give_back()
        await asyncio.to_thread(self._forget_place)

    async def _fail(self, why: str) -> None:
        await self._tenant.tell(self.db, NoticeCode.ENDPOINT_FAILED, why, Level.ERROR)
        await self._save(doing="")
        await super()._fail(why)


def _money_words(now: RunBudget) -> str:
    what = "what this month's limit leaves" if now.monthly else "its budget"
    return f"{what} of {humanize.money(now.ceiling or 0.0)}"
