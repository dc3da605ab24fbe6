"""One request at the gate, while it is answered."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal

from brightrun_tui.serving.answers import Tokens
from brightrun_tui.serving.request_log import LoggedRequest
from brightrun_tui.serving.room import Share
from brightrun_tui.serving.swap import ServedVersion


@dataclass
class Visit:
    """What becomes of one request. ``streams``: its answer goes on after the request was dealt with."""

    started: float = field(default_factory=time.monotonic)
    counted_in: bool = False
    streams: bool = False
    outcome: Literal["answered", "refused", "failed"] = "answered"
    tokens: Tokens = field(default_factory=Tokens)
    first: float = 0.0
    service: ServedVersion | None = None
    room: Share = field(default_factory=Share)
    came: float = field(default_factory=time.time)
    key: str = ""
    path: str = ""
    status: int = 200
    code: str = ""

    @property
    def logged(self) -> LoggedRequest:
        """As it stands in the log of requests."""
        return LoggedRequest(
            time=self.came,
            key=self.key,
            path=self.path,
            ref=self.service.plan.ref if self.service is not None else "",
            status=self.status,
            failed=self.outcome == "failed",
            code=self.code,
            streamed=self.streams,
            prompt_tokens=self.tokens.prompt,
            completion_tokens=self.tokens.completion,
            first_token=self.first,
            seconds=time.monotonic() - self.started,
        )

    def begun(self) -> None:
        """Note that the first piece of the answer is here."""
        self.first = self.first or time.monotonic() - self.started
