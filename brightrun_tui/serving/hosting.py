"""A model that workers of a service answer for, behind the gate of this machine.

Beside the plan the endpoint's directory then has ``hosting.json``, written again and again by whoever watches what the workers
cost. When it grows old, nobody is watching, and the gate wakes no worker.
"""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.files import write_atomic
from brightrun_tui.process import boot_seconds

HOSTING = "hosting.json"


class Hosting(BaseModel):
    """``hosting.json``. ``url`` answers in OpenAI's form, with the key of the account at ``service``; workers call the model
    ``model``. ``workers``: how many there are, by what they do. ``heard_at`` is when it was written, in seconds since the epoch,
    ``heard_boot`` in seconds since this machine was started; after ``silence`` seconds more nobody watches. A worker that is not
    there after ``patience`` seconds is given up.
    """

    model_config = ConfigDict(frozen=True)

    service: str
    url: str
    model: str
    workers: dict[str, int] = Field(default_factory=dict)
    heard_at: float
    heard_boot: float | None = None
    silence: float
    patience: float

    @property
    def unwatched(self) -> bool:
        if self.heard_boot is None:  # an engine of an earlier version wrote it
            return time.time() - self.heard_at > self.silence
        return not 0.0 <= boot_seconds() - self.heard_boot <= self.silence

    @property
    def workers_words(self) -> str:
        """What becomes of the workers, in some words."""
        if self.workers.get("unhealthy"):
            return f"a worker there fails its health check: its log is at {self.service}"
        if self.workers.get("throttled"):
            return f"{self.service} has no GPU of this kind free"
        if self.workers.get("initialising"):
            return "a worker is starting there"
        return "no worker is there yet" if not self.workers else "its worker loads the model"


def say_hosting(directory: Path, hosting: Hosting) -> None:
    """Let the gate of the endpoint in ``directory`` know. Blocking."""
    write_atomic(directory / HOSTING, hosting.model_dump_json(indent=2))


def forget_hosting(directory: Path) -> None:
    """Record that the service no longer has the endpoint. Blocking."""
    (directory / HOSTING).unlink(missing_ok=True)


def read_hosting(directory: Path) -> Hosting | None:
    """Read it as it is now; None if there is none. Blocking."""
    try:
        return Hosting.model_validate_json((directory / HOSTING).read_bytes())
    except (OSError, ValidationError):
        return None
