"""Where the base model of a version lies on this machine, when somebody says so."""

from __future__ import annotations

import asyncio
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.run_directory import MANIFEST
from brightrun_tui.paths import Paths
from brightrun_tui.planning.bases import describe_base, is_hub_id
from brightrun_tui.planning.starter import STARTER
from brightrun_tui.registry.safety import read_manifest
from brightrun_tui.store import Database, models


def has_base(version: ModelVersion) -> bool:
    """Say whether its base model lies on this machine. A run on a rented machine leaves it there."""
    return bool(version.base_path) and (Path(version.base_path) / "config.json").is_file()


def missing_base(version: ModelVersion) -> str:
    """Say that its base model is not on this machine, and how to get it; empty where it is."""
    if has_base(version):
        return ""
    gone = f"its base model “{version.base_id}” is not on this machine"
    name, revision = version.base_id.partition("@")[0], version.report.lineage.base_revision
    if name == STARTER or is_hub_id(name):
        wanted = f"{name}@{revision}" if revision and name != STARTER else name
        return (
            f"{gone}. Deploying it fetches that; to merge or measure it: brightrun bases fetch {wanted}, then "
            f"brightrun models set-base {version.ref} {wanted}"
        )
    return f"{gone}: it can be neither served nor merged. Say where it is: brightrun models set-base {version.ref} DIRECTORY"


async def set_base(db: Database, paths: Paths, ref: str, place: str) -> ModelVersion:
    """Say where a version's base model lies: a directory, or a model id that is on this machine.

    Raises:
        UsageError: there is no such version.
        BaseModelError: there is no model, or not the one that the version was trained on.
    """
    version = await models.find(db, ref)
    manifest = await asyncio.to_thread(read_manifest, Path(version.directory) / MANIFEST, version.directory)
    base = (await asyncio.to_thread(describe_base, place, paths)).ref
    if not base.path:
        raise BaseModelError(
            f"“{place}” is not on this machine",
            where=place,
            fix="fetch it first: brightrun bases fetch, or name a directory",
            kind=ErrorKind.BASE_MISSING,
        )
    if manifest.base_fingerprint and base.fingerprint and base.fingerprint != manifest.base_fingerprint:
        raise BaseModelError(
            f"this is not the base model that {version.ref} was trained on: its weights differ",
            where=base.path,
            fix=f"it was trained on {version.base_id}",
            kind=ErrorKind.OTHER_BASE,
        )
    return await models.set_base_path(db, version, base.path)
