"""Any of the processes may be killed with -9 at any moment, alone or together, and nothing is lost."""

from __future__ import annotations

from functools import partial

import pytest

from brightrun_tui.domain.run import Run
from tests.e2e.conftest import Home, wait_until

ENGINE, WORKER = "brightrun_tui.orchestrator", "brightrun_tui.trainer"
STEADY = (
    "training.epochs=10",
    "training.save_steps=20",
    "evaluation.eval_steps=100",
    "evaluation.early_stopping_patience=0",
    "evaluation.sample_prompts=1",
    "evaluation.max_new_tokens=8",
    "training.logging_steps=1",
)


@pytest.fixture(scope="module")
def calm() -> dict[str, dict[int, float | None]]:
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("victims", [(), (WORKER,), (WORKER, ENGINE)], ids=["nobody", "worker", "both"])
def test_a_run_survives_kill_9_with_the_very_same_curve(
    home: Home, victims: tuple[str, ...], calm: dict[str, dict[int, float | None]]
) -> None:
    run_id = home.start_training(*STEADY)
    wait_until(lambda: home.run(run_id).step >= 20, "it trains")
    for victim in victims:
        home.kill(victim)
    if ENGINE in victims:
        wait_until(lambda: not home.processes(ENGINE), "the engine is dead")
        assert home.command("engine", "start").returncode == 0
    run = wait_until(lambda: (r := home.run(run_id)).state in ("completed", "failed", "stopped") and r, "it ends")
    assert run.state == "completed", run.failure
    losses = home.losses(run_id)
    assert sorted(losses) == list(range(1, run.total_steps + 1)), "a step was lost"
    assert losses == calm.setdefault("losses", losses), "the interrupted run learnt something else than the calm one"
    models = home.json("models")["models"]
    assert [(m["name"], m["version"]) for m in models] == [("toy", 1)]
    wait_until(lambda: not home.processes(ENGINE) and not home.processes(WORKER), "nothing is left running")


@pytest.mark.slow
def test_pause_resume_and_stop_keep_what_was_learnt(home: Home) -> None:
    run_id = home.start_training(*STEADY)
    wait_until(lambda: home.run(run_id).step >= 10, "it trains")
    assert home.command("runs", "pause", run_id).returncode == 0
    wait_until(lambda: home.run(run_id).state == "paused", "it is paused")
    wait_until(lambda: not home.processes(WORKER), "the machine is free")
    paused_at = home.run(run_id).step
    assert home.command("runs", "resume", run_id).returncode == 0
    wait_until(lambda: home.run(run_id).step > paused_at + 5, "it goes on")
    assert home.command("runs", "stop", run_id).returncode == 0
    run = wait_until(lambda: (r := home.run(run_id)).state in ("completed", "failed", "stopped") and r, "it ends")
    assert run.state == "stopped"
    assert (run.model, run.model_version) == ("toy", 1), "what was learnt so far is a model"
    assert sorted(home.losses(run_id)) == list(range(1, run.step + 1))


def ended(home: Home, run_id: str) -> Run | None:
    run = home.run(run_id)
    return run if run.state in ("completed", "failed") else None


@pytest.mark.slow
def test_the_same_name_again_makes_the_next_version_and_both_stay(home: Home) -> None:
    quick = ("training.max_steps=5", "evaluation.sample_prompts=1", "evaluation.max_new_tokens=4")
    for expected in (1, 2):
        run_id = home.start_training(*quick)
        run = wait_until(partial(ended, home, run_id), "it ends")
        assert (run.state, run.model_version) == ("completed", expected)
    assert {m["version"] for m in home.json("models")["models"]} == {1, 2}
