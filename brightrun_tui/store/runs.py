"""Runs: their records, their states, and the facts about them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Unpack

import aiosqlite
from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.live_change import LiveChange
from brightrun_tui.domain.money import Estimate
from brightrun_tui.domain.notification import news
from brightrun_tui.domain.queue import moved
from brightrun_tui.domain.run import Run, RunChanges, RunSpec
from brightrun_tui.domain.run_states import ON_ITS_WAY, RUN_STATES, TERMINAL, TRANSITIONS, RunAction, RunState
from brightrun_tui.store import notifications, rows
from brightrun_tui.store.db import Database


class DamagedRun(BaseModel):
    """What is left of a run whose record cannot be read. ``created_at`` is 0 if not even that can be told."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    name: str
    state: str
    created_at: float


async def create(db: Database, spec: RunSpec, directory: str, estimate: Estimate | None = None) -> Run:
    """Create a run in state ``queued``; the engine takes it from there."""
    run = Run(
        id=spec.run_id,
        name=spec.name,
        state="queued",
        spec=spec,
        directory=directory,
        created_at=spec.created_at,
        updated_at=spec.created_at,
        estimate=estimate,
    )
    async with db.transaction():
        await db.execute(
            "INSERT INTO runs (id, name, state, created_at, updated_at, doc) VALUES (?, ?, ?, ?, ?, ?)",
            (run.id, run.name, run.state, run.created_at, run.updated_at, run.model_dump_json()),
        )
    return run


async def get(db: Database, run_id: str) -> Run:
    """Return the run with that full id.

    Raises:
        UsageError: there is none.
        DamagedRecordError: what is stored of it cannot be read.
    """
    row = await db.one("SELECT id, state, doc FROM runs WHERE id = ?", (run_id,))
    if row is None:
        raise UsageError(f"there is no run “{run_id}”", fix="see: brightrun runs", kind=ErrorKind.UNKNOWN_RUN)
    run = _read(row)
    if run is None:
        raise rows.damaged(f"run {run_id}", where=str(db.path), fix=f"brightrun runs delete {run_id}")
    return run


async def find(db: Database, word: str) -> Run:
    """Return the run with that id, or beginning of one, or the newest of that name; ``last`` is the newest of all.
    Raises as `get` does.
    """
    return await get(db, await locate(db, word))


async def locate(db: Database, word: str) -> str:
    """Return the id of what `find` finds, also of a run whose record is damaged.

    Raises:
        UsageError: there is none, or an id prefix fits several.
    """
    if word == "last":
        found = await db.all("SELECT id FROM runs ORDER BY created_at DESC LIMIT 1")
    else:
        found = (
            await db.all("SELECT id FROM runs WHERE id = ?", (word,))
            or await db.all("SELECT id FROM runs WHERE name = ? ORDER BY created_at DESC LIMIT 1", (word,))
            or await db.all("SELECT id FROM runs WHERE substr(id, 1, ?) = ?", (len(word), word))
        )
    if not found:
        raise UsageError(f"there is no run “{word}”", fix="see: brightrun runs", kind=ErrorKind.UNKNOWN_RUN)
    if len(found) > 1:
        raise UsageError(f"“{word}” fits {len(found)} runs", fix="give more of the id", kind=ErrorKind.AMBIGUOUS_RUN)
    return str(found[0]["id"])


async def list_runs(db: Database, *, states: frozenset[RunState] | None = None) -> list[Run]:
    """Return the newest first, without those whose record is damaged: see `list_all`."""
    wanted = sorted(states or RUN_STATES)
    found = await db.all(
        f"SELECT id, state, doc FROM runs WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY created_at DESC",
        wanted,
    )
    return [run for row in found if (run := _read(row)) is not None]


async def list_all(db: Database) -> tuple[list[Run], list[DamagedRun]]:
    """Return every run, newest first, and apart from them those whose record is damaged. They can be deleted."""
    whole: list[Run] = []
    damaged: list[DamagedRun] = []
    for row in await db.all("SELECT id, name, state, created_at, doc FROM runs ORDER BY created_at DESC"):
        if (run := _read(row)) is not None:
            whole.append(run)
        else:
            damaged.append(_damaged(row))
    return whole, damaged


async def stamps(db: Database) -> dict[str, tuple[str, float]]:
    """Return state and time of the last change of every run, newest run first: enough to know which must be read again."""
    found = await db.all("SELECT id, state, updated_at FROM runs ORDER BY created_at DESC")
    return {str(row["id"]): (str(row["state"]), rows.number(row["updated_at"])) for row in found}


async def read_some(db: Database, ids: Sequence[str]) -> list[Run | DamagedRun]:
    """Return these runs, in no order; what has gone meanwhile is left out."""
    marks = ", ".join("?" * len(ids))
    found = await db.all(f"SELECT id, name, state, created_at, doc FROM runs WHERE id IN ({marks})", ids)
    return [_read(row) or _damaged(row) for row in found]


async def readable(db: Database, run_id: str) -> Run | None:
    """Return a run as it is now; None if there is none, or its record is damaged."""
    found = await read_some(db, [run_id])
    return found[0] if found and isinstance(found[0], Run) else None


async def names(db: Database) -> dict[str, str]:
    """Return the names of runs by id, including those whose record is damaged."""
    return {str(row["id"]): str(row["name"]) for row in await db.all("SELECT id, name FROM runs")}


