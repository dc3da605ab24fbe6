"""Whatever the provider says and wherever the engine dies: one machine at a time, all of them returned, nobody else's touched."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from brightrun_tui.domain.errors import BrightrunError, StoreError
from brightrun_tui.domain.money import Estimate, Lease
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.orchestrator import acquire, lease_manager, leases, troubles
from brightrun_tui.orchestrator.run_budget import RunBudget
from brightrun_tui.orchestrator.tenants import RunTenant
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import get_paths
from brightrun_tui.store import leases as lease_store
from brightrun_tui.store import runs
from tests.orchestrator.virtual import Clock, Lying, Rented, VirtualLoop, memory_store

FAULTS = {
    "sold_out": 2,
    "create_lost": 1,
    "create_unclear": 2,
    "create_names_another": 1,
    "create_has_anothers_id": 1,
    "create_has_nobodys_id": 1,
    "price_jump": 1,
    "inspect_misses": 1,
    "list_misses": 3,
    "delete_lies": 3,
    "down": 6,
}
"""What may go wrong, and how often in a row. Fewer lists miss a machine than are read before it counts as never made."""

OUTAGES = {"down": 600.0, "delete_fails": 3600.0}
"""What may last, in seconds: no answer to anything for ten minutes, no machine taken back for an hour."""


class CrashError(BaseException):
    """kill -9 of the engine at this very call."""


class LeaseMachine(RuleBasedStateMachine):
    """One run, one provider, one engine that is killed and started again."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(lambda _loop, _context: None)
        self.dead = False
        clock = Clock(self.loop)
        self.patches = ExitStack()
        for module in (leases, lease_manager, acquire, troubles):
            self.patches.enter_context(mock.patch.object(module, "time", clock))
        connected = mock.patch.object(lease_manager, "connected_providers", lambda _paths: ["lying"])
        self.patches.enter_context(connected)
        self.patches.enter_context(mock.patch.object(lease_manager.LeaseManager, "provider", self.provider))
        self.home = Path(tempfile.mkdtemp(prefix="lease-machine-"))
        self.db, self.cloud = memory_store(), Lying(clock)
        self.cloud.machines["foreign"] = Rented("foreign", "somebody-elses", 0.5, clock.time(), foreign=True)
        self.cloud.machines["twin"] = Rented("twin", "br-00000000-r-1", 0.5, clock.time(), foreign=True)
        self.timings = EngineTimings()
        self.run_: Run = self.do(self.new_run())
        self.do(runs.transition(self.db, "r", "preparing"))
        self.do(runs.transition(self.db, "r", "launching"))
        self.resting = False
        self.boot()

    async def new_run(self) -> Run:
        data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
        spec = RunSpec(
            run_id="r", name="r", created_at=0.0, base=BaseModelRef(id="b", path="b"), dataset=data, provider="lying"
        )
        return await runs.create(self.db, spec, str(self.home), Estimate(memory=1, price_per_hour=1.5))

    async def provider(self, _name: str) -> Lying:
        return self.cloud

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def boot(self) -> None:
        self.lease_manager = lease_manager.LeaseManager(
            self.db, get_paths(), self.timings, SshTimings(), troubles.Troubles()
        )
        self.acquirer = acquire.Acquirer(self.db, self.cloud, self.timings, SshTimings(), RunTenant(self.run_))

    def crash(self) -> None:
        """Every task of the engine is gone; another engine starts with what is on disk."""

        async def kill() -> None:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.cloud.before = self.cloud.after = lambda _call: None
        self.dead = False
        self.do(kill())
        self.boot()

    @rule(fault=st.sampled_from(sorted(FAULTS)))
    def go_wrong(self, fault: str) -> None:
        self.cloud.faults[fault] = FAULTS[fault]

    @rule(outage=st.sampled_from(sorted(OUTAGES)))
    def outage_begins(self, outage: str) -> None:
        self.cloud.outages[outage] = self.cloud.clock.time() + OUTAGES[outage]

    @precondition(lambda self: not self.resting)
    @rule()
    def take(self) -> None:
        """The engine gets the run its machine, with the lease manager at work beside it."""
        with suppress(BrightrunError):
            self.do(
                self.beside_the_landlord(
                    self.acquirer.lease(RunTenant(self.run_), RunBudget(0.0, None), lambda _said: None)
                )
            )

    @precondition(lambda self: not self.resting)
    @rule(call=st.sampled_from(["create", "inspect", "list", "terminate", "offers"]), late=st.booleans())
    def take_and_crash(self, call: str, late: bool) -> None:
        """kill -9 before that call left, or after it took effect and before its answer came."""

        def strike(name: str) -> None:
            if name == call or self.dead:
                self.dead = True
                raise CrashError

        if late:
            self.cloud.after = strike
        else:
            self.cloud.before = strike
        with suppress(BrightrunError, CrashError):
            self.do(
                self.beside_the_landlord(
                    self.acquirer.lease(RunTenant(self.run_), RunBudget(0.0, None), lambda _said: None)
                )
            )
        self.crash()

    @rule(seconds=st.sampled_from([5, 60, 400]))
    def time_goes_by(self, seconds: int) -> None:
        self.do(self.beside_the_landlord(asyncio.sleep(seconds)))

    @rule()
    def engine_dies(self) -> None:
        self.crash()

    @precondition(lambda self: not self.resting)
    @rule()
    def machine_is_no_good(self) -> None:
        """The engine lets go of what it holds; it will want another one."""
        for lease in self.do(lease_store.list_leases(self.db, run_id="r", open_only=True)):
            if lease.state == "live":
                self.do(self.acquirer.drop(lease, "no good"))

    @rule()
    def provider_takes_it_away(self) -> None:
        for machine in self.cloud.machines.values():
            if machine.alive and not machine.foreign:
                machine.gone_at, machine.taken = self.cloud.clock.time(), True
                return

    @precondition(lambda self: not self.resting)
    @rule()
    def run_ends(self) -> None:
        self.resting = True
        self.do(runs.transition(self.db, "r", "failed"))

    async def beside_the_landlord(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Both run until the work is done, as they do in the engine."""

        async def rounds() -> None:
            while True:
                await self.lease_manager.look()
                await asyncio.sleep(5)

        looking = asyncio.create_task(rounds())
        try:
            return await work
        finally:
            looking.cancel()

    def ours(self) -> list[Rented]:
        return [machine for machine in self.cloud.machines.values() if not machine.foreign]

    @invariant()
    def one_machine_is_paid_at_a_time(self) -> None:
        """Another one may only be there while the earlier one has been asked to go."""
        unasked = [machine for machine in self.ours() if machine.alive and not machine.asked]
        assert len(unasked) <= 1, unasked

    @invariant()
    def one_wrong_word_does_not_release(self) -> None:
        """A lease is called released only when its machine has been called gone twice, and asked to go."""
        machines = {machine.id: machine for machine in self.ours()}
        for lease in self.do(lease_store.list_leases(self.db)):
            machine = machines.get(lease.provider_id)
            if lease.state == "released" and machine is not None:
                assert machine.asked and (not machine.alive or machine.missed >= 2)

    @invariant()
    def others_are_left_alone(self) -> None:
        assert not any(machine.asked for machine in self.cloud.machines.values() if machine.foreign)

    @invariant()
    def what_lives_is_on_the_books(self) -> None:
        """Every machine has a lease by its name, intended or more; one that lives is not called released for long."""
        names = {lease.name for lease in self.do(lease_store.list_leases(self.db))}
        assert {machine.name for machine in self.ours()} <= names

    def teardown(self) -> None:
        """The run is over and the provider is itself again: within an hour all is returned, and the books agree."""
        try:
            self.crash()
            self.cloud.faults.clear()
            self.cloud.outages.clear()
            if not self.resting:
                self.run_ends()
            self.do(self.beside_the_landlord(asyncio.sleep(3600)))
            assert not [machine for machine in self.ours() if machine.alive]
            found = {lease.name: lease for lease in self.do(lease_store.list_leases(self.db))}
            assert all(lease.state == "released" for lease in found.values()), found
            for machine in self.ours():
                lease, end = found[machine.name], machine.gone_at or 0.0
                if machine.taken and not lease.provider_id:
                    continue  # it was gone before anybody could know of it
                assert lease.provider_id == machine.id
                paid = (end - machine.created) / 3600 * machine.price
                assert lease.spending(end).counted >= paid - 1e-6, "less on record than was paid"
            self.crash()
        finally:
            self.patches.close()
            self.loop.close()
            shutil.rmtree(self.home, ignore_errors=True)


LeaseMachine.TestCase.settings = settings(
    max_examples=100, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLeases = LeaseMachine.TestCase


def test_a_delete_that_lies_and_one_look_that_misses_release_nothing() -> None:
    """Billing is called over only after two looks; one of them may be wrong."""
    machine = LeaseMachine()
    machine.take()
    machine.machine_is_no_good()
    machine.cloud.faults.update(delete_lies=1, inspect_misses=1)
    for _ in range(12):
        machine.time_goes_by(5)
        machine.one_wrong_word_does_not_release()
    machine.teardown()


def test_an_hour_in_which_no_machine_is_taken_back_is_outlasted() -> None:
    """Delete fails for an hour: the lease stays on the books as releasing all the while, no other is rented, then it is gone."""
    machine = LeaseMachine()
    machine.take()
    machine.outage_begins("delete_fails")
    machine.machine_is_no_good()
    for _ in range(8):
        machine.time_goes_by(400)
        (lease,) = machine.do(lease_store.list_leases(machine.db))
        assert lease.state == "releasing" and len(machine.ours()) == 1
        machine.one_wrong_word_does_not_release()
    for _ in range(3):
        machine.time_goes_by(400)
    assert [lease.state for lease in machine.do(lease_store.list_leases(machine.db))] == ["released"]
    machine.teardown()


def test_a_machine_that_turns_out_dearer_after_an_unclear_answer_is_returned_as_itself() -> None:
    machine = LeaseMachine()
    machine.cloud.faults.update(create_unclear=1, price_jump=1)
    machine.take()
    machine.one_machine_is_paid_at_a_time()
    assert [rented.alive for rented in machine.ours()] == [False, True]
    machine.teardown()


@pytest.mark.parametrize("answer", ["clear", "unclear"])
def test_a_machine_that_is_dearer_than_its_offer_is_told_of_as_any_that_is_given_up(answer: str) -> None:
    """A run whose first machine cost three times its price says so, whichever call it was that told the price."""
    machine = LeaseMachine()
    machine.cloud.faults.update({"price_jump": 1} | ({"create_unclear": 1} if answer == "unclear" else {}))
    machine.take()
    (told,) = [notice.message for notice in machine.do(runs.get(machine.db, "r")).notices]
    assert told.startswith("machine 1 (G at $1.20 an hour) was given up after ")
    assert told.endswith(": the machine costs $1.20 an hour; the quote was $0.40")
    machine.teardown()


def test_a_second_machine_of_the_same_name_is_returned_while_the_first_one_works() -> None:
    """A provider that lists two machines for one lease, or made two of one request: one is used, the other one is on record as
    itself and goes back at once; the first lease keeps its machine, its price and its costs."""
    machine = LeaseMachine()
    machine.take()
    (first,) = machine.ours()
    second = Rented("m-late", first.name, 2.0, machine.cloud.clock.time(), asked=True)
    machine.cloud.machines[second.id] = second
    machine.time_goes_by(400)
    assert first.alive and not first.asked and not second.alive
    found = {lease.provider_id: lease for lease in machine.do(lease_store.list_leases(machine.db))}
    assert found[first.id].state == "live" and found[first.id].price_per_hour == first.price
    late = found[second.id]
    assert late.state == "released" and late.run_id == "r" and late.name != first.name
    machine.machine_is_no_good()
    machine.time_goes_by(60)
    third = Rented("m-later", first.name, 2.0, machine.cloud.clock.time(), asked=True)
    machine.cloud.machines[third.id] = third
    machine.time_goes_by(400)
    found = {lease.provider_id: lease for lease in machine.do(lease_store.list_leases(machine.db))}
    assert not third.alive and set(found) == {first.id, second.id, third.id}, (
        "what the first one cost is not written over"
    )
    for rented in (second, third):
        del machine.cloud.machines[rented.id]
    machine.teardown()


def test_a_disk_that_is_full_rents_nothing_before_the_intent_and_loses_nothing_after_the_create_call() -> None:
    """No intent on disk, no create call; no room for the answer: the machine is found by its name and taken, not rented twice."""
    save = lease_store.save

    def full_when(state: str) -> Any:
        async def saving(db: Any, lease: Lease, **changes: Any) -> Lease:
            if changes.get("state", lease.state) == state:
                raise StoreError("the disk is full", kind="disk_full")
            return await save(db, lease, **changes)

        return mock.patch.object(lease_store, "save", saving)

    machine = LeaseMachine()
    with full_when("intended"):
        machine.take()
    assert not machine.ours() and not machine.do(lease_store.list_leases(machine.db))
    with full_when("live"):
        machine.take()
    (rented,) = machine.ours()
    assert [lease.state for lease in machine.do(lease_store.list_leases(machine.db))] == ["intended"]
    machine.crash()
    machine.take()
    (lease,) = machine.do(lease_store.list_leases(machine.db))
    assert machine.ours() == [rented] and (lease.state, lease.provider_id) == ("live", rented.id)
    machine.teardown()


def test_a_run_says_of_each_machine_that_was_replaced_why_after_how_long_and_at_what_cost() -> None:
    machine = LeaseMachine()
    for _ in range(2):
        machine.take()
        machine.time_goes_by(400)
        machine.machine_is_no_good()
    told = [notice.message for notice in machine.do(runs.get(machine.db, "r")).notices]
    for number, message in enumerate(told, 1):
        assert message.startswith(f"machine {number} (G at $0.40 an hour) was given up after 6 min 40 s and $0.0")
        assert message.endswith(": no good")
    assert len(told) == 2
    machine.teardown()


@pytest.mark.parametrize("answer", ["create_names_another", "create_has_anothers_id", "create_has_nobodys_id"])
def test_an_answer_to_a_create_call_that_means_another_machine_touches_none_and_loses_none(answer: str) -> None:
    """Whoever's it was got the terminate call, and ours ran on beside the next one."""
    machine = LeaseMachine()
    machine.go_wrong(answer)
    machine.take()
    machine.one_machine_is_paid_at_a_time()
    machine.machine_is_no_good()
    machine.time_goes_by(60)
    machine.take()
    machine.one_machine_is_paid_at_a_time()
    machine.others_are_left_alone()
    machine.teardown()


def test_setting_the_clock_does_not_end_the_search_for_a_machine_that_may_have_been_rented() -> None:
    """A year later it was called one that never showed up, and nobody looked for it but the sweeps."""
    machine = LeaseMachine()
    machine.go_wrong("create_lost")
    machine.take()
    machine.time_goes_by(60)
    machine.cloud.clock.set_by = 3600.0 * 24 * 365
    machine.time_goes_by(60)
    states = [lease.state for lease in machine.do(lease_store.list_leases(machine.db))]
    assert states.count("releasing") == 1
    machine.teardown()
