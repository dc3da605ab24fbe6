"""Clocks that are wrong, or set while a machine is paid for: what it costs is rate × the seconds that passed, budgets hold."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.money import EarlierRate
from brightrun_tui.orchestrator import clock, leases, run_budget
from brightrun_tui.providers.base import Machine
from brightrun_tui.store import Database
from brightrun_tui.store import leases as lease_store
from tests.orchestrator.samples import lease_of
from tests.orchestrator.test_budget import a_run
from tests.orchestrator.virtual import memory_store

HOUR = 3600.0


class Clocks:
    """Both clocks of this computer: the one on the wall, which people set, and the seconds of this boot."""

    def __init__(self) -> None:
        self.boot, self.seconds, self.wall = "boot-1", 5000.0, 1_800_000_000.0

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds
        self.wall += seconds


@pytest.fixture
def clocks() -> Iterator[Clocks]:
    now = Clocks()
    watch = SimpleNamespace(time=lambda: now.wall, monotonic=lambda: now.seconds)
    with (
        mock.patch.object(clock, "time", watch),
        mock.patch.object(run_budget, "time", watch),
        mock.patch.object(leases, "time", watch),
        mock.patch.object(clock, "boot_and_seconds", lambda: (now.boot, now.seconds)),
    ):
        yield now


async def rented(db: Database, clocks: Clocks) -> None:
    """A machine at one dollar an hour since two hours, at half of it in the first one."""
    await lease_store.save(
        db,
        lease_of(
            price_per_hour=1.0,
            earlier_rates=(EarlierRate(until=clocks.wall - HOUR, per_hour=0.5),),
            created_at=clocks.wall - 2 * HOUR,
            heard_at=clocks.wall,
        ),
    )


async def spent(db: Database) -> float:
    return (await run_budget.look(db, MoneyLimits(), a_run("r", 5.0))).spent


@pytest.mark.parametrize("jump", [-86400.0, 86400.0, -3700.0, 3600.0 * 24 * 365])
async def test_setting_the_clock_changes_neither_what_was_spent_nor_what_is_left(clocks: Clocks, jump: float) -> None:
    """A day back would have let a run spend a day's money beyond its budget, a day forward would have ended it."""
    db = memory_store()
    await rented(db, clocks)
    assert await spent(db) == pytest.approx(1.5)
    clocks.wall += jump
    assert await spent(db) == pytest.approx(1.5)
    clocks.pass_by(HOUR)
    assert await spent(db) == pytest.approx(2.5)
    clocks.wall -= jump
    clocks.pass_by(HOUR)
    assert await spent(db) == pytest.approx(3.5)
    (lease,) = await lease_store.list_leases(db)
    assert lease.heard_at == pytest.approx(clocks.wall - 2 * HOUR), "how long the guard was silent keeps, too"


async def test_small_corrections_and_other_boots_move_nothing(clocks: Clocks, tmp_path: Path) -> None:
    """The clock is corrected by seconds all the time; of an earlier boot nobody knows how long ago it was."""
    db = memory_store()
    await rented(db, clocks)
    assert await spent(db) == pytest.approx(1.5)
    clocks.wall += 30
    assert await spent(db) == pytest.approx(1.5 + 30 / HOUR)
    clocks.boot, clocks.seconds = "boot-2", 10.0
    clocks.wall += HOUR
    assert await spent(db) == pytest.approx(2.5 + 30 / HOUR)


@pytest.mark.parametrize("wrong_by", [-2 * HOUR, 2 * HOUR, -86400.0])
async def test_a_provider_whose_clock_differs_from_ours_is_counted_by_ours(clocks: Clocks, wrong_by: float) -> None:
    """A clock that is two hours behind must not make the first two hours free, nor one that is ahead two hours be paid twice."""
    db = memory_store()
    asked = lease_of(state="intended", quoted_per_hour=1.0, created_at=clocks.wall)
    clocks.pass_by(2.0)
    told = Machine(
        provider="p",
        provider_id="m",
        status="running",
        price_per_hour=1.0,
        created_at=clocks.wall - 1.0 + wrong_by,
        running_since=clocks.wall - 0.5 + wrong_by,
    )
    with mock.patch.object(leases, "find", mock.AsyncMock(return_value=told)):
        from brightrun_tui.orchestrator.timings import EngineTimings

        lease = await leases.adopt(db, mock.Mock(), asked, EngineTimings())
    lease = await leases.note_rate(db, lease, told)
    clocks.pass_by(HOUR)
    assert await spent(db) == pytest.approx(1.0, abs=3 / HOUR)


def test_the_time_of_day_is_looked_at_here() -> None:
    """The facts on which the others stand: this computer has both clocks, and they agree now."""
    boot, seconds = clock.boot_and_seconds()
    assert boot and seconds > 0 and clock.WallClock().jumped() == 0.0 and time.time() > seconds
