"""What the numbers of a run say is wrong reaches people, whichever run they look at, and is taken back when it is over."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from brightrun_tui.domain.events import Body, Event, body_of
from brightrun_tui.domain.run import Run
from brightrun_tui.orchestrator import watching
from brightrun_tui.store import Database, events, notifications, runs
from tests.orchestrator.samples import store_with_a_run


@pytest_asyncio.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with store_with_a_run(tmp_path) as db:
        yield db


async def write(db: Database, first: int, losses: list[float], degrees: float = 60.0) -> Run:
    said: list[Body] = [
        body_of("metric", {"step": first + number, "values": {"train_loss": loss, "grad_norm": 0.5}})
        for number, loss in enumerate(losses)
    ]
    said.append(body_of("hardware", {"device": "A40", "temperature": degrees, "temperature_limit": 93.0}))
    known = await runs.get(db, "r")
    told = [Event(known.events_seq + 1 + number, time.time(), body) for number, body in enumerate(said)]
    return await events.ingest(db, "r", told, 0)


async def test_a_run_that_diverges_is_told_of_and_taken_back(db: Database) -> None:
    """Twenty steps upwards are an error and news, once; when the loss has come down again the run is in order."""
    run = await watching.note_alerts(db, await write(db, 1, [2.0 - 0.02 * step for step in range(40)]))
    assert not run.notices and not await notifications.latest(db)
    run = await watching.note_alerts(db, await write(db, 41, [1.2 + 0.1 * step for step in range(20)]))
    assert [(notice.code, notice.level) for notice in run.notices] == [("diverging", "error")]
    run = await watching.note_alerts(db, run)
    told = await notifications.latest(db)
    assert [(one.code, one.level, one.run_name) for one in told] == [("diverging", "error", "faq")]
    assert "it is diverging (from 1." in told[0].message
    run = await watching.note_alerts(db, await write(db, 61, [1.2 - 0.005 * step for step in range(60)]))
    assert not run.notices


async def test_what_comes_and_goes_is_told_once(db: Database) -> None:
    """A card at the edge of its limit is no flood of news, and what the engine has said otherwise stays."""
    for degrees in (92.0, 60.0, 92.0, 60.0, 92.0):
        run = await watching.note_alerts(db, await write(db, 1, [1.0], degrees))
        assert [notice.code for notice in run.notices] == (["hot"] if degrees > 90 else [])
    assert [one.code for one in await notifications.latest(db)] == ["hot"]
