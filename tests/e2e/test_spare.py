"""A worker in waiting: the run starts at once, and whatever dies, there is one worker for a run and none for nobody."""

from __future__ import annotations

import asyncio

import psutil
import pytest

from brightrun_tui.domain.requests import StandBy
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import get_paths
from brightrun_tui.store import open_database
from tests.e2e.conftest import Home, wait_until

SECRET = "sk-nobody-must-see-me"
LONG = ("training.epochs=400", "evaluation.eval_steps=1000", "training.save_steps=5", "evaluation.sample_prompts=0")


def stand_by(home: Home, monkeypatch: pytest.MonkeyPatch) -> psutil.Process:
    """Ask for a worker in waiting, as the form does when everything is green; returns it."""
    for name, value in {**home.environment, "RUNPOD_API_KEY": SECRET, "OPENAI_API_KEY": SECRET}.items():
        monkeypatch.setenv(name, value)

    async def ask() -> bool:
        paths = get_paths()
        async with open_database(paths.database) as db:
            reply = await client.ask(db, paths, StandBy(), wait=30)
            return reply.answer is not None and reply.answer.ready

    home.json("runs")
    assert asyncio.run(ask())
    (worker,) = home.processes("brightrun_tui.trainer")
    assert SECRET not in worker.environ().values()
    return worker


@pytest.mark.slow
def test_the_waiting_worker_becomes_the_runs_worker_and_outlives_the_engine(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same process; the next engine knows it again, so that nothing is started twice."""
    waiting = stand_by(home, monkeypatch)
    run_id = home.start_training(*LONG)
    run = wait_until(lambda: (r := home.run(run_id)).step > 2 and r, "it trains")
    assert [p.pid for p in home.processes("brightrun_tui.trainer")] == [waiting.pid]
    home.kill("brightrun_tui.orchestrator")
    home.json("engine", "start")
    wait_until(lambda: home.run(run_id).step > run.step + 20, "the next engine follows it")
    assert [p.pid for p in home.processes("brightrun_tui.trainer")] == [waiting.pid] and home.run(run_id).attempts == 1
    assert (home.root / "data" / "runs" / run_id / "worker.log").exists()
    home.json("runs", "stop", run_id)
    wait_until(
        lambda: home.run(run_id).state == "stopped" and not home.processes("brightrun_tui"), "all has ended by itself"
    )
    run = home.run(run_id)
    assert (run.model, run.model_version) == ("toy", 1), "what was learnt until it was stopped is a model"
    steps = sorted(home.losses(run_id))
    assert steps == list(range(1, len(steps) + 1))


@pytest.mark.slow
def test_a_worker_that_waits_in_vain_is_gone_with_its_engine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed without a word, the engine leaves nothing behind; in order, it sends the worker home."""
    stand_by(home, monkeypatch)
    home.kill("brightrun_tui.orchestrator")
    wait_until(lambda: not home.processes("brightrun_tui"), "it goes when the engine is killed")
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SPARE_SECONDS", "1")
    stand_by(home, monkeypatch)
    wait_until(lambda: not home.processes("brightrun_tui"), "it goes when nobody came")


@pytest.mark.slow
def test_a_run_starts_anyway_when_the_waiting_worker_was_killed(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh one is started in its place."""
    stand_by(home, monkeypatch)
    home.kill("brightrun_tui.trainer")
    run_id = home.start_training("training.epochs=1")
    worker = wait_until(lambda: home.processes("brightrun_tui.trainer"), "another worker is started")[0]
    assert SECRET not in worker.environ().values()
    wait_until(lambda: home.run(run_id).state == "completed", "it is done")
