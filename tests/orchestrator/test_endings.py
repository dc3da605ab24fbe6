"""A stop always stops: whatever the worker does or does not do, and whether or not anything can be written down."""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator import life, lifecycle
from tests.orchestrator.workers import BUSY, DEAF, POLITE, STEADY, on_stage


def says_or_is_stopped(words: str, run: Run) -> bool:
    return words in run.phase_detail or run.state == "stopped"


async def test_a_worker_that_hangs_is_ended_step_by_step_and_a_person_sees_each(tmp_path: Path) -> None:
    async with on_stage(tmp_path, DEAF) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        stage.send(signal.SIGSTOP)
        assert (await stage.ask("stop_asked")).state == "stopping"
        seen = []
        for words in ("asked to stop", "told to end", "killed"):
            run = await stage.until(partial(says_or_is_stopped, words), words)
            seen.append((run.ending, run.phase_detail.split(" s ago")[0].rstrip("0123456789 ")))
        run = await stage.until(lambda run: run.state == "stopped", "it is stopped")
        assert seen[:2] == [("asked", "asked to stop"), ("terminated", "told to end")] and run.ending == "killed"
        assert not stage.alive()
        assert (stage.target.directory / "checkpoints" / "step-2").is_dir(), "what was saved stays"
        assert lifecycle.step(run, "retry_asked").state == "queued"


async def test_each_further_stop_takes_the_next_step_at_once(tmp_path: Path) -> None:
    async with on_stage(tmp_path, DEAF, answer_seconds=600, stop_seconds=600, finish_seconds=600) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        assert [(await stage.ask("stop_asked")).ending for _ in range(3)] == ["asked", "terminated", "killed"]
        await stage.until(lambda run: run.state == "stopped", "it is stopped")
        await asyncio.wait_for(stage.task, 60)
        assert not stage.alive()
        with pytest.raises(UsageError, match="is stopped"):
            lifecycle.step(await stage.run(), "stop_asked")


async def test_a_forced_stop_kills_at_once(tmp_path: Path) -> None:
    async with on_stage(tmp_path, BUSY, answer_seconds=600, stop_seconds=600) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        assert (await stage.ask("force_asked")).ending == "killed"
        await stage.until(lambda run: run.state == "stopped", "it is stopped")
        assert not stage.alive()


async def test_a_pause_that_is_not_answered_ends_in_a_paused_run(tmp_path: Path) -> None:
    async with on_stage(tmp_path, DEAF) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        assert (await stage.ask("pause_asked")).state == "pausing"
        run = await stage.until(lambda run: run.state == "paused", "it is paused")
        assert run.ending == "killed" and not stage.alive()


async def test_a_stop_after_a_pause_that_hangs_goes_on_from_there(tmp_path: Path) -> None:
    async with on_stage(tmp_path, DEAF, answer_seconds=600, stop_seconds=600, finish_seconds=600) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        await stage.ask("pause_asked")
        for expected in ("asked", "terminated", "killed"):
            run = await stage.ask("stop_asked")
            assert (run.state, run.ending) == ("stopping", expected)
        await stage.until(lambda run: run.state == "stopped", "it is stopped")


async def test_a_worker_that_leaves_on_a_signal_is_not_killed(tmp_path: Path) -> None:
    async with on_stage(tmp_path, POLITE) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        await stage.ask("stop_asked")
        run = await stage.until(lambda run: run.state == "stopped", "it is stopped")
        assert run.ending == "terminated"


async def test_a_worker_that_computes_has_its_time_but_not_for_ever(tmp_path: Path) -> None:
    """Alive by what it uses of its processor: the silence limit does not hold for it, the other one does."""
    async with on_stage(
        tmp_path, BUSY, answer_seconds=0.4, orderly_seconds=2.5, finish_seconds=1.0, stop_seconds=0.3
    ) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        await stage.ask("stop_asked")
        run = await stage.until(
            lambda run: "it is ended in" in run.phase_detail or run.ending != "asked", "its time is told"
        )
        assert run.ending == "asked" and "does not answer" not in run.phase_detail
        run = await stage.until(lambda run: run.state == "stopped", "it is stopped")
        assert run.ending == "killed"


async def test_a_machine_that_never_says_what_its_worker_does_holds_no_stop_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the worker uses its processor is asked, and the time for a stop runs on whether or not that is ever answered."""
    asked = asyncio.Event()

    async def never() -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(life, "ASK_SECONDS", 0.1)
    async with on_stage(tmp_path, BUSY, answer_seconds=0.4, orderly_seconds=1.5, finish_seconds=0.5) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        monkeypatch.setattr(stage.target, "effort", never)
        await asyncio.wait_for(asked.wait(), 60)
        await stage.ask("stop_asked")
        run = await stage.until(lambda run: run.state == "stopped", "it is stopped")
        assert run.ending == "killed" and not stage.alive()


async def test_a_worker_without_a_sign_of_life_is_called_stuck_until_it_moves(tmp_path: Path) -> None:
    async with on_stage(tmp_path, STEADY, answer_seconds=0.4, stuck_seconds=0.6) as stage:
        await stage.until(lambda run: run.step > 5, "it trains")
        stage.send(signal.SIGSTOP)
        run = await stage.until(lambda run: run.notices, "it is called stuck")
        assert [notice.code for notice in run.notices] == ["stuck"] and run.state == "running" and stage.alive()
        stage.send(signal.SIGCONT)
        await stage.until(lambda run: not run.notices, "the notice goes")


async def test_the_time_limit_says_that_it_was_the_time_limit_and_no_clock_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on_stage(tmp_path, STEADY, max_hours=2 / 3600) as stage:
        run = await stage.until(lambda run: run.step > 5, "it trains")
        await stage.until(lambda run: run.counted_at is not None, "its time is counted")
        monkeypatch.setattr("time.time", lambda: run.created_at + 2 * 86400)
        assert (await stage.run()).state == "running", "two days by the wall clock are no time"
        run = await stage.until(lambda run: run.state == "stopping", "the limit is over")
        assert [notice.message.split(":")[0] for notice in run.notices] == ["the time limit of 0.000555556 h is over"]
