"""An update while an engine runs: the next run is driven by an engine that knows its settings."""

from __future__ import annotations

import asyncio
import time

import pytest

from brightrun_tui.store import engine as engine_facts
from brightrun_tui.store import open_database
from tests.e2e.conftest import Home, UntaughtWorker, wait_until


@pytest.mark.slow
def test_an_engine_of_another_version_is_replaced_and_its_runs_go_on(
    home: Home, untaught_here: UntaughtWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker of the run before lives through it."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_BEAT_SECONDS", "1000")  # so that it says its version but once
    untaught_here.hold(5)
    first = home.start_training()
    wait_until(lambda: home.run(first).step == 5, "it trains")
    engine, worker = home.processes("brightrun_tui.orchestrator")[0].pid, home.processes("brightrun_tui.trainer")[0].pid

    async def say_it_is_old() -> None:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            await engine_facts.beat(
                db, pid=engine, started_at=time.time(), version="0.0.1", runs=1, endpoints=0, troubles=[]
            )

    asyncio.run(say_it_is_old())
    second = home.start_training()
    assert [p.pid for p in home.processes("brightrun_tui.orchestrator")] != [engine]
    untaught_here.hold(16)
    wait_until(lambda: home.run(first).step == 16, "the first run goes on")
    assert worker in [p.pid for p in home.processes("brightrun_tui.trainer")] and home.run(first).attempts == 1
    home.json("runs", "stop", first)
    untaught_here.go_on()
    wait_until(lambda: home.run(second).state == "completed", "the second one is done")
