"""Facts about this installation and its engine, and how its services were when last tested."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import NewsKind, Notification
from brightrun_tui.domain.run_states import ACTIVE
from brightrun_tui.domain.service_names import HUGGINGFACE, ServiceState
from brightrun_tui.domain.text import one_line
from brightrun_tui.files import write_atomic
from brightrun_tui.store import notifications
from brightrun_tui.store.db import Database

INSTALLATION_FILE = "installation"
"""Beside the store, so that the id outlives it."""
_INSTALLATION = "[0-9a-f]{8}"
SET_FACT = "INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class EngineFacts(TypedDict):
    """What an engine says of itself. ``started_at``: seconds since the epoch; ``runs``, ``endpoints``: how many it looks after;
    ``troubles``: sentences; ``beat_boot``: which boot of this machine it is, and for how many seconds it has lasted.
    """

    pid: int
    started_at: float
    version: str
    runs: int
    endpoints: int
    troubles: list[str]
    beat_boot: NotRequired[tuple[str, float]]


class ServiceFacts(TypedDict, total=False):
    """How a service was when it was last tested. ``checked_at``: seconds since the epoch; ``fix``: what to do about it."""

    state: ServiceState
    detail: str
    facts: dict[str, str]
    fix: str
    checked_at: float


async def fact(db: Database, name: str) -> Any:
    """Return a stored fact; None when there is none, or it cannot be read."""
    row = await db.one("SELECT value FROM facts WHERE name = ?", (name,))
    try:
        return json.loads(row["value"]) if row else None
    except (ValueError, TypeError, RecursionError):
        return None


async def set_fact(db: Database, name: str, value: Any) -> None:
    """Store a fact. ``value``: whatever JSON can hold."""
    async with db.transaction():
        await db.execute(SET_FACT, (name, json.dumps(value)))


async def installation(db: Database) -> str:
    """Return this installation's id: 8 hex digits, made once, part of every lease's name.

    It is kept in the store and in a file beside it, either of which may be lost, and is told again from the names of leases
    where both are. A new one would make every machine that is rented now a stranger.
    """
    file = db.path.with_name(INSTALLATION_FILE)
    async with db.transaction():
        known = await fact(db, "installation")
        if not (isinstance(known, str) and re.fullmatch(_INSTALLATION, known)):
            named = [
                re.match(f"br-({_INSTALLATION})-", str(row["name"])) for row in await db.all("SELECT name FROM leases")
            ]
            found = [id_in(file), *(match[1] for match in named if match), secrets.token_hex(4)]
            known = str(next(one for one in found if one))
            await db.execute(SET_FACT, ("installation", json.dumps(known)))
    if db.path.parent.is_dir() and id_in(file) != known:
        with suppress(OSError):
            write_atomic(file, f"{known}\n")
    return str(known)


def id_in(file: Path) -> str:
    """Return the installation's id in its file; empty if there is none."""
    try:
        text = file.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    return text if re.fullmatch(_INSTALLATION, text) else ""


async def beat(db: Database, **facts: Unpack[EngineFacts]) -> None:
    """Note that the engine lives now."""
    await set_fact(db, "engine", {**facts, "beat_at": time.time()})


async def save_service(
    db: Database, name: str, state: ServiceState, detail: str, *, facts: Mapping[str, str] | None = None, fix: str = ""
) -> None:
    """Store how a service was when tested: state ``ok``, ``failed`` or ``off``, a sentence, facts by name, and a fix.

    One that worked and fails now, while a run is under way that uses it, is news.
    """
    now = time.time()
    async with db.transaction():
        before = await db.one("SELECT state FROM services WHERE name = ?", (name,))
        await db.execute(
            "INSERT INTO services (name, state, detail, facts, fix, checked_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) "
            "DO UPDATE SET state = excluded.state, detail = excluded.detail, facts = excluded.facts, fix = excluded.fix, "
            "checked_at = excluded.checked_at",
            (name, state, detail, json.dumps(dict(facts or {})), fix, now),
        )
        if state == "failed" and before is not None and before["state"] == "ok":
            await notifications.write(db, await _turned_red(db, name, f"{detail} → {fix}" if fix else detail, now))


async def _turned_red(db: Database, name: str, why: str, now: float) -> list[Notification]:
    """Return the news about a service that has stopped working; none if no run needs it now."""
    marks = ", ".join("?" * len(ACTIVE))
    users = await db.all(
        f"SELECT name FROM runs WHERE state IN ({marks}) AND (? = ? OR json_valid(doc) "
        "AND json_extract(doc, '$.spec.provider') = ?)",
        (*sorted(ACTIVE), name, HUGGINGFACE, name),
    )
    if not users:
        return []
    message = one_line(
        f"{name} no longer works, and {len(users)} active run{'s' * (len(users) > 1)} may need it: {why}"
    )
    return [
        Notification(
            "", "", f"service_failed {name}", Level.ERROR, message, now, NewsKind.SERVICE, key=f"service {name} {now}"
        )
    ]


async def services(db: Database) -> dict[str, ServiceFacts]:
    """Return them by name; those that were never tested are left out."""
    rows = await db.all("SELECT name, state, detail, facts, fix, checked_at FROM services")
    return {
        row["name"]: {
            "state": row["state"],
            "detail": row["detail"],
            "facts": _facts(row["facts"]),
            "fix": row["fix"],
            "checked_at": row["checked_at"],
        }
        for row in rows
    }


def _facts(stored: Any) -> dict[str, str]:
    try:
        found = json.loads(stored)
    except (ValueError, TypeError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}
