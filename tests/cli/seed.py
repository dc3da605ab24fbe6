"""A home with runs and models in it, as the engine leaves them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from brightrun_tui.domain.events import Body, Event, Metric, Phase
from brightrun_tui.domain.model import Lineage, ModelVersion, Report, SampleAnswer, SplitScore, TrainingFacts, Verdict
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.domain.run_states import RunState
from brightrun_tui.registry.intake import finish_directory
from brightrun_tui.registry.safety import Manifest
from brightrun_tui.store import Database, events, models, open_database, runs

LOSSES = {1: 3.2, 2: 2.5, 3: None, 4: 1.75}


def seed(home: Path) -> None:
    """Two finished runs named ``tone`` with their models ``tone:1`` (rated worse) and ``tone:2``, and one that trains."""
    asyncio.run(_seed(home))


MADE: tuple[RunState, ...] = ("preparing", "launching", "running", "collecting", "registering")


async def _seed(home: Path) -> None:
    async with open_database(home / "data" / "brightrun.db") as db:
        for number, (run_id, loss) in enumerate((("aaaa1111", 2.0), ("aabb2222", 1.5))):
            await _run(db, home, run_id, "tone", 1000.0 + number)
            for state in MADE:
                await runs.transition(db, run_id, state)
            await _model(db, home, run_id, loss)
            await runs.transition(db, run_id, "completed", model="tone", model_version=number + 1)
        await _run(db, home, "cccc3333", "faq", 1002.0)
        for state in MADE[:3]:
            await runs.transition(db, "cccc3333", state)


async def _run(db: Database, home: Path, run_id: str, name: str, created_at: float) -> None:
    directory = home / "data" / "runs" / run_id
    directory.mkdir(parents=True)
    spec = RunSpec(
        run_id=run_id,
        name=name,
        created_at=created_at,
        base=BaseModelRef(id="starter"),
        dataset=DatasetRef(
            path="/data/tone.jsonl",
            name="tone",
            format="messages",
            fingerprint="sha256:ab",
            records=60,
            usable=58,
            statement="58 of 60 records usable.",
        ),
    )
    await runs.create(db, spec, str(directory))
    told: list[Event[Body]] = [Event(0, created_at, Phase(phase="training"))]
    told += [
        Event(step, created_at + step, Metric(step=step, values={"train_loss": loss})) for step, loss in LOSSES.items()
    ]
    told.append(Event(5, created_at + 5, Metric(step=4, values={"eval_loss": 1.9})))
    lines = b"".join(event.to_line() for event in told)
    (directory / "events.jsonl").write_bytes(lines)
    (directory / "worker.log").write_text("".join(f"line {number}\n" for number in range(5)))
    await events.ingest(db, run_id, told, len(lines))


async def _model(db: Database, home: Path, run_id: str, loss: float) -> None:
    number = await models.reserve(db, "tone", run_id)
    report = Report(
        name="tone",
        created_at=1000.0,
        base=SplitScore(loss=3.0, perplexity=20.1, tokens=900, records=6),
        tuned=SplitScore(loss=loss, perplexity=7.4, tokens=900, records=6),
        by_category={"topic": {"refunds": {"base": 3.1, "tuned": loss}}},
        samples=(
            SampleAnswer(
                prompt=({"role": "user", "content": "Where is my [bold] order?"},),
                base="word word",
                tuned="It is on its way.",
                reference="It left yesterday.",
            ),
        ),
        training=TrainingFacts(
            steps=40, epochs=2, train_records=52, eval_records=6, supervised_tokens=8000, seconds=65
        ),
        lineage=Lineage(
            run_id=run_id,
            dataset_name="tone",
            dataset_fingerprint="sha256:ab",
            base_id="starter",
            settings={"training": {"learning_rate": 2e-4 * number}},
        ),
        verdict=Verdict(
            grade="good" if number > 1 else "mixed", summary="It learned the tone.", reasons=("loss fell by half",)
        ),
    )
    directory = home / "data" / "models" / "tone" / str(number)
    directory.mkdir(parents=True)
    finish_directory(
        directory, {}, report, Manifest(model="tone", version=number, run_id=run_id, base="starter", files={})
    )
    await models.complete(
        db,
        ModelVersion(
            name="tone",
            version=number,
            run_id=run_id,
            directory=str(directory),
            base_id="starter",
            report=report,
            created_at=1000.0 + number,
        ),
    )
