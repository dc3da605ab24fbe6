"""Space on the disk: what models and finished runs take, and the part of it that nobody needs any more."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import bytes_below
from brightrun_tui.store import Database, models, runs


class Spare(BaseModel):
    """Checkpoints of one finished run whose model is in the registry."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    name: str
    directory: str
    bytes: int


async def find_spare(db: Database) -> list[Spare]:
    """What `clean` would remove: of completed runs only, for a failed or stopped one may still go on from its checkpoints."""
    known = {version.run_id for version in await models.list_models(db)}
    found = []
    for run in await runs.list_runs(db, states=frozenset({"completed"})):
        directory = RunDirectory(Path(run.directory)).checkpoints
        if run.id in known and directory.is_dir():
            size = await asyncio.to_thread(bytes_below, directory)
            if size:
                found.append(Spare(run_id=run.id, name=run.name, directory=str(directory), bytes=size))
    return found


async def clean(spare: list[Spare]) -> int:
    """Remove them; bytes that are free then. Models, report cards and logs stay."""
    for each in spare:
        await asyncio.to_thread(shutil.rmtree, each.directory, ignore_errors=True)
    return sum(each.bytes for each in spare)
