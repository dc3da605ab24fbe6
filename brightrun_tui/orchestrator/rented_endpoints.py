"""An endpoint on a rented machine: the gate stays here, its worker is there, and the machine goes back when it should."""

from __future__ import annotations

import asyncio
import logging
import time
from pathlib import Path

from brightrun_tui import serving
from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BrightrunError,
    HostError,
    HostUnreachableError,
    MachineLiesError,
    StoreError,
    UsageError,
)
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.orchestrator.clock import SinceUse
from brightrun_tui.orchestrator.holding import Holding
from brightrun_tui.orchestrator.paid_endpoints import Means, PaidEndpointWatcher
from brightrun_tui.orchestrator.remote_server import LOOK_SECONDS, RemoteServer, same_base, with_base
from brightrun_tui.orchestrator.targets import MachineLostError
from brightrun_tui.orchestrator.tenants import EndpointTenant
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.serving.places import LAST_ANSWER_SECONDS, serving_place
from brightrun_tui.serving.process import MACHINE_LOG
from brightrun_tui.serving.remote import LEFT, forget_machine, whereabouts
from brightrun_tui.store import Database, endpoints, models

log = logging.getLogger(__name__)

MAX_WORKER_STARTS = 3
"""Of one machine's worker that dies, before the endpoint is given up."""


