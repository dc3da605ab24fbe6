"""From a finished run to a model version."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from brightrun_tui.adapter_files import UntrustedError, check_adapter, read_json
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.manifest import FileFacts
from brightrun_tui.domain.model import ModelVersion, Report, TrainingFacts
from brightrun_tui.domain.run import BaseModelRef, Run
from brightrun_tui.domain.run_directory import (
    ADAPTER,
    ADAPTER_CONFIG,
    ADAPTER_FILES,
    ADAPTER_WEIGHTS,
    CARD,
    MANIFEST,
    REPORT,
    RunDirectory,
)
from brightrun_tui.domain.time_parts import TimeParts
from brightrun_tui.files import copy_synced, move_into_place, plain_disk_errors, write_atomic
from brightrun_tui.paths import Paths
from brightrun_tui.registry.card import model_card
from brightrun_tui.registry.safety import (
    Manifest,
    check_files,
    check_names,
    facts_of,
    model_name,
    read_manifest,
    read_report,
)
from brightrun_tui.store import Database, models

_SAID_LATER = ("judgement", "ticks")
"""Of a report card: what is said after it was made."""
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def _expected(run: Run) -> dict[str, TimeParts | int]:
    """Return what the run was expected to take, for its report card; nothing if an older version reckoned no parts."""
    found = run.estimate
    if not found or not found.parts.total:
        return {}
    planned = found.parts.model_copy(update={"preparing": found.parts.preparing + found.setup_seconds})
    return {"planned": planned, "planned_memory": found.memory}


def _with_preparing(facts: TrainingFacts, run: Run) -> TrainingFacts:
    """Add the time before its workers, which they cannot know."""
    if facts.spent is None:
        return facts
    whole = facts.spent.model_copy(update={"preparing": facts.spent.preparing + run.prepared_seconds})
    return facts.model_copy(update={"spent": whole})


async def register(db: Database, paths: Paths, run: Run, source: Path) -> ModelVersion:
    """Put the finished run in directory ``source`` into the registry as the next version of its model.

    May be repeated after a crash at any point: a run has one version, and a version that is shown is complete on disk.

    Raises:
        UntrustedError: the run's files are not those of its manifest, or something does not belong there.
        BrightrunError: the disk is full or cannot be written.
    """
    known = await models.by_run(db, run.id)
    if known is not None and Path(known.directory).is_dir():
        return known
    files, report = await asyncio.to_thread(_check_source, source)
    report = report.model_copy(
        update={
            "cost_usd": run.cost_usd or report.cost_usd,
            "training": _with_preparing(report.training, run),
            **_expected(run),
        }
    )
    name = model_name(run.name)
    number = await models.reserve(db, name, run.id)
    target = paths.models / name / str(number)
    base = run.spec.base
    manifest = Manifest(
        model=name,
        version=number,
        run_id=run.id,
        base=portable_base(base),
        base_revision=base.revision,
        base_fingerprint=base.fingerprint,
        dataset_fingerprint=report.lineage.dataset_fingerprint,
        files={},
    )
    with plain_disk_errors(target):
        size = await asyncio.to_thread(_put_in_place, RunDirectory(source).adapter, files, report, manifest, target)
    version = ModelVersion(
        name=name,
        version=number,
        run_id=run.id,
        directory=str(target),
        base_id=base.id,
        base_path=base.path,
        report=report,
        created_at=time.time(),
        bytes=size,
    )
    await models.complete(db, version)
    return await models.get(db, name, number)


def portable_base(base: BaseModelRef) -> str:
    """Return the base model's name for other machines: a Hub id, or the last part of a private path."""
    if base.revision and _HUB_ID.fullmatch(base.id.partition("@")[0]):
        return base.id.partition("@")[0]
    return model_name(Path(base.id).name)


def _check_source(source: Path) -> tuple[dict[str, FileFacts], Report]:
    """Return the adapter's files and the report card, verified against the run's manifest."""
    where, directory = str(source), RunDirectory(source).adapter
    listed = read_json(source / MANIFEST, where).get("files")
    try:
        files = {name: FileFacts.model_validate(facts) for name, facts in (listed or {}).items()}
        report_facts = files[REPORT]
    except (ValidationError, AttributeError, KeyError):
        raise UntrustedError(
            "the run's manifest lists no report card", where=where, kind=ErrorKind.BAD_MANIFEST
        ) from None
    adapter = {
        name.removeprefix(f"{ADAPTER}/"): facts for name, facts in files.items() if name.startswith(f"{ADAPTER}/")
    }
    # PEFT leaves a card of its own there, which names the private path of the base model; ours replaces it.
    adapter.pop(CARD, None)
    present = {path.relative_to(directory).as_posix() for path in directory.rglob("*") if not path.is_dir()}
    check_names(set(adapter) | (present - {CARD}), ADAPTER_FILES, f"{where}/{ADAPTER}")
    if unlisted := sorted(present - {CARD} - set(adapter)):
        raise UntrustedError(f"{unlisted[0]} is not in the run's manifest", where=where, kind=ErrorKind.FILE_NOT_LISTED)
    check_files(source, {REPORT: report_facts}, where)
    check_files(directory, adapter, f"{where}/{ADAPTER}")
    check_adapter(directory, f"{where}/{ADAPTER}")
    return adapter, read_report(source / REPORT, where)


