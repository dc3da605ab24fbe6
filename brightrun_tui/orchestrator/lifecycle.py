"""The lifecycle of a run as a pure function: ``(run, signal) → (state, effects)``. The runner performs the effects.

Every state is committed before its effects are performed, and every effect may be performed again after a crash:
`adopt` tells which ones a state still owes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import Failure, Run, RunState

MAX_ATTEMPTS = 3
"""Launches in a row that may die without a word and without a step of progress."""

Signal = Literal[
    "start", "prepared", "launched", "worker_completed", "worker_stopped", "worker_paused", "worker_failed", "worker_lost",
    "collected", "nothing_to_collect", "registered", "broken", "budget_spent",
    "stop_asked", "pause_asked", "resume_asked", "retry_asked",
]
Effect = Literal["prepare", "launch", "follow", "ask_stop", "ask_pause", "collect", "register", "release"]


@dataclass(frozen=True)
class Decision:
    """The state to enter, what to do there (in order), and facts of the run to change with it."""

    state: RunState
    effects: tuple[Effect, ...] = ()
    changes: dict[str, Any] = field(default_factory=dict)


_OWED: dict[RunState, tuple[Effect, ...]] = {
    "preparing": ("prepare",),
    "launching": ("launch",),
    "running": ("follow",),
    "pausing": ("ask_pause", "follow"),
    "stopping": ("ask_stop", "follow"),
    "collecting": ("collect",),
    "registering": ("release", "register"),
}


def adopt(state: RunState) -> tuple[Effect, ...]:
    """What a run found in ``state`` by a new engine still needs. ``queued`` waits for its turn; ended runs need nothing."""
    return _OWED.get(state, ())


def step(run: Run, signal: Signal, failure: Failure | None = None) -> Decision:
    """The one place where a run's next state is decided.

    Raises:
        UsageError: a person asked for what this state does not allow.
    """
    if signal in ("stop_asked", "pause_asked", "resume_asked", "retry_asked"):
        return _asked(run, signal)
    if signal == "worker_lost" or (signal == "worker_paused" and run.state in ("launching", "running")):
        return _lost(run)
    if signal in ("worker_failed", "broken"):
        return Decision("failed", ("release",), {"failure": failure, "eta_seconds": None})
    if signal == "budget_spent":
        failure = Failure(error="budget_spent", cause="the budget was used up before the run could end in order",
                          fix="raise the budget and retry: it goes on from its newest checkpoint")
        return Decision("failed", ("release",), {"failure": failure, "eta_seconds": None})
    if signal in ("worker_completed", "worker_stopped"):
        return Decision("collecting", ("collect",), {"outcome": signal.removeprefix("worker_"), "eta_seconds": None})
    if signal == "registered":
        return Decision("completed" if run.outcome == "completed" else "stopped")
    return {
        "start": Decision("preparing", ("prepare",), {"failure": None, "outcome": ""}),
        "prepared": Decision("launching", ("launch",)),
        "launched": Decision(run.state, adopt(run.state)) if run.state in ("stopping", "pausing") else Decision(
            "running", ("follow",)),
        "worker_paused": Decision("paused", ("release",), {"eta_seconds": None}),
        "collected": Decision("registering", ("release", "register")),
        "nothing_to_collect": Decision("stopped", ("release",)),
    }[signal]


def _asked(run: Run, signal: Signal) -> Decision:
    state = run.state
    if signal == "stop_asked":
        if state in ("queued", "preparing", "paused"):
            return Decision("stopped", ("release",))
        if state == "launching" and not run.attempts and not run.step:
            return Decision("stopped", ("release",))
        if state in ("launching", "running", "pausing"):
            return Decision("stopping", ("ask_stop", "follow"))
    elif signal == "pause_asked":
        if state in ("launching", "running"):
            return Decision("pausing", ("ask_pause", "follow"))
    elif signal == "resume_asked":
        if state == "paused":
            return Decision("queued", (), {"attempts": 0, "launch_seq": run.events_seq})
    elif state in ("failed", "stopped"):
        return Decision("queued", (), {"attempts": 0, "launch_seq": run.events_seq})
    verb = signal.removesuffix("_asked")
    raise UsageError(f"run {run.name} is {state}; it cannot {verb} now", where=run.id, fix=_WHEN[verb], kind="wrong_state")


_WHEN = {
    "stop": "only a run that has not ended can be stopped",
    "pause": "a run can be paused while it trains",
    "resume": "only a paused run can be resumed; a failed or stopped one can be retried",
    "retry": "only a failed or stopped run can be retried",
}


def _lost(run: Run) -> Decision:
    """The worker is gone though nobody asked for that: killed, out of memory, or the machine went down."""
    if run.state == "pausing":
        return Decision("paused", ("release",), {"eta_seconds": None})
    progressed = run.step > run.launch_step
    if progressed or run.attempts < MAX_ATTEMPTS:
        ending = run.state == "stopping" or (run.state == "collecting" and run.outcome == "stopped")
        again: RunState = "stopping" if ending else "launching"
        changes = {"attempts": 0 if progressed else run.attempts}
        if run.state == "collecting":  # what the worker had handed in is gone with its machine
            changes["launch_seq"] = run.events_seq
        return Decision(again, ("launch",), changes)
    failure = Failure(
        error="worker_lost", cause=f"the worker died {run.attempts} times without a word before it made any progress",
        fix="most often this is too little memory: see the log; try a smaller batch or a smaller base model",
        suggestion={"training.micro_batch_size": 1})
    return Decision("failed", ("release",), {"failure": failure, "eta_seconds": None})
