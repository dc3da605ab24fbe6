"""The engine process: ``python -m brightrun_tui.orchestrator``. One per data directory, by file lock."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time

from filelock import FileLock, Timeout

from brightrun_tui.importing import without_garbage_collection

with without_garbage_collection():
    from brightrun_tui.domain.error_kinds import ErrorKind
    from brightrun_tui.domain.errors import BrightrunError, StoreError
    from brightrun_tui.files import identity
    from brightrun_tui.logs import guard_process, log_to
    from brightrun_tui.orchestrator.engine import Engine
    from brightrun_tui.orchestrator.new_endpoints import forget_old_keys
    from brightrun_tui.orchestrator.timings import load_timings
    from brightrun_tui.paths import Paths, close_home, get_paths
    from brightrun_tui.process import begin_privately
    from brightrun_tui.store import open_database, requests

LOCK_SECONDS = 2.0
"""A client that asks whether an engine runs holds the lock for an instant; another engine holds it for good."""


def main() -> int:
    begin_privately()
    guard_process()
    paths = get_paths()
    close_home(paths, thoroughly=True)
    _log(paths)
    lock = FileLock(paths.engine_lock)
    while True:
        try:
            lock.acquire(timeout=LOCK_SECONDS)
        except Timeout:
            return 0
        since, held = time.time(), identity(paths.engine_lock)
        try:
            again = held is None or asyncio.run(_serve(paths, since, held))
        except BrightrunError as error:
            logging.getLogger(__name__).error("%s", error)
            if error.kind != ErrorKind.STORE_BUSY:  # whoever keeps the database locked lets it go some day
                return int(error.exit_code)
            continue
        finally:
            lock.release()
        if not again and (not paths.data.is_dir() or not asyncio.run(_left_over(paths))):
            return 0


async def _serve(paths: Paths, since: float, lock: tuple[int, int]) -> bool:
    """Serve; returns whether to begin again at once: because the store was replaced, and rented machines may be missing from
    it, or because the lock was, and only one engine may go on.
    """
    async with open_database(paths.database, waits=logging.getLogger(__name__).warning) as db:
        engine = Engine(db, paths, load_timings(paths), since=since, lock=lock)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, engine.ending.set)
        logging.getLogger(__name__).info("engine started")
        await forget_old_keys(db)
        try:
            await engine.serve()
        finally:
            await engine.close()
            logging.getLogger(__name__).info("engine ended")
        return db.was_taken_away() or engine.lost_its_lock()


async def _left_over(paths: Paths) -> bool:
    """Say whether a request came in between our last look and the release of the lock."""
    try:
        async with open_database(paths.database) as db:
            return any(request.ask.kind != "stop_engine" for request in await requests.pending(db))
    except StoreError:
        return False  # the verb that left it starts an engine


def _log(paths: Paths) -> None:
    log_to(paths.engine_log)
    with contextlib.suppress(OSError):
        sys.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
