"""An update while an engine runs: the next run is driven by an engine that knows its settings."""

from __future__ import annotations

import asyncio
import time

import pytest

from brightrun_tui.store import engine as engine_facts
from brightrun_tui.store import open_database
from tests.e2e.conftest import Home, wait_until


@pytest.mark.slow
def test_an_engine_of_another_version_is_replaced_and_its_runs_go_on(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of the run before lives through it."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_BEAT_SECONDS", "1000")  # so that it says its version but once
    first = home.start_training("training.epochs=300", "evaluation.eval_steps=1000", "evaluation.sample_prompts=0")
    step = wait_until(lambda: home.run(first).step, "it trains")
    engine, worker = home.processes("brightrun_tui.orchestrator")[0].pid, home.processes("brightrun_tui.trainer")[0].pid

    async def say_it_is_old() -> None:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            await engine_facts.beat(
                db, pid=engine, started_at=time.time(), version="0.0.1", runs=1, endpoints=0, troubles=[]
            )

    asyncio.run(say_it_is_old())
    second = home.start_training("training.epochs=1", "evaluation.sample_prompts=1")
    assert [p.pid for p in home.processes("brightrun_tui.orchestrator")] != [engine]
    wait_until(lambda: home.run(first).step > step + 10, "the first run goes on")
    assert worker in [p.pid for p in home.processes("brightrun_tui.trainer")] and home.run(first).attempts == 1
    home.json("runs", "stop", first)
    wait_until(lambda: home.run(second).state == "completed", "the second one is done")
