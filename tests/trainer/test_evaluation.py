"""Versions measured again: on records that nobody learnt from, with the numbers of the report card."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui import datasets, registry
from brightrun_tui.datasets.splitting import split
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.errors import BrightrunError, DatasetError
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run import Run, RunSpec
from brightrun_tui.domain.run_directory import EVALUATION
from brightrun_tui.domain.subject import LearntFrom
from brightrun_tui.paths import get_paths
from brightrun_tui.registry import UntrustedError
from brightrun_tui.registry.unseen import choose_judges
from brightrun_tui.store import evaluations, open_database, runs
from tests.registry.conftest import rewrite_manifest

from .conftest import make_records, read_events, run_here, write_run


@dataclass(frozen=True)
class Known:
    """A registered version, the file that it was trained on, and where its run lies."""

    version: ModelVersion
    data: Path
    run: Run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRIGHTRUN_HOME", str(tmp_path_factory.mktemp("home")))
        yield Path(str(get_paths().data))


@pytest.fixture(scope="module")
def known(home: Path, base: Path) -> Known:
    """Trained for a few steps on a file with enough records for one half to choose the checkpoint and the other to judge."""
    records = make_records(120)
    data = write_data(home / "words.jsonl", records)
    train, held_out = split(list(datasets.read(data)), 0.4, 500, 13)
    directory = write_run(
        home / "runs" / "r1",
        base,
        train=train,
        held_out=held_out,
        settings={"training.max_steps": 4, "data.eval_fraction": 0.4, "evaluation.sample_prompts": 2},
    )
    assert run_here(directory) == 0
    spec = RunSpec.model_validate_json((directory / "spec.json").read_bytes())
    dataset = spec.dataset.model_copy(update={"path": str(data), "fingerprint": datasets.fingerprint(data)})
    spec = spec.model_copy(update={"dataset": dataset})

    async def register() -> Known:
        async with open_database(get_paths().database) as db:
            run = await runs.create(db, spec, str(directory))
            return Known(await registry.register(db, get_paths(), run, directory), data, run)

    return asyncio.run(register())


def write_data(path: Path, records: list[Record]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(record.model_dump_json() + "\n" for record in records))
    return path


def planned(known: Known, report: DatasetReport, number: int, answers: int = 6) -> Run:
    """The run that measures, as the engine prepares it."""

    async def plan() -> Run:
        async with open_database(get_paths().database) as db:
            (spec,) = await registry.plan_evaluations(db, [known.version], report, answers=answers)
            return await runs.create(db, spec, str(Path(known.run.directory).parent / f"e{number}"))

    run = asyncio.run(plan())
    registry.prepare_evaluation(run, lambda _: None)
    return run


def kept(run: Run) -> Evaluation:
    async def keep() -> Evaluation:
        async with open_database(get_paths().database) as db:
            await registry.keep_evaluation(db, run)
            (found,) = [each for each in await evaluations.list_all(db) if each.run_id == run.id]
            return found

    return asyncio.run(keep())


def test_data_named_from_where_one_stands_is_found_by_the_engine(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine was started somewhere else."""
    monkeypatch.chdir(known.data.parent)
    report = datasets.check(Path(known.data.name))
    monkeypatch.chdir("/")
    assert not Path(report.path).is_absolute(), "this shows nothing any more"
    monkeypatch.chdir(known.data.parent)

    async def plan() -> str:
        async with open_database(get_paths().database) as db:
            (spec,) = await registry.plan_evaluations(db, [known.version], report)
            return spec.dataset.path

    assert asyncio.run(plan()) == str(known.data)


def test_measuring_again_on_its_own_data_gives_the_numbers_of_the_report_card(known: Known) -> None:
    """The same records judge, so the losses are the same; answers that were left out are made up for."""
    run = planned(known, datasets.check(known.data), 1)
    assert run_here(Path(run.directory)) == 0
    found, card = kept(run), known.version.report
    assert card.findings and card.findings.chosen_apart, "the fixture parts the held-out records"
    assert found.records_key == card.records_key
    assert found.tuned.loss == pytest.approx(card.tuned.loss, rel=1e-5)
    assert found.base.loss == pytest.approx(card.base.loss, rel=1e-5)
    assert found.scores["loss_interval"]["low"] < found.tuned.loss < found.scores["loss_interval"]["high"]
    assert len(found.samples) >= 6 and found.scores["answers_left_out"] == 0
    assert not found.judging.unknown and found.judging.learnt == 120 - found.judging.records
    boards = registry.make_boards([known.version], [found])
    assert [(each.ref, each.source) for each in boards[0].standings] == [("toy:1", "evaluation")] and len(boards) == 1


