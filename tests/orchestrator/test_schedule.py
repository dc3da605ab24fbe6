"""A run that is not to begin before a time: as people write it, on record, and kept by whichever engine is there."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.schedule import parse_moment
from brightrun_tui.orchestrator.engine import Engine
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, open_database, runs
from tests.orchestrator.test_engine import QUICK, Clouds, add_run, clouds, until  # noqa: F401

NOON = datetime(2026, 3, 28, 12, 0).astimezone()


def test_a_time_is_the_next_one_and_a_moment_may_be_written_out() -> None:
    tonight, tomorrow = parse_moment("22:00", NOON), parse_moment(" 7:30 ", NOON)
    assert tonight == datetime(2026, 3, 28, 22, 0).astimezone().timestamp()
    assert tomorrow == datetime(2026, 3, 29, 7, 30).astimezone().timestamp()
    assert parse_moment("2026-12-01T22:00+01:00", NOON) == datetime.fromisoformat("2026-12-01T21:00+00:00").timestamp()
    assert parse_moment("", NOON) is None
    for wrong in ("25:00", "ten", "2026-03-28 11:59", "2031-01-01", "0001-01-01"):
        with pytest.raises(UsageError) as refused:
            parse_moment(wrong, NOON)
        assert refused.value.where == "not before" and refused.value.fix


async def test_it_waits_over_restarts_of_the_engine_while_others_go_before_it(tmp_path: Path, clouds: Clouds) -> None:
    """Two engines see that it is not yet time, though there is room; on the third one's clock it is."""
    paths = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "cache", tmp_path / "logs")
    async with open_database(paths.database) as db:
        await add_run(db, "late", not_before=time.time() + 3600)
        await add_run(db, "early")
        for later in (0, 1800, 3700):
            engine = Engine(db, paths, QUICK)
            engine.wall_clock = lambda later=later: time.time() + later  # type: ignore[misc]
            task = asyncio.create_task(engine.serve())
            try:
                if later < 3600:
                    await until(lambda: _detail(db, "waits until "), "it says what it waits for")
                    assert (await runs.get(db, "late")).state == "queued" and not task.done()
                    await until(lambda: _left(db, "early"), "the run behind it begins")
                else:
                    await until(lambda: _left(db, "late"), "it begins when it is time")
            finally:
                engine.ending.set()
                await asyncio.gather(task, return_exceptions=True)
                await engine.close()


async def _detail(db: Database, words: str) -> bool:
    return (await runs.get(db, "late")).phase_detail.startswith(words)


async def _left(db: Database, run_id: str) -> bool:
    return (await runs.get(db, run_id)).state != "queued"
