"""One file with everything of a version: to carry to another Bright Run."""

from __future__ import annotations

import asyncio
from pathlib import Path

from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.files import plain_disk_errors, users_directory
from brightrun_tui.process import users_umask
from brightrun_tui.registry.bundle import write_bundle
from brightrun_tui.registry.export_kind import ExportKind, file_stem


async def _write(version: ModelVersion, target: Path) -> None:
    with plain_disk_errors(target):
        users_directory(target.parent, users_umask())
        await asyncio.to_thread(write_bundle, Path(version.directory), file_stem(version), target)


KIND = ExportKind(
    name="bundle",
    ending=".brightrun.tar",
    one_file=True,
    order=30,
    write=_write,
    gives="One file with the adapter and its report card: to carry to another Bright Run.",
)
