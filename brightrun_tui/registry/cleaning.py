"""Space on the disk: what models and finished runs take, and the part of it that nobody needs any more."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.humanize import size
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import bytes_below
from brightrun_tui.paths import Paths
from brightrun_tui.serving.plan import CACHE_LOCK, cached_at
from brightrun_tui.store import Database, endpoints, models, runs


class Spare(BaseModel):
    """What may go: the checkpoints of one finished run whose model is in the registry, or the ``served_copy`` of a version,
    the GGUF that was made of it for an endpoint and that no endpoint uses now. ``run_id``: the run that either came from.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    name: str
    directory: str
    bytes: int
    served_copy: bool = False


class DiskUse(BaseModel):
    """Bytes below this installation's directories. ``served_copies`` are no part of ``models``."""

    model_config = ConfigDict(frozen=True)

    models: int
    served_copies: int
    runs: int
    bases: int
    endpoints: int
    cache: int

    @property
    def words(self) -> str:
        """“models 22 MiB, served copies 271 MiB, …” without what takes nothing."""
        named = {name.replace("_", " "): count for name, count in self.model_dump().items() if count}
        return ", ".join(f"{name} {size(count)}" for name, count in named.items()) or "nothing"


async def find_spare(db: Database) -> list[Spare]:
    """Return what `clean` would remove: checkpoints of completed runs only, for a failed or stopped one may still go on from
    its own.
    """
    versions = await models.list_models(db)
    serving = await endpoints.list_endpoints(db)
    found = [*await _checkpoints(db, versions), *_served_copies(versions, serving)]
    sizes = [await asyncio.to_thread(bytes_below, Path(each.directory)) for each in found]
    return [each.model_copy(update={"bytes": held}) for each, held in zip(found, sizes, strict=True) if held]


async def clean(spare: Sequence[Spare]) -> int:
    """Remove them; returns the bytes freed. Models, report cards and logs stay, and so does a copy that is being made."""
    return sum([await asyncio.to_thread(_remove, each) for each in spare])


async def disk_use(paths: Paths) -> DiskUse:
    """Return what lies where."""
    return await asyncio.to_thread(_disk_use, paths)


def spare_words(spare: Sequence[Spare]) -> str:
    """Return “the checkpoints of 2 completed runs and the copies that llama.cpp served of 1 version, 497 MiB”."""
    copies = sum(each.served_copy for each in spare)
    trained = len(spare) - copies
    parts = [f"the checkpoints of {trained} completed run{'s' if trained > 1 else ''}"] * bool(trained)
    parts += [f"the copies that llama.cpp served of {copies} version{'s' if copies > 1 else ''}"] * bool(copies)
    return f"{' and '.join(parts)}, {size(sum(each.bytes for each in spare))}"


async def _checkpoints(db: Database, versions: Sequence[ModelVersion]) -> list[Spare]:
    known = {version.run_id for version in versions}
    completed = [run for run in await runs.list_runs(db, states=frozenset({"completed"})) if run.id in known]
    places = [(run, RunDirectory(Path(run.directory)).checkpoints) for run in completed]
    return [
        Spare(run_id=run.id, name=run.name, directory=str(place), bytes=0) for run, place in places if place.is_dir()
    ]


def _served_copies(versions: Sequence[ModelVersion], serving: Sequence[Endpoint]) -> list[Spare]:
    """Return served copies that can go; each is made anew, within seconds to minutes, when its version is served again."""
    used = {
        f"{each.model}:{number}"
        for each in serving
        if each.serving and each.rental is None
        for number in (each.model_version, each.wanted_version)
    }
    places = [(version, cached_at(Path(version.directory))) for version in versions if version.ref not in used]
    return [
        Spare(run_id=version.run_id, name=version.ref, directory=str(place), bytes=0, served_copy=True)
        for version, place in places
        if place.is_dir()
    ]


def _remove(spare: Spare) -> int:
    directory = Path(spare.directory)
    if not spare.served_copy:
        shutil.rmtree(directory, ignore_errors=True)
        return spare.bytes
    try:
        with FileLock(directory / CACHE_LOCK, timeout=0):
            shutil.rmtree(directory, ignore_errors=True)
    except (Timeout, OSError):
        return 0
    return spare.bytes


def _disk_use(paths: Paths) -> DiskUse:
    copies = sum(bytes_below(place) for place in paths.models.glob(f"*/{cached_at(Path('*')).name}"))
    return DiskUse(
        models=bytes_below(paths.models) - copies,
        served_copies=copies,
        runs=bytes_below(paths.runs),
        bases=bytes_below(paths.bases),
        endpoints=bytes_below(paths.endpoints),
        cache=bytes_below(paths.cache),
    )
