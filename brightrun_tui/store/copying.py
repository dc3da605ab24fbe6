"""A data directory that is a copy of one which is still there: it must not take over what goes on at the other place.

With one id and one set of books both would return each other's machines as their own and nobody's, and pay for a run twice. So
the copy gets an id of its own, and lets go of everything that was under way when it was made.
"""

from __future__ import annotations

import json
import secrets
import time
from pathlib import Path
from typing import Any

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.run_states import ACTIVE
from brightrun_tui.store.db import Database
from brightrun_tui.store.engine import INSTALLATION_FILE, SET_FACT, fact, id_in

LIVE_ENDPOINTS = ("starting", "ready", "stopping")


async def is_copy_of(db: Database, before: Path) -> bool:
    """Say whether the data directory ``before``, where this one lay or was copied from, is there still, with the same id."""
    original = before / db.path.name
    try:
        there = original.exists() and not original.samefile(db.path)
    except OSError:
        return False
    return there and id_in(before / INSTALLATION_FILE) == await fact(db, "installation") != ""


async def become_another(db: Database, before: Path) -> None:
    """Become another installation, within the caller's transaction."""
    note = f"this home is a copy of {before}, and what was under way goes on there"
    failure = {
        "error": str(ErrorKind.IN_USE),
        "cause": note,
        "fix": "look after it there; if nobody does any longer, brightrun reconcile --adopt returns its machines",
    }
    await _end(db, "runs", "id", tuple(sorted(ACTIVE)), {"state": "failed", "failure": failure})
    await _end(db, "endpoints", "id", LIVE_ENDPOINTS, {"state": "stopped", "error": note})
    ended = {"state": "released", "released_at": time.time(), "note": note}
    await _end(db, "leases", "name", ("intended", "live", "releasing", "unclear"), ended)
    await db.execute(SET_FACT, ("installation", json.dumps(secrets.token_hex(4))))


async def _end(db: Database, table: str, key: str, states: tuple[str, ...], changes: dict[str, Any]) -> None:
    marks = ", ".join("?" * len(states))
    for row in await db.all(f"SELECT {key} AS key, doc FROM {table} WHERE state IN ({marks})", states):
        try:
            document = json.loads(row["doc"]) | changes
        except (ValueError, TypeError):
            document = {}  # a damaged record ends by its column alone
        await db.execute(
            f"UPDATE {table} SET state = ?, doc = ? WHERE {key} = ?",
            (changes["state"], json.dumps(document, ensure_ascii=False, separators=(",", ":")), row["key"]),
        )
