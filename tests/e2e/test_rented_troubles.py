"""What dies while a rented run is on: the machine, the engine, whoever waits. Nothing is lost and nothing is paid for twice."""

from __future__ import annotations

import json
import sys

import pytest

from tests.clouds.server import CloudServer
from tests.e2e.conftest import Home, UntaughtWorker, wait_until
from tests.e2e.renting import (
    ENGINE,
    PROVIDERS,
    begin,
    check_outcome,
    cloud_of,
    ended,
    machine_of,
    machines,
    train_words,
)

TRAINER = "brightrun_tui.trainer"


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["runpod"])
def test_a_machine_that_dies_is_replaced_and_nothing_is_learnt_twice(
    clouds: CloudServer, home: Home, provider: str, calm: dict[str, dict[int, float | None]]
) -> None:
    """The run goes on elsewhere from the newest checkpoint that was brought home; never two machines at a time."""
    run_id = begin(home, provider)
    directory = home.root / "data" / "runs" / run_id / "checkpoints"
    wait_until(lambda: list(directory.glob("step-*")) and home.run(run_id).step >= 12, "a checkpoint is home", 180)
    cloud = cloud_of(clouds, provider)
    clouds.do(cloud.die(machines(cloud)[0]))
    check_outcome(home, run_id, calm)
    first, second = machines(cloud)
    assert first.gone_at is not None and first.gone_at <= second.created, "two machines were paid at the same time"
    told = [home.json("runs", "logs", run_id, "--machine", which)["events"] for which in ("1", "2")]
    steps = [[event["data"]["step"] for event in events if event["kind"] == "metric"] for events in told]
    assert steps[0][0] == 1 and steps[1][0] > 1, "each machine tells of its own steps only"
    assert max(steps[1]) == max(calm["losses"])
    assert str(first.id) in home.command("runs", "logs", run_id, "--machine", "1").stdout


@pytest.mark.slow
def test_a_machine_that_is_stopped_is_started_again_with_what_is_on_it(
    clouds: CloudServer, home: Home, untaught: UntaughtWorker
) -> None:
    """Whoever stopped it (its guard, long before we can know): a finished model may be on it, so it is not simply replaced."""
    untaught.hold(5)
    run_id = begin(home, "vast")
    wait_until(lambda: home.run(run_id).step >= 5, "it trains", 180)
    clouds.do(clouds.vast.stop(machines(clouds.vast)[0]))
    untaught.go_on()
    run = check_outcome(home, run_id, untaught.calm)
    assert len(machines(clouds.vast)) == 1 and not clouds.vast.alive()
    assert any(notice.code == "machine_kept" for notice in run.notices)


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["vast"])
def test_an_engine_killed_and_started_again_adopts_the_machine(
    clouds: CloudServer, home: Home, provider: str, calm: dict[str, dict[int, float | None]]
) -> None:
    """kill -9 and a cut link in the middle of it: the same machine, the same worker, the same curve. Changes reach it there."""
    run_id = begin(home, provider)
    wait_until(lambda: home.run(run_id).step >= 5, "it trains", 180)
    cloud = cloud_of(clouds, provider)
    machine = machine_of(cloud)
    workers = machine.processes(TRAINER)  # it and the shell that waits for it
    for process in workers:
        process.suspend()  # so that it is still at it when the change comes, however busy this computer is
    home.kill(ENGINE)
    for link in machine.links:
        clouds.do(link.cut())
    wait_until(lambda: not home.processes(ENGINE), "the engine is dead")
    assert home.command("engine", "start").returncode == 0
    rate = home.run(run_id).spec.settings.training.learning_rate
    changed = home.command("runs", "change", run_id, "--set", f"training.learning_rate={rate!r}", "--budget", "6")
    assert changed.returncode == 0, changed.stderr
    wait_until((machine.home / ".brightrun/run/control/changes.json").exists, "the change is on the machine")
    for process in workers:
        process.resume()
    wait_until(lambda: home.run(run_id).changes[0].step, "the worker says from which step on the change holds")
    for link in machine.links:
        clouds.do(link.cut())
    run = check_outcome(home, run_id, calm)
    assert run.attempts == 1, "the worker was started a second time"
    assert run.limits.budget_usd == 6 and (run.changes[0].step or 0) >= 5
    assert len(machines(cloud)) == 1


