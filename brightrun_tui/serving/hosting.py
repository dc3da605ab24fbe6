"""A model that workers of a service answer for, behind the gate of this machine.

Beside the plan the endpoint's directory then has ``hosting.json``, written again and again by whoever watches what the workers
cost. When it grows old nobody watches any more, and the gate wakes no worker.
"""

from __future__ import annotations

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from brightrun_tui.files import write_atomic

HOSTING = "hosting.json"


class Hosting(BaseModel):
    """``hosting.json``. ``url`` answers in OpenAI's form, with the key of the account at ``service``; workers call the model
    ``model``. ``workers``: how many there are, by what they do. ``heard_at`` is when it was written, in seconds since the epoch;
    after ``silence`` seconds more nobody watches. A worker that is not there after ``patience`` seconds is given up.
    """

    model_config = ConfigDict(frozen=True)

    service: str
    url: str
    model: str
    workers: dict[str, int] = Field(default_factory=dict)
    heard_at: float
    silence: float
    patience: float

    @property
    def unwatched(self) -> bool:
        return time.time() - self.heard_at > self.silence

    @property
    def workers_words(self) -> str:
        """What becomes of the workers, in some words."""
        if self.workers.get("unhealthy"):
            return f"a worker there fails its health check: its log is to be seen at {self.service}"
        if self.workers.get("throttled"):
            return f"{self.service} has no GPU of this kind free"
        if self.workers.get("initialising"):
            return "a worker is starting there"
        return "no worker is there yet" if not self.workers else "its worker loads the model"


def say_hosting(directory: Path, hosting: Hosting) -> None:
    """Let the gate of the endpoint in ``directory`` know. Blocking."""
    write_atomic(directory / HOSTING, hosting.model_dump_json(indent=2))


def forget_hosting(directory: Path) -> None:
    """Record that there is no endpoint at the service any more. Blocking."""
    (directory / HOSTING).unlink(missing_ok=True)


def read_hosting(directory: Path) -> Hosting | None:
    """Read it as it is now; None where there is none. Blocking."""
    try:
        return Hosting.model_validate_json((directory / HOSTING).read_bytes())
    except (OSError, ValidationError):
        return None
