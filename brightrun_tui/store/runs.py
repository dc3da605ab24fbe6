"""Runs, and what their workers said."""

from __future__ import annotations

import time
from typing import Any

from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.events import Event
from brightrun_tui.domain.run import RUN_STATES, TERMINAL, TRANSITIONS, Run, RunSpec, RunState
from brightrun_tui.store.db import Database


async def create(db: Database, spec: RunSpec, directory: str, estimate: dict[str, Any] | None = None) -> Run:
    """A new run in state ``queued``; the engine takes it from there."""
    run = Run(id=spec.run_id, name=spec.name, state="queued", spec=spec, directory=directory,
              created_at=spec.created_at, updated_at=spec.created_at, estimate=estimate or {})
    async with db.transaction():
        await db.execute("INSERT INTO runs (id, name, state, created_at, updated_at, doc) VALUES (?, ?, ?, ?, ?, ?)",
                         (run.id, run.name, run.state, run.created_at, run.updated_at, run.model_dump_json()))
    return run


async def get(db: Database, run_id: str) -> Run:
    """By full id.

    Raises:
        UsageError: there is none.
    """
    row = await db.one("SELECT doc FROM runs WHERE id = ?", (run_id,))
    if row is None:
        raise UsageError(f"there is no run “{run_id}”", fix="see: brightrun runs", kind="unknown_run")
    return Run.model_validate_json(row["doc"])


async def find(db: Database, word: str) -> Run:
    """By id, by the beginning of an id, or the newest of that name; ``last`` is the newest of all.

    Raises:
        UsageError: none, or an id prefix that fits several.
    """
    if word == "last":
        row = await db.one("SELECT doc FROM runs ORDER BY created_at DESC LIMIT 1")
        rows = [row] if row else []
    else:
        rows = await db.all("SELECT doc FROM runs WHERE id = ?", (word,)) \
            or await db.all("SELECT doc FROM runs WHERE name = ? ORDER BY created_at DESC LIMIT 1", (word,)) \
            or await db.all("SELECT doc FROM runs WHERE substr(id, 1, ?) = ?", (len(word), word))
    if not rows:
        raise UsageError(f"there is no run “{word}”", fix="see: brightrun runs", kind="unknown_run")
    if len(rows) > 1:
        raise UsageError(f"“{word}” fits {len(rows)} runs", fix="give more of the id", kind="ambiguous_run")
    return Run.model_validate_json(rows[0]["doc"])


async def list_runs(db: Database, *, states: frozenset[RunState] | None = None) -> list[Run]:
    """Newest first."""
    wanted = sorted(states or RUN_STATES)
    rows = await db.all(f"SELECT doc FROM runs WHERE state IN ({', '.join('?' * len(wanted))}) ORDER BY created_at DESC", wanted)
    return [Run.model_validate_json(row["doc"]) for row in rows]


async def ids(db: Database, states: frozenset[RunState]) -> list[str]:
    """Of the runs in these states, oldest first; also of those that cannot be read."""
    marks = ", ".join("?" * len(states))
    rows = await db.all(f"SELECT id FROM runs WHERE state IN ({marks}) ORDER BY created_at", sorted(states))
    return [row["id"] for row in rows]


async def update(db: Database, run_id: str, **changes: Any) -> Run:
    """Change facts of a run, not its state."""
    async with db.transaction():
        return await _write(db, (await get(db, run_id)).model_copy(update=changes))


async def transition(db: Database, run_id: str, state: RunState, **changes: Any) -> Run:
    """Enter a state, checked against the one transition table.

    Raises:
        BrightrunError: the table does not allow it.
    """
    async with db.transaction():
        run = await get(db, run_id)
        if state != run.state and state not in TRANSITIONS[run.state]:
            raise BrightrunError(f"a run cannot go from {run.state} to {state}", where=run.id, kind="bad_transition")
        stamps: dict[str, Any] = {"state": state}
        if state in TERMINAL:
            stamps["finished_at"] = time.time()
        elif run.state in TERMINAL:
            stamps["finished_at"] = None
        if state == "running" and run.started_at is None:
            stamps["started_at"] = time.time()
        return await _write(db, run.model_copy(update={**stamps, **changes}))


