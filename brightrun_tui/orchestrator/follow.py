"""Following ``events.jsonl`` by byte offset: whole lines only, so nothing is lost or doubled by any interruption."""

from __future__ import annotations

import asyncio
from pathlib import Path

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import Event
from brightrun_tui.domain.run import Failure, Run
from brightrun_tui.domain.run_directory import EVENTS, RunDirectory
from brightrun_tui.hosts.local import read_from
from brightrun_tui.orchestrator.lifecycle import Signal
from brightrun_tui.store import Database, runs

_OUTCOMES: dict[str, Signal] = {"completed": "worker_completed", "stopped": "worker_stopped", "paused": "worker_paused"}


async def drain(db: Database, run: Run) -> Run:
    """Read every complete line at home that is not in the store yet, and store it.

    Raises:
        BrightrunError: a line is no event, or events are missing.
    """
    while True:
        chunk = await asyncio.to_thread(read_from, RunDirectory(Path(run.directory)).events, run.events_offset)
        end = chunk.rfind(b"\n") + 1
        if end == 0:
            return run
        try:
            events = [Event.from_line(line) for line in chunk[:end].splitlines()]
        except ValueError as error:
            raise BrightrunError(f"the worker wrote something that is no event ({error})",
                                 where=f"{run.directory}/{EVENTS} from byte {run.events_offset}", kind="bad_event") from None
        run = await runs.ingest(db, run.id, events, run.events_offset + end)


async def last_word(db: Database, run: Run) -> tuple[Signal, Failure | None] | None:
    """How the worker of the current launch said that it ended; None when it has not."""
    said = await runs.events(db, run.id, kinds=("done", "failed"), after=run.launch_seq)
    if not said:
        return None
    event = said[-1]
    if event.kind == "done":
        return _OUTCOMES.get(str(event.data.get("outcome")), "worker_completed"), None
    return "worker_failed", Failure(
        error=str(event.data.get("error", "failed")), cause=str(event.data.get("cause", "the worker failed")),
        fix=str(event.data.get("fix", "")), suggestion=dict(event.data.get("suggestion") or {}))
