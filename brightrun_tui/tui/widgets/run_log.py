"""The log of a run: what the preparation of its machines printed, what its worker said and printed, as one stream of lines;
or what of it is of one machine.

No widgets, no store.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from brightrun_tui.domain import events as kinds
from brightrun_tui.domain.events import BadEventError, Body, Event
from brightrun_tui.domain.machine_parts import MachinePart, PartSpans, Span, read_parts, spans_of
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.files import write_atomic
from brightrun_tui.lines import read_span, split
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

    def __init__(self, directory: Path, part: int | None = None) -> None:
        """Read a run's log; ``part``: only that of one machine, the one at this place of `parts`."""
        self.path, self.part = directory, part
        self.files = RunDirectory(directory)
        self._first = True
        self._fronts = [0, 0]
        self._noted = -1
        self._open(PartSpans())

    def parts(self) -> tuple[MachinePart, ...]:
        """Return the machines that did the run, one after the other; empty where there is nothing to tell apart. Raises
        ``OSError``.
        """
        return read_parts(self.files)

    def read(self) -> News | None:
        """Return what is new of all three; None when nothing is. Raises ``OSError``."""
        if self.part is not None:
            self._find_part(self.part)
        read = [one.read() for one in (self._setup, self._events, self._printed)]
        found = [news for news in read if news is not None]
        restarted = any(news.restarted for news in found)
        if restarted and self.part is not None:
            self._noted = -1
            again = self.read()
            return replace(again, restarted=True) if again else News(restarted=True)
        if self._first or restarted:
            self._first = False
            self._fronts = [len(news.lines) if news is not None else 0 for news in read[:2]]
        if len(found) < 2:
            return found[0] if found else None
        return News(
            tuple(line for news in found for line in news.lines),
            found[-1].tail,
            sum(news.skipped for news in found),
            restarted,
        )

    @property
    def ended(self) -> bool:
        """Whether nothing more can come: it is of a machine that another one has gone on after."""
        return self._events.end is not None

    @property
    def unread(self) -> int:
        """Bytes of events and of what was printed that lie before all that was read."""
        return self._events.unread + self._printed.unread

    def older(self) -> tuple[tuple[int, tuple[str, ...]], ...]:
        """Return pieces of what comes before, each with the number of lines that stay in front of it: what was printed
        comes after what was said. To be inserted one after the other. Raises ``OSError``.
        """
        prepared = self._fronts[0]
        earlier = self._events.older()
        self._fronts[1] += len(earlier)
        return (prepared, earlier), (prepared + self._fronts[1], self._printed.older())

    def forget(self, count: int) -> None:
        """Forget so many of the first lines, which are not kept any more."""
        for place, front in enumerate(self._fronts):
            self._fronts[place] = max(0, front - count)
            count = max(0, count - front)

    def readable(self, directory: Path) -> list[Path]:
        """Return its files that hold something, for a pager or an editor: the events a line each, the newest
        `MOST_TEXT` bytes of them, and parts of a file copied into ``directory``. Raises ``OSError``.
        """
        directory.mkdir(parents=True, exist_ok=True)
        spans = spans_of(self.files, self.parts(), self.part) if self.part is not None else PartSpans()
        said = directory / f"{self.path.name}-events.txt"
        write_atomic(said, _text_of_events(self.files.events, spans.events))
        if self.part is None:
            paths = [self.files.setup_log, said, self.files.log]
        else:
            paths = [directory / f"{self.path.name}-setup.txt", said, directory / f"{self.path.name}-printed.txt"]
            write_atomic(paths[0], read_span(self.files.setup_log, *spans.setup))
            write_atomic(paths[2], read_span(self.files.log, *spans.printed))
        return [path for path in paths if path.exists() and path.stat().st_size]

    def _open(self, spans: PartSpans) -> None:
        self._setup = LogTail(self.files.setup_log, span=spans.setup)
        self._events = LogTail(self.files.events, event_line, span=spans.events)
        self._printed = LogTail(self.files.log, span=spans.printed)
        self._first = True

    def _find_part(self, part: int) -> None:
        """Find where it stands; once another machine has gone on, also where it ends."""
        noted = self.files.machines.stat().st_size if self.files.machines.exists() else 0
        if noted == self._noted:
            return
        spans = spans_of(self.files, self.parts(), part)
        if self._noted < 0:
            self._open(spans)
        else:
            self._setup.end, self._events.end, self._printed.end = spans.setup[1], spans.events[1], spans.printed[1]
        self._noted = noted


def _text_of_events(path: Path, span: Span) -> str:
    begin, end = span
    size = path.stat().st_size if path.exists() else 0
    end = size if end is None else min(size, end)
    left_out = max(0, end - begin - MOST_TEXT)
    lines = split(read_span(path, begin + left_out, end))
    head = [f"… {left_out:,} bytes before this are left out …"] if left_out else []
    texts = [text for line in lines if (text := event_line(line.removesuffix(b"\n"))) is not None]
    return "\n".join([*head, *texts, ""]) if head or texts else ""


def event_line(line: bytes) -> str | None:
    """Return a line of ``events.jsonl`` as a person reads it in a log; None for what is shown elsewhere (progress, hardware)."""
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
