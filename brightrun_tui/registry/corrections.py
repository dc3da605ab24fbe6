"""From wrong answers to the next version: corrections are kept, written into a new version of the dataset, and trained on."""

from __future__ import annotations

import asyncio
import getpass
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui import datasets
from brightrun_tui.datasets.versions import line_of, next_version
from brightrun_tui.domain.correction import Correction, CorrectionOutcome
from brightrun_tui.domain.dataset import DatasetReport, Message, Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.service_names import HERE
from brightrun_tui.domain.settings import SettingValue, iter_settings
from brightrun_tui.files import plain_disk_errors, write_atomic
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base
from brightrun_tui.planning.dataset_reports import check_dataset
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.resolve import resolve_settings
from brightrun_tui.planning.templates import load_templates
from brightrun_tui.store import Database, corrections, models, runs
from brightrun_tui.store import datasets as added

MOST_CHARACTERS = 200_000
SHOWN = 4
"""Times an epoch that a run which is to learn corrections is shown each of them, unless the one before said more."""


class CorrectedDataset(BaseModel):
    """A new version of a dataset. ``new``: corrections it holds that the one before did not; ``replaced``: records of the one
    before that asked the same. ``draft``: the run that makes the next version of the model from it.
    """

    model_config = ConfigDict(frozen=True)

    report: DatasetReport
    new: int
    replaced: int
    before: str
    draft: Draft


async def correct(
    db: Database,
    ref: str,
    conversation: Sequence[Mapping[str, str]],
    wanted: str,
    *,
    answer: str = "",
    author: str = "",
) -> Correction:
    """Keep what a version should have answered to the last turn of ``conversation``, with author and date.

    Raises:
        UsageError: there is no such version; nothing is asked or wanted; or the wanted answer is the one that was given.
    """
    version = await models.find(db, ref)
    turns = tuple({"role": str(turn["role"]), "content": str(turn["content"])} for turn in conversation)
    asked = bool(turns) and turns[-1]["role"] == "user" and bool(turns[-1]["content"].strip())
    why = (
        "a correction needs a question"
        if not asked
        else "a correction needs the right answer"
        if not wanted.strip()
        else "this is what the model answered already"
        if wanted.strip() == answer.strip()
        else "a correction of this length cannot be learnt from"
        if sum(len(turn["content"]) for turn in turns) + len(wanted) > MOST_CHARACTERS
        else ""
    )
    if why:
        raise UsageError(why, where=version.ref, fix="write the answer as it should be", kind=ErrorKind.BAD_CORRECTION)
    return await corrections.add(
        db,
        Correction(
            model=version.name,
            version=version.version,
            conversation=turns,
            answer=answer,
            wanted=wanted.strip(),
            author=author or who(),
            created_at=time.time(),
        ),
    )


