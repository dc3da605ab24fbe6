"""A run directory, or all of the data, that is moved or deleted while it is in use: that is said, and nothing else goes along."""

from __future__ import annotations

import asyncio
import os
import shutil
from functools import partial
from pathlib import Path

import pytest

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator.run_commands import RunCommand
from brightrun_tui.orchestrator.runner import Runner
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.process import lives
from brightrun_tui.store import Database, events, runs
from tests.orchestrator.test_engine import an_engine
from tests.orchestrator.workers import SHORT, STEADY, Stage, on_stage


async def drive_anew(stage: Stage) -> None:
    """As the next engine does."""
    stage.task.cancel()
    await asyncio.gather(stage.task, return_exceptions=True)
    await stage.target.close()
    run = await stage.run()
    stage.runner = Runner(stage.db, stage.paths, EngineTimings(**SHORT), run, stage.target, stage.troubles)
    stage.task = asyncio.create_task(stage.runner.drive())


async def launch_again(stage: Stage) -> None:
    """As a retry does once the directory is prepared."""
    await asyncio.wait_for(stage.task, 60)
    for state in ("queued", "preparing", "launching"):
        await runs.transition(stage.db, "r", state)
    await drive_anew(stage)


def came_further(step: int, run: Run) -> bool:
    return run.state == "running" and run.step > step


@pytest.mark.parametrize("adopted", [False, True])
async def test_a_run_whose_directory_is_moved_ends_with_that_and_goes_on_once_it_is_back(
    tmp_path: Path, adopted: bool
) -> None:
    """It was called running for as long as one cared to look, and its worker wrote where nobody read."""
    async with on_stage(tmp_path, STEADY) as stage:
        run = await stage.until(lambda run: run.step > 3, "it trains")
        if adopted:
            await drive_anew(stage)
            await stage.until(partial(came_further, run.step), "the next engine follows it")
        directory, worker = stage.target.directory, stage.pid()
        directory.rename(tmp_path / "elsewhere")
        run = await stage.until(lambda run: run.state == "failed", "it is over")
        assert run.failure is not None and run.failure.error == ErrorKind.FILE_MISSING
        assert str(directory) in run.failure.cause and "retry r" in run.failure.fix
        await asyncio.wait_for(stage.task, 60)
        while lives(worker):
            await asyncio.sleep(0.01)
        (tmp_path / "elsewhere").rename(directory)
        await launch_again(stage)
        await stage.until(partial(came_further, run.step), "it goes on")


async def test_a_run_whose_directory_is_lost_begins_anew_and_is_followed_from_its_first_step(tmp_path: Path) -> None:
    """What the second worker said was not read up to the byte at which the first one's had ended."""
    async with on_stage(tmp_path, STEADY) as stage:
        await stage.until(lambda run: run.step > 30, "it trains")
        shutil.rmtree(stage.target.directory)
        run = await stage.until(lambda run: run.state == "failed", "it is over")
        stage.target.directory.mkdir()
        await launch_again(stage)
        now = await stage.until(lambda run: run.state == "running" and 0 < run.step <= 30, "it is followed")
        assert now.events_offset < run.events_offset
        assert [event.seq for event in await events.read(stage.db, "r") if event.seq > now.events_seq] == []


async def test_events_that_a_power_cut_took_are_said_again(tmp_path: Path) -> None:
    """The store had them, the file did not: the next worker took their numbers, and all that it said under them was left out."""
    async with on_stage(tmp_path, STEADY) as stage:
        await stage.until(lambda run: run.step > 30, "it trains")
        stage.task.cancel()
        await asyncio.gather(stage.task, return_exceptions=True)
        os.killpg(stage.pid(), 9)
        while stage.alive():
            await asyncio.sleep(0.01)
        log = stage.target.directory / "events.jsonl"
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:5]))
        await drive_anew(stage)
        run = await stage.until(lambda run: run.state == "running" and 0 < run.step <= 30, "it is followed")
        assert run.failure is None and run.deaths == 0


@pytest.mark.parametrize("take_away", ["move", "delete"])
async def test_an_engine_whose_data_directory_is_taken_away_ends_and_makes_no_new_one(
    tmp_path: Path, take_away: str
) -> None:
    """It made an empty one at the old place and looked after that, while whoever used the new place was told that it runs."""
    home = tmp_path / "home"

    async def something_to_do(db: Database, paths: Paths) -> None:
        (home / "logs").mkdir()

    async with an_engine(home, something_to_do) as (engine, task):
        engine.timings = engine.timings.model_copy(update={"idle_seconds": 600.0})
        home.rename(tmp_path / "moved") if take_away == "move" else shutil.rmtree(home)
        await asyncio.wait_for(task, 60)
        assert not home.exists()


async def test_a_stop_that_was_granted_and_not_answered_is_not_done_twice(tmp_path: Path) -> None:
    """The next engine took the same request for a second one, and ended the worker instead of letting it save its model."""
    async with on_stage(tmp_path, STEADY, answer_seconds=600.0) as stage:
        await stage.until(lambda run: run.step > 3, "it trains")
        for number, ending in ((7, "asked"), (7, "asked"), (8, "terminated")):
            command = RunCommand("stop_asked", number)
            stage.runner.commands.add(command)
            run = await asyncio.wait_for(command.answer, 60)
            assert (run.state, run.ending) == ("stopping", ending)
            await drive_anew(stage)
