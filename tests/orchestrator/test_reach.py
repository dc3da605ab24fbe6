"""From a lease to a machine that lets us in: what takes its time is waited for, what will never do is given up on time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.errors import HostError
from brightrun_tui.domain.money import Estimate, Lease
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.hosts.boot import GuardTimes
from brightrun_tui.hosts.ssh import SshHost
from brightrun_tui.orchestrator.acquire import Acquirer
from brightrun_tui.orchestrator.holding import Holding
from brightrun_tui.orchestrator.run_budget import RunBudget
from brightrun_tui.orchestrator.tenants import RunTenant
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.providers.base import Machine
from brightrun_tui.store import open_database, runs
from tests.clouds.fixtures import FAST_SSH, Rig, rig, server, until

__all__ = ["rig", "server"]

PATIENT = EngineTimings(lease_poll_seconds=0.1, ready_seconds=60.0)
HASTY = EngineTimings(lease_poll_seconds=0.1, ready_seconds=4.0)


@dataclass
class Renter:
    """One run that needs a machine of the rig's cloud."""

    rig: Rig
    acquirer: Acquirer
    hasty: Acquirer
    """Waits four seconds only: for a machine that will never do."""
    run: Run

    async def rent(self) -> Lease:
        return await self.acquirer.lease(RunTenant(self.run), RunBudget(0.0, None), lambda _said: None)

    async def reach(self, lease: Lease, *, hasty: bool = False) -> SshHost:
        _lease, host = await (self.hasty if hasty else self.acquirer).reach(lease, 600.0, lambda _said: None)
        self.rig.open.append(host)
        return host

    def holding(self, paths: Paths, *, silent: float = 60.0) -> Holding:
        """What another engine has of the machine, which has only the store to go by."""
        mine, tenant = self.acquirer, RunTenant(self.run)

        async def same() -> RunTenant:
            return tenant

        timings = PATIENT.model_copy(update={"silent_seconds": silent})
        return Holding(mine.db, paths, mine.provider, timings, FAST_SSH, MoneyLimits(), tenant, same)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    return get_paths()


@pytest.fixture
async def renter(rig: Rig, tmp_path: Path) -> AsyncIterator[Renter]:
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(run_id="r", name="r", created_at=0.0, base=BaseModelRef(id="b"), dataset=data, provider=rig.name)
    async with open_database(tmp_path / "brightrun.db") as db:
        run = await runs.create(db, spec, str(tmp_path), Estimate(memory=1 << 30, seconds_high=60.0))
        provider = rig.provider(guard=GuardTimes(tick=0.3))
        patient, hasty = (Acquirer(db, provider, timings, FAST_SSH, RunTenant(run)) for timings in (PATIENT, HASTY))
        yield Renter(rig, patient, hasty, run)


@pytest.mark.parametrize("fault", ["ssh_late", "key_refused", "odd_status", "api_slow"])
async def test_a_machine_that_takes_its_time_is_waited_for(renter: Renter, fault: str) -> None:
    """The status says running long before SSH does, the key is refused for a while, answers are odd: the same machine is used."""
    faults, value = renter.rig.cloud.faults, {"odd_status": "MIGRATING", "api_slow": 0.3}.get(fault, 1.5)
    of_the_machine = fault in ("ssh_late", "key_refused")
    if of_the_machine:
        faults.set(fault, count=1, value=value)
    lease = await renter.rent()
    if not of_the_machine:
        faults.set(fault, seconds=1.5, value=value)
    host = await renter.reach(lease)
    assert (await host.run("echo in")).output == "in\n"
    assert renter.rig.creates() == 1


@pytest.mark.parametrize("fault", ["never_ready", "starts_broken", "no_gpus"])
async def test_a_machine_that_will_never_do_is_given_up_on_time(renter: Renter, fault: str) -> None:
    renter.rig.cloud.faults.set(fault, count=1)
    lease = await renter.rent()
    with pytest.raises(HostError):
        await renter.reach(lease, hasty=True)


