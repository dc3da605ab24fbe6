"""What versions learnt from that the others did not: the training records that their runs still have."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui import datasets
from brightrun_tui.datasets.splitting import content_key
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import TRAIN, RunDirectory
from brightrun_tui.store import Database, runs

EXAMPLES = 3
"""Records that a version alone learnt from, of which the question is shown."""


class LearntData(BaseModel):
    """``records``: that it learnt from, None where nobody can tell any more. ``alone``: those of them that no other of the
    versions learnt from in the very same words; None where what another one learnt from is not known. ``examples``: the
    questions of the first of those.
    """

    model_config = ConfigDict(frozen=True)

    ref: str
    dataset: str
    records: int | None = None
    alone: int | None = None
    examples: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """All of it but the examples, in a sentence."""
        if self.records is None:
            return f"{self.dataset}: its training records are not here any more"
        if self.alone is None:
            return f"{self.dataset}: {self.records:,} records"
        only = f"{self.alone:,} of them it alone" if self.alone else "the others have all of them, too"
        return f"{self.dataset}: {self.records:,} records, {only}"


async def data_differences(db: Database, versions: Sequence[ModelVersion]) -> tuple[LearntData, ...]:
    """Return what each version learnt from, in their order."""
    files = [await _training_file(db, version) for version in versions]
    return await asyncio.to_thread(_differences, versions, files)


async def _training_file(db: Database, version: ModelVersion) -> Path | None:
    try:
        run = await runs.get(db, version.run_id)
    except BrightrunError:  # it comes from elsewhere, or its run was deleted
        return None
    return RunDirectory(Path(run.directory)).data / TRAIN


def _differences(versions: Sequence[ModelVersion], files: Sequence[Path | None]) -> tuple[LearntData, ...]:
    known = [_contents(file) for file in files]
    complete = all(contents is not None for contents in known)
    having = Counter(content for contents in known if contents is not None for content in set(contents))
    found = []
    for version, file, contents in zip(versions, files, known, strict=True):
        said = LearntData(ref=version.ref, dataset=version.report.lineage.dataset_name)
        if file is not None and contents is not None:
            said = said.model_copy(update={"records": len(contents)})
            if complete:
                alone = {content for content in contents if having[content] == 1}
                count = sum(content in alone for content in contents)
                said = said.model_copy(update={"alone": count, "examples": _questions(file, alone)})
        found.append(said)
    return tuple(found)


def _contents(file: Path | None) -> list[bytes] | None:
    """Return what every record of it says; None where it is gone or damaged."""
    try:
        return [content_key(record) for record in datasets.read_prepared(file)] if file else None
    except BrightrunError:
        return None


def _questions(file: Path, alone: set[bytes]) -> tuple[str, ...]:
    records = datasets.read_prepared(file) if alone else ()
    return tuple(islice((_question(record) for record in records if content_key(record) in alone), EXAMPLES))


def _question(record: Record) -> str:
    """Return what is said last before the answer."""
    before = [message.said for message in record.messages if message.role != "assistant"]
    return " ".join(before[-1].split()) if before else ""
