"""Measuring versions again, as runs of the engine: what is asked, the run directory, and keeping what came of it."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from brightrun_tui import datasets
from brightrun_tui.adapter_files import UntrustedError, check_adapter, read_json
from brightrun_tui.domain.dataset import DatasetReport, Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, BrightrunError, DatasetError, UsageError
from brightrun_tui.domain.evaluation import Evaluation
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.domain.run_directory import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    EVAL,
    EVALUATION,
    MANIFEST,
    TRAIN,
    RunDirectory,
)
from brightrun_tui.domain.setting_groups import DataSettings, LoraSettings
from brightrun_tui.domain.settings import Overrides, RunSettings
from brightrun_tui.domain.subject import LearntFrom, Subject
from brightrun_tui.files import copy_synced, plain_disk_errors, write_atomic
from brightrun_tui.planning.names import new_run_id
from brightrun_tui.registry.base_places import has_base
from brightrun_tui.registry.safety import check_files, read_manifest, read_measured
from brightrun_tui.registry.unseen import choose_judges
from brightrun_tui.store import Database, evaluations, models, runs

ANSWERS, MOST_ANSWERS = 24, 64
RECORDS = 500
"""Prompts that are answered, and records that judge, unless something else is asked for."""


async def own_data(db: Database, version: ModelVersion) -> str:
    """Return the dataset that a version was trained on, as its run named it.

    Raises:
        UsageError: that is not known here.
    """
    with suppress(BrightrunError):
        dataset = (await runs.get(db, version.run_id)).spec.dataset
        return dataset.source or dataset.path
    raise UsageError(
        f"nobody here knows the data that {version.ref} was trained on",
        where=version.ref,
        fix="name what to measure it on: --data FILE",
        kind=ErrorKind.NO_DATA_NAMED,
    )


async def plan_evaluations(
    db: Database,
    versions: Sequence[ModelVersion],
    report: DatasetReport,
    *,
    answers: int = ANSWERS,
    records: int = RECORDS,
    machine: Overrides | None = None,
) -> list[RunSpec]:
    """Return one run for each version, all on the same records: those that none of them learnt from.

    Args:
        report: of the data, as checked.
        machine: settings of the machine, by dotted name.

    Raises:
        UsageError: a version is named twice, or a number is out of range.
        DatasetError: nothing of the data can be used.
        BaseModelError: the base model of a version is not on this machine.
    """
    _require_sense(versions, answers, records)
    require_usable(report)
    for version in versions:
        _require_base(version)
    seen = {version.ref: await learnt_from(db, version) for version in versions}
    absolute = str(Path(report.path).absolute())  # the engine reads it, wherever that was started
    dataset = DatasetRef.of(report).model_copy(update={"path": absolute})
    specs = []
    for version in versions:
        others = [known for ref, known in seen.items() if ref != version.ref]
        subject = Subject(
            name=version.name,
            version=version.version,
            directory=version.directory,
            apart_from=(seen[version.ref], *others),
            records=records,
        )
        settings = await asyncio.to_thread(_settings, version, answers)
        specs.append(
            RunSpec(
                run_id=new_run_id(),
                name=f"{version.name}-v{version.version}-on-{report.name}"[:96],
                created_at=time.time(),
                base=BaseModelRef(
                    id=version.base_id,
                    path=version.base_path,
                    revision=version.report.lineage.base_revision,
                    fingerprint=version.report.lineage.base_fingerprint,
                    quantisation=version.report.lineage.base_quantisation,
                ),
                dataset=dataset,
                template="",
                settings=settings.with_overrides(machine or {}),
                measures=subject,
            )
        )
    return specs


def _require_sense(versions: Sequence[ModelVersion], answers: int, records: int) -> None:
    """Raise ``UsageError`` where a version is named twice, or a number is out of range."""
    if len({version.ref for version in versions}) < len(versions):
        raise UsageError("a version is named twice", fix="name each once", kind=ErrorKind.BAD_OPTION, where="models")
    if not 0 <= answers <= MOST_ANSWERS or records < 1:
        raise UsageError(
            f"{answers} answers on {records} records cannot be asked for",
            fix=f"0 to {MOST_ANSWERS} answers, and one record or more",
            kind=ErrorKind.BAD_OPTION,
            where="models evaluate",
        )


def _require_base(version: ModelVersion) -> None:
    """Raise ``BaseModelError`` where the base model of the version is not on this machine."""
    if not has_base(version):
        raise BaseModelError(
            f"the base model of {version.ref}, “{version.base_id}”, is not on this machine",
            where=version.ref,
            fix=f"say where it is: brightrun models set-base {version.ref} DIRECTORY; or measure what it answers where it is "
            f"served: brightrun models evaluate {version.ref} --data FILE --endpoint NAME",
            kind=ErrorKind.BASE_MISSING,
        )


def require_usable(report: DatasetReport) -> None:
    """Raise ``DatasetError`` where nothing of the data can be used."""
    if not report.ok:
        raise DatasetError(
            f"nothing in it can be measured on: {report.statement}",
            where=report.path,
            fix=f"see: brightrun datasets check {report.path}",
            kind=ErrorKind.DATASET_EMPTY,
        )


async def learnt_from(db: Database, version: ModelVersion) -> LearntFrom:
    """Return what is known here of the records that a version has seen."""
    lineage, found = version.report.lineage, version.report.findings
    known = LearntFrom(
        ref=version.ref,
        fingerprint=lineage.dataset_fingerprint,
        settings=_data_settings(version),
        chosen_apart=bool(found and found.chosen_apart),
        judged=version.report.records_key,
        held_out=max(0, version.report.training.eval_records),
    )
    with suppress(BrightrunError):
        run = await runs.get(db, version.run_id)
        return known.model_copy(update={"run_directory": run.directory, "columns": run.spec.dataset.columns})
    return known


def _data_settings(version: ModelVersion) -> DataSettings:
    try:
        return DataSettings.model_validate(version.report.lineage.settings.get("data") or {})
    except ValidationError:
        return DataSettings()


def _settings(version: ModelVersion, answers: int) -> RunSettings:
    """Return the settings it was trained with, the adapter as its own configuration says. Blocking."""
    trained = version.report.lineage.run_settings
    config = read_json(Path(version.directory) / ADAPTER_CONFIG, version.directory)
    targets = config.get("target_modules")
    try:
        lora = LoraSettings(
            r=config["r"],
            lora_alpha=config["lora_alpha"],
            target_modules=",".join(sorted(targets)) if isinstance(targets, list) else str(targets),
            use_rslora=bool(config.get("use_rslora")),
            use_dora=bool(config.get("use_dora")),
        )
    except (KeyError, ValidationError, TypeError):
        raise UntrustedError(
            "its configuration does not say what its adapter is like",
            where=f"{version.directory}: {ADAPTER_CONFIG}",
            kind=ErrorKind.BAD_JSON,
        ) from None
    return RunSettings(
        lora=lora,
        quantisation=trained.quantisation,
        data=trained.data.model_copy(update={"max_length": 0}),
        training=trained.training.model_copy(update={"batch_size": 16, "micro_batch_size": 0, "optim": "auto"}),
        evaluation=trained.evaluation.model_copy(update={"sample_prompts": answers}),
    )


def prepare_evaluation(run: Run, say: Callable[[str], None]) -> RunSpec:
    """Make the run directory ready: the adapter, the records that judge, and last ``spec.json``. Blocking; may be repeated.

    Raises:
        UntrustedError: the version's files were changed since they were registered.
        DatasetError: the data is gone, has changed since it was checked, or nothing of it can judge.
        BrightrunError: the disk is full or cannot be written.
    """
    spec, files = run.spec, RunDirectory(Path(run.directory))
    subject = spec.measures
    assert subject is not None, "asked for runs that measure only"
    if files.spec.exists():
        return RunSpec.model_validate_json(files.spec.read_text("utf-8"))
    with plain_disk_errors(files.root):
        files.control.mkdir(parents=True, exist_ok=True)
        files.checkpoints.mkdir(exist_ok=True)
        say("adapter")
        _copy_adapter(Path(subject.directory), files.adapter)
        say("dataset")
        path = Path(spec.dataset.path)
        chosen = choose_judges(
            path, spec.dataset.fingerprint, spec.dataset.columns, subject.apart_from, subject.records
        )
        if datasets.fingerprint(path) != spec.dataset.fingerprint:
            raise DatasetError(
                "the file is not the one that was checked",
                where=str(path),
                fix="ask again: the new file will be checked",
                kind=ErrorKind.DATASET_CHANGED,
            )
        files.data.mkdir(exist_ok=True)
        write_atomic(files.data / TRAIN, _lines(chosen.learnt))
        write_atomic(files.data / EVAL, _lines(chosen.records))
        write_atomic(files.judging, chosen.judging.model_dump_json())
        counted = {"train_records": 0, "eval_records": len(chosen.records)}
        spec = spec.model_copy(update={"dataset": spec.dataset.model_copy(update=counted)})
        write_atomic(files.spec, spec.model_dump_json(indent=2))
    return spec


async def keep_evaluation(db: Database, run: Run) -> Evaluation:
    """Put what a run has measured to its version. May be repeated.

    Raises:
        UntrustedError: it is not what the run's manifest says.
        UsageError: the version is gone.
    """
    found = await asyncio.to_thread(_read, Path(run.directory))
    asked, place = run.spec.measures, str(RunDirectory(Path(run.directory)).evaluation)
    if asked is None or (found.run_id, found.ref) != (run.id, asked.ref):
        raise UntrustedError("what was measured is not what was asked for", where=place, kind=ErrorKind.BAD_REPORT)
    await models.get(db, found.name, found.model_version)
    await evaluations.keep(db, found)
    await asyncio.to_thread(shutil.rmtree, RunDirectory(Path(run.directory)).adapter, ignore_errors=True)
    return found


def _read(directory: Path) -> Evaluation:
    listed = read_json(directory / MANIFEST, str(directory)).get("files")
    facts = listed.get(EVALUATION) if isinstance(listed, dict) else None
    try:
        check_files(directory, {EVALUATION: FileFacts.model_validate(facts)}, str(directory))
    except ValidationError:
        raise UntrustedError(
            "what was measured cannot be read", where=str(directory / EVALUATION), kind=ErrorKind.BAD_REPORT
        ) from None
    return read_measured(directory / EVALUATION, Evaluation, str(directory))


def _copy_adapter(source: Path, target: Path) -> None:
    manifest = read_manifest(source / MANIFEST, str(source))
    wanted = {name: manifest.files[name] for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if name in manifest.files}
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in wanted:
        copy_synced(source / name, target / name)
    check_files(target, wanted, str(source))
    check_adapter(target, str(source))


def _lines(records: Sequence[Record]) -> str:
    return "".join(f"{record.model_dump_json(exclude_defaults=True)}\n" for record in records)
