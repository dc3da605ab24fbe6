"""Every lease that no run or endpoint uses any longer, and every machine that carries our name: returned, with proof."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from brightrun_tui.domain.errors import BrightrunError, MissingScopeError, StoreError, UsageError
from brightrun_tui.domain.money import Lease, LeaseChanges
from brightrun_tui.domain.run_states import ACTIVE
from brightrun_tui.domain.serverless import account_of_place
from brightrun_tui.domain.service_names import OWN_BOXES
from brightrun_tui.domain.spending import total
from brightrun_tui.hosts.boot import GuardTimes
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.integrations import credentials
from brightrun_tui.integrations.boxes import configured_boxes
from brightrun_tui.integrations.rental import connected_providers, open_provider, serverless_places
from brightrun_tui.orchestrator import leases
from brightrun_tui.orchestrator.tenants import note_cost
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.troubles import Troubles
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Provider
from brightrun_tui.registry.intake import rewrite_report
from brightrun_tui.store import Database, endpoints, models, runs
from brightrun_tui.store import engine as engine_facts
from brightrun_tui.store import leases as lease_store

log = logging.getLogger(__name__)

FOUND = "found by a sweep"
BILL_DAYS = 30
BILLS_A_SWEEP = 10


class LeaseManager:
    """Holds the providers of one engine, and sees every lease to its end. One task a lease that must end."""

    def __init__(self, db: Database, paths: Paths, timings: EngineTimings, ssh: SshTimings, troubles: Troubles) -> None:
        self.db, self.paths, self.timings, self.ssh, self.troubles = db, paths, timings, ssh, troubles
        self._providers: dict[str, tuple[str, Provider]] = {}
        self._former: list[Provider] = []
        self._ending: dict[str, asyncio.Task[object]] = {}
        self._swept_at = float("-inf")
        self._sweep: asyncio.Task[None] | None = None
        self._one_sweep = asyncio.Lock()
        self._bill_asked: dict[str, float] = {}

    async def provider(self, name: str) -> Provider:
        """Return the provider with the credential saved now, which may have changed within the hour.

        Raises:
            NotConnectedError: there is none.
        """
        access = await asyncio.to_thread(_access, name, self.paths)
        before, provider = self._providers.get(name, ("", None))
        if provider is None or access != before:
            self._former += [provider] if provider is not None else []
            provider = await asyncio.to_thread(
                open_provider,
                name,
                self.paths,
                guard=GuardTimes(
                    silence=self.timings.guard_silence_seconds,
                    keep=self.timings.keep_seconds,
                    tick=self.timings.guard_tick_seconds,
                ),
            )
            self._providers[name] = (access, provider)
        return provider

    async def key(self, name: str) -> str:
        """Return what a service is asked with, as it is saved now; empty if there is none."""
        return await asyncio.to_thread(_access, name, self.paths)

    async def look(self, unreadable: frozenset[str] = frozenset()) -> bool:
        """See to leases that must end; returns whether any lease is open or a sweep is on.

        A lease must end when no active run and no endpoint that serves uses it. No run is read for that. The
        ``unreadable`` ones, given by id, use none; nor does an endpoint whose record is damaged.
        """
        open_leases = await lease_store.list_leases(self.db, open_only=True)
        active = set(await runs.ids(self.db, ACTIVE)) - unreadable if open_leases else set()
        serving = await self._serving() if any(lease.endpoint_id for lease in open_leases) else set()
        for lease in open_leases:
            task = self._ending.get(lease.name)
            used = (lease.endpoint_id, lease.deployment) in serving if lease.endpoint_id else lease.run_id in active
            ends = lease.state == "releasing" or not used
            if ends and (task is None or task.done()) and not self.troubles.resting(f"lease {lease.name}"):
                self._ending[lease.name] = asyncio.create_task(self._end(lease))
        if self._sweep is None and time.monotonic() - self._swept_at > self.timings.sweep_seconds:
            self._swept_at = time.monotonic()
            self._sweep = asyncio.create_task(self._sweep_guarded())
            self._sweep.add_done_callback(lambda _: setattr(self, "_sweep", None))
        return bool(open_leases or self._sweep)

    async def _serving(self) -> set[tuple[str, str]]:
        """Return endpoints that may have a rented machine, each with its deployment."""
        return {
            (endpoint.id, endpoint.deployment)
            for endpoint in await endpoints.list_endpoints(self.db, live_only=True)
            if endpoint.rental is not None and endpoint.state != "stopping"
        }

    async def _sweep_guarded(self) -> None:
        async with self.troubles.guard("sweep"):
            await self.sweep()

    async def sweep(self) -> list[Lease]:
        """Ask every connected provider what of ours it has; whatever nobody is using becomes a lease that must end.

        One at a time: who asks while another one is under way gets an answer that includes its findings.
        """
        async with self._one_sweep:
            return await self._sweep_now()

    async def _sweep_now(self) -> list[Lease]:
        installation = await engine_facts.installation(self.db)
        found: list[Lease] = []
        for name in await self._rented_from():
            async with self.troubles.guard(f"sweep of {name}"):
                found += await self._sweep_one(name, installation)
        return found

    async def _rented_from(self) -> list[str]:
        """Return every provider that is connected, and every one that an open lease names."""
        connected: list[str] = []
        async with self.troubles.guard("looking for connected providers"):
            connected = await asyncio.to_thread(connected_providers, self.paths)
            connected += await asyncio.to_thread(serverless_places, connected)
        leased = [lease.provider for lease in await lease_store.list_leases(self.db, open_only=True)]
        return list(dict.fromkeys([*connected, *leased]))

    async def _sweep_one(self, name: str, installation: str) -> list[Lease]:
        found: list[Lease] = []
        before = await lease_store.list_leases(self.db)
        try:
            machines = await (await self.provider(name)).list_ours(installation)
        except MissingScopeError:
            if account_of_place(name) == name or any(lease.provider == name for lease in before):
                raise
            return found  # a key for machines alone: nothing was ever made there with it
        # what was rented while the provider answered is on record by now, and what was returned meanwhile was in use before
        known = await lease_store.list_leases(self.db)
        for machine in machines:
            lease, earlier = (
                lease_store.of_machine(each, name, machine.provider_id, machine.name) for each in (known, before)
            )
            if lease is not None and lease.state == "live":
                await leases.note_rate(self.db, lease, machine)
            if machine.status == "gone" or any(
                each is not None and each.state != "released" for each in (lease, earlier)
            ):
                continue
            log.warning("sweep: %s has %s (%s), which nobody is using", name, machine.name, machine.provider_id)
            orphan = lease or leases.found(
                name,
                machine,
                lease_store.own_name(machine.name, machine.provider_id, known),
                _run_of(machine.name, installation),
                FOUND,
            )
            changes = LeaseChanges() if orphan.provider_id else leases.first_seen(orphan, machine)
            changes |= LeaseChanges(state="releasing", released_at=None, note=FOUND)
            found.append(await lease_store.save(self.db, orphan, **changes))
            known.append(found[-1])
        await self._ask_for_bills(name, known)
        return found

    async def _ask_for_bills(self, provider: str, known: list[Lease]) -> None:
        """Ask for bills less and less often, a few at a time: they come hours or days late and are corrected later. At
        every sweep where billed traffic, which nobody here can count, belongs to a machine that is still there.
        """
        due = [
            lease for lease in known if lease.provider == provider and lease.provider_id and self._bill_is_due(lease)
        ]
        due.sort(key=lambda lease: (lease.billed_usd is not None, self._bill_asked.get(lease.name, 0.0)))
        for lease in due[:BILLS_A_SWEEP]:
            self._bill_asked[lease.name] = time.monotonic()
            known_bill = lease.billed_usd
            lease = await leases.note_bill(self.db, await self.provider(provider), lease)
            if lease.state == "released" and lease.billed_usd != known_bill:
                await self._settle_guarded(lease)

    def _bill_is_due(self, lease: Lease) -> bool:
        if lease.released_at is None:
            return lease.state == "live" and (lease.once_usd > 0 or lease.metered)
        if not lease.costs:
            return False
        age, asked_at = time.time() - lease.released_at, self._bill_asked.get(lease.name)
        return age < BILL_DAYS * 86400 and (asked_at is None or time.monotonic() - asked_at >= age / 4)

    async def close(self) -> None:
        tasks = [*self._ending.values(), *([self._sweep] if self._sweep else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for provider in [*self._former, *(provider for _access, provider in self._providers.values())]:
            await provider.close()

    async def _end(self, lease: Lease) -> None:
        """See to the end of one lease; begun anew from time to time, as the credential may be another one by then."""
        name = f"lease {lease.name}"
        try:
            async with asyncio.timeout(self.timings.sweep_seconds):
                await self._return(lease, await self.provider(lease.provider))
            self.troubles.well(name)
        except TimeoutError:
            log.warning("lease %s: still not proven gone", lease.name)
        except StoreError as error:
            self.troubles.failed(name, error)
        except BrightrunError as error:
            async with self.troubles.guard(name):
                await lease_store.update(self.db, lease, note=f"cannot be returned: {error}")
            await asyncio.sleep(self.timings.lease_poll_seconds * 4)
        except Exception as error:
            self.troubles.failed(name, error)

    async def _return(self, lease: Lease, provider: Provider) -> None:
        if lease.provider_id:
            lease = await leases.give_back(self.db, provider, lease, self.timings)
        else:
            lease = await leases.watch_unclear(self.db, provider, lease, self.timings)
        if lease.provider_id:
            await leases.note_bill(self.db, provider, lease)
        await self._settle_guarded(lease)

    async def _settle_guarded(self, lease: Lease) -> None:
        try:
            await self._settle(lease)
        except StoreError:
            raise
        except Exception as error:  # the machine is gone, and stays so on the books
            log.warning("lease %s: the final cost is not on record (%s)", lease.name, error)

    async def _settle(self, lease: Lease) -> None:
        """Set the cost of the endpoint, or of the run and its model, to the sum of its leases, now that one has ended
        or its bill has come.
        """
        if lease.endpoint_id:
            with suppress(UsageError):
                endpoint = await endpoints.find(self.db, lease.endpoint_id)
                if endpoint.deployment == lease.deployment:
                    await note_cost(self.db, endpoint)
            return
        cost = total(
            one.spending(time.time()) for one in await lease_store.list_leases(self.db, run_id=lease.run_id)
        ).total
        with suppress(UsageError):  # the run may be deleted by now
            await runs.update(self.db, lease.run_id, cost_usd=cost)
        version = await models.by_run(self.db, lease.run_id)
        if version is not None and version.report.cost_usd != cost:
            try:
                version = await models.save_report(
                    self.db, version, version.report.model_copy(update={"cost_usd": cost})
                )
                await asyncio.to_thread(rewrite_report, version)
            except BrightrunError as error:
                log.warning("%s: its report card does not show the final cost (%s)", version.ref, error)


def _access(name: str, paths: Paths) -> str:
    """Return what a provider is reached with. Blocking (keyring)."""
    if name == OWN_BOXES:
        return repr(configured_boxes(paths))
    secret = credentials.get(account_of_place(name), paths)
    return secret.get_secret_value() if secret is not None else ""


def _run_of(name: str, installation: str) -> str:
    return name.removeprefix(f"br-{installation}-").rpartition("-")[0]
