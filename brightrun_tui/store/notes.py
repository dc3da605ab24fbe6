"""What a person wrote about a run."""

from __future__ import annotations

from brightrun_tui.store.db import Database

MOST = 2_000
"""Characters of a note."""


async def get(db: Database, run_id: str) -> str:
    """Return the note; empty where nobody wrote one."""
    row = await db.one("SELECT note FROM run_notes WHERE run_id = ?", (run_id,))
    return str(row["note"]) if row else ""


async def write(db: Database, run_id: str, note: str) -> None:
    """Replace the note of a run; an empty one takes it away."""
    async with db.transaction():
        if note.strip():
            await db.execute("INSERT OR REPLACE INTO run_notes VALUES (?, ?)", (run_id, note.strip()[:MOST]))
        else:
            await db.execute("DELETE FROM run_notes WHERE run_id = ?", (run_id,))
