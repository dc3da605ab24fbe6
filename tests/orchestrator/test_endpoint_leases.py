"""A rented machine is kept for an endpoint that serves, and for no other: whatever its record says, or no longer says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.endpoint import Endpoint, EndpointState
from brightrun_tui.domain.money import Lease, Offer
from brightrun_tui.domain.rental import EndpointRental
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.orchestrator import lease_manager, leases, run_budget, tenants
from brightrun_tui.orchestrator.tenants import EndpointTenant
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.troubles import Troubles
from brightrun_tui.paths import get_paths
from brightrun_tui.providers.base import Machine
from brightrun_tui.store import Database, endpoints
from brightrun_tui.store import leases as lease_store
from tests.orchestrator.virtual import EPOCH, Clock, Lying, VirtualLoop, memory_store

RENTAL = EndpointRental(provider="lying", price_per_hour=1.0, budget_usd=5.0)


def endpoint(
    state: EndpointState = "ready", deployment: str = "e1", rental: EndpointRental | None = RENTAL
) -> Endpoint:
    return Endpoint(
        id="shop",
        model="shop",
        model_version=1,
        state=state,
        created_at=EPOCH,
        updated_at=EPOCH,
        rental=rental,
        deployment=deployment,
        directory="/nowhere",
    )


@pytest.fixture
def world() -> Iterator[tuple[VirtualLoop, Lying]]:
    loop = VirtualLoop()
    clock = Clock(loop)
    provider = Lying(clock)

    async def opened(_self: object, _name: str) -> Lying:
        return provider

    with ExitStack() as patches:
        for module in (leases, lease_manager, run_budget, tenants):
            patches.enter_context(mock.patch.object(module, "time", clock))
        patches.enter_context(mock.patch.object(lease_manager, "connected_providers", lambda _paths: ["lying"]))
        patches.enter_context(mock.patch.object(lease_manager.LeaseManager, "provider", opened))
        yield loop, provider
    loop.close()


async def rented(db: Database, provider: Lying) -> Lease:
    offer: Offer = (await provider.offers(EndpointTenant(endpoint()).need()))[0]
    tenant = EndpointTenant(endpoint())
    return await leases.rent(db, provider, tenant, offer, "key", disk=1, deadline=0.0, timings=EngineTimings())


async def an_hour(db: Database) -> None:
    """Of an engine that looks and sweeps."""
    manager = lease_manager.LeaseManager(db, get_paths(), EngineTimings(), SshTimings(), Troubles())
    for _ in range(60):
        await manager.look()
        await asyncio.sleep(60)
    await manager.close()


@pytest.mark.parametrize(
    ("record", "kept"),
    [
        (endpoint("starting"), True),
        (endpoint("ready"), True),
        (endpoint("stopping"), False),
        (endpoint("stopped"), False),
        (endpoint("failed"), False),
        (endpoint("asleep"), False),
        (endpoint("ready", deployment="e2"), False),
        (endpoint("ready", rental=None), False),
        (None, False),
        ("damaged", False),
    ],
)
def test_only_the_deployment_that_serves_keeps_its_machine(
    world: tuple[VirtualLoop, Lying], record: Endpoint | str | None, kept: bool
) -> None:
    loop, provider = world
    db = memory_store()

    async def story() -> None:
        lease = await rented(db, provider)
        assert (lease.endpoint_id, lease.deployment, lease.run_id) == ("shop", "e1", "")
        if record is not None:
            await endpoints.save(db, record if isinstance(record, Endpoint) else endpoint())
        if record == "damaged":
            async with db.transaction():
                await db.execute("UPDATE endpoints SET doc = '{}'")
        await an_hour(db)

    loop.run_until_complete(story())
    (machine,) = provider.machines.values()
    assert machine.alive == kept
    (lease,) = loop.run_until_complete(lease_store.list_leases(db, endpoint_id="shop"))
    assert lease.state == ("live" if kept else "released")


@pytest.mark.parametrize("returned", [False, True])
def test_a_machine_that_is_rented_or_returned_while_the_provider_lists_its_machines_is_no_orphan(
    world: tuple[VirtualLoop, Lying], monkeypatch: pytest.MonkeyPatch, returned: bool
) -> None:
    """A listing takes seconds: what was rented meanwhile was returned, with its price, offer and run no longer on record."""
    loop, provider = world
    db = memory_store()
    listed = provider.list_ours

    async def slowly(installation: str) -> list[Machine]:
        if returned:
            (lease,) = await lease_store.list_leases(db)
            machines = await listed(installation)
            await lease_store.save(db, lease, state="released", released_at=EPOCH)
            return machines
        await rented(db, provider)
        return await listed(installation)

    async def story() -> list[Lease]:
        await endpoints.save(db, endpoint())
        if returned:
            await rented(db, provider)
        monkeypatch.setattr(provider, "list_ours", slowly)
        manager = lease_manager.LeaseManager(db, get_paths(), EngineTimings(), SshTimings(), Troubles())
        assert not await manager.sweep()
        monkeypatch.setattr(provider, "list_ours", listed)
        found = await manager.sweep()
        await manager.close()
        return found

    found = loop.run_until_complete(story())
    (lease,) = loop.run_until_complete(lease_store.list_leases(db))
    assert lease.offer_id and lease.quoted_per_hour, "it is on record as it was rented"
    assert len(found) == returned, "what nobody is using is found by the next sweep"
    assert lease.state == ("releasing" if returned else "live")


def test_what_it_has_cost_is_in_its_budget_its_ledger_and_the_month_and_a_new_deployment_begins_anew(
    world: tuple[VirtualLoop, Lying],
) -> None:
    loop, provider = world
    db = memory_store()

    async def story() -> None:
        await endpoints.save(db, endpoint())
        await rented(db, provider)
        await an_hour(db)
        await endpoints.save(db, endpoint("stopping"))
        await an_hour(db)

    loop.run_until_complete(story())

    async def spent(deployment: str) -> float:
        tenant = EndpointTenant(endpoint(deployment=deployment))
        found = await tenant.budget(db, MoneyLimits())
        assert found.ceiling == 5.0
        return found.spent

    (lease,) = loop.run_until_complete(lease_store.list_leases(db))
    cost = loop.run_until_complete(spent("e1"))
    assert cost == pytest.approx(lease.rate, rel=0.01) and lease.rate > 0
    assert loop.run_until_complete(spent("e2")) == 0.0
    assert loop.run_until_complete(endpoints.find(db, "shop")).cost_usd == pytest.approx(cost)
    lines = loop.run_until_complete(lease_store.entries(db, endpoint_id="shop"))
    assert [line["kind"] for line in lines] == ["quoted", "observed"]
    assert lines[-1]["amount_usd"] == pytest.approx(cost)


def test_a_machine_of_an_endpoint_is_found_and_returned_though_the_books_are_lost(
    world: tuple[VirtualLoop, Lying],
) -> None:
    loop, provider = world
    before, after = memory_store(), memory_store()

    async def story() -> None:
        lease = await rented(before, provider)
        installation = lease.name.split("-")[1]
        async with after.transaction():
            await after.execute(
                "INSERT INTO facts (name, value) VALUES ('installation', ?) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (json.dumps(installation),),
            )
        await an_hour(after)

    loop.run_until_complete(story())
    assert not any(machine.alive for machine in provider.machines.values())
