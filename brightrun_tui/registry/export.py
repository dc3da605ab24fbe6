"""A version as files for other programs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from brightrun_tui import plugins
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import PluginError, UsageError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.files import plain_disk_errors, target_taken, users_directory
from brightrun_tui.paths import Paths
from brightrun_tui.plugins import Blame, Door
from brightrun_tui.process import users_umask
from brightrun_tui.registry.bundle import write_bundle
from brightrun_tui.registry.export_kind import ExportKind, file_stem
from brightrun_tui.registry.intake import settle_report
from brightrun_tui.registry.signing import sign

BUNDLE = "bundle"


async def export(version: ModelVersion, target: Path, *, form: str = "adapter", signed_by: Paths | None = None) -> Path:
    """Write ``version`` to ``target`` in the form of that name (`export_kind.export_kinds`), and return where it is now.

    ``signed_by``: the installation whose key signs it; bundles alone can be signed.

    Raises:
        UsageError: ``target`` is taken, the form is unknown, or cannot be signed.
        BaseModelError: the base model is needed and not on this machine.
        UntrustedError: the version's files were changed since they were registered.
        PluginError: the package that brings the form is broken.
        BrightrunError: writing failed, or the disk is full.
    """
    kind = plugins.load(Door.EXPORTS, ExportKind, form)
    if kind is None:
        raise UsageError(
            f"there is no export form “{form}”",
            fix=f"one of: {', '.join(plugins.names(Door.EXPORTS))}",
            kind=ErrorKind.BAD_FORM,
        )
    await asyncio.to_thread(settle_report, version)
    path = target / kind.file_name(version) if kind.one_file and target.is_dir() else target
    _refuse_taken(path)
    if signed_by is not None:
        return await _signed(version, path, form, signed_by)
    with Blame(Door.EXPORTS, form):
        await kind.write(version, path)
    if not path.exists():
        raise PluginError(f"the export kind “{form}” wrote nothing", where=str(path), kind=ErrorKind.PLUGIN_BROKEN)
    return path


async def _signed(version: ModelVersion, target: Path, form: str, paths: Paths) -> Path:
    if form != BUNDLE:
        raise UsageError(
            f"“{form}” cannot be signed", fix=f"export it as {BUNDLE}, or leave --sign out", kind=ErrorKind.BAD_FORM
        )
    seal = await asyncio.to_thread(sign, paths, version)
    with plain_disk_errors(target):
        users_directory(target.parent, users_umask())
        await asyncio.to_thread(write_bundle, Path(version.directory), file_stem(version), target, seal)
    return target


def _refuse_taken(target: Path) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise target_taken(target)
