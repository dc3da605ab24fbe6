"""What people say that models should have answered."""

from __future__ import annotations

from collections.abc import Collection

from brightrun_tui.domain.correction import Correction
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.store import rows
from brightrun_tui.store.db import Database


async def add(db: Database, correction: Correction) -> Correction:
    """Keep it; returns it with its number."""
    async with db.transaction():
        await db.execute(
            "INSERT INTO corrections (model, created_at, doc) VALUES (?, ?, ?)",
            (correction.model, correction.created_at, correction.model_dump_json()),
        )
        row = await db.one("SELECT last_insert_rowid() AS id")
        return correction.model_copy(update={"id": int(row["id"]) if row else 0})


async def of_model(db: Database, model: str) -> list[Correction]:
    """Return those of every version of a model that can be read, oldest first."""
    stored = await db.all("SELECT id, doc FROM corrections WHERE model = ? ORDER BY id", (model,))
    return [
        found.model_copy(update={"id": int(row["id"])})
        for row in stored
        if (found := rows.read(Correction, row["doc"]))
    ]


async def waiting(db: Database) -> dict[str, int]:
    """Say how many of each model are in no dataset yet."""
    stored = await db.all("SELECT model, doc FROM corrections")
    counts: dict[str, int] = {}
    for row in stored:
        found = rows.read(Correction, row["doc"])
        if found is not None and found.waiting:
            counts[found.model] = counts.get(found.model, 0) + 1
    return counts


async def set_dataset(db: Database, corrections: Collection[Correction], dataset: str) -> None:
    """Note that the dataset of this name holds them."""
    async with db.transaction():
        for each in corrections:
            await db.execute(
                "UPDATE corrections SET doc = ? WHERE id = ?",
                (each.model_copy(update={"dataset": dataset}).model_dump_json(), each.id),
            )


async def remove(db: Database, model: str, number: int) -> None:
    """Forget one. Raises ``UsageError`` where the model has no correction of this number."""
    async with db.transaction():
        if await db.one("SELECT 1 FROM corrections WHERE id = ? AND model = ?", (number, model)) is None:
            raise UsageError(
                f"“{model}” has no correction {number}",
                fix=f"see: brightrun models corrections {model}",
                kind=ErrorKind.UNKNOWN_ANSWER,
            )
        await db.execute("DELETE FROM corrections WHERE id = ?", (number,))
