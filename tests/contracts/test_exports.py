"""What every export kind keeps: the model that was registered is written whole, and stays as it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brightrun_tui.domain.run import Run
from brightrun_tui.files import sha256
from brightrun_tui.paths import Paths
from brightrun_tui.registry import export, export_kinds, register
from brightrun_tui.store import Database
from tests.registry.conftest import db, finished, paths, source, toy  # noqa: F401

LENGTHY = {"merged", "gguf", "gguf-f16", "gguf-q4"}
"""Tested at length in tests/registry."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in export_kinds() if name not in LENGTHY])
async def test_it_writes_where_it_is_told_and_changes_nothing_else(
    name: str, db: Database, paths: Paths, source: Path, finished: Callable[..., Run], tmp_path: Path
) -> None:
    version = await register(db, paths, finished(), source)
    before = {path: sha256(path) for path in Path(version.directory).rglob("*") if path.is_file()}
    kind = export_kinds()[name]
    target = tmp_path / "out" / kind.file_name(version)
    assert await export(version, target, form=name) == target
    assert target.is_file() == kind.one_file and (kind.one_file or any(target.iterdir()))
    assert list(target.parent.iterdir()) == [target], "nothing is left beside it"
    assert {path: sha256(path) for path in Path(version.directory).rglob("*") if path.is_file()} == before
