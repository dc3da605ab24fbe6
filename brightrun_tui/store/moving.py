"""A data directory that was moved or copied: the places in it that the store names are where they are now.

The directory that the rows were last right for is itself a fact in the store. Stores that have none yet tell it by the
directory of any run, model or endpoint, which lies at the same place below it in every installation.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

from brightrun_tui.store.copying import become_another, is_copy_of
from brightrun_tui.store.db import Database
from brightrun_tui.store.engine import SET_FACT, fact

FACT = "data_directory"

_PLACES: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    ("runs", (("directory",), ("spec", "base", "path"))),
    ("model_versions", (("directory",), ("base_path",))),
    ("endpoints", (("directory",),)),
)
"""By table: where in a row's document a path stands that may lie below the data directory."""
_DEPTH = {"runs": ("runs", 2), "model_versions": ("models", 3), "endpoints": ("endpoints", 2)}
"""By table: the folder of the data directory in which a row's own directory lies, and how many names that takes."""


async def follow_move(db: Database) -> None:
    """Make every path right for where the store lies now. Cheap when it is where it was."""
    here = str(db.path.parent.resolve())
    if await _last(db) == here:
        return
    async with db.transaction():
        before = await _last(db) or await _told_by_rows(db)
        if before not in ("", here):
            if await is_copy_of(db, Path(before)):
                await become_another(db, Path(before))
            for table, places in _PLACES:
                await _move_rows(db, table, places, PurePath(before), PurePath(here))
        await db.execute(SET_FACT, (FACT, json.dumps(here)))


async def _last(db: Database) -> str:
    return str(await fact(db, FACT) or "")


async def _told_by_rows(db: Database) -> str:
    for table, (folder, names) in _DEPTH.items():
        for row in await db.all(f"SELECT doc FROM {table} ORDER BY created_at DESC"):
            directory = PurePath(str((_document(row["doc"]) or {}).get("directory", "")))
            if len(directory.parts) > names and directory.parts[-names] == folder:
                return str(directory.parents[names - 1])
    return ""


async def _move_rows(
    db: Database, table: str, places: tuple[tuple[str, ...], ...], before: PurePath, here: PurePath
) -> None:
    for row in await db.all(f"SELECT rowid AS number, doc FROM {table}"):
        document = _document(row["doc"])
        moved = [_move(document, place, before, here) for place in places] if document is not None else []
        if any(moved):
            await db.execute(
                f"UPDATE {table} SET doc = ? WHERE rowid = ?",
                (json.dumps(document, ensure_ascii=False, separators=(",", ":")), row["number"]),
            )


def _move(document: dict[str, Any], place: tuple[str, ...], before: PurePath, here: PurePath) -> bool:
    """Change one path in a document; returns whether there was something to change."""
    holder: Any = document
    for name in place[:-1]:
        holder = holder.get(name) if isinstance(holder, dict) else None
    path = holder.get(place[-1]) if isinstance(holder, dict) else None
    if not isinstance(path, str) or not path or not PurePath(path).is_relative_to(before):
        return False
    holder[place[-1]] = str(here / PurePath(path).relative_to(before))
    return True


def _document(text: str) -> dict[str, Any] | None:
    """Return the document; None where the row is damaged, which others tell of."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
