"""A run on a rented GPU: real training on stand-in machines over real SSH, through the command line, for real faults."""

from __future__ import annotations

import asyncio
import json
import math
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Run
from brightrun_tui.hosts.connection import new_key_pair
from brightrun_tui.store import leases, open_database
from tests.clouds import runpod, vast
from tests.clouds.core import Cloud, Instance
from tests.clouds.server import CloudServer, why_not
from tests.e2e.conftest import Home, wait_until

ENGINE = "brightrun_tui.orchestrator"
PROVIDERS = ["runpod", "vast"]
STEADY = ("training.epochs=6", "training.save_steps=10", "evaluation.eval_steps=100", "evaluation.early_stopping_patience=0",
          "evaluation.sample_prompts=1", "evaluation.max_new_tokens=8", "training.logging_steps=1")
TIMINGS = {
    "BRIGHTRUN_ENGINE_REMOTE_PYTHON": sys.executable, "BRIGHTRUN_ENGINE_LEASE_POLL_SECONDS": "0.3",
    "BRIGHTRUN_ENGINE_REMOTE_POLL_SECONDS": "0.3", "BRIGHTRUN_ENGINE_VERIFY_SECONDS": "0.5",
    "BRIGHTRUN_ENGINE_SILENT_SECONDS": "4", "BRIGHTRUN_ENGINE_FINISH_SECONDS": "30", "BRIGHTRUN_ENGINE_RELEASE_SECONDS": "5",
    "BRIGHTRUN_SSH_CONNECT_SECONDS": "5", "BRIGHTRUN_SSH_RETRY_SECONDS": "0.2", "BRIGHTRUN_SSH_PATIENCE_SECONDS": "4",
    "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive",
}


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    if reason := why_not():
        pytest.skip(reason)
    with CloudServer() as server:
        for name, value in {**server.environment, **TIMINGS}.items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture(scope="module")
def calm() -> dict[str, dict[int, float | None]]:
    """The curve of the first run; every other run of the same settings must have the very same."""
    return {}


def train_words(home: Home, provider: str, settings: tuple[str, ...] = STEADY) -> list[str]:
    words = [word for setting in settings for word in ("--set", setting)]
    return ["train", str(home.data), "--base", str(home.base), "--name", "toy", "--provider", provider, "--budget", "5", "--yes",
            "--json", *words]


def begin(home: Home, provider: str) -> str:
    done = home.command(*train_words(home, provider), "--detach")
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["run"]["id"])


def cloud_of(clouds: CloudServer, provider: str) -> Cloud:
    return clouds.runpod if provider == "runpod" else clouds.vast


def machines(cloud: Cloud) -> list[Instance]:
    return sorted(cloud.instances.values(), key=lambda machine: machine.created)


def books(home: Home, run_id: str) -> list[Lease]:
    async def read() -> list[Lease]:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            return await leases.list_leases(db, run_id=run_id)

    return asyncio.run(read())


def ended(home: Home, run_id: str) -> Run:
    run: Run = wait_until(lambda: (r := home.run(run_id)).state in ("completed", "failed", "stopped") and r, "it ends", 240)
    return run


def check_outcome(home: Home, run_id: str, calm: dict[str, dict[int, float | None]]) -> Run:
    """It completed, its adapter is ours, its machines are returned, and it learnt what every such run learns."""
    run = ended(home, run_id)
    assert run.state == "completed", run.failure
    wait_until(lambda: all(lease.state == "released" for lease in books(home, run_id)), "every machine is returned")
    model = home.json("models", "show", "toy")["model"]
    assert (Path(model["directory"]) / "adapter_model.safetensors").stat().st_size > 1000
    losses = home.losses(run_id)
    assert sorted(losses) == list(range(1, run.total_steps + 1)), "a step was lost or doubled"
    assert losses == calm.setdefault("losses", losses), "it learnt something else than an undisturbed run"
    return home.run(run_id)


