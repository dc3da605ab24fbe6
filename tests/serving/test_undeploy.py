"""``brightrun undeploy`` always works: whatever became of the engine, and however far the endpoint has come."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from brightrun_tui import serving
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.store import endpoints, open_database
from tests.e2e.conftest import Home
from tests.processes import of_home
from tests.serving.toy import Toy, wait_for

pytestmark = pytest.mark.slow


def stored(home: Home) -> list[Endpoint]:
    async def read() -> list[Endpoint]:
        async with open_database(home.root / "data" / "brightrun.db") as db:
            return await endpoints.list_endpoints(db)

    return asyncio.run(read())


def begin(home: Home) -> Endpoint:
    """Ask for an endpoint, and go as soon as its server process runs."""
    asking = subprocess.Popen(
        [sys.executable, "-m", "brightrun_tui", "deploy", "harbour"],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for(lambda: servers(home), "the server process runs")
    finally:
        asking.kill()
        asking.wait()
    return stored(home)[0]


def servers(home: Home) -> list[psutil.Process]:
    return of_home(home.root, "brightrun_tui.serving")


def signal_engine(home: Home, number: int) -> None:
    for process in home.processes("brightrun_tui.orchestrator"):
        process.send_signal(number)


@pytest.mark.parametrize("end_of_the_engine", ["stopped", "killed"])
def test_an_endpoint_is_undeployed_though_the_engine_had_ended(home: Home, end_of_the_engine: str) -> None:
    endpoint = begin(home)
    if end_of_the_engine == "killed":
        signal_engine(home, signal.SIGKILL)
    else:
        assert home.command("engine", "stop").returncode == 0
    done = home.command("undeploy", endpoint.id)
    assert done.returncode == 0, done.stderr
    assert stored(home)[0].state == "stopped" and not servers(home)


def test_an_engine_that_hangs_or_cannot_start_does_not_keep_an_endpoint_alive(home: Home) -> None:
    endpoint = begin(home)
    signal_engine(home, signal.SIGKILL)
    # A log that is a directory: no engine can start.
    log = next(home.root.rglob("engine.log"))
    log.unlink()
    log.mkdir()
    done = home.command("undeploy", endpoint.id)
    assert done.returncode == 0, done.stderr
    assert "ending the server directly" in done.stderr
    assert stored(home)[0].state == "stopped" and not servers(home)


async def test_what_is_to_stop_does_not_begin_again(home: Home, toy: Toy) -> None:
    """Whoever writes late, an engine that still believes the endpoint to be wanted, does not bring it back."""
    async with open_database(home.root / "data" / "brightrun.db") as db:
        seen = await endpoints.save(
            db,
            Endpoint(
                id="e", model="harbour", model_version=1, state="ready", directory="/d", created_at=1.0, updated_at=1.0
            ),
        )
        await endpoints.advance(db, seen, state="stopping")
        assert (await endpoints.advance(db, seen, state="ready", requests=3)).state == "stopping"
        assert (await endpoints.advance(db, seen, state="stopped")).requests == 3
        for late in ("starting", "ready", "failed", "stopping"):
            assert (await endpoints.advance(db, seen, state=late)).state == "stopped"


def test_a_process_that_took_over_a_pid_is_never_ended(tmp_path: Path) -> None:
    """What is ended is found by what it was started with: a state file that names another process harms nobody."""
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        started = psutil.Process(bystander.pid).create_time()
        serving.ServerState(
            status="ready", url="", port=1, pid=bystander.pid, pid_started=started, worker_pid=bystander.pid
        ).write(tmp_path)
        asyncio.run(serving.stop(tmp_path))
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
