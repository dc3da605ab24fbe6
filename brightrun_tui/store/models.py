"""Model versions and their aliases. A version is ``copying`` until its files are complete, then ``ready``."""

from __future__ import annotations

import time
from typing import Any

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.model import ModelVersion, Report
from brightrun_tui.store.db import Database


async def reserve(db: Database, name: str, run_id: str) -> int:
    """The version number that belongs to ``run_id``: the one it already has, or the next free one, kept for it."""
    async with db.transaction():
        row = await db.one("SELECT version FROM model_versions WHERE run_id = ?", (run_id,))
        if row:
            return int(row["version"])
        row = await db.one("SELECT max(version) AS newest FROM model_versions WHERE name = ?", (name,))
        gone = await db.one("SELECT CAST(value AS INTEGER) AS newest FROM facts WHERE name = ?", (_deleted(name),))
        version = max(int(found["newest"] or 0) if found else 0 for found in (row, gone)) + 1
        await db.execute("INSERT INTO model_versions (name, version, run_id, created_at, state, doc) "
                         "VALUES (?, ?, ?, ?, 'copying', '{}')", (name, version, run_id, time.time()))
        return version


async def complete(db: Database, version: ModelVersion) -> None:
    """The files are in place: show the version. Its first alias is ``champion`` when the model has none yet."""
    async with db.transaction():
        await db.execute("UPDATE model_versions SET state = 'ready', created_at = ?, doc = ? WHERE name = ? AND version = ?",
                         (version.created_at, _document(version), version.name, version.version))
        row = await db.one("SELECT 1 FROM aliases WHERE name = ? AND alias = 'champion'", (version.name,))
        if row is None:
            await _move(db, version.name, "champion", version.version)


async def get(db: Database, name: str, version: int | None = None) -> ModelVersion:
    """One version; without a number the newest.

    Raises:
        UsageError: there is none.
    """
    row = await db.one("SELECT doc FROM model_versions WHERE name = ? AND state = 'ready' "
                       "AND (? IS NULL OR version = ?) ORDER BY version DESC LIMIT 1", (name, version, version))
    if row is None:
        ref = name if version is None else f"{name}:{version}"
        raise UsageError(f"there is no model “{ref}”", fix="see: brightrun models", kind="unknown_model")
    return await _with_aliases(db, ModelVersion.model_validate_json(row["doc"]))


async def find(db: Database, ref: str) -> ModelVersion:
    """``name``, ``name:2`` or ``name:champion``.

    Raises:
        UsageError: there is none.
    """
    name, _, wanted = ref.partition(":")
    if not wanted:
        return await get(db, name)
    if wanted.isdigit():
        return await get(db, name, int(wanted))
    row = await db.one("SELECT version FROM aliases WHERE name = ? AND alias = ?", (name, wanted))
    if row is None:
        raise UsageError(f"“{name}” has no version or alias “{wanted}”", fix="see: brightrun models", kind="unknown_model")
    return await get(db, name, int(row["version"]))


async def by_run(db: Database, run_id: str) -> ModelVersion | None:
    row = await db.one("SELECT doc FROM model_versions WHERE run_id = ? AND state = 'ready'", (run_id,))
    return await _with_aliases(db, ModelVersion.model_validate_json(row["doc"])) if row else None


async def list_models(db: Database) -> list[ModelVersion]:
    """Every ready version, newest first."""
    rows = await db.all("SELECT doc FROM model_versions WHERE state = 'ready' ORDER BY created_at DESC")
    return [await _with_aliases(db, ModelVersion.model_validate_json(row["doc"])) for row in rows]


async def annotate(db: Database, version: ModelVersion, **changes: Any) -> ModelVersion:
    """Change what people say about a version: ``rating``, ``note``, ``tags``. The rest is immutable."""
    unknown = set(changes) - {"rating", "note", "tags"}
    if unknown:
        raise ValueError(f"immutable: {', '.join(sorted(unknown))}")
    changed = version.model_copy(update=changes)
    async with db.transaction():
        await db.execute("UPDATE model_versions SET doc = ? WHERE name = ? AND version = ?",
                         (_document(changed), version.name, version.version))
    return changed


async def set_base_path(db: Database, version: ModelVersion, base_path: str) -> ModelVersion:
    """Note where the version's base model lies on this machine, once it has been fetched."""
    changed = version.model_copy(update={"base_path": base_path})
    async with db.transaction():
        await db.execute("UPDATE model_versions SET doc = ? WHERE name = ? AND version = ?",
                         (_document(changed), version.name, version.version))
    return changed


async def save_report(db: Database, version: ModelVersion, report: Report) -> ModelVersion:
    """Put ``report`` in the place of the version's report card; what people say about the version stays as it is now.

    Raises:
        UsageError: the version is gone.
    """
    async with db.transaction():
        changed = (await get(db, version.name, version.version)).model_copy(update={"report": report})
        await db.execute("UPDATE model_versions SET doc = ? WHERE name = ? AND version = ?",
                         (_document(changed), version.name, version.version))
    return changed


async def move_alias(db: Database, name: str, alias: str, version: int) -> None:
    """Point ``alias`` at a version. Moving ``champion`` leaves ``previous`` on the one before."""
    await get(db, name, version)
    async with db.transaction():
        if alias == "champion":
            row = await db.one("SELECT version FROM aliases WHERE name = ? AND alias = 'champion'", (name,))
            if row and int(row["version"]) != version:
                await _move(db, name, "previous", int(row["version"]))
        await _move(db, name, alias, version)


async def drop_alias(db: Database, name: str, alias: str) -> None:
    async with db.transaction():
        await db.execute("DELETE FROM aliases WHERE name = ? AND alias = ?", (name, alias))


async def delete(db: Database, version: ModelVersion) -> None:
    """Forget a version that no alias points at; files are the caller's.

    Raises:
        UsageError: an alias points at it.
    """
    async with db.transaction():
        rows = await db.all("SELECT alias FROM aliases WHERE name = ? AND version = ?", (version.name, version.version))
        if rows:
            names = ", ".join(row["alias"] for row in rows)
            raise UsageError(f"{version.ref} is {names}", fix="move the alias to another version first", kind="aliased")
        await db.execute("DELETE FROM model_versions WHERE name = ? AND version = ?", (version.name, version.version))
        # Its number is never given again: lineages and logs may still name it.
        await db.execute("INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = "
                         "max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
                         (_deleted(version.name), version.version))


def _deleted(name: str) -> str:
    """The fact that holds the highest deleted version number of a model."""
    return f"deleted version of {name}"


async def _move(db: Database, name: str, alias: str, version: int) -> None:
    await db.execute("INSERT INTO aliases (name, alias, version, moved_at) VALUES (?, ?, ?, ?) "
                     "ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version, moved_at = excluded.moved_at",
                     (name, alias, version, time.time()))


async def _with_aliases(db: Database, version: ModelVersion) -> ModelVersion:
    rows = await db.all("SELECT alias FROM aliases WHERE name = ? AND version = ? ORDER BY alias",
                        (version.name, version.version))
    return version.model_copy(update={"aliases": tuple(row["alias"] for row in rows)})


def _document(version: ModelVersion) -> str:
    return version.model_copy(update={"aliases": ()}).model_dump_json()
