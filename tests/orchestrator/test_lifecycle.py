"""The lifecycle keeps its promises under any sequence of signals."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from brightrun_tui.domain.errors import UsageError
from brightrun_tui.domain.run import ACTIVE, TERMINAL, TRANSITIONS, BaseModelRef, DatasetRef, Failure, Run, RunSpec
from brightrun_tui.orchestrator.lifecycle import MAX_ATTEMPTS, Signal, adopt, step

PEOPLE: tuple[Signal, ...] = ("stop_asked", "pause_asked", "resume_asked", "retry_asked")
HEARD_IN: dict[str, tuple[Signal, ...]] = {
    "queued": ("start",), "preparing": ("prepared", "broken"), "launching": ("launched", "broken", "worker_lost"),
    **dict.fromkeys(("running", "pausing", "stopping"), ("worker_completed", "worker_stopped", "worker_paused", "worker_failed",
                                                        "worker_lost", "launched", "broken", "budget_spent")),
    "collecting": ("collected", "nothing_to_collect", "broken", "worker_lost"), "registering": ("registered", "broken"),
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
            assert run.attempts <= MAX_ATTEMPTS
        if run.state in TERMINAL or run.state == "paused":
            assert not holding, f"{signal} brought the run to {run.state} with the machine still held"
        if run.state in ACTIVE and run.state != "queued":
            assert adopt(run.state), f"a new engine would forget a run in {run.state}"


def test_a_worker_that_makes_progress_may_die_any_number_of_times() -> None:
    run = a_run().model_copy(update={"state": "running", "attempts": 1})
    for number in range(1, 20):
        run = run.model_copy(update={"step": number})
        decision = step(run, "worker_lost")
        assert decision.effects == ("launch",)
        run = run.model_copy(update={**decision.changes, "state": "running", "attempts": decision.changes["attempts"] + 1,
                                     "launch_step": run.step})


def test_a_worker_that_never_gets_anywhere_is_given_up_with_a_reason_and_a_change_to_try() -> None:
    decision = step(a_run().model_copy(update={"state": "running", "attempts": MAX_ATTEMPTS}), "worker_lost")
    assert decision.state == "failed"
    assert decision.changes["failure"].suggestion


def test_every_signal_is_decided_somewhere() -> None:
    heard = {signal for signals in HEARD_IN.values() for signal in signals} | set(PEOPLE)
    assert heard == set(get_args(Signal))
