"""Renting through the command line, for tests: the stand-in clouds, a run on them, and what must be true of it after."""

from __future__ import annotations

import asyncio
import json
import math
import time
from pathlib import Path

import pytest

from brightrun_tui.domain.money import Lease
from brightrun_tui.domain.run import Run
from brightrun_tui.store import leases, open_database
from tests.clouds.core import Cloud, Instance
from tests.clouds.machine import Machine
from tests.clouds.server import CloudServer
from tests.e2e.conftest import Home, wait_until

ENGINE = "brightrun_tui.orchestrator"
PROVIDERS = ["runpod", "vast"]
STEADY = (
    "training.epochs=6",
    "training.save_steps=10",
    "evaluation.eval_steps=100",
    "evaluation.early_stopping_patience=0",
    "evaluation.sample_prompts=1",
    "evaluation.max_new_tokens=8",
    "training.logging_steps=1",
)


def train_words(home: Home, provider: str, settings: tuple[str, ...] = STEADY) -> list[str]:
    words = [word for setting in settings for word in ("--set", setting)]
    return [
        "train",
        str(home.data),
        "--base",
        str(home.base),
        "--name",
        "toy",
        "--provider",
        provider,
        "--budget",
        "5",
        "--yes",
        "--json",
        *words,
    ]


def begin(home: Home, provider: str, *words: str) -> str:
    done = home.command(*train_words(home, provider), "--detach", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(json.loads(done.stdout)["run"]["id"])


def cloud_of(clouds: CloudServer, provider: str) -> Cloud:
    return clouds.runpod if provider == "runpod" else clouds.vast


def machines(cloud: Cloud) -> list[Instance]:
    return sorted(cloud.instances.values(), key=lambda machine: machine.created)


def machine_of(cloud: Cloud) -> Machine:
    """What runs behind the first machine that was rented."""
    machine = machines(cloud)[0].machine
    assert machine is not None
    return machine


def books(home: Home, run_id: str) -> list[Lease]:
    async def read() -> list[Lease]:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            return await leases.list_leases(db, run_id=run_id)

    return asyncio.run(read())


def ended(home: Home, run_id: str) -> Run:
    run: Run = wait_until(
        lambda: (r := home.run(run_id)).state in ("completed", "failed", "stopped") and r, "it ends", 240
    )
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
    """What we count differs from the cloud's own book, traffic included, by one billing second of each machine and kind of
    cost, and a cent for traffic, at most; with the bill there is no difference."""
    ours, theirs, tolerance = 0.0, 0.0, 1e-9
    for lease in found:
        machine = cloud.instances[lease.provider_id]
        assert not machine.alive
        items = cloud.ledger.items(machine.id)
        theirs += math.fsum(items.values())
        spending = lease.spending(time.time())
        by_the_second = items.get("gpu", 0.0) + items.get("storage", 0.0)
        second = (machine.gpu_rate + machine.storage_rate) / 3600 * 1.999
        assert spending.machine + spending.storage == pytest.approx(by_the_second, abs=second + 1e-9)
        assert spending.counted == pytest.approx(math.fsum(items.values()), abs=second + 0.01)
        ours += spending.total
        tolerance += 1e-6
        assert lease.billed_usd == pytest.approx(math.fsum(items.values()), abs=1e-6), (
            "the provider's own bill is on record"
        )
    assert ours == pytest.approx(theirs, abs=tolerance)
    assert run.cost_usd == pytest.approx(ours)
