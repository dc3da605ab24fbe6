"""Stores for the benchmark of the app: many runs, one with long curves, and somebody who goes on writing."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from pathlib import Path

from brightrun_tui.domain.events import Body, Event, body_of
from brightrun_tui.domain.run import BaseModelRef, DatasetRef, RunSpec
from brightrun_tui.paths import get_paths
from brightrun_tui.store import events, metrics, open_database, runs

METRICS = ("train_loss", "learning_rate", "grad_norm", "tokens_per_second")
LONG, QUIET = "long-run-00", "quiet-run-0"
"""Ids: of the run with the long curves, and of one that has a few points."""
AT_ONCE = 100_000


def _spec(run_id: str, name: str, age: float) -> RunSpec:
    return RunSpec(
        run_id=run_id,
        name=name,
        created_at=time.time() - age,
        base=BaseModelRef(id="starter"),
        dataset=DatasetRef(path="/data/faq.jsonl", name="faq", format="messages", fingerprint="0", records=9, usable=9),
    )


async def _fill(home: Path, finished: int, points: int) -> None:
    paths = get_paths()
    paths.data.mkdir(parents=True, exist_ok=True)
    async with open_database(paths.database) as db:
        for number in range(finished):
            run_id = f"run-{number:06}"
            await runs.create(db, _spec(run_id, f"faq-{number:04}", 1000 + number), str(home / run_id))
            await runs.transition(db, run_id, "stopped")
        for run_id, name in ((QUIET, "quiet"), (LONG, "long")) if points else ():
            await runs.create(db, _spec(run_id, name, 100), str(home / run_id))
            (home / run_id).mkdir(parents=True, exist_ok=True)
            for state in ("preparing", "launching", "running"):
                await runs.transition(db, run_id, state)
            count = points if run_id == LONG else 200
            begin = time.time() - count
            for first in range(0, count, AT_ONCE):
                last = min(count, first + AT_ONCE)
                async with db.transaction():
                    for name_ in METRICS:
                        rows = [
                            (run_id, name_, step, 0.5 + 2 / (1 + step / 1e4) + 0.1 * math.sin(step), begin + step)
                            for step in range(first + 1, last + 1)
                        ]
                        await db.executemany(
                            "INSERT INTO metrics (run_id, name, step, value, time) VALUES (?, ?, ?, ?, ?)", rows
                        )
                    await metrics.refresh_buckets(
                        db, run_id, [(name_, step) for name_ in METRICS for step in range(first, last + 1, 128)]
                    )
            await runs.update(db, run_id, step=count, total_steps=2 * count, phase="training", train_loss=0.5)


def fill(home: Path, *, finished: int, points: int) -> None:
    """Make the store of ``BRIGHTRUN_HOME``: ended runs, a quiet one, and one with four curves of so many points."""
    asyncio.run(_fill(home, finished, points))


class Writer:
    """Writes to one run as its engine and worker would: so many metrics and log lines a second. Use as a context."""

    def __init__(self, home: Path, run_id: str, *, metrics: float, lines: int) -> None:
        self._home, self._run_id = home, run_id
        self._metrics, self._lines = metrics, lines
        self._ended = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._write()), daemon=True)

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        self._thread.join()

    async def _write(self) -> None:
        per_event = min(self._metrics, len(METRICS))
        pause = per_event / self._metrics
        log = (self._home / self._run_id / "worker.log").open("a", buffering=1 << 20)
        async with open_database(get_paths().database) as db:
            run = await runs.get(db, self._run_id)
            step, seq, begun, number = run.step, run.events_seq, time.monotonic(), 0
            while not self._ended.is_set():
                step += 1
                number += 1
                values = {name: 0.5 + 0.1 * math.sin(step) for name in METRICS[: int(per_event)]}
                said: list[Event[Body]] = [
                    Event(seq + 1, time.time(), body_of("metric", {"step": step, "values": values}))
                ]
                progress = {"step": step, "total_steps": 2 * step, "tokens_per_second": 900.0, "eta_seconds": 60.0}
                said.append(Event(seq + 2, time.time(), body_of("progress", progress)))
                seq += 2
                await events.ingest(db, self._run_id, said, 0)
                due = int((time.monotonic() - begun + pause) * self._lines) - int(
                    (time.monotonic() - begun) * self._lines
                )
                log.writelines(
                    f"{step:9} line {line} of what the worker has to say about its batch\n" for line in range(due)
                )
                log.flush()
                await asyncio.sleep(max(0.0, begun + number * pause - time.monotonic()))
        log.close()
