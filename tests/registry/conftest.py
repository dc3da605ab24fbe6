from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Run, RunSpec
from brightrun_tui.files import sha256
from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.store import Database, open_database
from tests.serving.toy import Toy, make_toy


@pytest.fixture(scope="session")
def toy() -> Toy:
    return make_toy()


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path / "home"))
    return get_paths()


@pytest_asyncio.fixture
async def db(paths: Paths) -> AsyncIterator[Database]:
    async with open_database(paths.database) as database:
        yield database


@pytest.fixture
def source(toy: Toy, tmp_path: Path) -> Path:
    """A finished run directory of one's own."""
    return Path(shutil.copytree(toy.run, tmp_path / "run"))


@pytest.fixture
def finished(toy: Toy) -> Callable[..., Run]:
    """Makes finished runs; the base model is a private directory on this machine."""

    def make(run_id: str = "run-toy", name: str = "harbour") -> Run:
        spec = RunSpec(
            run_id=run_id,
            name=name,
            created_at=1.0,
            base=BaseModelRef(id=str(toy.base), path=str(toy.base)),
            dataset=DatasetRef(path="/d", name="d", format="messages", fingerprint="f" * 16, records=3, usable=3),
        )
        return Run(id=run_id, name=name, state="registering", spec=spec, directory="/r", created_at=1.0, updated_at=1.0)

    return make


def rewrite_manifest(source: Path) -> None:
    """Make the run's manifest agree with what lies there now."""
    files = sorted(p for p in source.rglob("*") if p.is_file() and p != source / "manifest.json")
    (source / "manifest.json").write_text(
        json.dumps(
            {
                "files": {
                    p.relative_to(source).as_posix(): {"sha256": sha256(p), "bytes": p.stat().st_size} for p in files
                }
            }
        )
    )
