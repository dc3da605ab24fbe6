"""The lifecycle keeps its promises under any sequence of signals."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, Failure, Run, RunSpec
from brightrun_tui.domain.run_states import ACTIVE, RUN_STATES, TERMINAL, TRANSITIONS, RunAction, RunState
from brightrun_tui.orchestrator.lifecycle import LOST, MAX_CRASHES, MAX_KILLS, Signal, adopt, step

PEOPLE: tuple[Signal, ...] = ("stop_asked", "force_asked", "pause_asked", "resume_asked", "retry_asked")
HEARD_IN: dict[str, tuple[Signal, ...]] = {
    "queued": ("start",),
    "preparing": ("prepared", "broken"),
    "launching": ("launched", "broken", "worker_lost"),
    "running": (
        "worker_completed",
        "worker_stopped",
        "worker_paused",
        "worker_failed",
        *LOST,
        "launched",
        "broken",
        "budget_spent",
    ),
    **dict.fromkeys(
        ("pausing", "stopping"),
        (
            "worker_completed",
            "worker_stopped",
            "worker_paused",
            "worker_failed",
            *LOST,
            "launched",
            "broken",
            "budget_spent",
            "unanswered",
        ),
    ),
    "collecting": ("collected", "nothing_to_collect", "broken", "worker_lost", "budget_spent"),
    "registering": ("registered", "broken"),
}
"""The signals that the effects of a state can bring."""


def a_run() -> Run:
    data = DatasetRef(path="d", name="d", format="messages", fingerprint="f", records=1, usable=1)
    spec = RunSpec(run_id="r", name="demo", created_at=0.0, base=BaseModelRef(id="starter"), dataset=data)
    return Run(id="r", name="demo", state="queued", spec=spec, directory="/d", created_at=0.0, updated_at=0.0)


@given(st.data())
def test_every_path_stays_in_the_table_and_lets_the_machine_go_before_it_rests(data: st.DataObject) -> None:
    run, holding = a_run(), False
    for _ in range(data.draw(st.integers(1, 30))):
        signal = data.draw(st.sampled_from(HEARD_IN.get(run.state, ()) + PEOPLE))
        try:
            decision = step(run, signal, Failure(error="e", cause="c"))
        except UsageError:
            assert signal in PEOPLE, "only people can ask for the impossible"
            continue
        assert decision.state == run.state or decision.state in TRANSITIONS[run.state], (run.state, signal)
        holding = (holding or "launch" in decision.effects) and "release" not in decision.effects
        run = run.model_copy(update={"state": decision.state, **decision.changes})
        if "launch" in decision.effects:
            run = run.model_copy(update={"attempts": run.attempts + 1, "launch_step": run.step})
            assert run.deaths < MAX_KILLS
        if run.state in TERMINAL or run.state == "paused":
            assert not holding, f"{signal} brought the run to {run.state} with the machine still held"
        if run.state in ACTIVE and run.state != "queued":
            assert adopt(run), f"a new engine would forget a run in {run.state}"


def test_a_worker_that_makes_progress_may_die_any_number_of_times() -> None:
    run = a_run().model_copy(update={"state": "running", "attempts": 1})
    for number in range(1, 20):
        run = run.model_copy(update={"step": number})
        decision = step(run, "worker_lost")
        assert decision.effects == ("launch",)
        run = run.model_copy(
            update={
                **decision.changes,
                "state": "running",
                "attempts": decision.changes["attempts"] + 1,
                "launch_step": run.step,
            }
        )


def test_a_worker_that_never_gets_anywhere_is_given_up_with_a_reason_and_a_change_to_try() -> None:
    limits: dict[Signal, int] = {"worker_crashed": MAX_CRASHES, "worker_lost": MAX_KILLS}
    for signal, limit in limits.items():
        run, launches = a_run().model_copy(update={"state": "running"}), 1
        while (decision := step(run, signal)).effects == ("launch",):
            run, launches = run.model_copy(update={**decision.changes, "state": "running"}), launches + 1
        assert (launches, decision.state) == (limit, "failed")
        failure = decision.changes["failure"]
        assert failure and failure.suggestion and str(limit) in failure.cause


def test_deaths_that_nobody_saw_never_end_a_run() -> None:
    """Engine and worker killed together, or the power gone: each needs somebody who starts an engine again."""
    run = a_run().model_copy(update={"state": "running", "deaths": MAX_CRASHES - 1})
    for _ in range(20):
        decision = step(run, "worker_unseen")
        assert decision.effects == ("launch",)
        run = run.model_copy(update={**decision.changes, "state": "running"})
    assert step(run, "worker_crashed").state == "failed", "what had been counted before still counts"


@given(st.sampled_from(["launching", "running", "pausing", "stopping"]), st.integers(0, 30), st.booleans())
def test_whatever_a_worker_does_four_presses_end_it(state: str, step_: int, by_time: bool) -> None:
    """Asked, SIGTERM, SIGKILL, left behind: nothing that the worker does not do can keep a run from ending."""
    run = a_run().model_copy(update={"state": state, "step": step_, "attempts": 1})
    for _ in range(4):
        signal: Signal = "unanswered" if by_time and run.state in ("stopping", "pausing") else "stop_asked"
        decision = step(run, signal)
        run = run.model_copy(update={"state": decision.state, **decision.changes})
        if run.state in ("stopped", "paused"):
            break
        assert "follow" in adopt(run) and adopt(run) == decision.effects, "a new engine goes on where this one was"
    assert run.state in ("stopped", "paused") and "release" in decision.effects


def test_a_forced_end_keeps_what_was_saved_and_asks_nobody() -> None:
    run = a_run().model_copy(update={"state": "running", "attempts": 1, "step": 7})
    decision = step(run, "force_asked")
    assert decision.effects == ("kill", "follow")
    run = run.model_copy(update={"state": decision.state, **decision.changes})
    for signal in (*LOST, "worker_paused"):
        assert step(run, signal).state == "stopped"
    assert step(run, "force_asked").effects == ("release",)
    assert step(run.model_copy(update={"state": "stopped"}), "retry_asked").state == "queued"


def test_no_refusal_contradicts_itself() -> None:
    """What a person is told to do instead is possible in that state."""
    cases: tuple[tuple[RunState, Signal, str], ...] = (
        ("stopping", "pause_asked", "stop it again"),
        ("collecting", "stop_asked", "--force"),
        ("registering", "stop_asked", "by itself"),
        ("completed", "stop_asked", "not ended"),
    )
    for state, verb, words in cases:
        with pytest.raises(UsageError) as refused:
            step(a_run().model_copy(update={"state": state}), verb)
        assert words in refused.value.fix and "now" in refused.value.what


def test_every_signal_is_decided_somewhere() -> None:
    heard = {signal for signals in HEARD_IN.values() for signal in signals} | set(PEOPLE)
    assert heard == set(get_args(Signal))


@pytest.mark.parametrize("signal", PEOPLE)
def test_what_is_offered_is_what_is_done(signal: Signal) -> None:
    """A key or verb that is shown as possible is never refused, and one that is not shown never does anything."""
    for state in RUN_STATES:
        run = a_run().model_copy(update={"state": state})
        if run.permits(RunAction(signal.removesuffix("_asked"))):
            step(run, signal)
        else:
            with pytest.raises(UsageError):
                step(run, signal)
