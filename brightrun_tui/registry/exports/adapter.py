"""The adapter as a directory: for peft, and for anybody who has the base model."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from pathlib import Path

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import MANIFEST
from brightrun_tui.files import copy_synced, give_users_modes, move_into_place, plain_disk_errors, users_directory
from brightrun_tui.process import users_umask
from brightrun_tui.registry.export_kind import ExportKind
from brightrun_tui.registry.safety import check_files, read_manifest


async def _write(version: ModelVersion, target: Path) -> None:
    with plain_disk_errors(target):
        await asyncio.to_thread(_copy_version, Path(version.directory), target)


def _copy_version(directory: Path, target: Path) -> None:
    files = read_manifest(directory / MANIFEST, str(directory)).files
    check_files(directory, files, str(directory))
    users_directory(target.parent, users_umask())
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    aside.mkdir()
    try:
        for name in [*files, MANIFEST]:
            copy_synced(directory / name, aside / name)
        give_users_modes(aside, users_umask())
        move_into_place(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


KIND = ExportKind(
    name="adapter",
    gives="The adapter alone, small: for peft and for anybody who has the base model.",
    order=10,
    write=_write,
)
