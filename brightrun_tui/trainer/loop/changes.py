"""Changes that people ask for while a run trains.

What was taken over is in the event log: from there a worker that goes on from an older checkpoint knows after which step each of
them holds, and repeats the same curve.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from brightrun_tui.domain import events
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.events import Body, Event
from brightrun_tui.domain.live_change import ASKED_CHANGES, AskedChange
from brightrun_tui.trainer.data.plan import with_epochs
from brightrun_tui.trainer.loop.session import TrainingSession


class LiveChanges:
    """Of one run directory. `take` is called between two steps; where nothing is new it costs one look at a file's time."""

    def __init__(self, path: Path, history: Iterable[Event[Body]]) -> None:
        """Read changes from ``path``; ``history`` is what workers of this run said before."""
        self._path = path
        self._known = {event.body.number: event.body for event in history if isinstance(event.body, events.Change)}
        self._applied: set[int] = set()
        self._seen: tuple[int, int] | None = None

    def take(self, session: TrainingSession) -> None:
        """Apply what holds after the steps that were taken, in the order in which it was asked."""
        step = session.progress.step
        for asked in self._news(session):
            change = events.Change(number=asked.number, step=step, settings=asked.settings)
            session.log.write(change)
            session.log.sync()
            self._known[asked.number] = change
        due = [one for number, one in self._known.items() if number not in self._applied and one.step <= step]
        for one in sorted(due, key=lambda one: one.number):
            self._applied.add(one.number)
            _apply(session, one)

    def _news(self, session: TrainingSession) -> list[AskedChange]:
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return []
            asked = ASKED_CHANGES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except (OSError, ValidationError):
            session.alert("bad_change", "a change that was asked for cannot be read, and is left out")
            self._seen = seen
            return []
        self._seen = seen
        return sorted((one for one in asked if one.number not in self._known), key=lambda one: one.number)


def _apply(session: TrainingSession, change: events.Change) -> None:
    try:
        session.changed = session.settings.with_overrides(dict(change.settings))
    except UsageError as error:
        session.alert("bad_change", f"a change that was asked for does not fit and is left out: {error.what}")
        return
    if "training.epochs" in change.settings:
        session.plan = with_epochs(session.plan, session.settings.training.epochs, change.step)
