"""What finished runs took is found again, and corrects what the next run like them is expected to take."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from brightrun_tui.domain.events import Body, Done, Event, HardwareReading, Phase
from brightrun_tui.domain.model import Lineage, ModelVersion, Report, SplitScore, TrainingFacts, Verdict
from brightrun_tui.domain.money import Estimate
from brightrun_tui.domain.money import Hardware as Machine
from brightrun_tui.domain.time_parts import TimeParts, time_parts
from brightrun_tui.paths import Paths
from brightrun_tui.planning.measured import measured_runs
from brightrun_tui.store import events, models, open_database, runs
from tests.store.test_ingest import spec, with_run

CPU = Machine(device="cpu", cores=2, flops=80e9)
RECKONED = TimeParts(loading=10, training=100, measuring=20, answering=30)


async def test_the_time_on_the_way_to_a_worker_is_counted_and_waiting_for_a_place_is_not(tmp_path: Path) -> None:
    """Fetching and unpacking a base, renting a machine, and getting another worker after a loss are part of what it took."""
    async with open_database(tmp_path / "b.db") as db:
        await runs.create(db, spec("r"), "/nowhere")
        assert (await runs.get(db, "r")).worked_seconds(time.time()) == 0, "it waits for its turn"
        await runs.transition(db, "r", "preparing")
        begun = time.time() - 90
        await runs.update(db, "r", preparing_since=begun)
        assert 90 <= (await runs.transition(db, "r", "launching")).preparing_seconds(time.time()) < 150
        run = await runs.transition(db, "r", "running")
        assert 90 <= run.prepared_seconds < 150 and run.preparing_since is None
        assert run.preparing_seconds(time.time() + 1000) == run.prepared_seconds, "the worker is at it"
        await runs.transition(db, "r", "launching")
        await runs.update(db, "r", preparing_since=time.time() - 60)
        run = await runs.transition(db, "r", "pausing")
        assert 150 <= run.prepared_seconds < 250 and run.preparing_since is None


def told(*phases: tuple[float, Body]) -> list[Event[Body]]:
    return [Event(seq, moment, body) for seq, (moment, body) in enumerate(phases)]


def test_the_parts_of_the_time_are_those_of_the_events_and_what_lies_between_two_workers_is_none() -> None:
    found = time_parts(
        told(
            (0, Phase(phase="starting")),
            (2, Phase(phase="loading")),
            (10, Phase(phase="training")),
            (30, Phase(phase="rehearsing")),
            (35, Phase(phase="evaluating")),
            (40, Phase(phase="answering")),
            (44, Phase(phase="answering", done=1, total=2)),
            (50, Phase(phase="training")),
            (60, HardwareReading()),
            (500, Phase(phase="starting")),
            (503, Phase(phase="training")),
            (520, Phase(phase="saving")),
            (521, Phase(phase="reporting")),
            (530, Phase(phase="never heard of")),
            (531, Done(outcome="completed")),
        )
    )
    assert found == TimeParts(loading=18, training=47, measuring=15, answering=10, saving=1)
    assert found.training_share == pytest.approx(47 / 91)


async def test_how_far_a_phase_is_becomes_no_row_and_tells_when_the_run_will_end(tmp_path: Path) -> None:
    context, db = await with_run(tmp_path / "b.db")
    lines = told((1.0, Phase(phase="reporting")), (2.0, Phase(phase="reporting", done=30, total=120, eta_seconds=9.0)))
    run = await events.ingest(db, "run1", lines, offset=10)
    assert (run.phase, run.phase_detail, run.eta_seconds) == ("reporting", "25%", 9.0)
    assert len(await events.read(db, "run1")) == 1
    await context.__aexit__(None, None, None)


async def test_a_finished_run_teaches_what_it_took_and_an_older_one_nothing(tmp_path: Path) -> None:
    paths = Paths(*[tmp_path] * 4)
    assert measured_runs(CPU, paths) == []
    planned = Estimate(memory=1, steps=100, reckoned=RECKONED, mean_tokens=80, quantisation="none")
    async with open_database(paths.database) as db:
        for run_id, spent in (("old", None), ("new", TimeParts(loading=5, training=60, measuring=10, answering=30))):
            await runs.create(db, spec(run_id), str(tmp_path), planned)
            number = await models.reserve(db, "demo", run_id)
            score = SplitScore(loss=1, perplexity=2, tokens=3, records=4)
            facts = TrainingFacts(
                steps=50,
                epochs=1,
                train_records=9,
                eval_records=4,
                supervised_tokens=9,
                seconds=60,
                device="cpu",
                spent=spent,
            )
            report = Report(
                name="demo",
                created_at=1.0,
                base=score,
                tuned=score,
                training=facts,
                lineage=Lineage(run_id=run_id, dataset_name="d", dataset_fingerprint="f", base_id="starter"),
                verdict=Verdict(grade="good", summary="yes"),
            )
            await models.complete(
                db,
                ModelVersion(
                    name="demo",
                    version=number,
                    run_id=run_id,
                    directory=str(tmp_path),
                    base_id="starter",
                    report=report,
                    created_at=time.time(),
                ),
            )
    (known,) = measured_runs(CPU, paths)
    assert (known.reckoned.training, known.reckoned.measuring, known.reckoned.answering) == (50, 10, 30), (
        "half of the steps"
    )
    assert known.took.training == 60 and known.base == "starter" and known.mean_tokens == 80
    assert measured_runs(Machine(device="cuda", gpu="H200", gpu_count=1), paths) == []
