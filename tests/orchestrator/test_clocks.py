"""Clocks that are wrong, or set while a machine is paid for: what it costs is rate × the seconds that passed, budgets hold."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import psutil
import pytest
from filelock import FileLock

from brightrun_tui import process
from brightrun_tui.config import MoneyLimits
from brightrun_tui.domain.money import EarlierRate, Stretch
from brightrun_tui.orchestrator import clock, engine_status, leases, run_budget
from brightrun_tui.orchestrator.metering import counted
from brightrun_tui.paths import Paths
from brightrun_tui.providers.base import Machine
from brightrun_tui.providers.serverless import ServerlessWorker
from brightrun_tui.store import Database
from brightrun_tui.store import engine as engine_facts
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


@pytest.mark.parametrize("jump", [-86400.0, 3600.0 * 24 * 365])
def test_setting_the_clock_makes_nothing_idle_and_nothing_busy(clocks: Clocks, jump: float) -> None:
    """A machine that answered a request a second ago was returned when the clock went on; when it went back, one that nobody
    used was paid for until it had caught up.
    """
    unused, ready_at, used_at = clock.SinceUse(), clocks.wall - HOUR, clocks.wall - 60
    assert unused.seconds(ready_at, used_at) == pytest.approx(60)
    clocks.wall += jump
    assert unused.seconds(ready_at, used_at) == pytest.approx(60)
    clocks.pass_by(HOUR)
    assert unused.seconds(ready_at, used_at) == pytest.approx(60 + HOUR)
    assert unused.seconds(ready_at, clocks.wall) == pytest.approx(0), "it was used, whatever time that is"
    clocks.pass_by(30)
    assert unused.seconds(ready_at, clocks.wall - 30) == pytest.approx(30)


@pytest.mark.parametrize("jump", [-86400.0, 0.0, 3600.0 * 24 * 365])
async def test_an_engine_that_hangs_is_called_so_and_no_other_whatever_the_clock_says(
    clocks: Clocks, jump: float, tmp_path: Path
) -> None:
    """With the clock set back by a day, one that hung was called well for a day."""
    db, paths = memory_store(), Paths(tmp_path, tmp_path, tmp_path, tmp_path)
    silent = partial(engine_status.engine_status, db, paths)
    with (
        FileLock(paths.engine_lock),
        mock.patch.object(engine_status, "boot_and_seconds", clock.boot_and_seconds),
        mock.patch.object(time, "time", lambda: clocks.wall),
    ):
        facts = engine_facts.EngineFacts(
            pid=1, started_at=0.0, version="", runs=0, endpoints=0, troubles=[], beat_boot=clock.boot_and_seconds()
        )
        await engine_facts.beat(db, **facts)
        clocks.wall += jump
        assert not (await silent()).stale
        clocks.pass_by(engine_status.STALE_SECONDS + 1)
        assert (await silent()).stale


@pytest.mark.parametrize("jump", [-HOUR, 3600.0 * 24 * 365])
async def test_workers_that_are_counted_by_the_second_cost_the_same_when_the_clock_is_set(
    clocks: Clocks, jump: float
) -> None:
    db = memory_store()
    ran = Stretch(worker="w", begin=clocks.wall - HOUR, until=clocks.wall, per_hour=1.0)
    await lease_store.save(db, lease_of(metered=True, created_at=clocks.wall - HOUR, stretches=(ran,)))
    assert await spent(db) == pytest.approx(1.0)
    clocks.wall += jump
    clocks.pass_by(HOUR)
    await clock.follow(db)
    (lease,) = await lease_store.list_leases(db)
    workers = [ServerlessWorker(id="w", status="running", seconds=2 * HOUR, per_hour=1.0)]
    await lease_store.update(db, lease, **counted(lease, workers, clocks.wall))
    assert await spent(db) == pytest.approx(2.0)


@pytest.mark.parametrize("jump", [-86400, 3, 3600 * 24 * 365])
def test_a_process_is_itself_whatever_the_clock_says(jump: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints were called down, and started beside themselves, after the clock had been corrected by seconds."""
    ours = os.getpid()
    born_at, before = process.born(ours), psutil._psplatform.boot_time()
    monkeypatch.setattr(psutil._psplatform, "boot_time", lambda: before + jump)
    assert process.is_still(ours, born_at) and not process.is_still(ours, born_at - 60)
    earlier_version = psutil.Process(ours).create_time()
    assert process.is_still(ours, earlier_version) and not process.is_still(ours, earlier_version - 60)


def test_the_time_of_day_is_looked_at_here() -> None:
    """The facts on which the others stand: this computer has both clocks, and they agree now."""
    boot, seconds = clock.boot_and_seconds()
    assert boot and seconds > 0 and clock.WallClock().jumped() == 0.0 and time.time() > seconds
