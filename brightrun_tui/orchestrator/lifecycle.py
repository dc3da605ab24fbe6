"""The lifecycle of a run as a pure function: ``(run, signal) → (state, effects)``. The runner performs the effects.

Every state is committed before its effects are performed, and every effect may be performed again after a crash:
`adopt` tells which ones a state still owes.

**A stop always stops.** A run that is asked to end is asked in its directory, then by SIGTERM, then by SIGKILL, and then its
machine is let go; how far that has gone is ``run.ending``. Time takes each step when nothing answers (signal ``unanswered``),
a person who stops the run once more takes the next one at once. Whatever was saved stays, so that a retry goes on from there.

**Deaths of a worker** count only while it makes no progress, that is, does not come further than any worker before it:

* a crash of its own, or one that the kernel ended for want of memory: given up after `MAX_CRASHES` in a row;
* one killed by nobody knows whom, or whose machine went away: after `MAX_KILLS`, with growing pauses before each new launch,
  as what kills it may well be something that passes;
* one that nobody saw, because the engine was dead as well (kill -9 of both, a power cut, a reboot): not at all. It takes
  somebody to start an engine again, so this does not go on by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.events import Outcome
from brightrun_tui.domain.run import Ending, Failure, Run, RunChanges
from brightrun_tui.domain.run_states import RunAction, RunState

MAX_CRASHES = 3
MAX_KILLS = 6

Signal = Literal[
    "start",
    "prepared",
    "launched",
    "worker_completed",
    "worker_stopped",
    "worker_paused",
    "worker_failed",
    "worker_lost",
    "worker_crashed",
    "worker_unseen",
    "unanswered",
    "collected",
    "nothing_to_collect",
    "registered",
    "broken",
    "budget_spent",
    "stop_asked",
    "force_asked",
    "pause_asked",
    "resume_asked",
    "retry_asked",
]
Effect = Literal[
    "prepare", "launch", "follow", "ask_stop", "ask_pause", "terminate", "kill", "collect", "register", "release"
]

OUTCOMES: dict[Signal, Outcome] = {
    "worker_completed": "completed",
    "worker_stopped": "stopped",
    "worker_paused": "paused",
}
"""How a worker ended that could say so itself."""
LOST: tuple[Signal, ...] = ("worker_lost", "worker_crashed", "worker_unseen")


@dataclass(frozen=True)
class Decision:
    """The state to enter, what to do there (in order), and facts of the run to change with it."""

    state: RunState
    effects: tuple[Effect, ...] = ()
    changes: RunChanges = field(default_factory=lambda: RunChanges())


_OWED: dict[RunState, tuple[Effect, ...]] = {
    "preparing": ("prepare",),
    "launching": ("launch",),
    "running": ("follow",),
    "pausing": ("ask_pause", "follow"),
    "stopping": ("ask_stop", "follow"),
    "collecting": ("collect",),
    "registering": ("release", "register"),
}
_PRESSED: dict[Ending, tuple[Effect, ...]] = {"terminated": ("terminate", "follow"), "killed": ("kill", "follow")}


def adopt(run: Run) -> tuple[Effect, ...]:
    """Return what a run found by a new engine still needs. ``queued`` waits for its turn; ended runs need nothing."""
    if run.state in ("stopping", "pausing") and run.ending in _PRESSED:
        return _PRESSED[run.ending]
    return _OWED.get(run.state, ())


def step(run: Run, signal: Signal, failure: Failure | None = None) -> Decision:
    """Decide a run's next state. No other place does.

    Raises:
        UsageError: a person asked for what this state does not allow.
    """
    if signal in ("stop_asked", "force_asked", "pause_asked", "resume_asked", "retry_asked"):
        return _asked(run, signal)
    if signal == "unanswered":
        return _press(run)
    if signal in LOST or (signal == "worker_paused" and run.state in ("launching", "running")):
        return _lost(run, signal, failure)
    if signal in ("worker_failed", "broken"):
        return Decision("failed", ("release",), {"failure": failure, "eta_seconds": None})
    if signal == "budget_spent":
        failure = Failure(
            error=ErrorKind.BUDGET_SPENT,
            cause="its budget, or what this month's limit leaves to it, was used up before the run could end in order",
            fix="raise the limit and retry: it goes on from its newest checkpoint",
        )
        return Decision("failed", ("release",), {"failure": failure, "eta_seconds": None})
    if signal in ("worker_completed", "worker_stopped"):
        return Decision("collecting", ("collect",), {"outcome": OUTCOMES[signal], "eta_seconds": None})
    if signal == "registered":
        return Decision("completed" if run.outcome == "completed" else "stopped")
    return {
        "start": Decision(
            "preparing", ("prepare",), {"failure": None, "outcome": "", "ending": "", "counted_at": None}
        ),
        "prepared": Decision("launching", ("launch",)),
        "launched": Decision(run.state, adopt(run))
        if run.state in ("stopping", "pausing")
        else Decision("running", ("follow",)),
        "worker_paused": _rest(run),
        "collected": Decision("registering", ("release", "register")),
        "nothing_to_collect": Decision("stopped", ("release",)),
    }[signal]


def _asked(run: Run, signal: Signal) -> Decision:
    state, action = run.state, RunAction(signal.removesuffix("_asked"))
    if not run.permits(action):
        raise UsageError(
            f"run {run.name} is {state}; it cannot {_VERBS[action]} now",
            where=run.id,
            fix=_BY_ITSELF.get(state, _WHEN[action]),
            kind=ErrorKind.WRONG_STATE,
        )
    if action in (RunAction.STOP, RunAction.FORCE):
        if state in ("queued", "preparing", "paused") or (state == "launching" and not run.attempts and not run.step):
            return Decision("stopped", ("release",), {"phase_detail": ""})
        if state == "collecting":
            return _rest(run)
        return _force(run) if action == RunAction.FORCE else _stop(run)
    if action == RunAction.PAUSE:
        return _press(run) if state == "pausing" else Decision("pausing", ("ask_pause", "follow"), {"ending": "asked"})
    return Decision("queued", (), {"attempts": 0, "deaths": 0, "launch_seq": run.events_seq, "stop_after": ""})


_VERBS = {
    RunAction.STOP: "be stopped",
    RunAction.FORCE: "be stopped",
    RunAction.PAUSE: "be paused",
    RunAction.RESUME: "be resumed",
    RunAction.RETRY: "be retried",
}
_WHEN = {
    RunAction.STOP: "only a run that has not ended can be stopped",
    RunAction.FORCE: "only a run that has not ended can be stopped",
    RunAction.PAUSE: "a run can be paused while it trains",
    RunAction.RESUME: "only a paused run can be resumed; a failed or stopped one can be retried",
    RunAction.RETRY: "only a failed or stopped run can be retried",
}
_BY_ITSELF = {
    "stopping": "it ends soon; to end it at once, stop it again",
    "collecting": "its results are being brought home; to give them up: brightrun runs stop --force",
    "registering": "it ends by itself in a moment",
}


def _stop(run: Run) -> Decision:
    if run.state == "stopping":
        return _press(run)
    if run.ending in _PRESSED:
        return Decision("stopping", _PRESSED[run.ending])
    return Decision("stopping", ("ask_stop", "follow"), {"ending": "asked"})


def _press(run: Run) -> Decision:
    """Return the next step towards the end of a worker that was asked to end."""
    if run.ending == "killed":
        return _rest(run)
    further: Ending = "killed" if run.ending == "terminated" else "terminated"
    return Decision(run.state, _PRESSED[further], {"ending": further})


def _force(run: Run) -> Decision:
    if run.ending == "killed":
        return _rest(run)
    return Decision("stopping", _PRESSED["killed"], {"ending": "killed"})


def _rest(run: Run) -> Decision:
    """Return the resting state: the worker has left, or is left behind, and what it saved is the newest there is."""
    return Decision(
        "paused" if run.state == "pausing" else "stopped", ("release",), {"eta_seconds": None, "phase_detail": ""}
    )


def _lost(run: Run, signal: Signal, failure: Failure | None) -> Decision:
    """Decide what follows when the worker is gone unasked. ``failure`` says why, where that is known."""
    if run.state == "pausing" or (run.state == "stopping" and run.ending in _PRESSED):
        return _rest(run)
    progressed = run.step > run.launch_step
    deaths = 0 if progressed else run.deaths + (signal != "worker_unseen")
    if deaths < (MAX_CRASHES if signal == "worker_crashed" else MAX_KILLS):
        ending = run.state == "stopping" or (run.state == "collecting" and run.outcome == "stopped")
        again: RunState = "stopping" if ending else "launching"
        changes: RunChanges = {"attempts": 0 if progressed else run.attempts, "deaths": deaths}
        if run.state == "collecting":  # what the worker had handed in is gone with its machine
            changes["launch_seq"] = run.events_seq
        return Decision(again, ("launch",), changes)
    cause = failure.cause if failure else "the worker died without a word"
    failure = Failure(
        error=ErrorKind.WORKER_LOST,
        cause=f"{cause}: {deaths} times in a row, and it made no progress between them",
        fix="most often this is too little memory: see the log; try a smaller batch or a smaller base model",
        suggestion={"training.micro_batch_size": 1},
    )
    return Decision("failed", ("release",), {"failure": failure, "deaths": deaths, "eta_seconds": None})
