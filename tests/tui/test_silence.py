"""When a run was last heard of: by what it does now, not by what it did before it went back to a checkpoint."""

from __future__ import annotations

import time

from brightrun_tui.domain.events import Body, Event, body_of
from brightrun_tui.domain.run import silence
from brightrun_tui.paths import Paths
from brightrun_tui.store import events, metrics, open_database, runs
from tests.tui import seed

NOW = time.time()


def said(seq: int, age: float, kind: str, **data: object) -> Event[Body]:
    return Event(seq, NOW - age, body_of(kind, data))


async def test_a_run_that_went_back_to_a_checkpoint_is_not_called_silent(paths: Paths) -> None:
    """Steps of an hour ago that lie behind the one at which it trains now say nothing of it."""
    async with open_database(paths.database) as db:
        await seed.add_run(db, paths, "faq", "r-1", "running", steps=0, log=False)
        first = [said(0, 3700, "phase", phase="training")]
        first += [said(step, 3700 - step, "metric", step=step, values={"train_loss": 9.0}) for step in range(1, 101)]
        await events.ingest(db, "r-1", first, 1)
        again = [said(101, 30, "phase", phase="loading"), said(102, 20, "phase", phase="training")]
        run = await events.ingest(db, "r-1", again, 2)
        assert silence(run, await metrics.heard_at(db, run), NOW) is None, "it has only begun"
        run = await events.ingest(db, "r-1", [said(103, 5, "metric", step=51, values={"train_loss": 1.0})], 3)
        assert silence(run, await metrics.heard_at(db, run), NOW) is None
        newest = await metrics.newest(db, "r-1", "train_loss", 2, run.step)
        assert [(point.step, point.value) for point in newest] == [(50, 9.0), (51, 1.0)]
        assert silence(run, await metrics.heard_at(db, run), NOW + 900) is not None


async def test_a_run_that_hangs_while_it_is_measured_is_silent_too(paths: Paths) -> None:
    """No step comes then; its machine is heard of all the time, and when it is not any more that is said."""
    async with open_database(paths.database) as db:
        await seed.add_run(db, paths, "faq", "r-1", "running", steps=0, log=False)
        begun = [
            said(0, 700, "metric", step=5, values={"train_loss": 1.0}),
            said(1, 690, "phase", phase="evaluating"),
            said(2, 3, "hardware", device="cpu", process_memory=1000),
        ]
        run = await events.ingest(db, "r-1", begun, 1)
        heard = await metrics.heard_at(db, run)
        assert silence(run, heard, NOW) is None
        assert silence(run, heard, NOW + 120) is not None


async def test_nothing_is_expected_of_a_worker_that_begins(paths: Paths) -> None:
    """Paused for an hour and gone on with: until the new worker has loaded its model nobody calls it silent."""
    async with open_database(paths.database) as db:
        run = await seed.add_run(db, paths, "faq", "r-1", "running", steps=20, log=False)
        run = await runs.update(db, run.id, phase="starting")
    assert silence(run, NOW - 3600, NOW) is None