def test_nothing_that_it_learnt_from_judges_it(known: Known) -> None:
    """Exact copies, copies in other capitals and its checkpoint's judges are left out of new data; what is new stays."""
    old, new = make_records(120), make_records(30, seed=7)
    shouted = [
        record.model_copy(
            update={"messages": tuple(m.model_copy(update={"content": m.content.upper()}) for m in record.messages)}
        )
        for record in old[:40]
    ]
    mixed = write_data(known.data.with_name("mixed.jsonl"), [*old[:60], *shouted, *new])
    run = planned(known, datasets.check(mixed), 2)
    judges = [
        record.messages[0].content for record in datasets.read_prepared(Path(run.directory) / "data" / "eval.jsonl")
    ]
    learnt = [
        record.messages[0].content
        for record in datasets.read_prepared(Path(known.run.directory) / "data" / "train.jsonl")
    ]
    assert {each.messages[0].content for each in new} <= set(judges)
    assert not {each.casefold() for each in judges} & {each.casefold() for each in learnt}


def test_data_that_it_knows_by_heart_is_refused(known: Known) -> None:
    learnt = list(datasets.read_prepared(Path(known.run.directory) / "data" / "train.jsonl"))
    data = write_data(known.data.with_name("learnt.jsonl"), learnt)
    with pytest.raises(DatasetError, match="can judge") as refused:
        planned(known, datasets.check(data), 3)
    assert "not trained on" in refused.value.fix


def test_a_stop_ends_a_measurement_at_once_and_keeps_nothing(known: Known) -> None:
    run = planned(known, datasets.check(known.data), 4)
    (Path(run.directory) / "control" / "stop").touch()
    assert run_here(Path(run.directory)) == 0
    assert read_events(Path(run.directory))[-1]["outcome"] == "paused"
    assert not (Path(run.directory) / "manifest.json").exists()


def test_a_version_whose_files_were_changed_is_not_measured(known: Known) -> None:
    weights = Path(known.version.directory) / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    try:
        with pytest.raises(BrightrunError, match="digest differs"):
            planned(known, datasets.check(known.data), 5)
    finally:
        weights.write_bytes(whole)


def test_what_it_learnt_from_is_known_when_its_run_is_gone(known: Known) -> None:
    """The same file is split again as it was; of other data it is said that nobody can tell."""
    gone = LearntFrom(
        ref=known.version.ref,
        fingerprint=datasets.fingerprint(known.data),
        settings=known.run.spec.settings.data,
        chosen_apart=True,
        judged=known.version.report.records_key,
        held_out=known.version.report.training.eval_records,
    )
    again = choose_judges(known.data, gone.fingerprint, {}, (gone,), 500)
    there = gone.model_copy(update={"run_directory": known.run.directory})
    first = choose_judges(known.data, gone.fingerprint, {}, (there,), 500)
    assert [each.messages for each in again.records] == [each.messages for each in first.records]
    other = write_data(known.data.with_name("other.jsonl"), make_records(20, seed=3))
    elsewhere = choose_judges(other, datasets.fingerprint(other), {}, (gone,), 500)
    assert elsewhere.judging.unknown == (known.version.ref,)


def test_records_that_were_parted_by_other_rules_do_not_judge(known: Known) -> None:
    """Which half chose its checkpoint nobody can tell then: none of them is called unseen."""
    older = LearntFrom(
        ref=known.version.ref,
        run_directory=known.run.directory,
        fingerprint=datasets.fingerprint(known.data),
        settings=known.run.spec.settings.data,
        chosen_apart=True,
        judged="0" * 32,
        held_out=known.version.report.training.eval_records,
    )
    assert choose_judges(known.data, older.fingerprint, {}, (older.model_copy(update={"judged": ""}),), 500).records
    with pytest.raises(DatasetError, match="can judge"):
        choose_judges(known.data, older.fingerprint, {}, (older,), 500)
    gone = older.model_copy(update={"run_directory": ""})
    assert choose_judges(known.data, older.fingerprint, {}, (gone,), 500).judging.unknown == (known.version.ref,)


def test_a_machine_measures_what_it_was_asked_to(known: Known) -> None:
    """What it handed in could be put to another version, or take the place of another measurement."""
    run = planned(known, datasets.check(known.data), 40)
    assert run_here(Path(run.directory)) == 0
    file = Path(run.directory) / EVALUATION
    honest = json.loads(file.read_text())
    lies: tuple[dict[str, Any], ...] = (
        {"name": "another"},
        {"model_version": 7},
        {"run_id": "e1"},
        {"seconds": math.inf},
    )
    for lie in lies:
        file.write_text(json.dumps(honest | lie))
        rewrite_manifest(Path(run.directory))
        with pytest.raises(UntrustedError):
            kept(run)
    file.write_text(json.dumps(honest))
    rewrite_manifest(Path(run.directory))
    assert kept(run).ref == known.version.ref
