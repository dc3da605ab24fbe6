"""A run on a rented GPU: real training on stand-in machines over real SSH, through the command line, for real faults."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from brightrun_tui.hosts.connection import new_key_pair
from tests.clouds import runpod, vast
from tests.clouds.core import Cloud
from tests.clouds.server import CloudServer
from tests.e2e.conftest import Home, UntaughtWorker, wait_until
from tests.e2e.renting import (
    ENGINE,
    PROVIDERS,
    begin,
    books,
    check_cost,
    check_outcome,
    cloud_of,
    machines,
    train_words,
)

TRAINER = "brightrun_tui.trainer"


@pytest.mark.slow
def test_a_rented_run_comes_home_and_costs_what_the_cloud_says(clouds: CloudServer, home: Home) -> None:
    """One command: the model is in the registry, the machine is gone, and the cost is the cloud's to the second."""
    check_one_command(clouds, home, "runpod", {})


@pytest.mark.slow
def test_the_other_cloud_is_paid_what_it_says_too(clouds: CloudServer, home: Home, untaught: UntaughtWorker) -> None:
    """With its own prices, bills and names for things; that a machine of it trains, the app shows."""
    check_one_command(clouds, home, "vast", untaught.calm)


def check_one_command(clouds: CloudServer, home: Home, provider: str, calm: dict[str, dict[int, float | None]]) -> None:
    done = home.command(*train_words(home, provider), timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    run_id = json.loads(done.stdout)["run"]["id"]
    run = check_outcome(home, run_id, calm)
    cloud = cloud_of(clouds, provider)
    assert len(machines(cloud)) == 1 and not cloud.alive()
    wait_until(lambda: all(lease.billed_usd is not None for lease in books(home, run_id)), "the bill is on record")
    check_cost(cloud, home.run(run.id), books(home, run_id))
    assert "packages are ready" in home.command("runs", "logs", run_id).stdout, (
        "what the machine's setup printed is home, too"
    )
    assert [notice.code for notice in run.notices] == ["first_step"]
    model = home.json("models", "show", "toy")["model"]
    assert (
        model["report"]["cost_usd"]
        == home.run(run.id).cost_usd
        == json.loads((Path(model["directory"]) / "report.json").read_text())["cost_usd"]
    ), "the report card reads the same ledger"


@pytest.mark.slow
def test_a_box_of_ones_own_trains_on_each_of_its_gpus_and_is_left_as_it_was(
    clouds: CloudServer, home: Home, untaught: UntaughtWorker, tmp_path: Path
) -> None:
    """Host, user and key are all it takes for two runs at once; afterwards nothing of them is left."""
    untaught.hold(3)
    box, keys = clouds.do(clouds.make_box("box", gpus=2)), new_key_pair("test")
    box.authorise(keys.public)
    key = tmp_path / "id_ed25519"
    key.write_text(keys.private)
    key.chmod(0o600)
    config = home.root / "config" / "config.toml"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        f'[boxes.box]\nhost = "127.0.0.1"\nport = {box.links[0].port}\nuser = "{box.user}"\nkey = "{key}"\n'
        f'host_key = "{box.host_key}"\n'
    )
    gpus = ["GPU-standin-0", "GPU-standin-1"]
    run_ids = [begin(home, "ssh") for _ in gpus]

    def seen() -> list[str]:
        found = set()
        for worker in box.processes(TRAINER):
            with suppress(psutil.Error):
                found.add(worker.environ().get("CUDA_VISIBLE_DEVICES", "all"))
        return sorted(found)

    wait_until(lambda: seen() == gpus, "both are at work, each with a GPU of its own", 180)
    untaught.go_on()
    assert [check_outcome(home, run_id, untaught.calm).cost_usd for run_id in run_ids] == [0, 0]
    assert sorted(books(home, run_id)[0].gpu_id for run_id in run_ids) == gpus
    assert not list((box.home / ".brightrun" / "leases").iterdir())
    wait_until(lambda: not box.processes(TRAINER), "no worker is left")


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


Trouble = Callable[[Cloud, pytest.MonkeyPatch], None]


def down(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.faults.set("api_down")


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(("trouble", "code"), [(bad_key, 4), (no_scope, 4), (no_money, 3), (edge_block, 4), (down, 4)])
def test_a_refusal_is_one_sentence_the_right_exit_code_and_few_requests(
    clouds: CloudServer, home: Home, provider: str, trouble: Trouble, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is rented, no engine is started, and the provider is asked a handful of times at most."""
    cloud = cloud_of(clouds, provider)
    trouble(cloud, monkeypatch)
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
def test_a_lost_book_is_made_up_for_by_reconcile(clouds: CloudServer, home: Home, untaught: UntaughtWorker) -> None:
    """The database is gone but for the installation's id: reconcile finds the machine, and the engine returns it."""
    untaught.hold(3)
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
