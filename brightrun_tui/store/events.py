"""What the workers of runs said. Only `ingest` brings it in."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import aiosqlite
from pydantic import ValidationError
from pydantic_core import from_json

from brightrun_tui.domain import events as kinds
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import BadLine, Body, Event, PhaseName
from brightrun_tui.domain.notices import Level, NoticeCode
from brightrun_tui.domain.notification import NewsKind, Notification, told_of
from brightrun_tui.domain.run import Notice, Run, RunChanges
from brightrun_tui.store import metrics, notifications, rows, runs
from brightrun_tui.store.db import Database

MOST_CURVES = 256
"""Of one run; a worker of ours has some thirty."""
MAX_NOTICES = 8
"""Notices about bad lines that a run keeps."""
MAX_ALERTS = 20
"""Alerts of one run that are told; all of them are events of it."""
_Point = tuple[str, str, int, float | None, float]
"""Run, name, step, value and time, as the table has them."""
_ELSEWHERE = (kinds.Metric, kinds.Progress, kinds.HardwareReading)
"""Metrics have a table, and of the others only the newest counts: it is in the run itself."""


async def ingest(db: Database, run_id: str, lines: Sequence[Event[Body] | BadLine], offset: int) -> Run:
    """Take over lines that were read up to byte ``offset``, all in one transaction with the new offset.

    An event whose ``seq`` is known already is left out, so reading a stretch twice changes nothing. A metric of the
    same name and step replaces the older one, so a step trained again after a crash is not doubled; what the run says of its
    losses is then of the steps that it still has. A line that is not an
    event is counted and becomes a notice of the run; it may have taken a number.

    Raises:
        BrightrunError: a gap in ``seq``: something was lost on the way. All that was said is stored, and counting goes on
            behind the gap.
    """
    async with db.transaction():
        run = await runs.get(db, run_id)
        taken = _Taken(run)
        for line in lines:
            taken.add(line)
        points = [
            (run_id, name, event.body.step, value, event.time)
            for event in taken.fresh
            if isinstance(event.body, kinds.Metric)
            for name, value in event.body.values.items()
        ] + taken.measured()
        others = [
            (run_id, event.seq, event.time, event.kind, json.dumps({"data": event.body.fields()}))
            for event in taken.fresh
            if _is_kept(event.body)
        ]
        points = await _of_known_curves(db, run_id, points, taken)
        await db.executemany("INSERT INTO metrics (run_id, name, step, value, time) VALUES (?, ?, ?, ?, ?)", points)
        await metrics.refresh_buckets(db, run_id, [(name, step) for _, name, step, _, _ in points])
        await db.executemany("INSERT INTO events (run_id, seq, time, kind, doc) VALUES (?, ?, ?, ?, ?)", others)
        run = await runs.write(db, run, {**taken.changes(), "events_offset": offset})
        if taken.went_back:
            run = await runs.write(db, run, await _losses_of(db, run))
        if alerts := [_told(run, event) for event in taken.fresh if _is_news(event.body)]:
            room = max(0, MAX_ALERTS - await notifications.count(db, run_id, NewsKind.ALERT))
            await notifications.write(db, alerts[:room])
    if taken.gap:
        raise BrightrunError(
            taken.gap,
            where=f"run {run_id}",
            kind=ErrorKind.EVENTS_GAP,
            fix="the worker's log may say more; a retry goes on from the newest checkpoint",
        )
    return run


async def read(db: Database, run_id: str, *, kinds: tuple[str, ...] = (), after: int = -1) -> list[Event[Body]]:
    """Return events in order, of these ``kinds`` or of all; metrics are in `metrics`, progress and hardware in the run itself."""
    marks = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
    found = await db.all(
        f"SELECT seq, time, kind, doc FROM events WHERE run_id = ? AND seq > ?{marks} ORDER BY seq",
        (run_id, after, *kinds),
    )
    return [_event(row) for row in found]


async def rewind(db: Database, run_id: str, seq: int, offset: int) -> Run:
    """Forget events after number ``seq``: what is read from byte ``offset`` on has their numbers. Curves stay until they are
    drawn anew.
    """
    async with db.transaction():
        await db.execute("DELETE FROM events WHERE run_id = ? AND seq > ?", (run_id, seq))
        return await runs.write(
            db, await runs.get(db, run_id), {"events_seq": seq, "events_offset": offset, "bad_in_a_row": 0}
        )


class _Taken:
    """What a stretch of lines changes in a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._seq, self._bad, self._in_a_row = run.events_seq, run.bad_lines, run.bad_in_a_row
        self._notices = list(run.notices)
        self._facts: RunChanges = {}
        self.fresh: list[Event[Body]] = []
        self.gap = ""
        self.went_back = False

    def add(self, line: Event[Body] | BadLine) -> None:
        if isinstance(line, BadLine):
            self._bad += 1
            self._in_a_row += 1
            number = self._seq + 1 + self._in_a_row
            self._note(f"line {number} of what the worker said is not an event: {line.why}: “{line.beginning}”")
            return
        if line.seq <= self._seq:
            return
        expected = self._seq + 1
        if line.seq > expected + self._in_a_row:
            self.gap = self.gap or f"event {expected} is missing (got {line.seq})"
        self._seq, self._in_a_row = line.seq, 0
        self.fresh.append(line)
        before = self._facts.get("step", self._run.step)
        _learn(self._facts, line.body, self._run)
        self.went_back = self.went_back or self._facts.get("step", before) < before

    def measured(self) -> list[_Point]:
        """Return what the machine did, at the step that was trained then: its history is drawn like any other curve. So are
        the tokens that were learnt from by a step.
        """
        step = self._run.step
        points: list[_Point] = []
        for event in self.fresh:
            if isinstance(event.body, kinds.Metric):
                step = event.body.step
            elif isinstance(event.body, kinds.Progress) and event.body.step and event.body.supervised_tokens:
                tokens = float(event.body.supervised_tokens)
                points.append((self._run.id, "supervised_tokens", event.body.step, tokens, event.time))
            elif isinstance(event.body, kinds.HardwareReading) and step:
                found = event.body.measured()
                if self._run.cost_usd:
                    found["cost_usd"] = self._run.cost_usd
                points += [(self._run.id, name, step, value, event.time) for name, value in found.items()]
        return points

    def changes(self) -> RunChanges:
        return {
            **self._facts,
            "events_seq": self._seq,
            "bad_lines": self._bad,
            "bad_in_a_row": self._in_a_row,
            "notices": tuple(self._notices),
        }

    def note_once(self, code: str, message: str) -> None:
        """Add a notice to those that the run keeps."""
        if not any(notice.code == code for notice in self._notices):
            self._notices.append(Notice(time=time.time(), level=Level.WARNING, code=code, message=message))

    def _note(self, message: str) -> None:
        self._notices.append(Notice(time=time.time(), level=Level.WARNING, code=NoticeCode.BAD_EVENT, message=message))
        mine = [notice for notice in self._notices if notice.code == NoticeCode.BAD_EVENT]
        if len(mine) > MAX_NOTICES:
            self._notices.remove(mine[0])


