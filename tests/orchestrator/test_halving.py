"""A sweep stops its worst runs early, by a rule that is said, with the reason on record, and can be told not to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from brightrun_tui.domain.events import Event, Metric
from brightrun_tui.domain.halving import Entrant, falls_behind
from brightrun_tui.domain.notices import NoticeCode
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.settings import RunSettings, SettingValue
from brightrun_tui.orchestrator.halving import Halving
from brightrun_tui.store import Database, events, runs
from tests.orchestrator.virtual import memory_store

GOOD, BAD, WORSE = ([(0, 3.0), (25, quarter), (50, half)] for quarter, half in ((2.0, 1.5), (2.5, 2.4), (2.8, 2.6)))


async def add(db: Database, run_id: str, losses: Sequence[tuple[int, float]], **settings: SettingValue) -> Run:
    """A run of a hundred steps that was measured so; without ``stop_worst`` where it begins with “free”."""
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(
        run_id=run_id,
        name=run_id,
        created_at=0.0,
        base=BaseModelRef(id="b"),
        dataset=data,
        group="g",
        stop_worst=not run_id.startswith("free"),
        settings=RunSettings().with_overrides(settings),
    )
    await runs.create(db, spec, "/nowhere", None)
    for state in ("preparing", "launching", "running"):
        await runs.transition(db, run_id, state)
    await measure(db, run_id, losses)
    return await runs.update(db, run_id, total_steps=100)


async def measure(db: Database, run_id: str, losses: Sequence[tuple[int, float]]) -> None:
    after = (await runs.get(db, run_id)).events_seq + 1
    said = [
        Event(
            seq=after + number, time=float(step), body=Metric(step=step, values={"train_loss": 1.0, "eval_loss": loss})
        )
        for number, (step, loss) in enumerate(losses)
    ]
    await events.ingest(db, run_id, said, 0)


def test_the_better_half_goes_on_and_who_is_first_at_a_point_is_never_behind() -> None:
    good, bad, between = (Entrant(100, losses) for losses in (GOOD, BAD, [(25, 2.015)]))
    assert falls_behind(good, []) is None and falls_behind(bad, []) is None
    assert falls_behind(good, [bad]) is None
    behind = falls_behind(bad, [good])
    assert behind and (behind.rung, behind.loss, behind.bar, behind.runs) == (0.5, 2.4, 1.5, 2)
    assert falls_behind(between, [good]) is None, "less than a hundredth behind is chance"
    assert (
        falls_behind(between, [good, bad]) is None and falls_behind(bad, [good, Entrant(100, [(25, 2.6)])]) is not None
    )
    assert falls_behind(Entrant(100, [(30, None)]), [bad]) is not None, "NaN is behind everything"
    assert falls_behind(Entrant(200, BAD[:2]), [good]) is None, "an eighth of a longer run is not looked at yet"


async def test_the_run_that_falls_behind_ends_with_its_reason_on_record_once(tmp_path: Path) -> None:
    db = memory_store()
    await add(db, "first", GOOD)
    second = await add(db, "second", BAD[:1])
    halving = Halving(db)
    assert not await halving.stops(second)
    await measure(db, "second", BAD[1:2])
    assert await halving.stops(await runs.get(db, "second"))
    (notice,) = (await runs.get(db, "second")).notices
    assert notice.code == NoticeCode.STOPPED_EARLY and "stopped early: after 25% of its steps" in notice.message
    await measure(db, "second", BAD[2:])
    assert not await Halving(db).stops(await runs.get(db, "second")), "who is tried again is left alone"


async def test_the_switch_and_losses_that_cannot_be_compared_let_a_run_go_on(tmp_path: Path) -> None:
    db = memory_store()
    await add(db, "first", GOOD)
    assert not await Halving(db).stops(await add(db, "free", BAD))
    assert not await Halving(db).stops(await add(db, "other", BAD, **{"data.split_seed": 7}))
    assert await Halving(db).stops(await add(db, "same", WORSE, **{"training.learning_rate": 1e-2}))
