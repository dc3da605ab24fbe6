"""No metric is lost or doubled, however the reading of events is interrupted."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import Alert, Event, Metric, Progress
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.store import Database, events, metrics, open_database, runs

DATA = DatasetRef(path="d.jsonl", name="d", format="messages", fingerprint="sha256:0", records=1, usable=1)


def spec(run_id: str = "run1") -> RunSpec:
    return RunSpec(run_id=run_id, name="demo", created_at=1.0, base=BaseModelRef(id="starter"), dataset=DATA)


async def with_run(path: Path) -> tuple[AbstractAsyncContextManager[Database], Database]:
    context = open_database(path)
    db = await context.__aenter__()
    await runs.create(db, spec(), "/nowhere")
    return context, db


def lines(steps: list[int]) -> list[bytes]:
    """A worker's file: a metric a step; a step may come again after a restart, with another value."""
    return [
        Event(seq, float(seq), Metric(step=step, values={"train_loss": seq + 0.5})).to_line()
        for seq, step in enumerate(steps)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.integers(1, 12), min_size=1, max_size=30),
    cuts=st.lists(st.integers(0, 30), max_size=6),
    repeat=st.integers(0, 5),
)
def test_any_cutting_and_repeating_of_the_stream_stores_each_step_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], cuts: list[int], repeat: int
) -> None:
    async def scenario() -> None:
        context, db = await with_run(tmp_path_factory.mktemp("db") / "b.db")
        told = [Event.from_line(line) for line in lines(steps)]
        position = 0
        for cut in sorted({min(c, len(told)) for c in cuts} | {len(told)}):
            start = max(0, position - repeat)
            await events.ingest(db, "run1", told[start:cut], offset=cut)
            position = cut
        stored = await metrics.series(db, "run1", "train_loss")
        assert [p.step for p in stored] == sorted(set(steps))
        newest = {step: seq + 0.5 for seq, step in enumerate(steps)}
        assert {p.step: p.value for p in stored} == newest
        await context.__aexit__(None, None, None)

    asyncio.run(scenario())


async def test_a_run_that_goes_back_to_a_checkpoint_is_no_better_than_what_it_has(tmp_path: Path) -> None:
    """Losses, the best of them and the curves are of the steps that the run still has, not of those it lost."""
    context, db = await with_run(tmp_path / "b.db")
    told = [
        Metric(step=step, values={"train_loss": 3.0 - step / 20, "eval_loss": 4.0 - step / 20}) for step in range(1, 41)
    ]
    await events.ingest(db, "run1", [Event(seq, 1.0 + seq, body) for seq, body in enumerate(told)], 1)
    run = await events.ingest(db, "run1", [Event(40, 99.0, Progress(step=20))], 2)
    assert (run.step, run.train_loss, run.eval_loss) == (20, 2.0, 4.0 - run.upto("eval_loss") / 20)
    assert run.best_eval_loss == run.eval_loss
    curve = await metrics.series(db, "run1", "train_loss", run.upto("train_loss"))
    assert curve[-1].step == 20
    run = await events.ingest(db, "run1", [Event(41, 100.0, Metric(step=21, values={"train_loss": 7.0}))], 3)
    assert (run.step, run.train_loss) == (21, 7.0)
    await context.__aexit__(None, None, None)


async def test_a_gap_in_the_sequence_is_an_error_and_what_was_said_is_kept(tmp_path: Path) -> None:
    context, db = await with_run(tmp_path / "b.db")
    with pytest.raises(BrightrunError, match="event 0 is missing"):
        await events.ingest(db, "run1", [Event(1, 0.0, Alert(message="hot"))], 10)
    run = await events.ingest(db, "run1", [Event(2, 0.0, Alert(message="cold"))], 20)
    assert run.events_offset == 20, "a retry goes on behind the gap"
    assert [event.seq for event in await events.read(db, "run1")] == [1, 2]
    await context.__aexit__(None, None, None)


async def test_increments_of_a_curve_bring_a_replaced_step_again(tmp_path: Path) -> None:
    context, db = await with_run(tmp_path / "b.db")
    told = [Event.from_line(line) for line in lines([1, 2, 2])]
    await events.ingest(db, "run1", told[:2], 1)
    first = await metrics.changes(db, "run1")
    await events.ingest(db, "run1", told[2:], 2)
    second = await metrics.changes(db, "run1", first.mark)
    assert [(p.step, p.value) for p in first.points] == [(1, 0.5), (2, 1.5)]
    assert [(p.step, p.value) for p in second.points] == [(2, 2.5)]
    await context.__aexit__(None, None, None)


async def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    async with open_database(path) as db:
        await db.execute("PRAGMA user_version = 999")
    with pytest.raises(BrightrunError, match="newer brightrun"):
        async with open_database(path):
            pytest.fail("opened")


async def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrightrunError) as caught:
        async with open_database(tmp_path / "file" / "b.db"):
            pytest.fail("opened")
    assert "BRIGHTRUN_HOME" in caught.value.fix


async def test_a_long_curve_is_read_in_buckets_that_always_fit_its_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is shown of a long run at a glance has every extreme, also after steps were trained again with other values."""
    monkeypatch.setattr(metrics, "LONG", 1_000)
    context, db = await with_run(tmp_path / "b.db")
    steps = [*range(1, 1_501), *range(700, 900)]
    told = [Event.from_line(line) for line in lines(steps)]
    for start in range(0, len(told), 400):
        await events.ingest(db, "run1", told[start : start + 400], offset=start)
    _, curves = await metrics.overview(db, "run1")
    points = await metrics.series(db, "run1", "train_loss")
    values = [point.value for point in points if point.value is not None]
    entries = curves["train_loss"]
    assert len(entries) < 10 and sum(entry[4] for entry in entries) == len(values) == 1_500
    assert (min(e[1] for e in entries), max(e[2] for e in entries)) == (min(values), max(values))
    near = await metrics.between(db, "run1", "train_loss", 700, 709, 100)
    assert [entry[1] for entry in near] == [point.value for point in points if 700 <= point.step <= 709]
    await context.__aexit__(None, None, None)
