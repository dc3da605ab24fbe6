"""How TUI and command line talk to the engine: a row in the store, and an engine that is started when there is none."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TypeVar

from pydantic import ValidationError

from brightrun_tui import __version__
from brightrun_tui.domain.disk import WRITABLE_HOME, disk_full_as
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, EngineError
from brightrun_tui.domain.limits import shortage
from brightrun_tui.domain.money import Estimate
from brightrun_tui.domain.requests import Answer, Ask, RequestOutcome, StopEngine
from brightrun_tui.domain.run import Run, RunSpec
from brightrun_tui.files import private_directory
from brightrun_tui.orchestrator.engine_status import SEE_LOG, EngineStatus, disk_is_full, engine_status, lock_is_held
from brightrun_tui.paths import Paths
from brightrun_tui.process import lives, python
from brightrun_tui.store import Database, requests, runs

A = TypeVar("A", bound=Answer)
ENGINE_LOOK_SECONDS = 1.0
"""How often whoever waits for an answer looks whether there is an engine to give it."""
ENDING_SECONDS, HANGING_SECONDS = 20.0, 3.0


async def ensure_engine(paths: Paths, *, timeout: float = 20.0) -> None:
    """Start the engine in the background unless it runs.

    Raises:
        EngineError: it did not come up, because the disk is full or for a reason that its log tells.
    """
    if await asyncio.to_thread(lock_is_held, paths):
        return
    try:
        private_directory(paths.logs)
        with paths.engine_log.open("ab") as log:
            child = subprocess.Popen(  # noqa: ASYNC220  it outlives this process, and nobody waits for it
                python("-m", "brightrun_tui.orchestrator"),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
    except OSError as error:
        short = shortage(error)
        raise EngineError(
            f"the engine cannot be started ({error.strerror or error})",
            where=str(paths.engine_log),
            fix=short.fix if short else WRITABLE_HOME,
            kind=ErrorKind.ENGINE_DOWN,
        ) from None
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if await asyncio.to_thread(lock_is_held, paths):
            return
        if child.poll() not in (None, 0):
            break
        await asyncio.sleep(0.05)
    raise _not_started(paths)


async def start_engine(db: Database, paths: Paths, *, timeout: float = 20.0) -> EngineStatus:
    """Start the engine unless it runs, and wait until it has told the store that it is at work.

    Raises:
        EngineError: it did not come up, or ended at once.
    """
    began, was_there = time.time(), await asyncio.to_thread(lock_is_held, paths)
    await ensure_engine(paths, timeout=timeout)
    deadline = time.monotonic() + timeout
    while (status := await engine_status(db, paths)).running and time.monotonic() < deadline:
        if status.pid and (was_there or (status.started_at or 0) >= began):
            break
        await asyncio.sleep(0.05)
    if not status.running:
        raise _not_started(paths)
    return status


def _not_started(paths: Paths) -> EngineError:
    if disk_is_full(paths):
        return disk_full_as(
            EngineError,
            paths.data,
            fix="free some space; runs then go on from their newest checkpoint: brightrun engine start",
        )
    return EngineError("the engine did not start", where=str(paths.engine_log), fix=SEE_LOG, kind=ErrorKind.ENGINE_DOWN)


async def submit(db: Database, paths: Paths, spec: RunSpec, estimate: Estimate | None = None) -> Run:
    """Put a run into the queue and see to it that an engine of this very version takes it from there.

    It begins to be now, however long a person looked at its plan before agreeing to it.
    """
    spec = spec.model_copy(update={"created_at": time.time()})
    status = await engine_status(db, paths)
    if status.running and status.version not in ("", __version__):
        await stop_engine(db, paths)  # left over from before an update; workers and servers go on
    run = await runs.create(db, spec, str(paths.run_directory(spec.run_id)), estimate)
    await ensure_engine(paths)
    return run


async def ask(db: Database, paths: Paths, ask: Ask[A], *, wait: float = 0.0) -> RequestOutcome[A]:
    """Leave a request; with ``wait`` seconds, stay for its answer. Where the engine dies meanwhile, the next one gives it.

    Raises:
        EngineError: no engine could be started, or what it answered cannot be understood.
    """
    request = await requests.add(db, ask)
    deadline = time.monotonic() + wait
    await ensure_engine(paths)
    look_again = time.monotonic() + ENGINE_LOOK_SECONDS
    while request.state == "pending" and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        request = await requests.get(db, request.id) or request
        if time.monotonic() > look_again:
            await ensure_engine(paths)
            look_again = time.monotonic() + ENGINE_LOOK_SECONDS
    if request.state != "done":
        return RequestOutcome(refusal=request.refusal)
    try:
        return RequestOutcome(ask.read_answer(request.result))
    except ValidationError:
        raise EngineError(
            f"the engine's answer to {request.ask.kind} cannot be understood",
            where=str(paths.engine_log),
            fix=SEE_LOG,
            kind=ErrorKind.ENGINE_SILENT,
        ) from None


async def stop_engine(db: Database, paths: Paths, *, timeout: float = ENDING_SECONDS) -> None:
    """End the engine that runs, and wait until it has ended; workers and servers run on.

    Raises:
        EngineError: it does not end.
    """
    try:
        await requests.add(db, StopEngine())
    except BrightrunError as error:
        await end_engine(paths, error, timeout=timeout)
    else:
        await _has_ended(paths, timeout)


async def end_engine(paths: Paths, unasked: BrightrunError, *, timeout: float = ENDING_SECONDS) -> None:
    """End the engine where the store takes no request, because it is damaged, read-only, locked or its disk is full: by a
    signal, which takes no room. ``unasked`` is why, and is raised if nobody knows which process it is.

    Raises:
        EngineError: it does not end.
    """
    pid = await asyncio.to_thread(_engine_process, paths)
    if not pid:
        raise unasked
    os.kill(pid, signal.SIGTERM)
    hangs = unasked.kind == ErrorKind.STORE_BUSY  # likely with the store in its hands: that has been waited for already
    await _has_ended(paths, HANGING_SECONDS if hangs else timeout, pid)


async def _has_ended(paths: Paths, timeout: float, pid: int | None = None) -> None:
    """Wait until nobody holds the lock, and the process ``pid`` is gone where it is known: its disk can be taken away then."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not await asyncio.to_thread(lock_is_held, paths) and not (pid and lives(pid)):
            return
        await asyncio.sleep(0.05)
    pid = await asyncio.to_thread(_engine_process, paths)
    ends = f"kill -9 {pid} ends it; runs and endpoints go on, and the next engine looks after them"
    raise EngineError(
        "the engine does not answer, and does not end",
        where=str(paths.engine_log),
        fix=ends if pid else SEE_LOG,
        kind=ErrorKind.ENGINE_STUCK,
    )


def _engine_process(paths: Paths) -> int | None:
    """Ask the system which process is the engine of this data directory: the store may not have been told yet, or anymore."""
    import psutil  # here: every command imports this module

    lock = str(paths.engine_lock.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            is_engine = "brightrun_tui.orchestrator" in process.cmdline()
            if is_engine and any(file.path == lock for file in process.open_files()):
                return int(process.pid)
    return None