def check_cost(cloud: Cloud, run: Run, found: list[Lease]) -> None:
    """Ours and the cloud's own book differ by one billing second of each machine and kind of cost at most."""
    ours, theirs, tolerance = 0.0, 0.0, 1e-9
    for lease in found:
        machine = cloud.instances[lease.provider_id]
        assert not machine.alive
        items = cloud.ledger.items(machine.id)
        theirs += items.get("gpu", 0.0) + items.get("storage", 0.0)
        ours += lease.cost(time.time())
        tolerance += (machine.gpu_rate + machine.storage_rate) / 3600 * 1.999
        assert lease.billed_usd == pytest.approx(math.fsum(items.values()), abs=1e-6), "the provider's own bill is on record"
    assert ours == pytest.approx(theirs, abs=tolerance)
    assert run.cost_usd == pytest.approx(ours)


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_rented_run_comes_home_and_costs_what_the_cloud_says(
        clouds: CloudServer, home: Home, provider: str, calm: dict[str, dict[int, float | None]]) -> None:
    """One command: the model is in the registry, the machine is gone, and the cost is the cloud's to the second."""
    done = home.command(*train_words(home, provider), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    run_id = json.loads(done.stdout)["run"]["id"]
    run = check_outcome(home, run_id, calm)
    cloud = cloud_of(clouds, provider)
    assert len(machines(cloud)) == 1 and not cloud.alive()
    wait_until(lambda: all(lease.billed_usd is not None for lease in books(home, run_id)), "the bill is on record")
    check_cost(cloud, home.run(run.id), books(home, run_id))
    model = home.json("models", "show", "toy")["model"]
    assert model["report"]["cost_usd"] == home.run(run.id).cost_usd == json.loads(
        (Path(model["directory"]) / "report.json").read_text())["cost_usd"], "the report card reads the same ledger"


@pytest.mark.slow
def test_a_box_of_ones_own_trains_and_is_left_as_it_was(clouds: CloudServer, home: Home, tmp_path: Path,
                                                        calm: dict[str, dict[int, float | None]]) -> None:
    """Host, user and key are all it takes; afterwards nothing of the run runs or lies there."""
    box, keys = clouds.do(clouds.make_box("box")), new_key_pair("test")
    box.authorise(keys.public)
    key = tmp_path / "id_ed25519"
    key.write_text(keys.private)
    key.chmod(0o600)
    config = home.root / "config" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(f'[boxes.box]\nhost = "127.0.0.1"\nport = {box.links[0].port}\nuser = "{box.user}"\nkey = "{key}"\n'
                      f'host_key = "{box.host_key}"\n')
    run_id = begin(home, "ssh")
    run = check_outcome(home, run_id, calm)
    assert run.cost_usd == 0
    assert not list((box.home / ".brightrun" / "leases").iterdir())
    wait_until(lambda: not box.processes("brightrun_tui.trainer"), "no worker is left")


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_machine_that_dies_is_replaced_and_nothing_is_learnt_twice(
        clouds: CloudServer, home: Home, provider: str, calm: dict[str, dict[int, float | None]]) -> None:
    """The run goes on elsewhere from the newest checkpoint that was brought home; never two machines at a time."""
    run_id = begin(home, provider)
    directory = home.root / "data" / "runs" / run_id / "checkpoints"
    wait_until(lambda: list(directory.glob("step-*")) and home.run(run_id).step >= 12, "a checkpoint is home", 180)
    cloud = cloud_of(clouds, provider)
    clouds.do(cloud.die(machines(cloud)[0]))
    check_outcome(home, run_id, calm)
    first, second = machines(cloud)
    assert first.gone_at is not None and first.gone_at <= second.created, "two machines were paid at the same time"


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_an_engine_killed_and_started_again_adopts_the_machine(
        clouds: CloudServer, home: Home, provider: str, calm: dict[str, dict[int, float | None]]) -> None:
    """kill -9 and a cut link in the middle of it: the same machine, the same worker, the same curve."""
    run_id = begin(home, provider)
    wait_until(lambda: home.run(run_id).step >= 5, "it trains", 180)
    home.kill(ENGINE)
    cloud = cloud_of(clouds, provider)
    machine = machines(cloud)[0].machine
    assert machine is not None
    for link in machine.links:
        clouds.do(link.cut())
    wait_until(lambda: not home.processes(ENGINE), "the engine is dead")
    assert home.command("engine", "start").returncode == 0
    wait_until(lambda: home.run(run_id).step >= 15, "it follows again")
    for link in machine.links:
        clouds.do(link.cut())
    run = check_outcome(home, run_id, calm)
    assert run.attempts == 1, "the worker was started a second time"
    assert len(machines(cloud)) == 1


@pytest.mark.slow
def test_whoever_waits_for_a_rented_run_may_be_killed(clouds: CloudServer, home: Home,
                                                      calm: dict[str, dict[int, float | None]]) -> None:
    """kill -9 of `brightrun train` in the midst of it: the run goes on, comes home, and its machine is returned."""
    waiting = subprocess.Popen([sys.executable, "-m", "brightrun_tui", *train_words(home, "vast")], env=home.environment,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: machines(clouds.vast) and machines(clouds.vast)[0].stage == "running", "a machine runs", 120)
    finally:
        waiting.kill()
        waiting.wait()
    (run_id,) = [path.name for path in (home.root / "data" / "runs").iterdir()]
    check_outcome(home, run_id, calm)
    assert len(machines(clouds.vast)) == 1 and not clouds.vast.alive()


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_with_the_engine_gone_for_good_the_guard_ends_the_lease(
        clouds: CloudServer, home: Home, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody comes back, ever: the worker finishes, the machine notices the silence and returns itself."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_GUARD_TICK_SECONDS", "0.3")
    monkeypatch.setenv("BRIGHTRUN_ENGINE_GUARD_SILENCE_SECONDS", "12")
    run_id = begin(home, provider)
    wait_until(lambda: home.run(run_id).step >= 2, "it trains", 180)
    home.kill(ENGINE)
    cloud = cloud_of(clouds, provider)
    machine = machines(cloud)[0].machine
    assert machine is not None
    wait_until(lambda: not machine.processes("brightrun_tui.trainer"), "the worker ends", 180)
    trained = cloud.clock.now()
    wait_until(lambda: not cloud.alive(), "the guard returns the machine", 60)
    gone_at = machines(cloud)[0].gone_at
    assert gone_at is not None and gone_at - trained < 25
    assert cloud.ledger.rate_now() == 0


def bad_key(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "wrong-key-123456")
    monkeypatch.setenv("VAST_API_KEY", "wrong-key-123456")


def no_scope(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", runpod.NO_PODS_KEY)
    monkeypatch.setenv("VAST_API_KEY", vast.NO_INSTANCES_KEY)


def no_money(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.prepaid = 0.0


def edge_block(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.faults.set("edge_block")


def down(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.faults.set("api_down")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("trouble", "code"), [(bad_key, 4), (no_scope, 4), (no_money, 3), (edge_block, 4), (down, 4)])
def test_a_refusal_is_one_sentence_the_right_exit_code_and_few_requests(
        clouds: CloudServer, home: Home, provider: str, trouble: object, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is rented, no engine is started, and the provider is asked a handful of times at most."""
    cloud = cloud_of(clouds, provider)
    trouble(cloud, monkeypatch)  # type: ignore[operator]
    done = home.command(*train_words(home, provider))
    assert done.returncode == code, done.stdout + done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["what"] and error["fix"] and "\n" not in error["what"] and "Traceback" not in done.stderr
    assert len(cloud.requests) <= 8, [f"{r.method} {r.path}" for r in cloud.requests]
    assert not cloud.instances and not home.processes(ENGINE)
    assert "wrong-key-123456" not in done.stdout + done.stderr


def test_the_months_limit_refuses_a_run_before_anything_is_rented(clouds: CloudServer, home: Home) -> None:
    """All runs together have a ceiling, too."""
    config = home.root / "config" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[money]\nmonthly_limit_usd = 0.0001\n")
    done = home.command(*train_words(home, "vast"))
    assert done.returncode == 3, done.stdout + done.stderr
    assert json.loads(done.stdout)["error"]["kind"] == "over_month"
    assert not clouds.vast.instances


@pytest.mark.slow
def test_a_lost_book_is_made_up_for_by_reconcile(clouds: CloudServer, home: Home) -> None:
    """The database is gone but for the installation's id: reconcile finds the machine, and the engine returns it."""
    run_id = begin(home, "vast")
    wait_until(lambda: clouds.vast.alive(), "a machine is rented")
    foreign = clouds.vast.add_foreign("somebody-elses-machine")
    home.kill(ENGINE)
    wait_until(lambda: not home.processes(ENGINE), "the engine is dead")
    with sqlite3.connect(home.root / "data" / "brightrun.db") as db:
        for table in ("leases", "runs", "ledger"):
            db.execute(f"DELETE FROM {table}")
    found = home.json("reconcile")["leases"]
    assert [run_id in lease["name"] for lease in found] == [True] and found[0]["price_per_hour"] > 0
    wait_until(lambda: not clouds.vast.alive(), "the machine is returned")
    assert foreign.alive and not foreign.touched