class RentedEndpointWatcher(PaidEndpointWatcher):
    """As `EndpointWatcher`. Cancelling it leaves gate, worker and machine as they are; the machine's guard counts from then.

    Another version is loaded beside the one that serves, on the same machine: a second one is never paid for.
    """

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, endpoint: Endpoint, means: Means) -> None:
        super().__init__(db, paths, timings, endpoint, means)
        self._holding: Holding | None = None
        self._server: RemoteServer | None = None
        self._beside: RemoteServer | None = None
        self._left: list[tuple[RemoteServer, float]] = []
        self._unused = SinceUse()

    # What the gate needs here

    async def _prepare(self) -> bool:
        """Fetch tokenizer and configuration of the model, some megabytes, and make the endpoint's directory."""
        try:
            version = await models.get(self.db, self.endpoint.model, self.endpoint.model_version)
            if not await self._made_ready(version):
                return False
            await self._find_servers(version)
        except StoreError:
            raise
        except BrightrunError as error:
            await self._fail(str(error))
        return self._server is not None

    async def _find_servers(self, version: ModelVersion) -> None:
        """Find the worker of ``version``, and those of versions that it replaced and that may still answer what was
        asked before.
        """
        serving, latest = serving_place(self.directory), time.monotonic() + LAST_ANSWER_SECONDS
        for place in (".", *(home.name for home in self.directory.glob("version-*"))):
            server = await self._server_in(place, version)
            if place == serving:
                self._server = server
            elif await asyncio.to_thread(whereabouts, server.home) is not None:
                self._left.append((server, latest))

    async def _server_in(self, place: str, version: ModelVersion) -> RemoteServer:
        return RemoteServer(self.paths, self.timings, self.directory, version, await self._hold(), place)

    async def _hold(self) -> Holding:
        if self._holding is None:

            async def now() -> EndpointTenant:
                return EndpointTenant(await endpoints.as_stored(self.db, self.endpoint))

            provider = await self._means.open_provider(self._tenant.rental.provider)
            self._holding = Holding(
                self.db, self.paths, provider, self.timings, self._means.ssh, self._means.money, self._tenant, now
            )
        return self._holding

    # The machine and the worker there

    async def _worker_is_there(self) -> bool:
        try:
            holding = await self._hold()
            if not holding.in_hand and self.endpoint.state == "ready" and not await self._find_again(holding):
                return False
            return await self._at_work(holding) if holding.in_hand else await self._have_machine(holding)
        except StoreError:
            raise
        except BrightrunError as error:
            await self._give_up(str(error))
        return False

    async def _find_again(self, holding: Holding) -> bool:
        """Find the machine of an endpoint that answered, after a restart of the engine or a broken link. False where
        that is not clear yet, or where it went back meanwhile: nobody has agreed to pay for another.
        """
        known = await self._tenant.leases(self.db)
        if await holding.find_again():
            if not holding.in_hand:
                await self._pause(self.timings.lease_poll_seconds)
            return holding.in_hand
        heard = max((max(lease.heard_at, lease.created_at) for lease in known), default=0.0)
        guarded = holding.provider.guard_options(time.time()) is not None
        if guarded and time.time() - heard > self.timings.guard_silence_seconds / 2:
            await self._rest(NoticeCode.MACHINE_UNATTENDED, "its machine was returned while nobody looked after it")
            return False
        return True

    async def _have_machine(self, holding: Holding) -> bool:
        """Rent one, or adopt what was being rented, and start the worker there. False if that is no longer wanted."""
        assert self._server is not None
        said = ["looking for machines"]

        async def tell() -> None:
            told = ""
            while True:
                if said[-1] != told:
                    told = said[-1]
                    await self._save(doing=told)
                await asyncio.sleep(LOOK_SECONDS)

        async def take() -> bool:
            assert self._server is not None
            await holding.take(self._tenant, self._server.equip, said.append)
            return True

        await asyncio.to_thread(forget_machine, self._server.home)
        await self._save(state="starting")
        telling = asyncio.create_task(tell())
        try:
            return bool(await self._unless_left(take()))
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)

    async def _at_work(self, holding: Holding) -> bool:
        """Say whether the worker is at work; one that died is started again. A machine that does not answer is asked
        about first.

        Raises:
            HostError: the model cannot be served there.
        """
        server, lease = self._server, holding.lease
        assert server is not None and lease is not None
        try:
            running = (await holding.host.status(server.job)).running
            holding.heard()
            if running:
                await server.say_where()
                return True
            failure = await server.failure() if not self.endpoint.ready_at else ""
            if failure or server.starts >= MAX_WORKER_STARTS:
                why = await server.last_words()
            else:
                await self._save(state="starting", doing="starting the worker again")
                await server.equip(lease, log.info)
                return True
        except MachineLiesError as error:
            await holding.drop(lease, error.what)
            return False
        except HostError as error:
            if await holding.silence(error):
                await self._pause(self.timings.lease_poll_seconds)
            return False
        raise HostError(
            why, where=holding.provider.name, kind=ErrorKind.DEPLOY_FAILED, fix=f"see {self.directory / MACHINE_LOG}"
        )

    async def _still_there(self) -> bool:
        holding, server = self._holding, self._server
        if holding is None or server is None or not holding.in_hand:
            return False
        try:
            if not (await holding.host.status(server.job)).running:
                return False
            doing = await server.doing() or "loading the model there"
        except HostError:
            return False
        if doing != self.endpoint.doing:
            await self._save(doing=doing)
        return True

    # Another version in its place

    async def _look_after(self) -> None:
        for server, latest in list(self._left):
            if (server.home / LEFT).exists() or time.monotonic() > latest:
                try:
                    await server.end()
                except HostError as error:
                    log.warning("%s: what was replaced cannot be ended yet (%s)", self._tenant.words, error)
                    return
                self._left.remove((server, latest))
        if not self._left:  # there is room for two at most
            await super()._look_after()

    async def _take(self, version: ModelVersion) -> None:
        try:
            await super()._take(version)
        finally:
            beside, self._beside = self._beside, None
            if beside is not None and self._server is not None:
                if serving_place(self.directory) == beside.place:
                    self._left.append((self._server, time.monotonic() + LAST_ANSWER_SECONDS))
                    self._server = beside
                else:
                    self._left.append((beside, 0.0))  # nobody was ever led to it

    async def _load_beside(self, home: Path, version: ModelVersion) -> bool:
        holding, serves = (
            await self._hold(),
            await models.get(self.db, self.endpoint.model, self.endpoint.model_version),
        )
        if holding.lease is None or not holding.in_hand:
            return False
        if not same_base(serves, version):
            raise UsageError("it has another base model than the one that the machine was rented for")
        here = await self._unless_left(with_base(self.db, version, self.paths))
        if here is None:
            return False
        self._beside = await self._server_in(home.name, here)
        await asyncio.to_thread(self._prepare_beside, home, here)
        return await self._unless_left(self._equip_beside(self._beside, holding.lease)) is not None

    async def _equip_beside(self, server: RemoteServer, lease: Lease) -> bool:
        await server.equip_beside(lease, lambda doing: log.info("%s: %s", self._tenant.words, doing))
        return True

    async def _look_at_candidate(self) -> None:
        holding, server = await self._hold(), self._beside
        if server is not None and not (await holding.host.status(server.job)).running:
            raise HostError(await server.last_words(), kind=ErrorKind.DEPLOY_FAILED)

    async def _give_up_beside(self, version: ModelVersion, error: BrightrunError) -> None:
        """Give up the candidate, unless its machine is out of reach: that says nothing about the version, which is
        tried again.
        """
        if not isinstance(error, HostUnreachableError | MachineLostError):
            await super()._give_up_beside(version, error)

    def _way_to(self, number: int) -> str:
        name = "" if self.endpoint.id == self.endpoint.model else f" --name {self.endpoint.id}"
        place = self._tenant.rental.place
        return f"brightrun undeploy {self.endpoint.id}, then brightrun deploy {self.endpoint.model}:{number} --on {place}{name}"

    # Money, and the end

    def _why_idle(self, endpoint: Endpoint) -> str:
        idle_stop = self._tenant.rental.idle_stop
        if endpoint.state != "ready" or not idle_stop:
            return ""
        if self._unused.seconds(endpoint.ready_at, serving.last_used(self.directory)) <= idle_stop:
            return ""
        return f"its machine was returned after {humanize.span(idle_stop)} without a request"

    async def _give_back(self) -> None:
        await (await self._hold()).release(self._tenant)

    def _forget_place(self) -> None:
        for home in (self.directory, *self.directory.glob("version-*")):
            forget_machine(home)

    async def _give_up(self, why: str) -> None:
        if self._server is not None and self._holding is not None and self._holding.in_hand:
            await self._server.keep_log()
        await super()._give_up(why)

    async def _let_go(self) -> None:
        if self._holding is not None:
            await self._holding.let_go()
