"""A machine with four GPUs: four runs at once, each on its own, whatever is killed, paused or started again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Home, UntaughtWorker, wait_until
from tests.gpus.pretend import GB, PretendGpus, pretend_gpus
from tests.processes import words_of

ENGINE, WORKER = "brightrun_tui.orchestrator", "brightrun_tui.trainer"
NOT_4_BIT = "quantisation.method=none"


@pytest.fixture
def gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PretendGpus]:
    gpus = pretend_gpus(tmp_path / "driver")
    for name, value in gpus.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield gpus


def worker_of(home: Home, run_id: str) -> int:
    """The process of a run's worker; raises FileNotFoundError while one is replaced by the next."""
    return int((Path(home.run(run_id).directory) / "worker.pid").read_text())


def seen_by(home: Home, run_id: str) -> str:
    """The GPU that the worker of a run sees; empty while there is none at work."""
    try:
        process = psutil.Process(worker_of(home, run_id))
        alive = process.status() != psutil.STATUS_ZOMBIE and any(WORKER in word for word in words_of(process))
        return process.environ().get("CUDA_VISIBLE_DEVICES", "all") if alive else ""
    except (OSError, ValueError, psutil.Error):
        return ""


def trains(home: Home, run_id: str) -> str:
    """The GPU of a run that trains, as its worker sees it and as the store has it."""
    run = home.run(run_id)
    assert run.state not in ("failed", "stopped", "completed"), run.failure
    seen = seen_by(home, run_id)
    return seen if run.state == "running" and run.step and seen == run.gpu_id else ""


@pytest.mark.slow
def test_four_runs_have_a_gpu_each_and_the_rest_wait_for_one(
    gpus: PretendGpus, home: Home, untaught_here: UntaughtWorker
) -> None:
    untaught_here.hold(6)
    ids = gpus.cards(4, used={1: 12 * GB})
    first = [home.start_training(NOT_4_BIT) for _ in range(2)]
    chosen = home.start_training(NOT_4_BIT, "machine.gpus=3")
    where = {run: wait_until(partial(trains, home, run), "it trains", 180) for run in (*first, chosen)}
    assert where[chosen] == ids[3] and sorted(where.values()) == [ids[0], ids[2], ids[3]]

    fourth, fifth = home.start_training(NOT_4_BIT), home.start_training(NOT_4_BIT, "machine.gpus=3")
    words = wait_until(lambda: home.run(fourth).phase_detail, "it says what it waits for")
    assert "0 busy with run toy" in words and "1 used by another process (11.2 GiB)" in words
    gpus.cards(4)
    where[fourth] = wait_until(lambda: trains(home, fourth), "it has the GPU that somebody has left", 120)
    assert where[fourth] == ids[1]

    # one is killed, the engine too: all are where they were, and nobody else is there
    sixth = home.start_training(NOT_4_BIT)
    home.kill(ENGINE)
    before = worker_of(home, first[0])
    os.kill(before, signal.SIGKILL)
    home.command("engine", "start")
    wait_until(lambda: trains(home, first[0]) and worker_of(home, first[0]) != before, "it goes on", 120)
    assert {run: trains(home, run) for run in where} == where
    assert [home.run(run).state for run in (fifth, sixth)] == ["queued", "queued"]

    # the queue is reordered; one is paused, and its GPU goes to the run that waits for it, in the queue's order
    assert home.json("runs", "move", sixth, "first")["queue"] == [sixth, fifth]
    home.json("runs", "pause", chosen)
    assert wait_until(lambda: trains(home, sixth), "it has the GPU of the paused one", 120) == ids[3]
    assert home.run(fifth).state == "queued" and not seen_by(home, chosen)
    for run in (*first, fourth, sixth, fifth):
        home.command("runs", "stop", run, "--force", "--yes")
    wait_until(lambda: not home.processes(WORKER), "no worker is left")
