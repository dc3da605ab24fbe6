"""What the server process says about itself, in the endpoint's directory.

``state.json`` how it is · ``usage.json`` what it has done · ``port`` the port it last used, so that it keeps its address.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypedDict

from pydantic import BaseModel, ConfigDict, ValidationError

from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.files import write_atomic
from brightrun_tui.process import born, is_still

STATE_FILE = "state.json"
USAGE = "usage.json"
PORT = "port"

ServerStatus = Literal["starting", "ready", "asleep", "restarting", "failed", "stopped"]
"""``asleep``: nobody asked for long, so the model is not in memory; the next request brings it back, and waits."""


class StateChanges(TypedDict, total=False):
    """The facts of a `ServerState` that change while it runs."""

    worker_pid: int | None
    restarts: int
    device: str
    engine: str
    engine_note: str
    error: str


class ServerState(BaseModel):
    """``state.json``. ``url`` is what an OpenAI client takes as ``base_url`` (it ends in ``/v1``).

    ``pid`` and ``pid_started`` (seconds since this machine was started) name the server process beyond doubt;
    ``worker_pid`` is its child that holds the model. ``error`` is one sentence when ``failed``. ``engine`` computes the answers;
    ``engine_note`` says why it is not a faster one, and until it is ``ready`` what is being done.
    """

    model_config = ConfigDict(frozen=True)

    status: ServerStatus
    url: str
    port: int
    pid: int
    pid_started: float
    worker_pid: int | None = None
    restarts: int = 0
    device: str = ""
    engine: str = ""
    engine_note: str = ""
    error: str = ""
    updated_at: float = 0.0

    @property
    def serves(self) -> bool:
        """Whether a request would be answered, at once or after the model was loaded again."""
        return self.status in ("ready", "asleep")

    def write(self, directory: Path) -> None:
        stamped = self.model_copy(update={"updated_at": time.time()})
        write_atomic(directory / STATE_FILE, stamped.model_dump_json(indent=2))


class Usage(BaseModel):
    """``usage.json``: what the endpoint has done over its whole life. ``seconds`` is time spent answering.

    ``answers`` are those whose beginning was seen, after ``first_token_seconds`` in all.
    ``requests`` are all that came with the right key; of those ``refused`` could not be served, and ``failed`` broke.
    """

    model_config = ConfigDict(frozen=True)

    requests: int = 0
    failed: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    first_token_seconds: float = 0.0
    answers: int = 0

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens of an answer a second, from the first one on; None before there was an answer."""
        writing = self.seconds - self.first_token_seconds
        return self.completion_tokens / writing if self.answers and writing > 0 else None

    @property
    def first_token(self) -> float | None:
        """Mean seconds until an answer begins."""
        return self.first_token_seconds / self.answers if self.answers else None

    def write(self, directory: Path) -> None:
        write_atomic(directory / USAGE, self.model_dump_json())


def read_state(directory: Path) -> ServerState | None:
    """Return the last thing the server process said, or None when it never spoke. Says nothing of whether it lives: see
    `alive`.
    """
    try:
        return ServerState.model_validate_json((directory / STATE_FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def failed_state(error: str) -> ServerState:
    """Return the state of this process when it cannot even begin."""
    return ServerState(status="failed", url="", port=0, pid=os.getpid(), pid_started=born(os.getpid()), error=error)


def read_usage(directory: Path) -> Usage:
    """Return requests and tokens so far; zeros when there is none yet."""
    try:
        return Usage.model_validate_json((directory / USAGE).read_bytes())
    except (FileNotFoundError, ValidationError):
        return Usage()


def show_use(directory: Path) -> None:
    """Leave the time as that of somebody being answered."""
    with suppress(OSError):
        os.utime(directory / USAGE)


def last_used(directory: Path) -> float:
    """Return when somebody was last answered, in seconds since the epoch; 0 if nobody ever was."""
    try:
        return (directory / USAGE).stat().st_mtime
    except OSError:
        return 0.0


def show_life(directory: Path) -> None:
    """Leave the time as that of the server's last sign of life."""
    with suppress(OSError):
        os.utime(directory / STATE_FILE)


def with_liveness(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """Return each endpoint as it is now: one that was ready and whose server is gone is down since that one's last sign of
    life; one whose model is gone and is being loaded again says so.
    """
    return [_as_it_is(endpoint) if endpoint.state == "ready" else endpoint for endpoint in endpoints]


def _as_it_is(endpoint: Endpoint) -> Endpoint:
    directory = Path(endpoint.directory)
    if not alive(directory):
        return endpoint.model_copy(update={"down_since": _last_life(directory)})
    state = read_state(directory)
    if state is None or state.serves:
        return endpoint.model_copy(update={"asleep": state is not None and state.status == "asleep"})
    return endpoint.model_copy(update={"restarting": state.error or "the model is being loaded again"})


def _last_life(directory: Path) -> float:
    try:
        return (directory / STATE_FILE).stat().st_mtime
    except OSError:
        return time.time()


def alive(directory: Path) -> bool:
    """Say whether the very process that wrote ``state.json`` still runs (a reused pid does not count)."""
    state = read_state(directory)
    return state is not None and is_still(state.pid, state.pid_started)
