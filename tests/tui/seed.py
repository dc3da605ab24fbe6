"""A store with a realistic history, made with the store's own functions: runs in every state, models, endpoints."""

from __future__ import annotations

import asyncio
import math
import random
import sys
import time
from dataclasses import replace
from typing import Any, Unpack

from brightrun_tui.domain.dataset import DatasetReport, LengthStats, Message, Problem, Record
from brightrun_tui.domain.endpoint import Endpoint, EndpointState
from brightrun_tui.domain.events import Body, Event, body_of
from brightrun_tui.domain.model import (
    Grade,
    Lineage,
    ModelVersion,
    Remarks,
    Report,
    SampleAnswer,
    SplitScore,
    StepAnswer,
    TrainingFacts,
    Verdict,
)
from brightrun_tui.domain.money import GIB, Limits
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Failure, Run, RunChanges, RunSpec
from brightrun_tui.domain.run_states import RunState
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.registry.intake import finish_directory
from brightrun_tui.registry.safety import Manifest, model_name
from brightrun_tui.store import Database, datasets, endpoints, engine, events, models, open_database, runs

QUESTIONS = (
    (
        "How do I return a lamp that arrived broken?",
        (
            "I am sorry about that. You can return it within 30 days: open your "
            "order, choose “Return”, and we send a label the same day. No need to send the box it came in."
        ),
    ),
    (
        "Do you deliver to Iceland?",
        "Yes. Delivery to Iceland takes 5 to 7 working days and costs 14 euros; it is free from 120.",
    ),
    (
        "The light flickers when dimmed.",
        (
            "That is nearly always the dimmer, not the lamp. Ours need a trailing-edge dimmer of "
            "at most 60 W. Tell me the type on yours and I will check it for you."
        ),
    ),
)
BASE_ANSWER = (
    "The return is a return of the lamp. The lamp is a lamp that is a return of the order and the order is the order."
)


def spec(name: str, run_id: str, *, age: float = 7200.0, **changes: Any) -> RunSpec:
    settings = RunSettings().with_overrides({"training.epochs": 3, "training.batch_size": 8, "lora.r": 32})
    return RunSpec(
        run_id=run_id,
        name=name,
        created_at=time.time() - age,
        base=BaseModelRef(id="starter", path="/models/starter"),
        dataset=DatasetRef(
            path=f"/data/{name}.jsonl",
            name=name,
            format="messages",
            fingerprint="ab" * 16,
            records=480,
            usable=472,
            train_records=424,
            eval_records=48,
            statement="472 of 480 records usable (8 without an answer)",
        ),
        settings=settings,
        limits=Limits(budget_usd=5.0),
        **changes,
    )


