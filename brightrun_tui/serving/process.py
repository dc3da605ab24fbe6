"""Starting, finding again, questioning and ending the server process. It outlives whoever started it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import EngineError
from brightrun_tui.process import WITHOUT_COMPILER
from brightrun_tui.serving.state import STATE_FILE, alive, read_state

LOG = "server.log"
MACHINE_LOG = "machine.log"
"""Beside it, where the worker is on another machine: the end of what it prints there."""
MAX_LOG_BYTES = 10 << 20

_MODULES = (
    "brightrun_tui.serving",
    "brightrun_tui.serving.worker",
    "brightrun_tui.serving.renderer",
    "brightrun_tui.serving.graded_gguf",
    "brightrun_tui.serving.vllm_keeper",
)

# Nothing else is handed down: a credential in the caller's environment is not the server's business.
_KEPT = ("PATH", "HOME", "USER", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "SYSTEMROOT")
_KEPT_PREFIXES = ("LC_", "XDG_", "CUDA_", "NVIDIA_", "OMP_", "MKL_", "TORCHDYNAMO_", "BRIGHTRUN_HOME", "BRIGHTRUN_LOG")


def command(directory: Path) -> list[str]:
    """Return the command of the server process for a prepared directory. No secret is in it; run it with `environment`."""
    return [sys.executable, "-P", "-m", "brightrun_tui.serving", str(directory)]


def environment() -> dict[str, str]:
    """Return the environment of the server process: an allow-list of the caller's, how threads wait, and that nothing is
    compiled.

    ``OMP_WAIT_POLICY`` must be set before torch is imported: spinning threads cost a factor of five on few cores.
    """
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    package = str(Path(__file__).resolve().parents[2])
    return (
        {"OMP_WAIT_POLICY": "passive", **WITHOUT_COMPILER}
        | kept
        | {
            "PYTHONPATH": package,
            "PYTHONUNBUFFERED": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "DO_NOT_TRACK": "1",
        }
    )


def start(directory: Path, secret: str = "") -> int:
    """Start the server process, detached; returns its pid. Its output goes to ``server.log``.

    ``secret``: the key of an account that it asks with; told to it through its standard input, so it stands nowhere. A
    second one for the same directory ends by itself at once (they share a lock).

    Raises:
        EngineError: it could not be started.
    """
    log = directory / LOG
    try:
        if not alive(directory):
            (directory / STATE_FILE).unlink(missing_ok=True)
        shorten_log(directory)
        with log.open("ab") as output:
            process = subprocess.Popen(
                command(directory),
                cwd=directory,
                env=environment(),
                stdin=subprocess.PIPE if secret else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if process.stdin is not None:
            with suppress(BrokenPipeError), process.stdin as told:
                told.write(f"{secret}\n".encode())
        return process.pid
    except OSError as error:
        raise EngineError(
            f"the server process did not start ({error.strerror or error})",
            where=str(directory),
            kind=ErrorKind.SERVER_NOT_STARTED,
        ) from None


async def stop(directory: Path, *, grace: float = 10.0) -> None:
    """End all processes of the endpoint; after ``grace`` seconds without mercy. Fine when they are already gone.

    None of them need have said anything yet: it takes seconds from the start to the first ``state.json``.
    """
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        running = await asyncio.to_thread(_processes, directory)
        # Those behind the server end with it: asked to end, it waits for them, and only then says its last word.
        servers = [process for process in running if process.info["cmdline"][-2:] == command(directory)[-2:]]
        for process in servers if servers and number == signal.SIGTERM else running:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        deadline = time.monotonic() + patience
        while any(_runs(process) for process in running) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)


def _processes(directory: Path) -> list[psutil.Process]:
    """Return the processes of this endpoint, found by what they were started with, so that a reused pid is never among them."""
    place = str(directory.absolute())
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(word == place or word.startswith(f"{place}{os.sep}") for word in process.info["cmdline"] or [])
        and any(word in _MODULES or Path(word).name == "vllm" for word in process.info["cmdline"])
    ]


def _runs(process: psutil.Process) -> bool:
    """Say whether this very process still runs."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def shorten_log(directory: Path) -> None:
    """Put a log that has become too large aside, while its writers go on: they append, so they begin anew."""
    log = directory / LOG
    with suppress(OSError):
        if log.stat().st_size > MAX_LOG_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


async def healthy(directory: Path, timeout: float = 5.0) -> bool:
    """Say whether the endpoint would answer a request now. ``timeout`` in seconds."""
    state = read_state(directory)
    if state is None or not state.serves or not alive(directory):
        return False
    return await _health(state.url, timeout) == 200


async def reachable(directory: Path, timeout: float) -> bool:
    """Say whether the server says anything at all within ``timeout`` seconds, be it that it cannot answer; True also while it
    has no address yet.
    """
    state = read_state(directory)
    return state is None or not state.url or await _health(state.url, timeout) is not None


async def _health(url: str, timeout: float) -> int | None:
    """Return the status of the server's answer; None if there is none. ``timeout``: of the whole, in seconds."""
    import httpx

    try:
        async with asyncio.timeout(timeout), httpx.AsyncClient(timeout=timeout, trust_env=False) as client:
            return (await client.get(url.removesuffix("/v1") + "/health")).status_code
    except (httpx.HTTPError, TimeoutError):
        return None