@pytest.mark.slow
def test_whoever_waits_for_a_rented_run_may_be_killed(
    clouds: CloudServer, home: Home, untaught: UntaughtWorker
) -> None:
    """kill -9 of `brightrun train` in the midst of it: the run goes on, comes home, and its machine is returned."""
    waiting = home.begin(*train_words(home, "vast"))
    try:
        wait_until(lambda: machines(clouds.vast) and machines(clouds.vast)[0].stage == "running", "a machine runs", 120)
    finally:
        waiting.kill()
        waiting.wait()
    (run_id,) = [path.name for path in (home.root / "data" / "runs").iterdir()]
    check_outcome(home, run_id, untaught.calm)
    assert len(machines(clouds.vast)) == 1 and not clouds.vast.alive()


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_laptop_closed_for_the_night_finds_its_model_in_the_morning(
    clouds: CloudServer, home: Home, provider: str, untaught: UntaughtWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker finishes while nobody is there: its machine is kept, for little money where that can be had, and the next
    engine brings the model home and returns the machine. Nothing is rented or trained a second time."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_GUARD_TICK_SECONDS", "0.3")
    monkeypatch.setenv("BRIGHTRUN_ENGINE_GUARD_SILENCE_SECONDS", "6")
    untaught.hold(2)
    run_id = begin(home, provider)
    wait_until(lambda: home.run(run_id).step >= 2, "it trains", 180)
    home.kill(ENGINE)
    untaught.go_on()
    cloud = cloud_of(clouds, provider)
    machine = machine_of(cloud)
    guard = machine.home / ".brightrun" / "guard.json"
    wait_until(
        lambda: guard.exists() and json.loads(guard.read_text())["state"] == "keeping",
        "the guard keeps the machine",
        180,
    )
    if provider == "vast":
        wait_until(lambda: machines(cloud)[0].stage == "stopped", "the machine is stopped")
    assert cloud.alive() and home.run(run_id).state == "running"
    assert home.command("engine", "start").returncode == 0
    run = check_outcome(home, run_id, untaught.calm)
    assert run.attempts == 1 and len(machines(cloud)) == 1 and not cloud.alive()


@pytest.mark.slow
def test_a_rented_gpu_that_is_not_fit_gets_no_data_and_is_replaced(
    clouds: CloudServer, home: Home, untaught: UntaughtWorker
) -> None:
    """It computes wrongly: the machine goes back before anything is sent to it, the next one trains, and the run says why."""
    clouds.vast.faults.set("gpu_unfit", count=1, value="a matrix product is wrong by 40.0%")
    run = check_outcome(home, begin(home, "vast", "--gpu", "RTX 4090"), untaught.calm)
    first, second = machines(clouds.vast)
    assert first.offer["machine_id"] != second.offer["machine_id"]
    assert any("wrong by 40.0%" in notice.message for notice in run.notices)
    assert '"faults":["a matrix product is wrong by 40.0%"]' in home.command("runs", "logs", run.id).stdout.replace(
        '": ', '":'
    ), "what the check printed there is home, too"


@pytest.mark.slow
def test_no_run_trains_on_the_processor_of_a_machine_that_was_rented_for_its_gpu(
    clouds: CloudServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nvidia-smi shows a GPU and torch sees none, as with a driver too old: the real check says so, on every one of them."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_REMOTE_PYTHON", sys.executable)
    monkeypatch.setenv("BRIGHTRUN_ENGINE_CAPACITY_SECONDS", "1")
    run = ended(home, begin(home, "vast", "--gpu", "RTX 4090"))
    assert run.state == "failed" and run.failure is not None and run.step == 0
    assert "sees no GPU" in run.failure.cause and len(machines(clouds.vast)) == 2
    wait_until(lambda: not clouds.vast.alive(), "every machine is returned")
    assert len({machine.offer["machine_id"] for machine in machines(clouds.vast)}) == len(machines(clouds.vast))