def training_events(
    steps: int, total: int, *, seed: int = 1, nan_at: frozenset[int] = frozenset()
) -> list[Event[Body]]:
    """What a worker would have written up to ``steps``: falling losses, samples, checkpoints, an alert."""
    rng = random.Random(seed)
    now = time.time() - steps * 2.0
    told: list[Event[Body]] = []

    def say(kind: str, **data: object) -> None:
        told.append(Event(len(told), now + len(told) * 0.6, body_of(kind, data)))

    say("phase", phase="loading", detail="starter, 4-bit")
    say("phase", phase="training", detail="424 records, micro-batch 4 × 2")
    for step in range(1, steps + 1):
        loss = 0.82 + 2.1 * math.exp(-step / (0.22 * total)) + rng.gauss(0, 0.09)
        say(
            "metric",
            step=step,
            values={"train_loss": None if step in nan_at else max(0.05, loss), "learning_rate": 2e-4, "grad_norm": 0.5},
        )
        if step % max(1, total // 12) == 0:
            say(
                "metric",
                step=step,
                values={"eval_loss": 0.93 + 1.9 * math.exp(-step / (0.25 * total)) + rng.gauss(0, 0.01)},
            )
        if step % max(1, total // 5) == 0:
            say("checkpoint", step=step, path=f"checkpoints/step-{step}", eval_loss=1.0, best=step > total // 2)
            for number, (question, answer) in enumerate(QUESTIONS):
                prompt = [{"role": "user", "content": question}]
                common = {"step": step, "id": f"q{number}", "prompt": prompt, "reference": answer}
                say("sample", source="base", answer=BASE_ANSWER, **common)
                say("sample", source="tuned", answer=answer.split(".")[0] + ".", **common)
    say("alert", level="warning", code="records_dropped", message="8 records have no answer and were left out")
    say("hardware", device="cpu (2 cores)", memory_used=int(1.4 * GIB), memory_total=8 * GIB, utilisation=0.93)
    say(
        "progress",
        step=steps,
        total_steps=total,
        epoch=3 * steps / total,
        supervised_tokens=steps * 900,
        tokens_per_second=412.0,
        eta_seconds=(total - steps) * 2.1,
    )
    late = time.time() - told[-1].time  # the newest word is of this moment
    return [replace(event, time=event.time + late) for event in told]


async def add_run(
    db: Database,
    paths: Paths,
    name: str,
    run_id: str,
    state: RunState,
    *,
    steps: int,
    total: int = 160,
    log: bool = True,
    nan_at: frozenset[int] = frozenset(),
    **changes: Unpack[RunChanges],
) -> Run:
    """One run, taken through the states that lead to ``state``; a second younger than the one before."""
    earlier = await runs.names(db)
    directory = paths.run_directory(run_id)
    directory.mkdir(parents=True, exist_ok=True)
    if log:
        (directory / "worker.log").write_text("".join(worker_log(steps, total)), encoding="utf-8")
    await runs.create(db, spec(name, run_id, age=7200.0 - len(earlier)), str(directory))
    routes: dict[RunState, tuple[RunState, ...]] = {
        "queued": (),
        "preparing": ("preparing",),
        "running": ("preparing", "launching", "running"),
        "paused": ("preparing", "launching", "running", "pausing", "paused"),
        "completed": ("preparing", "launching", "running", "collecting", "registering", "completed"),
        "stopped": ("preparing", "launching", "running", "stopping", "collecting", "registering", "stopped"),
        "failed": ("preparing", "launching", "running", "failed"),
    }
    for number, step in enumerate(routes[state]):
        await runs.transition(db, run_id, step)
        if step == "running" and steps:
            told = training_events(steps, total, seed=number + len(name), nan_at=nan_at)
            await events.ingest(db, run_id, told, steps)
            (directory / "events.jsonl").write_bytes(b"".join(event.to_line() for event in told))
    finished: RunChanges = {"eta_seconds": None} if state != "running" else {}
    known: RunChanges = {"attempts": 1, "started_at": time.time() - 3000, **finished, **changes}
    return await runs.update(db, run_id, **known)


def worker_log(steps: int, total: int) -> list[str]:
    lines = [
        "2025-11-22 13:01:02 loading starter in 4 bits\n",
        "\x1b[32mmodel ready\x1b[0m: 11.2 M parameters, 0.4 M trained\n",
    ]
    lines += [
        f"step {step:4d}/{total}  loss {0.82 + 2 * math.exp(-step / 35):.4f}  lr 2.00e-04  412 tok/s\n"
        for step in range(1, steps + 1)
    ]
    lines.append(
        "evaluating:  10%|█         | 5/48\revaluating:  52%|█████     | 25/48\revaluating: 100%|██████████| 48/48\n"
    )
    return lines


def report(name: str, run_id: str, *, base: float, tuned: float, grade: str) -> Report:
    summary = {
        "good": "Clearly better than the base model on records it has never seen.",
        "mixed": "Better on most records, but some answers got worse.",
        "poor": "No better than the base model. More or cleaner data would help most.",
    }[grade]
    return Report(
        name=name,
        created_at=time.time(),
        base=SplitScore(loss=base, perplexity=math.exp(base), tokens=4120, records=48),
        tuned=SplitScore(loss=tuned, perplexity=math.exp(tuned), tokens=4120, records=48),
        samples=tuple(
            SampleAnswer(
                id=f"q{n}",
                prompt=({"role": "user", "content": q},),
                reference=a,
                base=BASE_ANSWER,
                tuned=a.split(".")[0] + ".",
                base_ended=n == 1,
                tuned_ended=True,
                by_step=(
                    StepAnswer(step=40, text="The lamp is a lamp that you", ended=False),
                    StepAnswer(step=120, text=a[:40]),
                ),
            )
            for n, (q, a) in enumerate(QUESTIONS)
        ),
        scores={
            "token_accuracy": {"base": 0.41, "tuned": 0.83},
            "ended": {"base": 0.33, "tuned": 1.0},
            "cut_off": {"base": 16, "tuned": 0, "limit": 96},
            "answer_tokens": {"base": 96, "tuned": 31, "reference": 33},
            "verbatim": {"base": 0.0, "tuned": 0.22, "reference": 0.19, "phrases": 260},
            "exact_match": {"base": 0.0, "tuned": 13 / 24},
            "token_f1": {"base": 0.12, "tuned": 0.81},
            "chrf": {"base": 14.2, "tuned": 78.5},
            "general_loss": {"base": 2.31, "tuned": 2.38},
            "answers": 24,
        },
        by_category={
            "topic": {
                "delivery": {"base": base, "tuned": tuned * 0.8, "records": 20, "tokens": 1700},
                "returns": {"base": base * 1.1, "tuned": tuned, "records": 18, "tokens": 1600},
                "warranty": {"base": base, "tuned": base * 1.02, "records": 10, "tokens": 820},
            }
        },
        training=TrainingFacts(
            steps=159,
            epochs=3.0,
            train_records=424,
            eval_records=48,
            supervised_tokens=143_100,
            seconds=331.0,
            tokens_per_second=432.0,
            best_step=145,
            trainable_parameters=412_000,
            base_parameters=11_200_000,
            device="cpu (2 cores)",
            peak_memory=int(1.5 * GIB),
            records_dropped=8,
            micro_batch_size=4,
        ),
        lineage=Lineage(
            run_id=run_id,
            dataset_name=name,
            dataset_fingerprint="ab" * 16,
            base_id="starter",
            base_fingerprint="cd" * 16,
            template="default",
            settings=RunSettings().model_dump(),
            packages={"torch": "2.13.0", "transformers": "5.23.0", "peft": "0.21.0"},
        ),
        verdict=Verdict(
            grade=grade,
            summary=summary,
            reasons=(
                f"its error (loss) on 48 held-out records fell by {1 - tuned / base:.0%}, from {base:.3f} to {tuned:.3f}",
                "it gives exactly the wanted answer to 13 of 24 held-out questions, the base model to none",
                "all 24 sample answers end by themselves",
                "its answers are about as long as those in your data; the base model's are 3 times as long",
            ),
        ),
    )


async def add_model(
    db: Database,
    paths: Paths,
    name: str,
    run_id: str,
    *,
    base: float = 2.91,
    tuned: float = 0.96,
    grade: Grade = "good",
    **said: Unpack[Remarks],
) -> ModelVersion:
    earlier = await models.list_models(db)
    version = await models.reserve(db, name, run_id)
    directory = paths.models / name / str(version)
    directory.mkdir(parents=True, exist_ok=True)
    model = ModelVersion(
        name=name,
        version=version,
        run_id=run_id,
        directory=str(directory),
        base_id="starter",
        base_path="/models/starter",
        report=report(name, run_id, base=base, tuned=tuned, grade=grade),
        created_at=time.time() - 500 + version + 0.01 * len(earlier),
        bytes=6_400_000,
    )
    manifest = Manifest(model=model_name(name), version=version, run_id=run_id, base="starter", files={})
    finish_directory(directory, {}, model.report, manifest)
    await models.complete(db, model)
    return await models.annotate(db, model, **said) if said else model


async def add_endpoint(
    db: Database,
    paths: Paths,
    model: ModelVersion,
    endpoint_id: str = "ep-7f3a",
    state: EndpointState = "ready",
    url: str = "http://127.0.0.1:8311/v1",
) -> Endpoint:
    directory = paths.endpoints / endpoint_id
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "key").write_text("br-0123456789abcdefghijklmnop\n")
    now = time.time()
    endpoint = Endpoint(
        id=endpoint_id,
        model=model.name,
        model_version=model.version,
        state=state,
        url=url,
        directory=str(directory),
        created_at=now,
        updated_at=now,
        requests=42,
    )
    return await endpoints.save(db, endpoint)


def dataset_report(name: str, path: str) -> DatasetReport:
    turns = tuple(
        Record(id=str(n), messages=(Message(role="user", content=q), Message(role="assistant", content=a)))
        for n, (q, a) in enumerate(QUESTIONS)
    )
    return DatasetReport(
        path=path,
        name=name,
        format="messages",
        bytes=412_000,
        fingerprint="ab" * 16,
        records=480,
        usable=472,
        turns=960,
        duplicates=2,
        characters=LengthStats(mean=310, percentiles=(290,) * 98 + (820, 1310), longest=1310),
        answer_characters=LengthStats(mean=170, percentiles=(160,) * 98 + (430, 700), longest=700),
        preview=turns,
        problems=(
            Problem(
                kind="no_answer",
                what="records without an answer",
                count=8,
                places=("line 12",),
                fix="give them an assistant turn",
            ),
        ),
    )


async def fill(paths: Paths) -> None:
    """The history that tests and screenshots show."""
    async with open_database(paths.database) as db:
        first = await add_run(db, paths, "lamp-support", "r-0001", "completed", steps=160)
        model = await add_model(db, paths, "lamp-support", first.id, base=2.91, tuned=1.24, grade="mixed", rating=3)
        await runs.update(db, first.id, model=model.name, model_version=model.version)
        second = await add_run(db, paths, "lamp-support", "r-0002", "completed", steps=160)
        better = await add_model(
            db, paths, "lamp-support", second.id, rating=5, note="shipped to the shop", tags=("shop", "v2")
        )
        await runs.update(db, second.id, model=better.name, model_version=better.version)
        await models.move_alias(db, "lamp-support", "champion", better.version)
        await add_endpoint(db, paths, better)
        third = await add_run(db, paths, "poems", "r-0003", "stopped", steps=60)
        await add_model(db, paths, "poems", third.id, base=3.2, tuned=3.15, grade="poor")
        await add_run(
            db,
            paths,
            "contracts-de",
            "r-0004",
            "failed",
            steps=12,
            nan_at=frozenset({11, 12}),
            failure=Failure(
                error="diverged",
                cause="the loss became NaN at step 11: the learning rate is too high for this data",
                fix="use a smaller learning rate",
                suggestion={"training.learning_rate": 5e-5},
            ),
        )
        await add_run(db, paths, "tone-of-voice", "r-0005", "paused", steps=44)
        await add_run(db, paths, "shop-faq", "r-0006", "running", steps=98)
        await add_run(db, paths, "shop-faq-large", "r-0007", "queued", steps=0, log=False)
        await datasets.add(db, dataset_report("lamp-support", "/data/lamp-support.jsonl"))
        await engine.save_service(db, "local", "ok", "2 cores, 8 GiB memory, no GPU: small models train in minutes")
        await engine.save_service(db, "huggingface", "failed", "the token is refused (401)")


if __name__ == "__main__":
    asyncio.run(fill(get_paths()))
    sys.stdout.write(f"{get_paths().database}\n")
