"""A server that hangs is found out, ended and started again by whoever looks after its endpoint."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from brightrun_tui import serving
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.orchestrator import endpoints as watching
from brightrun_tui.orchestrator.endpoints import EndpointWatcher
from brightrun_tui.orchestrator.timings import EngineTimings
from brightrun_tui.paths import Paths
from brightrun_tui.process import lives
from brightrun_tui.store import endpoints, open_database

SERVER = """
import http.server, os, pathlib, sys
from brightrun_tui.serving.state import ServerState
from brightrun_tui.process import born
class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("content-length", "0"); self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", 0), Well)
port = server.server_address[1]
url = f"http://127.0.0.1:{port}/v1"
state = ServerState(status="ready", url=url, port=port, pid=os.getpid(), pid_started=born(os.getpid()))
state.write(pathlib.Path(sys.argv[-1]))
server.serve_forever()
"""


class Watcher(EndpointWatcher):
    """Of a server that has no model."""

    async def _prepare(self) -> bool:
        return True

    async def _start_server(self) -> int:
        words = [sys.executable, "-c", SERVER, "brightrun_tui.serving", str(self.directory)]
        self.servers.append(await asyncio.to_thread(subprocess.Popen, words))
        return self.servers[-1].pid

    async def _become_ready(self) -> bool:
        if ready := await serving.healthy(self.directory, 1.0):
            await self._save(state="ready")
        return ready

    servers: list[subprocess.Popen[bytes]]


@pytest.fixture
def servers() -> Iterator[list[subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for one in started:
        one.kill()
        one.wait()


async def test_a_server_that_is_stopped_in_its_tracks_is_ended_and_another_one_started(
    tmp_path: Path, servers: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was called ready for ever, and every request to it hung."""
    for name, seconds in (("LOOK_EVERY_SECONDS", 0.05), ("ANSWER_SECONDS", 0.5), ("HUNG_GRACE_SECONDS", 0.1)):
        monkeypatch.setattr(watching, name, seconds)
    paths = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "cache", tmp_path / "logs")
    directory = tmp_path / "data" / "endpoints" / "e"
    directory.mkdir(parents=True)
    async with open_database(paths.database) as db:
        endpoint = Endpoint(
            id="e",
            model="m",
            model_version=1,
            directory=str(directory),
            state="starting",
            created_at=0.0,
            updated_at=0.0,
        )
        await endpoints.save(db, endpoint)
        watcher = Watcher(db, paths, EngineTimings(endpoint_poll_seconds=0.05), endpoint)
        watcher.servers = servers
        task = asyncio.create_task(watcher.keep())

        async def until(fact: str, number: int) -> None:
            deadline = time.monotonic() + 60
            while (
                len(servers) < number or not await serving.healthy(directory, 1.0) or watcher.endpoint.state != "ready"
            ):
                assert time.monotonic() < deadline, f"it did not become true that {fact}"
                await asyncio.sleep(0.02)

        await until("it serves", 1)
        os.kill(servers[0].pid, signal.SIGSTOP)
        await until("another one serves", 2)
        assert not lives(servers[0].pid)
        watcher.leave.set()
        await asyncio.wait_for(task, 60)
        assert watcher.endpoint.state == "stopped" and not lives(servers[1].pid)
