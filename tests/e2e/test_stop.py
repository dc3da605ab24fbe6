"""A worker that hangs is stopped all the same, here and on a rented machine; each step can be seen, and nothing is lost."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.clouds.machine import GPU_CHECK
from tests.clouds.server import CloudServer
from tests.e2e.conftest import Home, UntaughtWorker, wait_until
from tests.e2e.renting import begin, books
from tests.orchestrator.workers import DEAF, SCRIPT

WORKER = "brightrun_tui.trainer"


@pytest.mark.slow
def test_a_hung_worker_is_stopped_from_the_command_line_and_goes_on_after_a_retry(
    home: Home, untaught_here: UntaughtWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP of the worker. Stopped once, by time; the retry goes on from its checkpoint; stopped with --force."""
    monkeypatch.setenv("BRIGHTRUN_ENGINE_ANSWER_SECONDS", "8")
    monkeypatch.setenv("BRIGHTRUN_ENGINE_STOP_SECONDS", "2")
    untaught_here.hold(13)
    run_id = home.start_training()
    wait_until(lambda: home.run(run_id).step == 13, "it trains")
    (worker,) = home.processes(WORKER)
    worker.send_signal(signal.SIGSTOP)
    assert home.json("runs", "stop", run_id)["ending"] == "asked"
    shown = wait_until(
        lambda: "does not answer" in (out := home.command("runs", "show", run_id).stdout) and out, "it is seen"
    )
    assert "asked to stop" in shown and "it is ended in" in shown
    run = wait_until(lambda: (r := home.run(run_id)).state == "stopped" and r, "it is stopped")
    assert not home.processes(WORKER) and run.failure is None
    assert run.step == 13
    untaught_here.hold(19)
    assert home.command("runs", "retry", run_id).returncode == 0
    wait_until(lambda: home.run(run_id).step == 19, "it goes on")
    done = home.command("runs", "stop", run_id, "--force", "--yes")
    assert "is killed; its newest checkpoint stays" in done.stdout + done.stderr
    run = wait_until(lambda: (r := home.run(run_id)).state == "stopped" and r, "it is stopped")
    assert sorted(home.losses(run_id)) == list(range(1, run.step + 1))


@pytest.mark.slow
def test_a_hung_worker_on_a_rented_machine_is_stopped_and_the_machine_returned(
    clouds: CloudServer, home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It computes nothing, says nothing and ignores SIGTERM; nothing but the stop is asked for, once."""
    script = tmp_path / "hung.py"
    script.write_text(SCRIPT + DEAF)
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$1" = "-c" ] && exit 0\n{GPU_CHECK}cd "$3" && exec {sys.executable} -S {script}\n'
    )
    python.chmod(0o755)
    for name, value in (
        ("REMOTE_PYTHON", str(python)),
        ("ANSWER_SECONDS", "2"),
        ("STOP_SECONDS", "2"),
        ("FINISH_SECONDS", "6"),
    ):
        monkeypatch.setenv(f"BRIGHTRUN_ENGINE_{name}", value)
    run_id = begin(home, "vast")
    wait_until(lambda: home.run(run_id).step == 3, "it trains", 120)
    assert home.json("runs", "stop", run_id)["state"] == "stopping"
    run = wait_until(lambda: (r := home.run(run_id)).state in ("stopped", "failed") and r, "it is stopped")
    assert (run.state, run.ending) == ("stopped", "killed")
    wait_until(lambda: all(lease.state == "released" for lease in books(home, run_id)), "its machine is returned")
    assert not clouds.vast.alive()
