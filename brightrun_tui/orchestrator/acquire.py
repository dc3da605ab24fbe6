"""From a run or endpoint that needs a machine to one that lets us in: adopt what is ours already, or rent, then reach."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from dataclasses import replace

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import (
    BadHostKeyError,
    BrightrunError,
    BudgetError,
    HostError,
    HostKeyChangedError,
    MachineLiesError,
    NoCapacityError,
    ProviderDownError,
    UnclearError,
)
from brightrun_tui.domain.money import Lease, Offer
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import write_atomic
from brightrun_tui.hosts import ready
from brightrun_tui.hosts.connection import KeyPair, SshTimings, new_key_pair, read_key_pair
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator import budget, leases
from brightrun_tui.orchestrator.run_budget import RunBudget
from brightrun_tui.orchestrator.targets import Say
from brightrun_tui.orchestrator.tenants import Price, Tenant, all_leases, given_up_words
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.planning.offers import SOLD_OUT
from brightrun_tui.providers.base import Machine, Provider
from brightrun_tui.providers.offers import relied_upon
from brightrun_tui.providers.reach import host_for
from brightrun_tui.store import Database
from brightrun_tui.store import leases as lease_store

log = logging.getLogger(__name__)

MAX_MACHINES = 4
"""Machines tried for one launch before the run is given up."""
IN_HAND = ("starting", "running", "unknown")


class Acquirer:
    """Machines of one tenant. Facts are in the store; the tenant's SSH key and pinned host keys beside its other files."""

    def __init__(
        self, db: Database, provider: Provider, timings: EngineTimings, ssh: SshTimings, tenant: Tenant
    ) -> None:
        self.db, self.provider, self.timings, self.ssh = db, provider, timings, ssh
        self.tenant, self.home = tenant, tenant.home
        self._bad_hosts: set[str] = set()
        self._avoided: set[str] = set()
        self._last_choice: set[str] = set()
        self._reached = ""

    async def lease(self, tenant: Tenant, run_budget: RunBudget, say: Say) -> Lease:
        """Return the live lease of the tenant, as it is now, an adopted one, or a new one once earlier machines are gone.

        Raises:
            BudgetError: what is left does not pay for a machine.
            NoCapacityError, ProviderDownError, UnclearError, …: none can be had now.
        """
        for lease in await tenant.leases(self.db, open_only=True):
            if lease.state in ("intended", "unclear"):
                say("looking for the machine that was being rented")
                with suppress(UnclearError):  # it does not show up: under watch from now on
                    found = await leases.adopt(self.db, self.provider, lease, self.timings)
                    if not await self._too_dear(found):
                        return found
                continue
            if lease.state == "live":
                machine = await self.provider.inspect(lease.provider_id)
                if machine is not None and not machine.interrupted:
                    if machine.status in IN_HAND:
                        return lease
                    if machine.status == "stopped" and await self.provider.resume(lease.provider_id):
                        say("starting the machine again")
                        return lease
                await self.drop(lease, "it is gone or was taken away")
        return await self._rent(tenant, run_budget, say)

    async def drop(self, lease: Lease, why: str) -> None:
        """Let go of the machine: from now on it is returned. With a reason the tenant says so: which, how long, at what cost."""
        lease = await lease_store.update(self.db, lease, state="releasing", note=why, reason=why)
        if why:
            await self.tenant.tell_given_up(self.db, lease, given_up_words(lease, why, time.time()))

    def note_bad(self, lease: Lease) -> None:
        """Take neither this host nor this very offer again where there is another one."""
        self._bad_hosts |= {lease.host_id} - {""}
        self._avoided.add(lease.offer_id)

    def prefer_others(self) -> None:
        """Rent from the host whose machine let us in last only where there is no other, from now on."""
        self._last_choice.add(self._reached)

    async def host_of(self, lease: Lease, machine: Machine) -> SshHost:
        return host_for(machine, (await self._key()).private, host_key=self._pinned(lease), timings=self.ssh)

    async def _wait_for_returns(self, say: Say) -> None:
        """Wait until no machine is still being returned: two for one run or endpoint are never paid at the same time.

        Raises:
            ProviderDownError: the provider does not let go of one for ``provider_seconds``.
        """
        deadline = time.monotonic() + self.timings.provider_seconds
        while True:
            open_leases = await all_leases(self.db, self.tenant, open_only=True)
            if not any(lease.state == "releasing" and lease.provider_id for lease in open_leases):
                return
            if time.monotonic() > deadline:
                raise ProviderDownError(
                    f"{self.provider.name} does not take back the previous machine",
                    kind=ErrorKind.NOT_RETURNED,
                    where=self.provider.name,
                    fix="see: brightrun reconcile; then try again",
                )
            say("returning the previous machine")
            await asyncio.sleep(min(1.0, self.timings.lease_poll_seconds))

    async def _rent(self, tenant: Tenant, run_budget: RunBudget, say: Say) -> Lease:
        say("looking for machines")
        need = replace(tenant.need(), without_hosts=frozenset(self._bad_hosts))
        offers = await self._in_order(tenant, await self.provider.offers(need))
        if not offers:
            raise NoCapacityError(
                f"no machine that fits this {tenant.words.partition(' ')[0]} is for rent now",
                where=self.provider.name,
                kind=ErrorKind.NO_CAPACITY,
                fix=SOLD_OUT,
            )
        if all(offer.busy for offer in offers):
            raise NoCapacityError(
                f"it waits for {'; '.join(dict.fromkeys(offer.busy for offer in offers))}",
                where=self.provider.name,
                kind=ErrorKind.MACHINE_BUSY,
                fix="wait, or stop what is at work there",
            )
        offers = [offer for offer in offers if not offer.busy]
        offers = _not_too_dear(offers, tenant.price(), self.provider.name)
        hours_at_least = (2 * self.timings.finish_seconds + self.timings.release_seconds) / 3600
        offers = [offer for offer in offers if run_budget.left > offer.once_usd + offer.price_per_hour * hours_at_least]
        if not offers:
            name = "this month's limit" if run_budget.monthly else "the budget"
            raise BudgetError(
                f"what is left of {name} ({humanize.money(max(0.0, run_budget.left))}) does not pay for a machine",
                where=tenant.words,
                fix=f"raise {name} and try again",
                kind=ErrorKind.BUDGET_TOO_SMALL,
            )
        first = offers[0]
        seconds = budget.lease_seconds(
            run_budget.ceiling,
            run_budget.spent + first.once_usd,
            first.price_per_hour,
            tenant.hours_left(),
            timings=self.timings,
        )
        return await self._rent_first(offers[:MAX_MACHINES], need.disk, time.time() + seconds, say)

    async def _in_order(self, tenant: Tenant, offers: list[Offer]) -> list[Offer]:
        """Return the machine that was agreed to, if none has been had yet, then the others by the cost of the rest,
        traffic included; reliable ones before others.
        """
        had = any(lease.provider_id for lease in await tenant.leases(self.db))

        def rank(offer: Offer) -> tuple[object, ...]:
            again = offer.id in self._avoided or (bool(offer.host_id) and offer.host_id in self._last_choice)
            agreed = not had and tenant.agreed(offer, leases.PRICE_TOLERANCE)
            return (again, not agreed, not relied_upon(offer), tenant.cost(offer), offer.price_per_hour)

        return sorted((offer for offer in offers if tenant.accepts(offer)), key=rank)

    async def _rent_first(self, offers: list[Offer], disk: int, deadline: float, say: Say) -> Lease:
        """Return the first of ``offers`` that can be had for its price. Raises `NoCapacityError`: none can."""
        refused, kind = "", ErrorKind.NO_CAPACITY
        for offer in offers:
            await self._wait_for_returns(say)
            say(f"renting {offer.hardware.gpu} at {humanize.money(offer.price_per_hour)}/h")
            try:
                lease = await leases.rent(
                    self.db,
                    self.provider,
                    self.tenant,
                    offer,
                    (await self._key()).public,
                    disk=disk,
                    deadline=deadline,
                    timings=self.timings,
                )
            except (NoCapacityError, UnclearError) as error:
                refused = str(error)
                kind = ErrorKind.MACHINE_BUSY if error.kind == ErrorKind.MACHINE_BUSY else kind
                continue
            refused = await self._too_dear(lease)
            if not refused:
                return lease
        raise NoCapacityError(
            f"none of {len(offers)} offers could be rented ({refused})",
            where=self.provider.name,
            fix=SOLD_OUT,
            kind=kind,
        )

    async def _too_dear(self, lease: Lease) -> str:
        """Let go of a machine that costs more than its offer; why, or empty where it does not."""
        if dearer := leases.dearer_than_quoted(lease):
            self._avoided.add(lease.offer_id)
            await self.drop(lease, dearer)
        return dearer

    async def reach(self, lease: Lease, seconds_left: float, say: Say) -> tuple[Lease, SshHost]:
        """Wait until the leased machine lets us in, shows its GPUs and has its guard.

        Raises:
            HostError: not within ``ready_seconds``; the machine is to be replaced.
        """
        # a restart of the engine does not give a machine that never let us in its whole time again
        used = 0.0 if self._pinned(lease) else max(0.0, time.time() - lease.created_at)
        deadline = time.monotonic() + max(self.timings.ready_seconds - used, 2 * self.timings.lease_poll_seconds)
        while True:
            machine = await self._look(lease, say)
            if machine is None or machine.problem or machine.interrupted:
                why = machine.problem if machine and machine.problem else "the provider took it away"
                raise HostError(why, where=self.provider.name, kind=ErrorKind.MACHINE_GONE)
            lease = await leases.note_rate(self.db, lease, machine)
            if dearer := leases.dearer_than_quoted(lease):
                self._avoided.add(lease.offer_id)
                raise HostError(dearer, where=self.provider.name, kind=ErrorKind.PRICE_CHANGED)
            say(
                f"the machine is {machine.status}" + (f" ({machine.raw_status})" if machine.status == "unknown" else "")
            )
            if machine.ssh_host and machine.status == "running":
                host = await self.host_of(lease, machine)
                try:
                    await ready.first_contact(host, min(30.0, max(1.0, deadline - time.monotonic())))
                    break
                except (HostKeyChangedError, BadHostKeyError, MachineLiesError):
                    await host.close()
                    raise
                except HostError as error:
                    await host.close()
                    say(f"waiting for SSH ({error.what})")
            if time.monotonic() > deadline:
                self._bad_hosts.add(machine.host_id)
                raise HostError("it was not usable in time", where=self.provider.name, kind=ErrorKind.NOT_READY)
            await asyncio.sleep(self.timings.lease_poll_seconds)
        self._reached = machine.host_id
        write_atomic(RunDirectory(self.home).host_key(lease.name), host.host_key)
        try:
            await self._guard(host, lease, seconds_left, say)
        except HostError:
            await host.close()
            raise
        return lease, host

    async def _guard(self, host: SshHost, lease: Lease, seconds_left: float, say: Say) -> None:
        options = self.provider.guard_options(time.time() + seconds_left)
        if options is None:
            return
        await ready.require_gpus(host, 1, lease.gpu_memory)
        report = await ready.ensure_guard(host, options)
        if not report.able:
            say(f"note: the guard on the machine cannot reach the provider ({report.self_test})")

    async def _look(self, lease: Lease, say: Say) -> Machine | None:
        """Return the machine as the provider sees it; an unreadable answer is asked again, never taken for "gone"."""
        while True:
            try:
                return await self.provider.inspect(lease.provider_id)
            except BrightrunError as error:
                log.warning("lease %s: %s", lease.name, error)
                say(f"waiting for {self.provider.name}: {error.what}")
                await asyncio.sleep(self.timings.lease_poll_seconds)

    async def _key(self) -> KeyPair:
        """Return the tenant's own SSH key, made once; it lets into its machines and nowhere else."""
        path = RunDirectory(self.home).ssh_key
        if path.exists():
            return await asyncio.to_thread(read_key_pair, path)
        pair = new_key_pair(f"brightrun-{self.tenant.slug}")
        await asyncio.to_thread(
            write_atomic, path, json.dumps({"private": pair.private, "public": pair.public}), mode=0o600
        )
        return pair

    def _pinned(self, lease: Lease) -> str:
        path = RunDirectory(self.home).host_key(lease.name)
        return path.read_text() if path.exists() else ""


def _not_too_dear(offers: list[Offer], price: Price, where: str) -> list[Offer]:
    """Return those that cost no more than was agreed to, with some room.

    Raises:
        NoCapacityError: there are only dearer ones.
    """
    if not price.most:
        return offers
    if not (found := [offer for offer in offers if offer.price_per_hour <= price.most]):
        cheapest = min(offer.price_per_hour for offer in offers)
        raise NoCapacityError(
            f"the machines for rent now cost {humanize.money(cheapest)} an hour and more; "
            f"{humanize.money(price.agreed)} were agreed to, "
            f"and {humanize.money(price.most)} is the most that is taken unasked",
            where=where,
            kind=ErrorKind.NO_CAPACITY,
            fix="try again later, or start it again to agree to today's price",
        )
    return found
