"""Which deaths of a worker are held against its run, and which are not."""

from __future__ import annotations

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.events import WorkerExit
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.orchestrator import deaths, runner
from brightrun_tui.orchestrator.lifecycle import MAX_CRASHES, MAX_KILLS
from brightrun_tui.orchestrator.runner import Runner
from brightrun_tui.orchestrator.timings import EngineTimings
from tests.orchestrator.workers import SHORT, STEADY, Scripted, on_stage

KILLED_AT_ONCE = "os.kill(os.getpid(), signal.SIGKILL)"
CRASHES = "os.kill(os.getpid(), signal.SIGSEGV)"
NEVER_FURTHER = "steps(1, 4); os.kill(os.getpid(), signal.SIGKILL)"
FURTHER_EACH_TIME = "done = seq // 2; steps(done, done + 3); os.kill(os.getpid(), signal.SIGKILL)"


def started_oftener(target: Scripted, before: int, run: Run) -> bool:
    return target.starts > before


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "LAUNCH_PAUSE", 0.01)


@pytest.mark.parametrize(
    ("worker", "launches"), [(KILLED_AT_ONCE, MAX_KILLS), (CRASHES, MAX_CRASHES), (NEVER_FURTHER, MAX_KILLS + 1)]
)
async def test_a_worker_that_dies_at_each_start_is_given_up_with_its_cause(
    tmp_path: Path, worker: str, launches: int
) -> None:
    """Steps that were made before are no progress: only a step further than ever is, and that lets one death pass."""
    async with on_stage(tmp_path, worker) as stage:
        run = await stage.until(lambda run: run.state == "failed", "it is given up")
        assert stage.target.starts == launches and run.failure is not None
        assert ("crashed (SIGSEGV)" if worker == CRASHES else "was killed") in run.failure.cause


async def test_a_worker_that_gets_further_each_time_may_be_killed_as_often_as_one_likes(tmp_path: Path) -> None:
    async with on_stage(tmp_path, FURTHER_EACH_TIME) as stage:
        await stage.until(lambda _: stage.target.starts > MAX_KILLS + 3, "it is started again and again")
        assert (await stage.run()).state in ("launching", "running")


async def test_what_died_with_its_engine_counts_for_nothing(tmp_path: Path) -> None:
    """kill -9 of both, nine times, without a step of progress between; the tenth worker is left alone."""
    async with on_stage(tmp_path, STEADY) as stage:
        for _ in range(MAX_KILLS + 3):
            await stage.until(lambda run: run.state == "running" and stage.alive(), "a worker is at it")
            stage.task.cancel()
            await asyncio.gather(stage.task, return_exceptions=True)
            os.killpg(stage.pid(), signal.SIGKILL)
            while stage.alive():
                await asyncio.sleep(0.01)
            await stage.target.close()
            await asyncio.sleep(0)
            stage.runner = Runner(
                stage.db, stage.paths, EngineTimings(**SHORT), await stage.run(), stage.target, stage.troubles
            )
            stage.task = asyncio.create_task(stage.runner.drive())
            await stage.until(partial(started_oftener, stage.target, stage.target.starts), "it is started again")
        run = await stage.until(lambda run: run.state == "running", "it trains")
        assert run.deaths == 0


@pytest.mark.parametrize(
    ("exit_code", "memory", "signal_", "words"),
    [
        (-9, False, "worker_lost", "was killed"),
        (137, False, "worker_lost", "was killed"),
        (None, False, "worker_lost", "was killed"),
        (-15, False, "worker_lost", "was killed"),
        (-9, True, "worker_crashed", "ran out of memory"),
        (137, True, "worker_crashed", "ran out of memory"),
        (-11, True, "worker_crashed", "SIGSEGV"),
        (-77, False, "worker_crashed", "signal 77"),
        (0, False, "worker_crashed", "without a word"),
        (WorkerExit.ANOTHER_AT_WORK, False, "worker_crashed", "another worker"),
        (WorkerExit.DISK_FULL, False, "worker_failed", "disk"),
        (1, False, "worker_failed", "No module named torch"),
    ],
)
async def test_each_end_of_a_worker_has_its_meaning(
    tmp_path: Path, exit_code: int | None, memory: bool, signal_: str, words: str
) -> None:
    (tmp_path / "worker.log").write_text("Traceback\nNo module named torch\n")
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(run_id="r", name="demo", created_at=0.0, base=BaseModelRef(id="b"), dataset=data)
    run = Run(id="r", name="demo", state="running", spec=spec, directory=str(tmp_path), created_at=0.0, updated_at=0.0)
    meaning, failure = await deaths.judge_death(run, exit_code, memory_ran_out=memory)
    assert meaning == signal_ and failure is not None and words in failure.cause


def test_a_disk_that_was_taken_away_is_named() -> None:
    """“brightrun itself failed: FileNotFoundError” was all that was told of it."""
    told = deaths.by_a_surprise(FileNotFoundError(2, "No such file or directory", "/mnt/data/runs/r1"), "r1")
    assert "/mnt/data/runs/r1" in told.cause and "retry r1" in told.fix and told.error != ErrorKind.INTERNAL
    assert deaths.by_a_surprise(KeyError("x"), "r1").error == ErrorKind.INTERNAL
