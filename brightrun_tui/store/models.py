"""Model versions and their aliases. A version is ``copying`` until its files are complete, then ``ready``."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Unpack

import aiosqlite

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.model import CHAMPION, PREVIOUS, ModelVersion, Remarks, Report, Review
from brightrun_tui.domain.seal import Seal
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database

_NUMBER = re.compile(r"[0-9]{1,9}")


async def reserve(db: Database, name: str, run_id: str) -> int:
    """Return the version number that belongs to ``run_id``: the one it already has, or the next free one, kept for it."""
    async with db.transaction():
        row = await db.one("SELECT version FROM model_versions WHERE run_id = ?", (run_id,))
        if row:
            return int(row["version"])
        row = await db.one("SELECT max(version) AS newest FROM model_versions WHERE name = ?", (name,))
        gone = await db.one("SELECT CAST(value AS INTEGER) AS newest FROM facts WHERE name = ?", (_deleted(name),))
        version = max(int(found["newest"] or 0) if found else 0 for found in (row, gone)) + 1
        await db.execute(
            "INSERT INTO model_versions (name, version, run_id, created_at, state, doc) "
            "VALUES (?, ?, ?, ?, 'copying', '{}')",
            (name, version, run_id, time.time()),
        )
        return version


async def complete(db: Database, version: ModelVersion) -> None:
    """Show the version, whose files are in place now. Its first alias is ``champion`` when the model has none yet."""
    async with db.transaction():
        await db.execute(
            "UPDATE model_versions SET state = 'ready', created_at = ?, doc = ? WHERE name = ? AND version = ?",
            (version.created_at, _document(version), version.name, version.version),
        )
        row = await db.one("SELECT 1 FROM aliases WHERE name = ? AND alias = 'champion'", (version.name,))
        if row is None:
            await _move(db, version.name, CHAMPION, version.version)


async def get(db: Database, name: str, version: int | None = None) -> ModelVersion:
    """Return one version; the newest without a number.

    Raises:
        UsageError: there is none.
        BrightrunError: what is stored of it cannot be read.
    """
    row = await _row(db, name, version)
    found = _read(row)
    if found is None:
        ref = f"{name}:{row['version']}"
        raise BrightrunError(
            f"what is stored of {ref} cannot be read",
            where=str(db.path),
            fix=f"brightrun models delete {ref}",
            kind=ErrorKind.UNREADABLE_MODEL,
        )
    return await _with_aliases(db, found)


async def find(db: Database, ref: str) -> ModelVersion:
    """Return ``name``, ``name:2`` or ``name:champion``. Raises as `get` does."""
    return await get(db, *await locate(db, ref))


async def locate(db: Database, ref: str) -> tuple[str, int]:
    """Return name and number of ``name`` (its champion; the newest where there is none), ``name:2`` or
    ``name:champion``, also of a version that cannot be read.

    Raises:
        UsageError: there is none.
    """
    name, _, wanted = ref.partition(":")
    if not wanted:
        champion = await db.one("SELECT version FROM aliases WHERE name = ? AND alias = 'champion'", (name,))
        return name, int((champion or await _row(db, name, None))["version"])
    if _NUMBER.fullmatch(wanted):
        return name, int((await _row(db, name, int(wanted)))["version"])
    row = await db.one("SELECT version FROM aliases WHERE name = ? AND alias = ?", (name, wanted))
    if row is None:
        raise UsageError(
            f"“{name}” has no version or alias “{wanted}”", fix="see: brightrun models", kind=ErrorKind.UNKNOWN_MODEL
        )
    return name, int(row["version"])


async def by_run(db: Database, run_id: str) -> ModelVersion | None:
    """Return the version that a run became. Raises ``BrightrunError`` when what is stored of it cannot be read."""
    row = await db.one("SELECT name, version FROM model_versions WHERE run_id = ? AND state = 'ready'", (run_id,))
    return await get(db, row["name"], int(row["version"])) if row else None


async def list_models(db: Database) -> list[ModelVersion]:
    """Return every ready version that can be read, newest first; `unreadable` names the others."""
    return [await _with_aliases(db, found) for row in await _ready(db) if (found := _read(row))]


async def unreadable(db: Database) -> list[str]:
    """Return ``name:version`` of every ready version that cannot be read any more. They can be deleted."""
    return [f"{row['name']}:{row['version']}" for row in await _ready(db) if not _read(row)]


async def numbers(db: Database, name: str) -> list[int]:
    """Return the ready versions of one model, also those that cannot be read."""
    return [int(row["version"]) for row in await _ready(db) if row["name"] == name]


async def aliases(db: Database, name: str, version: int) -> tuple[str, ...]:
    """Return what points at a version, by alphabet."""
    found = await db.all("SELECT alias FROM aliases WHERE name = ? AND version = ? ORDER BY alias", (name, version))
    return tuple(row["alias"] for row in found)


async def annotate(db: Database, version: ModelVersion, **remarks: Unpack[Remarks]) -> ModelVersion:
    """Change what people say about a version. The rest is immutable. Raises ``UsageError``."""
    if unknown := sorted(remarks.keys() - Remarks.__annotations__.keys()):
        raise TypeError(f"immutable: {', '.join(unknown)}")
    changes: dict[str, Any] = {**remarks}
    return await _change(db, version, lambda _: changes)


async def retag(
    db: Database, version: ModelVersion, *, add: Iterable[str] = (), remove: Collection[str] = ()
) -> ModelVersion:
    """Add tags at the end and take others away. Raises ``UsageError``."""
    return await _change(
        db, version, lambda now: {"tags": tuple(tag for tag in dict.fromkeys([*now.tags, *add]) if tag not in remove)}
    )


async def set_seal(db: Database, version: ModelVersion, seal: Seal) -> ModelVersion:
    """Keep the signature that it came with. Raises ``UsageError``."""
    return await _change(db, version, lambda _: {"seal": seal})


async def review(db: Database, version: ModelVersion, said: Review, *, rating: int | None, note: str) -> ModelVersion:
    """Put what somebody said at the end of the version's history; rating and note are in force then. Raises ``UsageError``."""
    return await _change(db, version, lambda now: {"reviews": (*now.reviews, said), "rating": rating, "note": note})