def who() -> str:
    """Return the person at this machine, for what they say of a model."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "somebody"


async def outcomes_of(db: Database, name: str) -> dict[int, tuple[str, CorrectionOutcome]]:
    """Return what became of each correction: by its number the newest version that learnt from it, and what that answers."""
    found: dict[int, tuple[str, CorrectionOutcome]] = {}
    versions = [version for version in await models.list_models(db) if version.name == name]
    for version in sorted(versions, key=lambda each: each.version):
        found.update({each.id: (version.ref, each) for each in version.report.corrections})
    return found


async def make_dataset(db: Database, paths: Paths, name: str, *, data: str = "") -> CorrectedDataset:
    """Write a new version of the dataset that the newest version of a model was made from, with the corrections in it. Where that
    version came from elsewhere, the newest one that was made here counts.

    The file before stays as it is. A record that asks the same as a correction has its answer replaced; the other corrections
    are added. The new dataset is among those that New Run offers.

    Args:
        data: the dataset to start from, where the model's own is not to be taken or is gone.

    Raises:
        UsageError: there is no such model, or nothing to write.
        DatasetError: the dataset cannot be read.
        BrightrunError: the dataset is not on this machine; the disk is full.
    """
    version = await models.get(db, name)
    known = await corrections.of_model(db, name)
    if not known:
        raise UsageError(
            f"“{name}” has no corrections",
            where=name,
            fix="mark an answer wrong while chatting (x), or: brightrun models corrections NAME --add",
            kind=ErrorKind.NO_CORRECTIONS,
        )
    run = await _run_of(db, version) or await _run_before(db, version)
    source = data or (run.spec.dataset.path if run else "")
    if not source or not os.path.exists(source):
        raise BrightrunError(
            f"the data that {version.ref} was made from is not on this machine",
            where=source or version.report.lineage.dataset_name,
            fix="name it: --data FILE",
            kind=ErrorKind.DATASET_MISSING,
        )
    columns = run.spec.dataset.columns if run and not data else {}
    lines, new, replaced = await asyncio.to_thread(_with_corrections, source, columns, known)
    if not new:
        raise UsageError(
            f"the newest data of “{name}” has all its corrections already",
            where=source,
            fix=f"train it: brightrun train {source} --name {name}",
            kind=ErrorKind.NO_CORRECTIONS,
        )
    report = await asyncio.to_thread(_write, paths, Path(source), lines)
    await added.add(db, report)
    await corrections.set_dataset(db, new, report.name)
    draft = await asyncio.to_thread(next_draft, paths, version, run, report)
    return CorrectedDataset(report=report, new=len(new), replaced=replaced, before=source, draft=draft)


def next_draft(paths: Paths, version: ModelVersion, run: Run | None, data: DatasetReport) -> Draft:
    """Return the run that makes the next version as this one was made, from other data. Reads files."""
    lineage = version.report.lineage
    base_id = run.spec.base.id if run else version.base_path or version.base_id
    template = run.spec.template if run else lineage.template
    chosen = next((each for each in load_templates(paths)[0] if each.name == template), None)
    try:
        base = describe_base(base_id, paths, network=False)
    except BrightrunError:
        base = None
    usual = resolve_settings(chosen, base, data.usable, {}).settings
    overrides: dict[str, SettingValue] = {}
    if run:
        for setting in iter_settings():
            was = run.spec.settings.value(setting.key)
            if setting.key != "quantisation.method" and was != usual.value(setting.key):
                overrides[setting.key] = was
    shown = "data.correction_repeats"
    before = overrides.get(shown)
    overrides[shown] = max(SHOWN, before if isinstance(before, int) else 1)
    return Draft(
        name=version.name,
        data=data.name,
        base=base_id,
        template=template or "default",
        provider=run.spec.provider if run else HERE,
        gpu=run.spec.gpu if run else "",
        project=run.spec.project if run else "",
        overrides=overrides,
    )


async def _run_of(db: Database, version: ModelVersion) -> Run | None:
    try:
        return await runs.get(db, version.run_id)
    except BrightrunError:  # imported, or its run was deleted
        return None


async def _run_before(db: Database, version: ModelVersion) -> Run | None:
    """Return the run of the model's newest version that was made here: the one in question came from elsewhere."""
    others = [each for each in await models.list_models(db) if each.name == version.name]
    for other in sorted(others, key=lambda each: -each.version):
        if run := await _run_of(db, other):
            return run
    return None


def _with_corrections(
    source: str, columns: Mapping[str, str], known: Sequence[Correction]
) -> tuple[list[str], list[Correction], int]:
    """Return the lines of the new file, the corrections that the old one did not have, and how many records asked the same."""
    by_question = {_question(each.conversation): each for each in known}
    held = {each.record_id for each in known}
    lines: list[str] = []
    there: set[str] = set()
    placed: set[int] = set()
    replaced = 0
    for record in datasets.read(source, columns=dict(columns) or None):
        same = by_question.get(_question([{"role": m.role, "content": m.content} for m in _asked(record)]))
        if record.id in held:
            there.add(record.id)
        if same is None or (record.id in held and record.id != same.record_id):
            lines.append(line_of(record))
        elif same.id not in placed:
            replaced += record.id not in held
            placed.add(same.id)
            lines.append(line_of(record.model_copy(update={"id": same.record_id, "messages": _messages(same)})))
    lines += [
        line_of(Record(id=each.record_id, messages=_messages(each)))
        for each in by_question.values()
        if each.id not in placed and each.record_id not in there
    ]
    return lines, [each for each in by_question.values() if each.record_id not in there], replaced


def _asked(record: Record) -> Sequence[Message]:
    """Return what comes before a record's last answer; nothing where several answers of it are learnt, or tools are called."""
    learnt = [number for number, message in enumerate(record.messages) if message.role == "assistant" and message.train]
    return record.messages[: learnt[0]] if len(learnt) == 1 and not record.tools else ()


def _question(turns: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return what is asked, to find the same question again: spaces, letter case and the system prompt do not count."""
    return tuple(
        (turn["role"], " ".join(turn["content"].split()).casefold()) for turn in turns if turn["role"] != "system"
    )


def _messages(correction: Correction) -> tuple[Message, ...]:
    before = [Message(role=turn["role"], content=turn["content"], train=False) for turn in correction.conversation]
    return (*before, Message(role="assistant", content=correction.wanted))


def _write(paths: Paths, source: Path, lines: Sequence[str]) -> DatasetReport:
    """Write and check the next free version of the dataset."""
    folder = paths.data / "datasets"
    target = next_version(folder, source)
    with plain_disk_errors(target):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(target, "".join(f"{line}\n" for line in lines))
    return check_dataset(target, {}, paths).model_copy(update={"name": target.stem})
