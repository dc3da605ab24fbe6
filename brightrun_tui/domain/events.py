"""What a worker says. One JSON object a line in ``events.jsonl``: ``{"seq", "time", "kind", …}``.

``seq`` counts from 0 without gaps over the whole life of the run directory, restarts of the worker
included; a reader that saw ``seq`` n expects n + 1. Fields beside the three common ones, by kind:

* ``phase``       ``phase`` (one of `PHASES`), ``detail``
* ``progress``    ``step``, ``total_steps``, ``epoch``, ``supervised_tokens``, ``tokens_per_second``, ``eta_seconds``
* ``metric``      ``step``, ``values`` {name: number}; names in `METRICS`; NaN and infinity are written as null
* ``hardware``    ``device``, ``memory_used``, ``memory_total`` (bytes), ``utilisation`` (0–1), ``process_memory`` (bytes)
* ``sample``      ``step``, ``id``, ``prompt`` (messages), ``answer``, ``source`` ("base" or "tuned"), ``reference``
* ``checkpoint``  ``step``, ``path`` (relative to the run directory), ``eval_loss``, ``best``
* ``alert``       ``level`` ("info", "warning", "error"), ``code``, ``message``
* ``done``        ``outcome`` ("completed", "stopped", "paused"), ``step``
* ``failed``      ``error`` (kind of failure), ``cause`` (plain words), ``fix``, ``suggestion`` {setting: value}
"""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

EventKind = Literal["phase", "progress", "metric", "hardware", "sample", "checkpoint", "alert", "done", "failed"]
EVENT_KINDS: tuple[str, ...] = get_args(EventKind)

PHASES = ("starting", "loading", "preparing", "rehearsing", "training", "evaluating", "saving", "reporting")

METRICS = ("train_loss", "eval_loss", "learning_rate", "grad_norm", "tokens_per_second")


class WorkerExit(IntEnum):
    """How a worker's process ends when its event log cannot tell, or need not."""

    FAILED = 1
    USAGE = 2
    DISK_FULL = 74
    ANOTHER_AT_WORK = 75


class Event(BaseModel):
    """One line of ``events.jsonl``; everything but the common fields is in ``data``."""

    model_config = ConfigDict(frozen=True)

    seq: int
    time: float
    kind: str
    data: dict[str, Any] = Field(default_factory=dict)

    def to_line(self) -> bytes:
        """The line as it stands in the file, newline included."""
        document = {"seq": self.seq, "time": self.time, "kind": self.kind, **self.data}
        return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes | str) -> Event:
        """Raises ``ValueError`` when the line is no event."""
        document = json.loads(line)
        if not isinstance(document, dict):
            raise ValueError("an event is a JSON object")
        try:
            seq, time, kind = document.pop("seq"), document.pop("time"), document.pop("kind")
        except KeyError as error:
            raise ValueError(f"an event needs {error}") from None
        return cls(seq=seq, time=time, kind=kind, data=document)
