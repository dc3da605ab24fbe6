"""The log of a run: what its worker said and what it printed, as one stream of lines. No widgets, no store."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from brightrun_tui.domain.events import Event
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.widgets import words
from brightrun_tui.widgets.log_tail import LogTail, News, clean

NAMES = {
    "train_loss": "loss",
    "eval_loss": "eval loss",
    "learning_rate": "lr",
    "grad_norm": "grad",
    "tokens_per_second": "tok/s",
}
MARKS = {"error": "✗", "warning": "!", "info": "·"}


class RunLog:
    """Follows ``events.jsonl`` and ``worker.log`` of one run directory. Blocking; call it from a thread."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self._events = LogTail(RunDirectory(directory).events, event_line)
        self._printed = LogTail(RunDirectory(directory).log)

    def read(self) -> News | None:
        """What is new of both; None when nothing is. Raises ``OSError``."""
        said, printed = self._events.read(), self._printed.read()
        if said is None or printed is None:
            return said or printed
        return News(
            said.lines + printed.lines,
            printed.tail,
            said.skipped + printed.skipped,
            said.restarted or printed.restarted,
        )


def event_line(line: bytes) -> str | None:
    """An event as a person reads it in a log; None for those that are shown elsewhere (progress, hardware)."""
    try:
        event = Event.from_line(line)
        text = _text(event.kind, event.data)
    except (ValueError, TypeError):
        return None
    return f"{datetime.fromtimestamp(event.time):%H:%M:%S}  {clean(text.encode())}" if text else None


def _text(kind: str, data: dict[str, Any]) -> str:
    step = f"step {data.get('step', 0):<6}"
    if kind == "metric":
        values: dict[str, Any] = data.get("values") or {}
        return step + "  ".join(f"{NAMES.get(name, name)} {_number(value)}" for name, value in values.items())
    if kind == "phase":
        return f"▸ {data.get('phase', '')}  {data.get('detail', '')}".rstrip()
    if kind == "checkpoint":
        return f"{step}checkpoint{'  ★ best so far' if data.get('best') else ''}"
    if kind == "sample":
        return f"{step}answer of the {data.get('source', '')} model to “{_last_turn(data)}”"
    if kind == "alert":
        return f"{MARKS.get(str(data.get('level')), '·')} {data.get('message', '')}"
    if kind == "done":
        return f"■ {data.get('outcome', '')} at step {data.get('step', 0)}"
    if kind == "failed":
        return f"✗ {data.get('cause', '')}"
    return ""


def _number(value: Any) -> str:
    return "NaN" if value is None else f"{value:.4g}"


def _last_turn(data: dict[str, Any]) -> str:
    prompt = data.get("prompt") or [{}]
    return words.fit(str(prompt[-1].get("content", "")), 60).rstrip()
