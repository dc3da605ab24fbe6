"""What TUI and CLI ask of the engine. A request is a row in the store; the engine answers in the same row."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

RequestKind = Literal[
    "stop_run",
    "pause_run",
    "resume_run",
    "retry_run",
    "checkpoint_run",
    "change_run",
    "delete_run",
    "move_run",
    "deploy",
    "undeploy",
    "sweep",
    "stand_by",
    "stop_engine",
]
REQUEST_KINDS: tuple[str, ...] = get_args(RequestKind)


class Request(BaseModel):
    """``target`` is a run id, a model ref or an endpoint id, by kind."""

    model_config = ConfigDict(frozen=True)

    id: int
    kind: RequestKind
    target: str = ""
    payload: dict[str, Any] = Field(default_factory=dict)
    created_at: float
    state: Literal["pending", "done", "failed"] = "pending"
    result: dict[str, Any] = Field(default_factory=dict)
    handled_at: float | None = None
