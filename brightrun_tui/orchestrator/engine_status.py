"""Whether there is an engine, and whether it is well. Asked by every picture of the app, so it imports little."""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from dataclasses import dataclass
from typing import Any

from brightrun_tui.domain.disk import DISK_IS_FULL, nearly_full
from brightrun_tui.orchestrator.clock import boot_and_seconds
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database
from brightrun_tui.store import engine as engine_facts

SEE_LOG = "see: brightrun engine logs"
STALE_SECONDS = 30.0
"""An engine that gave no sign of life for so long is shown as stuck."""


@dataclass(frozen=True)
class EngineStatus:
    """Times are seconds since the epoch. ``stale``: it holds the lock but gives no sign of life. ``troubles``: sentences."""

    running: bool
    pid: int | None = None
    started_at: float | None = None
    beat_at: float | None = None
    version: str = ""
    stale: bool = False
    troubles: tuple[str, ...] = ()


async def engine_status(db: Database, paths: Paths) -> EngineStatus:
    """Say whether the engine of this data directory runs: the lock knows, the store tells the rest."""
    running = await asyncio.to_thread(lock_is_held, paths)
    if not running:
        return EngineStatus(running=False)
    said = await engine_facts.fact(db, "engine") or {}
    beat_at = said.get("beat_at")
    troubles = tuple(str(trouble) for trouble in said.get("troubles", ()))
    if not any(DISK_IS_FULL in trouble for trouble in troubles) and disk_is_full(paths):
        troubles = (*troubles, f"{paths.data}: {DISK_IS_FULL}")
    return EngineStatus(
        running=True,
        pid=said.get("pid"),
        started_at=said.get("started_at"),
        beat_at=beat_at,
        version=said.get("version", ""),
        stale=bool(beat_at and _seconds_since(said) > STALE_SECONDS),
        troubles=troubles,
    )


def _seconds_since(said: dict[str, Any]) -> float:
    """Return for how long an engine has been silent, whatever became of the clock on the wall meanwhile."""
    boot, seconds = boot_and_seconds()
    then = said.get("beat_boot")
    if isinstance(then, list) and len(then) == 2 and then[0] == boot:
        return float(seconds - then[1])
    return float(time.time() - said["beat_at"])


def disk_is_full(paths: Paths) -> bool:
    """Say whether an engine could not even begin."""
    return nearly_full(paths.data)


def lock_is_held(paths: Paths) -> bool:
    """Say whether an engine holds the lock. It is asked for in shared mode, so that two who ask at once do not take
    each other for an engine.
    """
    try:
        asking = os.open(paths.engine_lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(asking, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(asking)
    return False
