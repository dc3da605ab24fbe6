"""What the provider bills comes late and is corrected: it is asked for, less and less often, until it is on record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from unittest import mock

import pytest

from brightrun_tui.domain.money import Lease
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.orchestrator import lease_manager, leases
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.orchestrator.troubles import Troubles
from brightrun_tui.paths import get_paths
from brightrun_tui.store import leases as lease_store
from tests.orchestrator.virtual import EPOCH, Clock, Lying, VirtualLoop, memory_store

DAY = 86400.0


class Billing(Lying):
    """Tells nothing for the first day, then too little, then the truth."""

    asked = 0

    async def billed(self, machine_id: str, since: float) -> float | None:
        self.asked += 1
        age = self.clock.time() - EPOCH
        return None if age < DAY else 0.5 if age < 3 * DAY else 0.75


@pytest.fixture
def world() -> Iterator[tuple[VirtualLoop, Billing]]:
    loop = VirtualLoop()
    clock = Clock(loop)
    provider = Billing(clock)

    async def opened(_self: object, _name: str) -> Billing:
        return provider

    with ExitStack() as patches:
        for module in (leases, lease_manager):
            patches.enter_context(mock.patch.object(module, "time", clock))
        patches.enter_context(mock.patch.object(lease_manager, "connected_providers", lambda _paths: ["lying"]))
        patches.enter_context(mock.patch.object(lease_manager.LeaseManager, "provider", opened))
        yield loop, provider
    loop.close()


def test_a_late_bill_and_its_correction_come_on_record_with_few_questions(world: tuple[VirtualLoop, Billing]) -> None:
    """Ten days of an engine that sweeps every five minutes: the true bill, the ledger adds up to it, a few dozen requests."""
    loop, provider = world
    db = memory_store()

    async def ten_days() -> None:
        await lease_store.save(
            db,
            Lease(
                name="br-x-r-1",
                run_id="r",
                provider="lying",
                provider_id="m",
                state="released",
                price_per_hour=1.0,
                created_at=EPOCH - 3600,
                released_at=EPOCH,
            ),
        )
        owner = lease_manager.LeaseManager(db, get_paths(), EngineTimings(), SshTimings(), Troubles())
        while loop.now < 10 * DAY:
            await owner.look()
            await asyncio.sleep(300)
        await owner.close()

    loop.run_until_complete(ten_days())
    (lease,) = loop.run_until_complete(lease_store.list_leases(db))
    lines = loop.run_until_complete(lease_store.entries(db, run_id="r"))
    assert lease.billed_usd == 0.75
    assert sum(line["amount_usd"] for line in lines if line["kind"] == "billed") == 0.75
    assert 5 <= provider.asked <= 60


def test_many_bills_are_asked_for_a_few_at_a_time(world: tuple[VirtualLoop, Billing]) -> None:
    """Two hundred machines of last week do not make two hundred requests at once."""
    loop, provider = world
    db = memory_store()

    async def one_sweep() -> None:
        for number in range(200):
            await lease_store.save(
                db,
                Lease(
                    name=f"br-x-r-{number}",
                    run_id="r",
                    provider="lying",
                    provider_id=f"m{number}",
                    state="released",
                    price_per_hour=1.0,
                    created_at=EPOCH - 3600,
                    released_at=EPOCH,
                ),
            )
        await lease_manager.LeaseManager(db, get_paths(), EngineTimings(), SshTimings(), Troubles()).sweep()

    loop.run_until_complete(one_sweep())
    assert provider.asked <= lease_manager.BILLS_A_SWEEP
