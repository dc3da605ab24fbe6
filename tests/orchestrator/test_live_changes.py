"""What is changed of a run that is under way: on record first, told to its worker, and never below what is used up."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.events import Change, Event
from brightrun_tui.domain.requests import ChangeRun
from brightrun_tui.orchestrator import live_changes, watching
from brightrun_tui.orchestrator.targets import LocalTarget
from brightrun_tui.orchestrator.warm_worker import WarmWorker
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, events, runs
from tests.orchestrator.samples import store_with_a_run

RATE = "training.learning_rate"


@pytest_asyncio.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    """A store with one run that has trained 40 of 100 steps, for an hour and for two dollars."""
    async with store_with_a_run(tmp_path) as db:
        await runs.update(db, "r", step=40, total_steps=100, epoch=0.8, cost_usd=2.0, active_seconds=3600.0)
        yield db


def asked(**payload: Any) -> ChangeRun:
    return ChangeRun(target="r", **payload)


def target_in(directory: Path) -> LocalTarget:
    directory.mkdir()
    paths = Paths(directory, directory, directory, directory)
    return LocalTarget(directory, 0.1, WarmWorker(paths, 0))


async def test_limits_hold_at_once_and_are_never_set_below_what_is_used_up(db: Database) -> None:
    run = await live_changes.change(db, asked(budget_usd=5, max_hours=1.5), None)
    assert (run.limits.budget_usd, run.limits.max_hours, run.spec.limits.budget_usd) == (5, 1.5, None)
    assert not watching.overtime(run) and run.changes[0].step == 40
    for payload, place in (
        ({"budget_usd": 1.99}, "--budget"),
        ({"max_hours": 0.5}, "--time-limit"),
        ({"budget_usd": float("nan")}, "--budget"),
        ({"settings": {"training.epochs": 0.5}}, "training.epochs"),
        ({"settings": {"lora.r": 64}}, "--set lora.r"),
        ({}, ""),
    ):
        with pytest.raises(UsageError) as refused:
            await live_changes.change(db, asked(**payload), None)
        assert refused.value.where == place and refused.value.fix
    assert len((await runs.get(db, "r")).changes) == 1


async def test_every_worker_of_a_run_is_told_all_of_its_changes_and_where_to_stop(db: Database, tmp_path: Path) -> None:
    target = target_in(tmp_path / "here")
    await live_changes.change(db, asked(settings={RATE: "1e-4"}), target)
    await live_changes.change(db, asked(budget_usd=9), target)
    await live_changes.change(db, asked(settings={"training.epochs": 4}), target)
    run = await live_changes.stop_later(db, "r", "epoch", target)
    elsewhere = target_in(tmp_path / "there")
    await live_changes.tell_worker(elsewhere, run)
    for place in (target.directory, elsewhere.directory):
        assert json.loads((place / "control/changes.json").read_bytes()) == [
            {"number": 1, "settings": {RATE: 1e-4}},
            {"number": 3, "settings": {"training.epochs": 4.0}},
        ]
        assert (place / "control/stop-after-epoch").exists()
    with pytest.raises(UsageError, match="never"):
        await live_changes.stop_later(db, "r", "never", target)


async def test_the_record_says_from_which_step_on_a_change_holds(db: Database) -> None:
    await live_changes.change(db, asked(settings={RATE: 1e-4}), None)
    taken = Event(0, time.time(), Change(number=1, step=42, settings={RATE: 1e-4}))
    run = await events.ingest(db, "r", [taken], 10)
    assert [(one.words, one.step) for one in run.changes] == [("learning rate 0.0001", 42)]
    await runs.transition(db, "r", "collecting")
    with pytest.raises(UsageError, match="collecting"):
        await live_changes.change(db, asked(budget_usd=9), None)
