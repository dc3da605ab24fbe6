"""Starting, finding again, questioning and ending the server process. It outlives whoever started it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from brightrun_tui.domain.errors import EngineError
from brightrun_tui.serving.state import STATE_FILE, alive, read_state

LOG = "server.log"
MAX_LOG_BYTES = 10 << 20

# Nothing else is handed down: a credential in the caller's environment is none of the server's business.
_KEPT = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT")
_KEPT_PREFIXES = ("LC_", "XDG_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "BRIGHTRUN_HOME", "BRIGHTRUN_LOG")


def command(directory: Path) -> list[str]:
    """The server process for a prepared directory. No secret is in it; run it with `environment`."""
    return [sys.executable, "-P", "-m", "brightrun_tui.serving", str(directory)]


def environment() -> dict[str, str]:
    """The environment of the server process: an allow-list of the caller's, and how threads wait.

    ``OMP_WAIT_POLICY`` must be set before torch is imported: spinning threads cost a factor of five on few cores.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    package = str(Path(__file__).resolve().parents[2])
    return {"OMP_WAIT_POLICY": "passive"} | kept | {
        "PYTHONPATH": package, "PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


def start(directory: Path) -> int:
    """Start the server process, detached; its pid. Its output goes to ``server.log``.

    A second one for the same directory ends by itself at once (they share a lock).

    Raises:
        EngineError: it could not be started.
    """
    log = directory / LOG
    try:
        if not alive(directory):
            (directory / STATE_FILE).unlink(missing_ok=True)
        if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            return subprocess.Popen(command(directory), cwd=directory, env=environment(), stdin=subprocess.DEVNULL,
                                    stdout=output, stderr=subprocess.STDOUT, start_new_session=True).pid
    except OSError as error:
        raise EngineError(f"the server process did not start ({error.strerror or error})", where=str(directory),
                          kind="server_not_started") from None


async def stop(directory: Path, *, grace: float = 10.0) -> None:
    """End the server process and its worker; after ``grace`` seconds without mercy. Fine when it is already gone.

    It need not have said anything yet: it takes seconds from its start to its first ``state.json``.
    """
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        servers = await asyncio.to_thread(_servers, directory)
        for server in servers:
            with suppress(psutil.NoSuchProcess):
                server.send_signal(number)
        deadline = time.monotonic() + patience
        while any(_runs_for(server.pid, directory) for server in servers) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
    state = read_state(directory)
    if state is not None and state.worker_pid is not None:
        await _wait_for_worker(state.worker_pid, directory)


def _servers(directory: Path) -> list[psutil.Process]:
    """The server processes of this endpoint: one, or for a moment a second that will find the first one's lock."""
    tail = command(directory)[-2:]
    return [process for process in psutil.process_iter(["cmdline"]) if (process.info["cmdline"] or [])[-2:] == tail]


async def _wait_for_worker(pid: int, directory: Path) -> None:
    """The worker ends with the server; if it does not within seconds, it is killed."""
    deadline = time.monotonic() + 5.0
    while _runs_for(pid, directory):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.05)


def _runs_for(pid: int, directory: Path) -> bool:
    """Whether ``pid`` is a live process of this endpoint."""
    try:
        process = psutil.Process(pid)
        return str(directory.absolute()) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


async def healthy(directory: Path, timeout: float = 5.0) -> bool:
    """Whether the endpoint would answer a request now. ``timeout`` in seconds."""
    state = read_state(directory)
    if state is None or state.status != "ready" or not alive(directory):
        return False
    import httpx

    try:
        async with httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            reply = await client.get(state.url.removesuffix("/v1") + "/health")
    except httpx.HTTPError:
        return False
    return reply.status_code == 200