async def ingest(db: Database, run_id: str, events: list[Event], offset: int) -> Run:
    """Take over events that were read up to byte ``offset``, all in one transaction with the new offset.

    An event whose ``seq`` is known already is left out, so reading a stretch twice changes nothing. A metric of the
    same name and step replaces the older one, so a step trained again after a crash is not doubled.

    Raises:
        BrightrunError: a gap in ``seq``: something was lost on the way.
    """
    async with db.transaction():
        run = await get(db, run_id)
        fresh = [event for event in events if event.seq > run.events_seq]
        for expected, event in enumerate(fresh, run.events_seq + 1):
            if event.seq != expected:
                raise BrightrunError(f"event {expected} is missing (got {event.seq})", where=f"run {run_id}",
                                     kind="events_gap")
        metrics = [(run_id, name, event.data.get("step", 0), value, event.time)
                   for event in fresh if event.kind == "metric" for name, value in event.data.get("values", {}).items()]
        others = [(run_id, event.seq, event.time, event.kind, event.model_dump_json(include={"data"}))
                  for event in fresh if event.kind not in ("metric", "progress", "hardware")]
        await db.executemany("INSERT INTO metrics (run_id, name, step, value, time) VALUES (?, ?, ?, ?, ?)", metrics)
        await db.executemany("INSERT INTO events (run_id, seq, time, kind, doc) VALUES (?, ?, ?, ?, ?)", others)
        changes: dict[str, Any] = {"events_offset": offset}
        if fresh:
            changes["events_seq"] = fresh[-1].seq
        for event in fresh:
            changes.update(_facts_of(event, run, changes))
        return await _write(db, run.model_copy(update=changes))


async def events(db: Database, run_id: str, *, kinds: tuple[str, ...] = (), after: int = -1) -> list[Event]:
    """Events in order; metrics are in `metrics`, progress and hardware in the run itself."""
    rows = await db.all("SELECT seq, time, kind, doc FROM events WHERE run_id = ? AND seq > ? ORDER BY seq",
                        (run_id, after))
    found = [Event.model_validate({"seq": row["seq"], "time": row["time"], "kind": row["kind"],
                                   **_json(row["doc"])}) for row in rows]
    return [event for event in found if not kinds or event.kind in kinds]


async def delete(db: Database, run_id: str) -> None:
    """Forget a run that has ended, its events and metrics included; files are the caller's."""
    async with db.transaction():
        run = await get(db, run_id)
        if run.state not in TERMINAL and run.state != "paused":
            raise UsageError(f"run {run.name} is {run.state}", fix="stop it first", kind="run_active")
        await db.execute("DELETE FROM runs WHERE id = ?", (run_id,))


def _facts_of(event: Event, run: Run, changes: dict[str, Any]) -> dict[str, Any]:
    """The newest facts of a run that an event changes."""
    data = event.data
    if event.kind == "phase":
        return {"phase": data.get("phase", ""), "phase_detail": data.get("detail", "")}
    if event.kind == "progress":
        names = ("step", "total_steps", "epoch", "supervised_tokens", "tokens_per_second", "eta_seconds")
        return {name: data[name] for name in names if name in data}
    if event.kind == "hardware":
        return {"hardware": data}
    if event.kind == "metric":
        values = data.get("values", {})
        facts = {name: values[name] for name in ("train_loss", "eval_loss") if values.get(name) is not None}
        if "train_loss" in values:
            facts["step"] = data.get("step", run.step)
        if "eval_loss" in facts and data.get("step", 0) > 0:
            best = changes.get("best_eval_loss", run.best_eval_loss)
            facts["best_eval_loss"] = facts["eval_loss"] if best is None else min(best, facts["eval_loss"])
        return facts
    return {}


async def _write(db: Database, run: Run) -> Run:
    run = run.model_copy(update={"updated_at": time.time()})
    await db.execute("UPDATE runs SET name = ?, state = ?, updated_at = ?, doc = ? WHERE id = ?",
                     (run.name, run.state, run.updated_at, run.model_dump_json(), run.id))
    return run


def _json(text: str) -> dict[str, Any]:
    import json

    document = json.loads(text)
    assert isinstance(document, dict)
    return document