def _put_in_place(adapter: Path, files: dict[str, FileFacts], report: Report, manifest: Manifest, target: Path) -> int:
    """Write the version's directory aside and rename it; returns its size in bytes. A complete one from an earlier
    attempt is kept.
    """
    if target.exists():
        if _is_the_same(target, manifest, files):
            return directory_size(target)
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    for leftover in target.parent.glob(f".incoming-{target.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    aside = target.parent / f".incoming-{target.name}-{secrets.token_hex(4)}"
    aside.mkdir()
    try:
        for name in files:
            if name != ADAPTER_CONFIG:
                copy_synced(adapter / name, aside / name)
        check_files(aside, {name: facts for name, facts in files.items() if name != ADAPTER_CONFIG}, str(aside))
        config = read_json(adapter / ADAPTER_CONFIG, str(adapter))
        finish_directory(aside, _with_base(config, manifest), report, manifest)
        move_into_place(aside, target)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return directory_size(target)


def finish_directory(aside: Path, config: dict[str, Any], report: Report, manifest: Manifest) -> None:
    """Add what is written rather than copied: adapter configuration, report card, model card, manifest."""
    write_atomic(aside / ADAPTER_CONFIG, json.dumps(config, indent=2, sort_keys=True), mode=0o644)
    _write_report(aside, report, manifest)
    files = {path.name: facts_of(path) for path in sorted(aside.iterdir())}
    write_atomic(aside / MANIFEST, manifest.model_copy(update={"files": files}).model_dump_json(indent=2), mode=0o644)


def rewrite_report(version: ModelVersion) -> None:
    """Make the report card among the version's files the one that the store has. What else lies there is not looked at.

    Raises:
        UntrustedError: there is no manifest that can be read.
        BrightrunError: the disk is full or cannot be written.
    """
    directory = Path(version.directory)
    manifest = read_manifest(directory / MANIFEST, str(directory))
    with plain_disk_errors(directory):
        _write_report(directory, version.report, manifest)
        files = manifest.files | {name: facts_of(directory / name) for name in (REPORT, CARD)}
        write_atomic(
            directory / MANIFEST, manifest.model_copy(update={"files": files}).model_dump_json(indent=2), mode=0o644
        )


def settle_report(version: ModelVersion) -> None:
    """Do `rewrite_report` for a judged or ticked version whose files do not show it: that was interrupted. Raises as it does."""
    directory = Path(version.directory)
    if version.report.judgement is None and not version.report.ticks:
        return
    try:
        files = read_manifest(directory / MANIFEST, str(directory)).files
        check_files(directory, {name: files[name] for name in (REPORT, CARD) if name in files}, str(directory))
        shown = read_json(directory / REPORT, str(directory))
    except UntrustedError:
        shown = {}
    held = version.report.model_dump(mode="json", include=set(_SAID_LATER))
    if {name: shown.get(name) for name in _SAID_LATER} != held:
        rewrite_report(version)


def _write_report(directory: Path, report: Report, manifest: Manifest) -> None:
    """Write report card and model card, which name the base as other machines know it."""
    shown = report.model_copy(
        update={"name": manifest.model, "lineage": report.lineage.model_copy(update={"base_id": manifest.base})}
    )
    write_atomic(directory / REPORT, shown.model_dump_json(indent=2), mode=0o644)
    write_atomic(directory / CARD, model_card(shown, manifest), mode=0o644)


def _with_base(config: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """Return the adapter's configuration, naming its base as other machines know it."""
    return config | {"base_model_name_or_path": manifest.base, "revision": manifest.base_revision or None}


def _is_the_same(target: Path, manifest: Manifest, files: dict[str, FileFacts]) -> bool:
    try:
        found = read_manifest(target / MANIFEST, str(target))
        check_files(target, found.files, str(target))
    except UntrustedError:
        return False
    return found.run_id == manifest.run_id and found.files.get(ADAPTER_WEIGHTS) == files[ADAPTER_WEIGHTS]


def directory_size(directory: Path) -> int:
    """Return bytes of the files in it."""
    return sum(path.stat().st_size for path in directory.iterdir())
