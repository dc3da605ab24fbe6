"""A version as files for other programs."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from pathlib import Path
from typing import Literal, get_args

from brightrun_tui.domain.errors import BaseModelError, BrightrunError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import MANIFEST
from brightrun_tui.files import copy_synced, give_users_modes, move_into_place, plain_disk_errors, users_directory
from brightrun_tui.process import python, users_umask
from brightrun_tui.registry.bundle import write_bundle
from brightrun_tui.registry.intake import settle_report
from brightrun_tui.registry.safety import check_files, read_manifest
from brightrun_tui.serving.process import environment

ExportForm = Literal["adapter", "merged", "bundle"]
EXPORT_FORMS: tuple[str, ...] = get_args(ExportForm)


async def export(version: ModelVersion, target: Path, *, form: ExportForm = "adapter") -> Path:
    """Write ``version`` to ``target`` and return where it is now.

    ``adapter``: a directory for peft. ``merged``: a directory with one complete model, made in a process of its own.
    ``bundle``: one ``.brightrun.tar``; into ``target`` where that is a directory.

    Raises:
        UsageError: ``target`` is taken, or the form is unknown.
        BaseModelError: the base model, needed to merge, is not on this machine.
        UntrustedError: the version's files were changed since they were registered.
        BrightrunError: merging failed, or the disk is full.
    """
    stem = f"{version.name}-v{version.version}"
    await asyncio.to_thread(settle_report, version)
    if form == "bundle":
        path = target / f"{stem}.brightrun.tar" if target.is_dir() else target
        _refuse_taken(path)
        with plain_disk_errors(path):
            users_directory(path.parent, users_umask())
            await asyncio.to_thread(write_bundle, Path(version.directory), stem, path)
        return path
    _refuse_taken(target)
    if form == "adapter":
        with plain_disk_errors(target):
            await asyncio.to_thread(_copy_version, Path(version.directory), target)
    elif form == "merged":
        await _merge(version, target)
    else:
        raise UsageError(f"there is no export form “{form}”", fix=f"one of: {', '.join(EXPORT_FORMS)}", kind="bad_form")
    return target


def _refuse_taken(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError("there is something already", where=str(target), fix="choose another place", kind="target_taken")


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


async def _merge(version: ModelVersion, target: Path) -> None:
    """Run the merging program; it writes aside and renames, so ``target`` is complete or absent."""
    if not version.base_path or not (Path(version.base_path) / "config.json").is_file():
        raise BaseModelError(f"the base model “{version.base_id}” is not on this machine", where=version.base_path,
                             fix="it is needed to merge; fetch it again", kind="base_missing")
    process = await asyncio.create_subprocess_exec(
        *python("-m", "brightrun_tui.serving.merge", version.base_path, version.directory, str(target.absolute())),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment(),
        umask=users_umask())
    try:
        out, talk = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        lines = [line for line in talk.decode("utf-8", "replace").splitlines() if line.strip()]
        try:
            raise BrightrunError(**json.loads(out))
        except (ValueError, TypeError):
            raise BrightrunError(f"merging failed: {lines[-1][:300] if lines else f'exit code {process.returncode}'}",
                                 where=version.ref, kind="merge_failed") from None
