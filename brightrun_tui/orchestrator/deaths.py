"""What a worker died of that ended without its last word, and what a run that could not be followed."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.events import WorkerExit
from brightrun_tui.domain.run import Failure, Run, failed_for_disk
from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.lines import read_span
from brightrun_tui.orchestrator.lifecycle import Signal

FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""What somebody else sends. All other signals are a fault of the process itself."""
TAIL_BYTES = 4000


async def judge_death(run: Run, exit_code: int | None, *, memory_ran_out: bool) -> tuple[Signal, Failure | None]:
    """Return what that death means for the run: worth another launch, or how it failed.

    Args:
        exit_code: negative for a signal, as Python gives it; None if nobody knows.
        memory_ran_out: the kernel has ended processes for want of memory while the worker lived.
    """
    number = None
    if exit_code is not None and (exit_code <= 0 or exit_code > 128):  # a shell says 128 + n for signal n
        number = -exit_code if exit_code <= 0 else exit_code - 128
    if number == signal.SIGKILL and memory_ran_out:
        return "worker_crashed", _of("this machine ran out of memory and ended the worker")
    if exit_code is None or number in FROM_OUTSIDE:
        return "worker_lost", _of("the worker was killed")
    if exit_code == WorkerExit.DIRECTORY_GONE:
        return "worker_lost", _of("its directory was moved away under the worker")
    if exit_code == WorkerExit.ANOTHER_AT_WORK:
        return "worker_crashed", _of("another worker holds the run directory")
    if number is not None:
        return "worker_crashed", _of(
            f"the worker crashed ({_name(number)})" if number else "the worker ended without a word"
        )
    if exit_code == WorkerExit.DISK_FULL:
        return "worker_failed", failed_for_disk()
    lines = (await asyncio.to_thread(_tail, RunDirectory(Path(run.directory)).log)).splitlines() or [""]
    here = run.spec.here
    look = (
        "brightrun doctor tells whether the training packages are complete"
        if here
        else "the fault is on the machine of the run, not on this one"
    )
    return "worker_failed", Failure(
        error=ErrorKind.WORKER_CRASHED, cause=f"the worker ended with: {lines[-1][:300]}", fix=f"see its log; {look}"
    )


def by_a_surprise(error: Exception, run_id: str) -> Failure:
    """Return what ended a run that the engine could not follow, again and again, by an error of its own or of a disk."""
    if isinstance(error, OSError) and error.filename:  # it was taken away, or refuses its service
        return Failure(
            error=ErrorKind.NOT_WRITABLE,
            cause=f"{error.filename}: {error.strerror or type(error).__name__}",
            fix=f"see that this is there and can be written, then: brightrun runs retry {run_id}",
        )
    return Failure(
        error=ErrorKind.INTERNAL,
        cause=f"brightrun itself failed: {type(error).__name__}",
        fix="see the engine's log: brightrun engine logs",
    )


def memory_kills() -> int:
    """Return how many processes this machine's kernel has ended for want of memory since it started; 0 if it does
    not say.
    """
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _of(cause: str) -> Failure:
    return Failure(error=ErrorKind.WORKER_LOST, cause=cause)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(path: Path) -> str:
    try:
        return read_span(path, max(0, path.stat().st_size - TAIL_BYTES)).decode("utf-8", "replace").strip()
    except OSError:
        return ""