async def _of_known_curves(db: Database, run_id: str, points: list[_Point], taken: _Taken) -> list[_Point]:
    """Return the points without those of curves beyond `MOST_CURVES`: whoever makes names up fills neither disk nor screen."""
    names = dict.fromkeys(name for _, name, *_ in points)
    known = set(await metrics.names(db, run_id))
    new = [name for name in names if name not in known]
    room = max(0, MOST_CURVES - len(known))
    if len(new) <= room:
        return points
    taken.note_once(
        NoticeCode.MANY_CURVES, f"the worker speaks of more than {MOST_CURVES} curves; the others are left out"
    )
    kept = known | set(new[:room])
    return [point for point in points if point[1] in kept]


async def _losses_of(db: Database, run: Run) -> RunChanges:
    """Return the losses of a run that has gone back to an older checkpoint: those behind it were not learnt by what it is now."""
    train = [point.value for point in await metrics.newest(db, run.id, "train_loss", 1, run.step)]
    held_out = [
        point
        for point in await metrics.series(db, run.id, "eval_loss", run.upto("eval_loss"))
        if point.value is not None
    ]
    return {
        "train_loss": train[0] if train else None,
        "eval_loss": held_out[-1].value if held_out else None,
        "best_eval_loss": min(
            (point.value for point in held_out if point.step > 0 and point.value is not None), default=None
        ),
    }


def _learn(facts: RunChanges, body: Body, run: Run) -> None:
    """Update the newest facts of a run that an event changes."""
    match body:
        case kinds.Phase():
            facts["phase"], facts["phase_detail"] = body.phase, _detail_of(body)
            trained = facts.get("step", run.step) >= facts.get("total_steps", run.total_steps) > 0
            if body.eta_seconds is not None and (trained or body.phase == PhaseName.REPORTING):
                facts["eta_seconds"] = body.eta_seconds
        case kinds.Progress():
            facts.update(cast(RunChanges, body.model_dump(include=body.model_fields_set, exclude={"kind"})))
        case kinds.HardwareReading():
            facts["hardware"] = body
        case kinds.Change():
            known = facts.get("changes", run.changes)
            facts["changes"] = tuple(
                one.model_copy(update={"step": body.step}) if one.number == body.number else one for one in known
            )
        case kinds.Metric(step=step, values=values):
            train, held_out = values.get("train_loss"), values.get("eval_loss")
            if "train_loss" in values:
                facts["step"] = step
            if train is not None:
                facts["train_loss"] = train
            if held_out is not None:
                facts["eval_loss"] = held_out
                best = facts.get("best_eval_loss", run.best_eval_loss)
                if step > 0:
                    facts["best_eval_loss"] = held_out if best is None else min(best, held_out)


def _is_news(body: Body) -> bool:
    return isinstance(body, kinds.Alert) and body.level != Level.INFO


def _told(run: Run, event: Event[Body]) -> Notification:
    """Return an alert of the worker as a piece of news."""
    assert isinstance(event.body, kinds.Alert)
    alert = told_of(
        run, event.body.code or "alert", event.body.level, event.body.message, event.time, kind=NewsKind.ALERT
    )
    return replace(alert, key=f"run {run.id} event {event.seq}")


def _is_kept(body: Body) -> bool:
    """Say whether it becomes a row: what only tells how far something is does not."""
    return body.begins if isinstance(body, kinds.Phase) else not isinstance(body, _ELSEWHERE)


def _detail_of(phase: kinds.Phase) -> str:
    """Return what is shown beside a phase: ``step 12, 40 %``."""
    share = f"{min(1.0, phase.done / phase.total):.0%}" if phase.total else ""
    return ", ".join(part for part in (phase.detail, share) if part)


def _event(row: aiosqlite.Row) -> Event[Body]:
    """Return an event as stored; one that is damaged says so."""
    kind = str(row["kind"])
    body: Body
    try:
        body = kinds.body_of(kind, from_json(row["doc"])["data"])
    except (ValueError, TypeError, LookupError) as error:
        why = "not valid" if isinstance(error, ValidationError) else type(error).__name__
        body = kinds.Other(kind, {"damaged": why})
    return Event(int(rows.number(row["seq"])), rows.number(row["time"]), body)
