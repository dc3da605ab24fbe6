"""Which machine a run gets: the one that was agreed to, else where its rest costs least, and none dearer than was agreed to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.errors import NoCapacityError
from brightrun_tui.domain.money import Estimate, Hardware, Lease, Limits, Offer
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.hosts.connection import SshTimings
from brightrun_tui.orchestrator import leases
from brightrun_tui.orchestrator.acquire import Acquirer
from brightrun_tui.orchestrator.run_budget import RunBudget
from brightrun_tui.orchestrator.tenants import RunTenant
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.providers.base import Machine, Need
from brightrun_tui.store import Database, runs
from brightrun_tui.store import leases as lease_store
from tests.orchestrator.samples import lease_of
from tests.orchestrator.virtual import Clock, Lying, VirtualLoop, memory_store

HOUR = 3600.0
ESTIMATE = Estimate(memory=1, seconds=HOUR, setup_seconds=0.0, price_per_hour=0.4, gpu="G", host_id="h1", flops=1e14)


@dataclass
class Market(Lying):
    """Has what it is told to have."""

    on_sale: list[Offer] = field(default_factory=list)

    async def offers(self, need: Need) -> list[Offer]:
        return [offer for offer in self.on_sale if offer.host_id not in need.without_hosts]


def offer(name: str, price: float, *, once: float = 0.0, host: str = "", gpu: str = "G", flops: float = 1e14) -> Offer:
    return Offer(
        id=name,
        provider="lying",
        price_per_hour=price,
        once_usd=once,
        tier="secure",
        host_id=host,
        hardware=Hardware(device="cuda", gpu=gpu, gpu_count=1, flops=flops),
    )


async def choice(
    db: Database, home: Path, on_sale: list[Offer], *, agreed: str = "", step: int = 0, budget: float | None = None
) -> Lease:
    """What is rented for a run of a hundred steps, an hour of work on the machine that was agreed to."""
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(
        run_id="r",
        name="r",
        created_at=0.0,
        base=BaseModelRef(id="b"),
        dataset=data,
        provider="lying",
        offer=agreed,
        limits=Limits(budget_usd=budget),
    )
    await runs.create(db, spec, str(home), ESTIMATE)
    run: Run = await runs.update(db, "r", step=step, total_steps=100)
    provider = Market(Clock(VirtualLoop()), on_sale=on_sale)
    return await Acquirer(db, provider, EngineTimings(), SshTimings(), RunTenant(run)).lease(
        RunTenant(run), RunBudget(0.0, budget), lambda _said: None
    )


async def test_the_machine_that_was_agreed_to_is_found_again_although_its_offer_has_another_id(tmp_path: Path) -> None:
    """By machine, GPU and price; a cheaper one that nobody agreed to is not taken in its place."""
    found = await choice(memory_store(), tmp_path, [offer("7", 0.3), offer("8", 0.41, host="h1")], agreed="1")
    assert (found.offer_id, found.host_id) == ("8", "h1")


@pytest.mark.parametrize(
    "changed", [offer("8", 0.5, host="h1"), offer("8", 0.41, host="h1", gpu="H"), offer("8", 0.41)]
)
async def test_another_machine_is_not_taken_for_it(tmp_path: Path, changed: Offer) -> None:
    assert (await choice(memory_store(), tmp_path, [offer("7", 0.3), changed], agreed="1")).offer_id == "7"


@pytest.mark.parametrize(("step", "best"), [(0, "slow traffic"), (99, "dear hour")])
async def test_a_replacement_is_chosen_by_what_the_rest_of_the_run_costs_there(
    tmp_path: Path, step: int, best: str
) -> None:
    """At the beginning the hours decide; near the end the traffic of image and model does."""
    market = [offer("slow traffic", 0.3, once=0.1), offer("dear hour", 0.45)]
    assert (await choice(memory_store(), tmp_path, market, step=step)).offer_id == best


async def test_a_faster_card_may_be_the_cheaper_one(tmp_path: Path) -> None:
    assert (
        await choice(memory_store(), tmp_path, [offer("slow", 0.4), offer("fast", 0.6, flops=4e14)])
    ).offer_id == "fast"


@pytest.mark.parametrize("budget", [None, 50.0])
async def test_none_is_taken_that_is_much_dearer_than_was_agreed_to(tmp_path: Path, budget: float | None) -> None:
    """With a budget as without one; the refusal names both prices."""
    with pytest.raises(NoCapacityError, match=r"\$0\.87 .*\$0\.40 .*\$0\.60"):
        await choice(memory_store(), tmp_path, [offer("x", 0.87)], budget=budget)


async def test_a_rate_that_changes_counts_from_then_on_and_the_first_one_from_the_beginning() -> None:
    """Seconds × the rate of those seconds, from the offer's price over the observed one to the one that it rose to."""
    db, began = memory_store(), 1_800_000_000.0
    lease = await lease_store.save(db, lease_of(quoted_per_hour=0.4, created_at=began, storage_per_hour=0.1))
    assert lease.spending(began + HOUR).total == pytest.approx(0.4)
    seen = Machine(provider="p", provider_id="m", status="running", price_per_hour=0.42)
    lease = await leases.note_rate(db, lease, seen)
    assert lease.spending(began + HOUR).total == pytest.approx(0.42) and not lease.earlier_rates
    lease = await leases.note_rate(db, lease, seen.model_copy(update={"price_per_hour": 0.8}))
    (earlier,) = lease.earlier_rates
    lease = lease.model_copy(update={"earlier_rates": (earlier.model_copy(update={"until": began + HOUR}),)})
    spending = lease.spending(began + 2 * HOUR)
    assert [spending.machine, spending.storage] == pytest.approx([1.02, 0.2])
    assert lease.rate == 0.8 and (await lease_store.list_leases(db))[0].price_per_hour == 0.8


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({"status": "starting", "billed_per_hour": 0.1}, 0.2),
        ({"status": "running", "billed_per_hour": 1.0, "running_since": HOUR}, 1.1),
        ({"status": "running"}, 2.0),
        ({"status": "stopped", "billed_per_hour": 0.1}, 2.0),
    ],
)
async def test_a_machine_that_shows_up_late_costs_what_any_does_until_it_runs(
    seen: dict[str, Any], expected: float
) -> None:
    """Vast charges the disk until the GPU runs. One that stands still may have run before: nothing is taken to be cheap."""
    machine = Machine(provider="p", provider_id="m", price_per_hour=1.0, created_at=0.0, **seen)
    lost = lease_of(state="releasing", provider_id="", quoted_per_hour=1.0, storage_per_hour=0.1)
    found = lost.model_copy(update=dict(leases.first_seen(lost, machine)))
    assert found.spending(2 * HOUR).total == pytest.approx(expected)