async def test_a_machine_that_costs_more_than_its_offer_is_not_kept(renter: Renter) -> None:
    """Vast says what an instance costs only when it is looked at; RunPod with the create call, see `test_lease_machine`."""
    if renter.rig.name == "vast":
        renter.rig.cloud.faults.set("price_jump", count=1, value=1.5)
        lease = await renter.rent()
        with pytest.raises(HostError, match="an hour; the quote was") as caught:
            await renter.reach(lease)
        assert caught.value.kind == "price_changed"


async def test_a_blocked_port_is_no_matter_where_there_is_another_way(renter: Renter) -> None:
    """Vast has a proxy beside the direct port; at RunPod such a machine is given up."""
    renter.rig.cloud.faults.set("direct_blocked", count=1)
    lease = await renter.rent()
    if renter.rig.name == "vast":
        assert (await (await renter.reach(lease)).run("echo in")).output == "in\n"
    else:
        with pytest.raises(HostError):
            await renter.reach(lease, hasty=True)


async def test_a_machine_without_an_address_is_waited_for_and_nobody_else_is_called(
    renter: Renter, paths: Paths
) -> None:
    """An engine that is back finds its machine between two states, where the provider tells no address of it."""
    lease = await renter.rent()
    await renter.reach(lease)
    holding = renter.holding(paths)
    renter.rig.cloud.faults.set("odd_status", seconds=1.5, value="MIGRATING")
    assert await holding.find_again()
    assert all(address.host for address in holding.host.addresses) if holding.in_hand else not holding.reachable

    async def in_hand() -> bool:
        assert holding.in_hand or await holding.find_again()
        return holding.in_hand

    await until(in_hand)
    assert (await holding.host.run("echo in")).output == "in\n"
    await holding.let_go()


async def test_a_machine_that_has_no_address_for_long_is_lost(renter: Renter, paths: Paths) -> None:
    lease = await renter.rent()
    await renter.reach(lease)
    holding = renter.holding(paths, silent=1.0)
    inspect = holding.provider.inspect

    async def without(provider_id: str) -> Machine | None:
        machine = await inspect(provider_id)
        return machine and machine.model_copy(update={"ssh_host": "", "other_ssh": (), "status": "unknown"})

    holding.provider.inspect = without  # type: ignore[method-assign]
    assert await holding.find_again() and not holding.in_hand

    async def lost() -> bool:
        return not await holding.find_again()

    await until(lost)


async def test_a_machine_that_has_moved_is_taken_in_hand_where_it_is_now(renter: Renter, paths: Paths) -> None:
    lease = await renter.rent()
    await renter.reach(lease)
    holding = renter.holding(paths)
    assert await holding.find_again() and holding.in_hand
    inspect = holding.provider.inspect

    async def moved(provider_id: str) -> Machine | None:
        machine = await inspect(provider_id)
        return machine and machine.model_copy(update={"ssh_port": 9, "other_ssh": ()})

    holding.provider.inspect = moved  # type: ignore[method-assign]
    assert await holding.silence(HostError("no answer")) and not holding.in_hand
    assert await holding.find_again() and [address.port for address in holding.host.addresses] == [9]
    await holding.let_go()


async def test_a_slow_link_and_one_that_stalls_are_worked_over(renter: Renter) -> None:
    """At thirty kilobytes a second the machine is reached; two seconds without a byte lose nothing."""
    lease = await renter.rent()
    instance = renter.rig.cloud.instances[lease.provider_id]
    assert instance.machine is not None
    for link in instance.machine.links:
        link.bytes_per_second = 30_000
    host = await renter.reach(lease)
    for link in instance.machine.links:
        link.bytes_per_second = None
        link.stall(True)
    writing = asyncio.create_task(host.write("note", b"x" * 100_000))
    await asyncio.sleep(2.0)
    for link in instance.machine.links:
        link.stall(False)
    await writing
    assert (await host.read("note", 0)) == b"x" * 100_000
