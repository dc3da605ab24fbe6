"""An endpoint whose workers a service brings and takes away: it is made there, watched, counted, and deleted with proof."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

from brightrun_tui import serving
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import BrightrunError, NoCapacityError, ProviderDownError, RateLimitedError, StoreError
from brightrun_tui.domain.humanize import money
from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.domain.serverless import ServedModel, account_of_place
from brightrun_tui.orchestrator.acquire import Acquirer
from brightrun_tui.orchestrator.clock import follow
from brightrun_tui.orchestrator.metering import counted
from brightrun_tui.orchestrator.paid_endpoints import Means, PaidEndpointWatcher
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.process import boot_seconds
from brightrun_tui.providers.serverless import Serverless, ServerlessWorker
from brightrun_tui.serving.hosting import Hosting, forget_hosting, say_hosting
from brightrun_tui.store import Database, leases, models

log = logging.getLogger(__name__)

PATIENCE = 4.0
"""A worker may take so many times as long as was expected."""
ACCESS_SECONDS = 60.0
"""Between two looks at the account's key, which may be another one by now: a keyring is slow."""


class ServerlessEndpointWatcher(PaidEndpointWatcher):
    """As `EndpointWatcher`. Cancelling it leaves gate and endpoint as they are; the gate wakes no worker once it hears nobody."""

    giving_back = "deleting the endpoint"
    given_back = "its endpoint was deleted"

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, endpoint: Endpoint, means: Means) -> None:
        super().__init__(db, paths, timings, endpoint, means)
        self._lease: Lease | None = None
        self._key = ""
        self._key_at = self._service_at = float("-inf")
        self._known: Serverless | None = None

    @property
    def _model(self) -> ServedModel:
        wanted = self._tenant.rental.serverless
        assert wanted is not None
        return wanted

    async def _service(self) -> Serverless:
        if self._known is None or time.monotonic() - self._service_at > ACCESS_SECONDS:
            found = await self._means.open_provider(self._tenant.rental.provider)
            assert isinstance(found, Serverless)
            self._known, self._service_at = found.serving(self._model), time.monotonic()
        return self._known

    # What the gate needs here

    async def _prepare(self) -> bool:
        """Fetch tokenizer and configuration of the model, some megabytes, and make the endpoint's directory."""
        try:
            version = await models.get(self.db, self.endpoint.model, self.endpoint.model_version)
            return await self._made_ready(version, self._model)
        except StoreError:
            raise
        except BrightrunError as error:
            await self._fail(str(error))
            return False

    async def _start_server(self) -> int:
        return await asyncio.to_thread(serving.start, self.directory, self._key)

    # The endpoint at the service

    async def _worker_is_there(self) -> bool:
        try:
            if not await self._has_key():
                return False
            if self._lease is not None:
                return True
            live = [one for one in await self._tenant.leases(self.db, open_only=True) if one.state == "live"]
            if not live and self.endpoint.state == "ready":
                await self._rest(NoticeCode.MACHINE_GONE, "its endpoint is gone")
                return False
            self._lease = live[0] if live else await self._unless_left(self._make())
            return self._lease is not None
        except StoreError:
            raise
        except BrightrunError as error:
            await self._give_up(str(error))
        return False

    async def _has_key(self) -> bool:
        """Say whether there is a key; the gate is started again where it is another one than it was started with."""
        if self._key and time.monotonic() - self._key_at < ACCESS_SECONDS:
            return True
        account, self._key_at = account_of_place(self._tenant.rental.provider), time.monotonic()
        key = await self._means.key_of(account)
        if key and self._key and key != self._key:
            log.info("%s: the key of %s is another one now", self._tenant.words, account)
            await serving.stop(self.directory, grace=self.timings.stop_seconds)
        self._key = key or self._key
        if not self._key:
            await self._save(doing=f"{account} is not connected: brightrun connect {account}")
            await self._pause(self.timings.lease_poll_seconds)
        return bool(self._key)

    async def _make(self) -> Lease:
        """Return a live lease: the one that was being made, or a new one. A service that is down or sold out is asked for a
        while.

        Raises:
            ProviderError: none can be had.
            BudgetError: what is left does not pay for one.
        """
        began = time.monotonic()
        problem: BrightrunError
        await asyncio.to_thread(forget_hosting, self.directory)
        await self._save(state="starting", doing=f"making an endpoint at {self._tenant.rental.provider}")
        while True:
            tenant = self._tenant
            acquirer = Acquirer(self.db, await self._service(), self.timings, self._means.ssh, tenant)
            try:
                return await acquirer.lease(tenant, await tenant.budget(self.db, self._limits.now()), log.info)
            except (ProviderDownError, RateLimitedError) as error:
                patience, problem = self.timings.provider_seconds, error
            except NoCapacityError as error:
                patience, problem = self.timings.capacity_seconds, error
            if time.monotonic() - began > patience:
                raise problem
            await self._save(doing=f"waiting for {tenant.rental.provider}: {problem}")
            await asyncio.sleep(self.timings.lease_poll_seconds * 2)

    async def _still_there(self) -> bool:
        said = serving.read_state(self.directory)
        doing = said.engine_note if said is not None and said.engine_note else "waiting for the first answer"
        if doing != self.endpoint.doing:
            await self._save(doing=doing)
        return self._lease is not None

    async def _look_after(self) -> None:
        """Show what the gate is doing, and say that another version does not come by itself."""
        if (version := await self._version_to_take()) is not None:
            await self._refuse(version.version, f"workers load {self._model.adapter or self._model.base}")
        said = serving.read_state(self.directory)
        doing = said.engine_note if said is not None else ""
        if doing != self.endpoint.doing:
            await self._save(doing=doing)

    def _way_to(self, number: int) -> str:
        ref, place = f"{self.endpoint.model}:{number}", self._tenant.rental.provider
        if not self._model.adapter:
            return f"put it on the volume, then brightrun undeploy {self.endpoint.id}, and deploy {ref} --on {place} --volume …"
        return (
            f"brightrun models push {ref} --to OWNER/NAME --public, then brightrun undeploy {self.endpoint.id}, and "
            f"brightrun deploy {ref} --on {place} --repository OWNER/NAME"
        )

    # Money, and the end

    async def _look_at_usage(self) -> None:
        """Count the workers of this moment, and let the gate know that somebody does."""
        if self._lease is None:
            return
        service = await self._service()
        await follow(self.db)  # where the clock was set, what is on record goes along first
        self._lease, now = await leases.as_stored(self.db, self._lease), time.time()
        try:
            workers = await service.workers(self._lease.provider_id)
        except BrightrunError:
            if await service.inspect(self._lease.provider_id) is None:
                await self._rest(NoticeCode.MACHINE_GONE, "its endpoint is gone")
            raise
        if changes := counted(self._lease, workers, now):
            self._lease = await leases.update(self.db, self._lease, **changes)
        dearest = max((one.per_hour or 0.0 for one in workers), default=0.0)
        if (most := self._tenant.price().most) and dearest > most:
            await self._rest(
                NoticeCode.PRICE_CHANGED,
                f"{self.given_back} because a worker costs {money(dearest)} an hour, and {money(most)} is the most agreed to",
            )
            return
        if not self.leave.is_set():
            await asyncio.to_thread(say_hosting, self.directory, self._hosting(service, workers, now))

    def _hosting(self, service: Serverless, workers: list[ServerlessWorker], now: float) -> Hosting:
        assert self._lease is not None
        return Hosting(
            service=service.title,
            url=service.openai_url(self._lease.provider_id),
            model=self._model.name,
            workers=dict(Counter(one.status for one in workers)),
            heard_at=now,
            heard_boot=boot_seconds(),
            silence=self.timings.guard_silence_seconds,
            patience=max(
                PATIENCE * self._tenant.rental.cold_start,
                min(self.timings.ready_seconds, self.timings.endpoint_ready_seconds),
            ),
        )

    async def _give_back(self) -> None:
        live = [one for one in await self._tenant.leases(self.db, open_only=True) if one.state == "live"]
        self._lease = self._lease or next(iter(live), None)
        try:
            await self._look_at_usage()  # the last that is to be seen
        finally:
            for lease in live:
                await leases.update(self.db, lease, state="releasing")

    def _forget_place(self) -> None:
        forget_hosting(self.directory)
