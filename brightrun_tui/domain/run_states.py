"""The states of a run, which follow which, and what each permits to be asked of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, get_args

RunState = Literal[
    "queued",
    "preparing",
    "launching",
    "running",
    "pausing",
    "paused",
    "stopping",
    "collecting",
    "registering",
    "completed",
    "stopped",
    "failed",
]
RUN_STATES: tuple[RunState, ...] = get_args(RunState)
TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    "queued": frozenset({"preparing", "stopped", "failed"}),
    "preparing": frozenset({"launching", "stopped", "failed"}),
    "launching": frozenset({"running", "pausing", "paused", "stopping", "stopped", "collecting", "failed"}),
    "running": frozenset({"launching", "pausing", "paused", "stopping", "collecting", "failed"}),
    "pausing": frozenset({"paused", "stopping", "collecting", "failed"}),
    "paused": frozenset({"queued", "stopped", "failed"}),
    "stopping": frozenset({"collecting", "paused", "stopped", "failed"}),
    "collecting": frozenset({"registering", "launching", "stopping", "failed", "stopped"}),
    "registering": frozenset({"completed", "stopped", "failed"}),
    "completed": frozenset(),
    "stopped": frozenset({"queued"}),
    "failed": frozenset({"queued"}),
}
"""From each state, the states a run may enter. A ``paused`` run is resumed, an ended one retried, by queueing again."""
TERMINAL: frozenset[RunState] = frozenset({"completed", "stopped", "failed"})
ON_ITS_WAY: frozenset[RunState] = frozenset({"preparing", "launching"})
"""There is no worker yet, or no longer, and one is on its way."""
ACTIVE: frozenset[RunState] = frozenset(s for s in TRANSITIONS if s not in TERMINAL and s != "paused")


class RunAction(StrEnum):
    """What a person may ask of a run."""

    STOP = "stop"
    FORCE = "force"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    CHECKPOINT = "checkpoint"
    DELETE = "delete"
    MOVE = "move"
    CHANGE = "change"
    STOP_LATER = "stop_later"


_STOPPABLE: frozenset[RunState] = frozenset(
    {"queued", "preparing", "launching", "running", "pausing", "paused", "stopping"}
)
PERMITTED: dict[RunAction, frozenset[RunState]] = {
    RunAction.STOP: _STOPPABLE,
    RunAction.FORCE: _STOPPABLE | {"collecting"},
    RunAction.PAUSE: frozenset({"launching", "running", "pausing"}),
    RunAction.RESUME: frozenset({"paused"}),
    RunAction.RETRY: frozenset({"failed", "stopped"}),
    RunAction.CHECKPOINT: frozenset({"running"}),
    RunAction.DELETE: TERMINAL | {"paused"},
    RunAction.MOVE: frozenset({"queued"}),
    RunAction.CHANGE: (_STOPPABLE - {"stopping"}) | {"failed", "stopped"},
    RunAction.STOP_LATER: frozenset({"launching", "running"}),
}
"""In which states each action is possible: for engine, store, app and command line alike. A pause that is asked for again
presses the worker harder, as a stop does."""
STATE_GLYPHS: dict[RunState, str] = {
    "queued": "·",
    "preparing": "◌",
    "launching": "◌",
    "running": "▶",
    "pausing": "◫",
    "paused": "‖",
    "stopping": "◫",
    "collecting": "◍",
    "registering": "◍",
    "completed": "✓",
    "stopped": "■",
    "failed": "✗",
}