async def ids(db: Database, states: frozenset[RunState]) -> list[str]:
    """Return the ids of the runs in these states, oldest first, including those that cannot be read."""
    marks = ", ".join("?" * len(states))
    found = await db.all(f"SELECT id FROM runs WHERE state IN ({marks}) ORDER BY created_at", sorted(states))
    return [row["id"] for row in found]


async def queue(db: Database) -> list[Run]:
    """Return runs that wait for their turn, in its order; without those that cannot be read."""
    oldest_first = (await list_runs(db, states=frozenset({"queued"})))[::-1]
    return sorted(oldest_first, key=lambda run: run.waits_since)


async def move(db: Database, run_id: str, to: str) -> list[Run]:
    """Give a run that waits another place among those that wait at the same provider; returns the queue as it is then.

    Raises:
        UsageError: it does not wait, or there is no such place.
    """
    async with db.transaction():
        run = await get(db, run_id)
        if not run.permits(RunAction.MOVE):
            raise UsageError(
                f"run {run.name} is {run.state}",
                where=run.id,
                fix="only a run that waits in the queue can be moved in it",
                kind=ErrorKind.WRONG_STATE,
            )
        waiting = [one for one in await queue(db) if one.spec.provider == run.spec.provider]
        changed = moved([(one.id, one.waits_since) for one in waiting], run.id, to)
        for one in waiting:
            if one.id in changed:
                await write(db, one, {"queue_time": changed[one.id]})
        return [one for one in await queue(db) if one.spec.provider == run.spec.provider]


async def update(db: Database, run_id: str, **changes: Unpack[RunChanges]) -> Run:
    """Change facts of a run, not its state; each value is checked."""
    async with db.transaction():
        return await write(db, await get(db, run_id), changes)


async def add_change(
    db: Database, run_id: str, *, settings: dict[str, float], budget_usd: float | None, max_hours: float | None
) -> Run:
    """Put a change of a run on record, behind those that there are."""
    async with db.transaction():
        run = await get(db, run_id)
        change = LiveChange(
            number=len(run.changes) + 1,
            time=time.time(),
            settings=settings,
            budget_usd=budget_usd,
            max_hours=max_hours,
            step=None if settings else run.step,
        )
        return await write(db, run, {"changes": (*run.changes, change)})


async def transition(db: Database, run_id: str, state: RunState, **changes: Unpack[RunChanges]) -> Run:
    """Enter a state, checked against the one transition table.

    Raises:
        BrightrunError: the table does not allow it.
    """
    async with db.transaction():
        run = await get(db, run_id)
        if state != run.state and state not in TRANSITIONS[run.state]:
            raise BrightrunError(
                f"a run cannot go from {run.state} to {state}", where=run.id, kind=ErrorKind.BAD_TRANSITION
            )
        stamps: RunChanges = {}
        if state in TERMINAL:
            stamps["finished_at"] = time.time()
        elif run.state in TERMINAL:
            stamps["finished_at"] = None
        if state == "running" and run.started_at is None:
            stamps["started_at"] = time.time()
        if state in ON_ITS_WAY and run.preparing_since is None:
            stamps["preparing_since"] = time.time()
        elif state not in ON_ITS_WAY and run.preparing_since is not None:
            stamps["prepared_seconds"], stamps["preparing_since"] = run.preparing_seconds(time.time()), None
        return await write(db, run, {**stamps, **changes}, state=state)


async def write(db: Database, before: Run, changes: RunChanges, *, state: RunState | None = None) -> Run:
    """Store a run with some of its facts changed, and what is new about it, inside a transaction of the caller; each value is
    checked.
    """
    entered = {"state": state} if state else {}
    run = rows.changed(before, {**changes, **entered, "updated_at": time.time()})
    if run.notices != before.notices or run.state != before.state:
        await notifications.write(db, news(before, run))
    await db.execute(
        "UPDATE runs SET name = ?, state = ?, updated_at = ?, doc = ? WHERE id = ?",
        (run.name, run.state, run.updated_at, run.model_dump_json(), run.id),
    )
    return run


async def delete(db: Database, run_id: str) -> None:
    """Forget a run that has ended or whose record is damaged, its events and metrics included; files are the caller's.

    Raises:
        UsageError: there is none, or it has not ended.
    """
    async with db.transaction():
        row = await db.one("SELECT id, state, doc FROM runs WHERE id = ?", (run_id,))
        if row is None:
            raise UsageError(f"there is no run “{run_id}”", fix="see: brightrun runs", kind=ErrorKind.UNKNOWN_RUN)
        run = _read(row)
        if run is not None and not run.permits(RunAction.DELETE):
            raise UsageError(f"run {run.name} is {run.state}", fix="stop it first", kind=ErrorKind.RUN_ACTIVE)
        await db.execute("DELETE FROM runs WHERE id = ?", (run_id,))


def _damaged(row: aiosqlite.Row) -> DamagedRun:
    return DamagedRun(
        id=str(row["id"]), name=str(row["name"]), state=str(row["state"]), created_at=rows.number(row["created_at"])
    )


def _read(row: aiosqlite.Row) -> Run | None:
    """Return the run; None when the record is damaged, or contradicts its columns."""
    run = rows.read(Run, row["doc"])
    return run if run is not None and (run.id, run.state) == (row["id"], row["state"]) else None