def test_of_a_machine_that_was_found_nobody_knows_the_offer() -> None:
    """Neither free nor dear: it was not quoted. One of one's own costs nothing, and that is known."""
    machine = Machine(provider="p", provider_id="m", gpu="G", price_per_hour=1.0, created_at=1.0)
    lost = leases.found("p", machine, "br-x-r-1", "r", "found")
    assert (lost.quoted, lost.gpu, lost.created_at, lost.state) == (None, "G", 1.0, "releasing")
    assert lease_of().quoted == 0.0 and lease_of(quoted_per_hour=2.0, price_per_hour=2.1).quoted == 2.0


def test_a_bill_takes_the_place_of_what_was_counted_once_it_has_come_in_whole() -> None:
    """Traffic that was expected and not used is given back, what was not expected is added; half a bill changes nothing yet."""
    lease = lease_of(price_per_hour=1.0, once_usd=0.2)

    def cost(billed: float | None, *, ended: float | None, now: float) -> float:
        return lease.model_copy(update={"billed_usd": billed, "released_at": ended}).spending(now).total

    assert cost(None, ended=None, now=HOUR) == pytest.approx(1.2)
    assert cost(0.9, ended=None, now=HOUR) == pytest.approx(1.2) and cost(1.5, ended=None, now=HOUR) == pytest.approx(
        1.5
    )
    assert cost(0.5, ended=HOUR, now=2 * HOUR) == pytest.approx(1.2)
    assert cost(1.01, ended=HOUR, now=2 * HOUR) == pytest.approx(1.01)
    assert cost(0.5, ended=HOUR, now=100 * HOUR) == pytest.approx(0.5)


@pytest.mark.parametrize(("disk", "expected"), [(None, 2.0), (0.02, 2.0), (0.2, 0.5)])
def test_a_machine_that_stopped_while_nobody_looked_costs_what_its_bill_says(
    disk: float | None, expected: float
) -> None:
    """The whole disk is in the bill, so nothing more will come: a night's rate is not held against the month for days."""
    lease = lease_of(
        state="released",
        price_per_hour=1.0,
        storage_per_hour=0.1,
        released_at=2 * HOUR,
        billed_usd=0.5,
        billed_storage_usd=disk,
    )
    assert lease.spending(3 * HOUR).total == pytest.approx(expected)


def test_of_a_machine_of_two_months_each_month_pays_its_part() -> None:
    """Traffic falls due when it is rented; the bill is split as our own count is."""
    lease = lease_of(state="released", price_per_hour=1.0, once_usd=1.0, released_at=2 * HOUR)
    assert lease.spending(9 * HOUR, HOUR).total == pytest.approx(1.0)
    assert lease.model_copy(update={"billed_usd": 6.0}).spending(9 * HOUR, HOUR).total == pytest.approx(2.0)
