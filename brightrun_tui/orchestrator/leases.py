"""Renting and returning: intent first, one create call, adopt on doubt; gone means the provider said so, twice."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from contextlib import suppress

from brightrun_tui.domain import humanize
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, DamagedRecordError, StoreError, UnclearError, UsageError
from brightrun_tui.domain.money import EarlierRate, Lease, LeaseChanges, Offer
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.domain.serverless import account_of_place
from brightrun_tui.domain.spending import Bill
from brightrun_tui.orchestrator.notices import with_notice
from brightrun_tui.orchestrator.tenants import Tenant, all_leases
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.providers.base import Machine, Provider
from brightrun_tui.providers.serverless import Serverless
from brightrun_tui.store import Database, endpoints, leases, runs
from brightrun_tui.store import engine as engine_facts

log = logging.getLogger(__name__)

PRICE_TOLERANCE = 1.1
"""A machine that costs more than the quote times this is given back at once."""
SAME_RATE = 1e-3
"""Share of a rate by which another one may differ and still be the same: providers round."""
MOST_RATES = 99
"""Earlier rates that are kept of one machine."""


async def rent(
    db: Database,
    provider: Provider,
    tenant: Tenant,
    offer: Offer,
    public_key: str,
    *,
    disk: int,
    deadline: float,
    timings: EngineTimings,
) -> Lease:
    """Return a live lease on ``offer``.

    The intent is on disk before the one create call. After an unclear answer the machine is looked for by name, and
    adopted; one that does not show up stays on record as ``unclear`` and is swept later.

    Raises:
        NoCapacityError, NoFundsError, RejectedRequestError …: the provider refused; nothing was rented.
        UnclearError: it may have been rented, but does not show up.
    """
    number = len(await all_leases(db, tenant)) + 1
    name = f"br-{await engine_facts.installation(db)}-{tenant.slug}-{number}"
    lease = await leases.save(
        db,
        Lease(
            name=name,
            run_id=tenant.run_id,
            endpoint_id=tenant.endpoint_id,
            deployment=tenant.slug if tenant.endpoint_id else "",
            provider=provider.name,
            state="intended",
            offer_id=offer.id,
            gpu=offer.hardware.gpu,
            quoted_per_hour=offer.price_per_hour,
            storage_per_hour=offer.storage_per_hour,
            once_usd=offer.once_usd,
            gpu_memory=offer.hardware.gpu_memory,
            host_id=offer.host_id,
            project=tenant.project,
            created_at=time.time(),
            metered=isinstance(provider, Serverless),
        ),
    )
    await leases.book(db, lease, "quoted", offer.price_per_hour, f"per hour, offer {offer.id}")
    try:
        machine = await provider.launch(offer, name, public_key, disk=disk, deadline=deadline)
        await _see_that_it_is_ours(provider, machine, name)
    except UnclearError as error:
        log.warning("lease %s: unclear create (%s); looking for it", name, error)
        lease = await leases.save(db, lease, state="unclear", note=str(error))
        return await adopt(db, provider, lease, timings)
    except BrightrunError as error:
        await leases.save(db, lease, state="released", released_at=time.time(), note=str(error))
        raise
    return await _live(db, provider, lease, machine)


async def _see_that_it_is_ours(provider: Provider, machine: Machine, name: str) -> None:
    """See that what the create call has answered is the machine that was asked for: one with another's id would be worked on, and
    ended, in its place.

    Raises:
        UnclearError: the provider does not say so, or not yet; its name tells which one it is.
    """
    try:
        seen = await provider.inspect(machine.provider_id) if machine.name == name else None
    except BrightrunError as error:
        raise UnclearError(f"created, and not to be seen ({error.what})", kind=ErrorKind.LEASE_UNCLEAR) from None
    if seen is None or seen.name != name:
        raise UnclearError(
            f"{provider.name} calls it {machine.provider_id}, which is none of that name", kind=ErrorKind.LEASE_UNCLEAR
        )


async def adopt(db: Database, provider: Provider, lease: Lease, timings: EngineTimings) -> Lease:
    """Find the machine of a lease whose create call has no clear answer (or whose engine died during it).

    A list that cannot be read says nothing: the time starts anew with each of them.

    Raises:
        UnclearError: readable lists did not show it for ``adopt_seconds``, or none could be read for ``provider_seconds``.
            The lease is then ``releasing``: watched, and returned when it shows up.
    """
    began = absent_since = time.monotonic()
    while True:
        try:
            machine = await find(db, provider, lease.name)
        except BrightrunError as error:
            log.warning("lease %s: cannot look for it (%s)", lease.name, error)
            machine, absent_since = None, time.monotonic()
        if machine is not None:
            return await _live(db, provider, lease, machine)
        now = time.monotonic()
        if now - absent_since > timings.adopt_seconds or now - began > timings.provider_seconds + timings.adopt_seconds:
            await leases.save(db, lease, state="releasing", note="it may have been rented, but does not show up")
            raise UnclearError(
                f"{provider.name} may have rented {lease.name}, but does not show it",
                where=provider.name,
                fix="it stays under watch and is returned when it appears",
                kind=ErrorKind.LEASE_UNCLEAR,
            )
        await asyncio.sleep(min(timings.lease_poll_seconds, timings.adopt_seconds / 5))


async def find(db: Database, provider: Provider, name: str) -> Machine | None:
    """Return the machine of exactly that name, if the provider lists it. Raises what the provider raises."""
    machines = await provider.list_ours(await engine_facts.installation(db))
    return next((machine for machine in machines if machine.name == name and machine.status != "gone"), None)


async def _live(db: Database, provider: Provider, lease: Lease, machine: Machine) -> Lease:
    now = first_seen(lease, machine) | LeaseChanges(state="live", gpu_id=machine.gpu_id)
    lease = await leases.save(db, lease, **now)
    log.info("lease %s: live as %s %s at $%.4f/h", lease.name, provider.name, lease.provider_id, lease.rate)
    return lease


def first_seen(lease: Lease, machine: Machine) -> LeaseChanges:
    """Return what the machine of a lease says of itself when it is seen for the first time, whether it was rented now or found
    later.

    What it cost until it ran is known of one that starts or runs. One that stands still may have run before: its full rate
    counts from its creation, until its bill has come.
    """
    changes = LeaseChanges(
        provider_id=machine.provider_id,
        price_per_hour=machine.price_per_hour or lease.price_per_hour,
        created_at=within(machine.created_at, lease.created_at),
    )
    if machine.status == "starting":
        changes["idle_per_hour"] = machine.billed_per_hour
    elif machine.running_since is not None:
        changes["idle_per_hour"] = lease.storage_per_hour
        changes["running_since"] = within(machine.running_since, changes["created_at"])
    return changes


def found(provider: str, machine: Machine, name: str, run_id: str, note: str) -> Lease:
    """Return the lease of a machine that was found, not rented: nobody knows its offer. It is on its way back."""
    began = min(machine.created_at or math.inf, time.time())
    lease = Lease(
        name=name,
        run_id=run_id,
        provider=provider,
        gpu=machine.gpu,
        state="releasing",
        created_at=began,
        note=note,
        metered=account_of_place(provider) != provider,
    )
    return lease.model_copy(update=dict(first_seen(lease, machine)))


def within(moment: float | None, asked_at: float) -> float:
    """Return a moment in a machine's life of which its provider tells, by our clock. One before we asked for the machine, or
    later than
    now, shows that one of the two clocks is wrong: then it counts from when we asked, so that nothing is overlooked."""
    return moment if moment is not None and asked_at <= moment <= time.time() else asked_at


def dearer_than_quoted(lease: Lease) -> str:
    """Return a sentence where the machine costs more than the offer that was taken; empty if it does not, or nobody knows
    yet.
    """
    if lease.price_per_hour <= lease.quoted_per_hour * PRICE_TOLERANCE:
        return ""
    now, before = humanize.money(lease.price_per_hour), humanize.money(lease.quoted_per_hour)
    return f"the machine costs {now} an hour; the quote was {before}"


async def note_rate(db: Database, lease: Lease, machine: Machine) -> Lease:
    """Note the rate of a machine as its provider says it now: budget, guard and month go by it from here on.

    What is learnt before it runs, or for the first time, was so from the beginning; a later change holds from now on. A metered
    one has no rate of its own: its workers have.
    """
    if lease.metered:
        return lease
    changes = LeaseChanges()
    if machine.status == "starting" and lease.idle_per_hour is None and machine.billed_per_hour is not None:
        changes["idle_per_hour"] = machine.billed_per_hour
    idle = changes.get("idle_per_hour", lease.idle_per_hour)
    if idle is not None and lease.running_since is None and machine.running_since is not None:
        changes["running_since"] = within(machine.running_since, lease.created_at)
    elif idle is None and machine.running_since is not None:
        since = within(machine.running_since, lease.created_at)
        changes |= {"idle_per_hour": lease.storage_per_hour, "running_since": since}
    rate = machine.billed_per_hour or 0.0 if machine.status == "stopped" else machine.price_per_hour
    if rate and abs(rate - lease.rate) > SAME_RATE * lease.rate:
        if lease.price_per_hour and machine.status != "starting":
            log.warning("lease %s: $%.4f/h from now on, not $%.4f", lease.name, rate, lease.price_per_hour)
            earlier = EarlierRate(until=time.time(), per_hour=lease.price_per_hour)
            changes["earlier_rates"] = (*lease.earlier_rates[-MOST_RATES:], earlier)
            await _tell_of_rate(db, lease, rate)
        changes["price_per_hour"] = rate
    elif rate and not lease.price_per_hour:
        changes["price_per_hour"] = rate
    return await leases.update(db, lease, **changes) if changes else lease


async def _tell_of_rate(db: Database, lease: Lease, rate: float) -> None:
    """Add a notice when a machine costs more than before; when it costs less it was stopped, which is told elsewhere."""
    if rate <= lease.rate:
        return
    message = f"the machine costs {humanize.money(rate)} an hour from now on; it was {humanize.money(lease.rate)}"
    with suppress(UsageError, DamagedRecordError):  # the run may be deleted by now
        if lease.endpoint_id:
            await endpoints.advance(db, await endpoints.find(db, lease.endpoint_id), doing=message)
            return
        run = await runs.get(db, lease.run_id)
        await runs.update(
            db, run.id, notices=with_notice(run, NoticeCode.DEARER.told_apart(lease.name, f"{rate:.4f}"), message)
        )


async def give_back(db: Database, provider: Provider, lease: Lease, timings: EngineTimings) -> Lease:
    """Terminate, and look until the provider has said twice that the machine is gone. Never gives up; cancel to stop.

    An answer that cannot be read is not "gone": the lease stays ``releasing`` and the asking goes on. Billing ended when
    the terminate call returned, if the very next look found nothing; else when the machine was first seen missing.
    """
    lease = await leases.update(db, lease, state="releasing")
    seen_gone, asked_at, wait = 0, float("-inf"), timings.verify_seconds
    ended_at: float | None = None
    while True:
        try:
            if not seen_gone and time.monotonic() - asked_at > timings.verify_seconds * 3:
                await provider.terminate(lease.provider_id)
                asked_at, ended_at = time.monotonic(), time.time()
            if await provider.inspect(lease.provider_id) is None:
                ended_at = ended_at or time.time()
                seen_gone += 1
                if seen_gone >= 2:
                    return await _released(db, lease, ended_at)
            else:
                seen_gone, ended_at = 0, None
            wait = timings.verify_seconds
        except BrightrunError as error:
            log.warning("lease %s: not returned yet (%s)", lease.name, error)
            lease = await leases.update(db, lease, note=str(error))
            seen_gone, wait = 0, min(wait * 2, 60.0, timings.verify_seconds * 8)
        await asyncio.sleep(wait)


async def _released(db: Database, lease: Lease, ended_at: float) -> Lease:
    lease = await leases.update(db, lease, state="released", released_at=ended_at, note="")
    counted = lease.spending(ended_at).counted
    await leases.book(db, lease, "observed", counted)
    log.info("lease %s: gone, $%.4f", lease.name, counted)
    return lease


async def note_bill(db: Database, provider: Provider, lease: Lease) -> Lease:
    """Put on record what the provider itself has charged, as far as it says so."""
    try:
        said = await provider.billed(lease.provider_id, lease.created_at)
        bill = said if isinstance(said, Bill) or said is None else Bill(usd=said)
    except StoreError:
        raise
    except Exception as error:  # whatever is wrong with one bill keeps no other from being asked for
        log.info("lease %s: no bill yet (%s)", lease.name, error)
        return lease
    if bill is None or (bill.usd, bill.storage) == (lease.billed_usd, lease.billed_storage_usd):
        return lease
    await leases.book(db, lease, "billed", bill.usd - (lease.billed_usd or 0.0))
    return await leases.update(db, lease, billed_usd=bill.usd, billed_storage_usd=bill.storage)


async def watch_unclear(db: Database, provider: Provider, lease: Lease, timings: EngineTimings) -> Lease:
    """Keep looking for a machine that may or may not exist; return it when it shows up.

    That it never existed is concluded only from a list that could be read, ``unclear_seconds`` after the create call.
    """
    # from here on by a clock that nobody sets
    until = time.monotonic() + timings.unclear_seconds - max(0.0, time.time() - lease.created_at)
    while True:
        try:
            machine = await find(db, provider, lease.name)
            if machine is not None:
                log.warning("lease %s: showed up late; returning it", lease.name)
                lease = await leases.save(db, lease, **first_seen(lease, machine))
                return await give_back(db, provider, lease, timings)
            if time.monotonic() > until:
                return await leases.save(db, lease, state="released", released_at=time.time(), note="never showed up")
        except BrightrunError as error:
            log.warning("lease %s: cannot look for it (%s)", lease.name, error)
        await asyncio.sleep(timings.lease_poll_seconds * 4)
