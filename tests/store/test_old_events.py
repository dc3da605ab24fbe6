"""What version 0.1.0 wrote is read as it was meant, and what we write it can read: the lines have the same form.

The fixtures were made by that version: a file of events of every kind, and the rows that it kept of them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brightrun_tui.domain.events import EVENT_KINDS, Event
from brightrun_tui.orchestrator import follow
from brightrun_tui.store import events, metrics, open_database, runs
from tests.store.test_ingest import spec

FIXTURES = Path(__file__).with_name("fixtures")
LINES = (FIXTURES / "events-0.1.0.jsonl").read_bytes().splitlines()
ROWS: dict[str, Any] = json.loads((FIXTURES / "rows-0.1.0.json").read_text("utf-8"))


def test_every_line_says_the_same_when_it_is_written_again() -> None:
    assert {json.loads(line)["kind"] for line in LINES} == set(EVENT_KINDS) - {"change"}, (
        "it takes newer kinds as they are"
    )
    for line in LINES:
        assert json.loads(Event.from_line(line).to_line()) == json.loads(line)


async def test_rows_and_lines_of_then_come_to_the_same(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in LINES))
    async with open_database(tmp_path / "old.db") as old, open_database(tmp_path / "new.db") as new:
        await runs.create(old, spec(), "/nowhere")
        await old.execute("UPDATE runs SET doc = ?", (ROWS["run"],))
        for row in ROWS["events"]:
            await old.execute(
                "INSERT INTO events (run_id, seq, time, kind, doc) VALUES (:run_id, :seq, :time, :kind, :doc)", row
            )
        await follow.drain(new, await runs.create(new, spec(), str(tmp_path)))
        before, now = await runs.get(old, "run1"), await runs.get(new, "run1")
        same = {"directory", "updated_at", "events_offset"}
        assert now.model_dump(exclude=same) == before.model_dump(exclude=same)
        assert await events.read(new, "run1") == await events.read(old, "run1")
        assert [(point.step, point.value) for point in await metrics.series(new, "run1", "train_loss")] == [
            (1, 2.5),
            (2, None),
        ]
        assert (now.step, now.eval_loss) == (2, 1.75) and now.best_eval_loss == pytest.approx(1.75)
