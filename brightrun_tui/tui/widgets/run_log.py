"""The log of a run: what the preparation of its machines printed, what its worker said and printed, as one stream of lines.

No widgets, no store.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from brightrun_tui.domain import events as kinds
from brightrun_tui.domain.events import BadEventError, Body, Event
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.log_tail import LogTail, News, clean

NAMES = {
    "train_loss": "loss",
    "eval_loss": "eval loss",
    "learning_rate": "lr",
    "grad_norm": "grad",
    "tokens_per_second": "tokens/s",
}
MOST_TEXT = 64 << 20
"""Bytes of events that are made readable for a pager or an editor."""
MARKS = {"error": "✗", "warning": "!", "info": "·"}


class RunLog:
    """Follows ``setup.log``, ``events.jsonl`` and ``worker.log`` of one run directory. Blocking; call it from a thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self.prepared, self.said, self.printed = (
            RunDirectory(directory).setup_log,
            RunDirectory(directory).events,
            RunDirectory(directory).log,
        )
        self._setup = LogTail(self.prepared)
        self._events = LogTail(self.said, event_line)
        self._printed = LogTail(self.printed)
        self._first = True
        self._fronts = [0, 0]

    def read(self) -> News | None:
        """What is new of all three; None when nothing is. Raises ``OSError``."""
        read = [one.read() for one in (self._setup, self._events, self._printed)]
        found = [news for news in read if news is not None]
        if self._first or any(news.restarted for news in found):
            self._first = False
            self._fronts = [len(news.lines) if news is not None else 0 for news in read[:2]]
        if len(found) < 2:
            return found[0] if found else None
        return News(
            tuple(line for news in found for line in news.lines),
            found[-1].tail,
            sum(news.skipped for news in found),
            any(news.restarted for news in found),
        )

    @property
    def unread(self) -> int:
        """Bytes of events and of what was printed that lie before all that was read."""
        return self._events.unread + self._printed.unread

    def older(self) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """Pieces of what lies before, each with the number of lines that stay in front of it: what was printed comes behind what
        was said. To be put in one after the other. Raises ``OSError``."""
        prepared = self._fronts[0]
        earlier = self._events.older()
        self._fronts[1] += len(earlier)
        return (prepared, earlier), (prepared + self._fronts[1], self._printed.older())

    def forget(self, count: int) -> None:
        """So many of the first lines are not kept any more."""
        for place, front in enumerate(self._fronts):
            self._fronts[place] = max(0, front - count)
            count = max(0, count - front)

    def as_text(self) -> bytes:
        """Every event as a line, the newest `MOST_TEXT` bytes of them. Raises ``OSError``."""
        with self.said.open("rb") as file:
            left_out = max(0, self.said.stat().st_size - MOST_TEXT)
            file.seek(left_out)
            lines = [text for line in file if (text := event_line(line.rstrip(b"\n"))) is not None]
        head = [f"… {left_out:,} bytes before this are left out …"] if left_out else []
        return "\n".join([*head, *lines, ""]).encode()


def event_line(line: bytes) -> str | None:
    """A line of ``events.jsonl`` as a person reads it in a log; None for what is shown elsewhere (progress, hardware)."""
    try:
        event = Event.from_line(line)
    except BadEventError as error:
        return f"          ! a line that is not an event: {error}"
    text = _text(event.body)
    return f"{datetime.fromtimestamp(event.time):%H:%M:%S}  {clean(text.encode())}" if text else None


def _text(body: Body) -> str:
    match body:
        case kinds.Metric():
            values = (f"{NAMES.get(name, name)} {_number(value)}" for name, value in body.values.items())
            return _step(body.step) + "  ".join(values)
        case kinds.Phase():
            return f"▸ {body.phase}  {body.detail}".rstrip() if body.begins else ""
        case kinds.Checkpoint():
            return f"{_step(body.step)}checkpoint{'  ★ best so far' if body.best else ''}"
        case kinds.Sample():
            asked = cells.fit(body.prompt[-1].content if body.prompt else "", 60).rstrip()
            return f"{_step(body.step)}answer of the {body.source} model to “{asked}”"
        case kinds.Alert():
            return f"{MARKS.get(body.level, '·')} {body.message}"
        case kinds.Change():
            values = (f"{key.rpartition('.')[2]} {value:g}" for key, value in body.settings.items())
            return _step(body.step) + f"⇄ from here on {', '.join(values)}"
        case kinds.Done():
            return f"■ {body.outcome} at step {body.step}"
        case kinds.Failed():
            return f"✗ {body.cause}"
        case kinds.Other():
            return cells.fit(f"? {body.kind}  {json.dumps(body.data, ensure_ascii=False)}", 200).rstrip()
    return ""


def _step(step: int) -> str:
    return f"step {step:<6}"


def _number(value: float | None) -> str:
    return "NaN" if value is None else f"{value:.4g}"
