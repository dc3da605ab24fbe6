"""The log of an endpoint's requests: who asked what kind of thing, and what became of it; never what was asked or answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from brightrun_tui.serving.kept_lines import add_lines, newest_lines

REQUEST_LOG = "requests.jsonl"
MOST_BYTES = 8 << 20
"""Some thirty thousand requests; the older half goes when there are more."""


class LoggedRequest(BaseModel):
    """One request that came with a right key. ``time``: when it came, in seconds since the epoch. ``key``: the name of its key.

    ``ref``: the version that it was for; empty if it did not come to that. ``status``: of HTTP; a stream that broke after it
    had begun has 200, and ``failed``. ``code``: OpenAI's word for why it was refused. ``seconds``: until its last byte, of which
    ``first_token``: until its first one (0: there was none).
    """

    model_config = ConfigDict(frozen=True)

    time: float
    key: str = ""
    path: str = ""
    ref: str = ""
    status: int = 200
    failed: bool = False
    code: str = ""
    streamed: bool = False
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token: float = 0.0
    seconds: float = 0.0

    @property
    def outcome(self) -> str:
        """“200”, “400 context_length_exceeded”, “200 broke off”."""
        return f"{self.status} {self.code or ('broke off' if self.failed and self.status == 200 else '')}".rstrip()


def add_requests(directory: Path, requests: Sequence[LoggedRequest]) -> None:
    """Write them down. Blocking. A disk that cannot be written to is no reason not to answer."""
    add_lines(directory / REQUEST_LOG, requests, MOST_BYTES)


def read_requests(directory: Path, most: int = 0) -> list[LoggedRequest]:
    """Return the newest first, at most so many (0: all). Blocking. Raises ``OSError``."""
    return newest_lines(directory / REQUEST_LOG, LoggedRequest, most)