async def set_base_path(db: Database, version: ModelVersion, base_path: str) -> ModelVersion:
    """Note where the version's base model lies on this machine, once it has been fetched. Raises ``UsageError``."""
    return await _change(db, version, lambda _: {"base_path": base_path})


async def save_report(db: Database, version: ModelVersion, report: Report) -> ModelVersion:
    """Put ``report`` in the place of the version's report card. Raises ``UsageError``."""
    return await change_report(db, version, lambda _: report)


async def change_report(db: Database, version: ModelVersion, change: Callable[[Report], Report]) -> ModelVersion:
    """Change the version's report card as it is now, whatever it was when ``version`` was read. Raises ``UsageError``."""
    return await _change(db, version, lambda now: {"report": change(now.report)})


async def _change(
    db: Database, version: ModelVersion, change: Callable[[ModelVersion], dict[str, Any]]
) -> ModelVersion:
    """Change some facts of a version as it is now, whatever it was when ``version`` was read; all others stay.

    Raises:
        UsageError: the version is gone.
    """
    async with db.transaction():
        now = await get(db, version.name, version.version)
        changed = rows.changed(now, change(now))
        await db.execute(
            "UPDATE model_versions SET doc = ? WHERE name = ? AND version = ?",
            (_document(changed), version.name, version.version),
        )
    return changed


async def move_alias(db: Database, name: str, alias: str, version: int) -> None:
    """Point ``alias`` at a version. Moving ``champion`` leaves ``previous`` on the one before."""
    await get(db, name, version)
    async with db.transaction():
        if alias == CHAMPION:
            row = await db.one("SELECT version FROM aliases WHERE name = ? AND alias = 'champion'", (name,))
            if row and int(row["version"]) != version:
                await _move(db, name, PREVIOUS, int(row["version"]))
        await _move(db, name, alias, version)


async def drop_alias(db: Database, name: str, alias: str) -> None:
    async with db.transaction():
        await db.execute("DELETE FROM aliases WHERE name = ? AND alias = ?", (name, alias))


async def delete(db: Database, name: str, version: int) -> None:
    """Forget a version that no alias points at; files are the caller's.

    Raises:
        UsageError: an alias points at it.
    """
    async with db.transaction():
        if pointing := await aliases(db, name, version):
            raise UsageError(
                f"{name}:{version} is {', '.join(pointing)}",
                fix="move the alias to another version first",
                kind=ErrorKind.ALIASED,
            )
        for table in ("evaluations", "model_versions"):
            await db.execute(f"DELETE FROM {table} WHERE name = ? AND version = ?", (name, version))
        # Its number is never given again: lineages and logs may still name it.
        await db.execute(
            "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = "
            "max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
            (_deleted(name), version),
        )


async def _ready(db: Database) -> list[aiosqlite.Row]:
    return await db.all("SELECT name, version, doc FROM model_versions WHERE state = 'ready' ORDER BY created_at DESC")


async def _row(db: Database, name: str, version: int | None) -> aiosqlite.Row:
    """Return one ready version as stored; without a number the newest. Raises ``UsageError``."""
    row = await db.one(
        "SELECT version, doc FROM model_versions WHERE name = ? AND state = 'ready' "
        "AND (? IS NULL OR version = ?) ORDER BY version DESC LIMIT 1",
        (name, version, version),
    )
    if row is None:
        ref = name if version is None else f"{name}:{version}"
        raise UsageError(f"there is no model “{ref}”", fix="see: brightrun models", kind=ErrorKind.UNKNOWN_MODEL)
    return row


def _read(row: aiosqlite.Row) -> ModelVersion | None:
    return rows.read(ModelVersion, row["doc"])


def _deleted(name: str) -> str:
    """Return the fact that holds the highest deleted version number of a model."""
    return f"deleted version of {name}"


async def _move(db: Database, name: str, alias: str, version: int) -> None:
    await db.execute(
        "INSERT INTO aliases (name, alias, version, moved_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (name, alias) DO UPDATE SET version = excluded.version, moved_at = excluded.moved_at",
        (name, alias, version, time.time()),
    )


async def _with_aliases(db: Database, version: ModelVersion) -> ModelVersion:
    return version.model_copy(update={"aliases": await aliases(db, version.name, version.version)})


def _document(version: ModelVersion) -> str:
    return version.model_copy(update={"aliases": ()}).model_dump_json()
