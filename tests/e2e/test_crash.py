"""Any of the processes may be killed with -9 at any moment, alone or together, and nothing is lost."""

from __future__ import annotations

from functools import partial

import pytest

from tests.e2e.conftest import Home, wait_until

ENGINE, WORKER = "brightrun_tui.orchestrator", "brightrun_tui.trainer"
STEADY = (
    "training.epochs=5",
    "training.save_steps=20",
    "evaluation.eval_steps=100",
    "evaluation.early_stopping_patience=0",
    "evaluation.sample_prompts=1",
    "evaluation.max_new_tokens=8",
    "training.logging_steps=1",
    "training.learning_rate=2e-3",
    "quantisation.method=nf4",
)
RECORDED = [5.7910, 5.8996, 5.8487, 5.7428, 5.5344]
"""Training losses of steps 1 to 4 and of the last: the same seed, data and base give the same to three digits, on any machine."""


@pytest.mark.slow
def test_a_run_survives_kill_9_and_a_pause_with_the_very_same_curve(home: Home) -> None:
    """As the run before it that nothing happens to, which is the recorded one. Both have a name, so each is a version of it.
    While it is paused the machine is free."""
    calm = home.start_training(*STEADY)
    check_ended(home, calm, version=1)
    losses = home.losses(calm)
    assert [losses[step] for step in (1, 2, 3, 4, len(losses))] == pytest.approx(RECORDED, abs=2e-3)

    run_id = home.start_training(*STEADY)
    killed: set[int] = set()
    for step, victims in ((20, [WORKER]), (30, [WORKER, ENGINE])):
        killed |= wait_until(partial(another_at_work, home, run_id, step, killed), "it trains")
        for victim in victims:
            home.kill(victim)
    wait_until(lambda: not home.processes(ENGINE), "the engine is dead")
    assert home.command("engine", "start").returncode == 0
    wait_until(partial(another_at_work, home, run_id, 40, killed), "it trains")
    assert home.command("runs", "pause", run_id).returncode == 0
    wait_until(lambda: home.run(run_id).state == "paused", "it is paused")
    wait_until(lambda: not home.processes(WORKER), "the machine is free")
    assert home.command("runs", "resume", run_id).returncode == 0
    check_ended(home, run_id, version=2)
    assert not list((home.root / "data" / "runs" / run_id).glob(".events*")), "a part of what it said is left over"
    assert home.losses(run_id) == losses, "the interrupted run learnt something else than the calm one"
    assert {(m["name"], m["version"]) for m in home.json("models")["models"]} == {("toy", 1), ("toy", 2)}
    wait_until(lambda: not home.processes(ENGINE) and not home.processes(WORKER), "nothing is left running")


def another_at_work(home: Home, run_id: str, steps: int, former: set[int]) -> set[int]:
    """The worker, once there is another one than the former and so many steps are done."""
    return {process.pid for process in home.processes(WORKER)} - former if home.run(run_id).step >= steps else set()


def check_ended(home: Home, run_id: str, *, version: int) -> None:
    run = wait_until(lambda: (r := home.run(run_id)).state in ("completed", "failed", "stopped") and r, "it ends")
    assert (run.state, run.model_version) == ("completed", version), run.failure
    assert sorted(home.losses(run_id)) == list(range(1, run.total_steps + 1)), "a step was lost"
