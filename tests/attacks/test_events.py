"""Whatever a worker writes: no record is damaged by it, its run ends or goes on, and all others are untouched."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.events import BadEventError, Event
from brightrun_tui.domain.run import Run
from brightrun_tui.domain.text import one_line
from brightrun_tui.orchestrator import follow
from brightrun_tui.paths import Paths
from brightrun_tui.store import Database, events, metrics, open_database, runs
from brightrun_tui.tui.snapshot import SnapshotReader
from brightrun_tui.tui.widgets import answer_text, run_facts, run_log, run_text
from tests.attacks import poison
from tests.store.test_ingest import spec


async def told(db: Database, directory: Path, lines: list[bytes]) -> tuple[Run, str]:
    """A run whose worker wrote these lines, followed to their end; and how that ended, as kind of error."""
    directory.mkdir(parents=True)
    run = await runs.create(db, spec(), str(directory))
    (directory / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    ended = ""
    try:
        run = await follow.drain(db, run)
    except BrightrunError as error:
        ended = error.kind
    return await runs.get(db, run.id), ended


async def everything_reads(db: Database, paths: Paths) -> None:
    """All that app and command line read of runs, and what they make of it."""
    whole, damaged = await runs.list_all(db)
    assert whole and not damaged
    snapshot = await SnapshotReader(db, paths).read(whole[0].id)
    assert snapshot.detail is not None
    for run in snapshot.runs:
        run_text.run_row(run, 80, tall=True)
        run_text.summary(run, (), 80, rich=True)
        run_facts.facts(run, snapshot.detail, 80)
        answer_text.answers(snapshot.detail, 80)
        for line in (Path(run.directory) / "events.jsonl").read_bytes().split(b"\n"):
            shown = run_log.event_line(line)
            assert shown is None or shown.isprintable(), "a machine steers nobody's terminal"
        assert all(notice.message.isprintable() for notice in run.notices)


@pytest.mark.parametrize("name", poison.ALL)
async def test_whatever_a_worker_writes_every_record_can_be_read(name: str, tmp_path: Path) -> None:
    paths = Paths(tmp_path / "config", tmp_path / "data", tmp_path / "cache", tmp_path / "logs")
    async with open_database(paths.database) as db:
        good = poison.event(poison.next_number(name), "metric", step=2, values={"train_loss": 1.5})
        run, ended = await told(db, paths.run_directory("run1"), [*poison.beginning(), *poison.lines(name), good])
        expected = "bad_events" if name in poison.BAD else "events_gap" if name in poison.BREAKING else ""
        assert ended == expected
        assert (run.train_loss, run.step) == ((1.5, 2) if name in poison.BORNE or name in poison.BREAKING else (2.0, 1))
        if name in poison.BAD:
            notice = run.notices[-1]
            assert notice.code == "bad_event" and "is not an event" in notice.message
        await everything_reads(db, paths)
        for _ in range(4):  # a retry goes on behind the bad lines; one that is too long counts by its pieces
            with suppress(BrightrunError):
                run = await follow.drain(db, await runs.update(db, run.id, bad_lines=0))
        assert run.train_loss == 1.5
        await runs.transition(db, run.id, "failed")
        await runs.delete(db, run.id)


async def test_a_few_bad_lines_are_told_and_passed_over(tmp_path: Path) -> None:
    lines = [*poison.beginning(), b"\x1b[2Jnonsense", poison.event(3, "metric", step=2, values={"train_loss": 1.0})]
    async with open_database(tmp_path / "b.db") as db:
        run, ended = await told(db, tmp_path / "run", lines)
        assert (ended, run.bad_lines, run.train_loss) == ("", 1, 1.0)
        assert [notice.message for notice in run.notices] == [
            "line 3 of what the worker said is not an event: it is not JSON: expected value at line 1 column 1: “[2Jnonsense”"
        ]
        assert [point.step for point in await metrics.series(db, "run1", "train_loss")] == [1, 2]


async def test_a_bad_line_that_took_no_number_is_no_gap(tmp_path: Path) -> None:
    """Something else may print into the file: the worker does not count that."""
    lines = [
        *poison.beginning(),
        b"printed by a library",
        poison.event(2, "metric", step=2, values={"train_loss": 1.0}),
    ]
    async with open_database(tmp_path / "b.db") as db:
        run, ended = await told(db, tmp_path / "run", lines)
        assert (ended, run.bad_lines, run.bad_in_a_row, run.events_seq) == ("", 1, 0, 2)


async def test_what_a_newer_worker_says_is_kept_and_shown(tmp_path: Path) -> None:
    line = poison.event(2, "energy", joules=5)
    async with open_database(tmp_path / "b.db") as db:
        await told(db, tmp_path / "run", [*poison.beginning(), line])
        newest = (await events.read(db, "run1"))[-1]
        assert newest.as_dict() == {"seq": 2, "time": poison.NOW, "kind": "energy", "data": {"joules": 5}}
    assert "energy" in str(run_log.event_line(line)) and "joules" in str(run_log.event_line(line))


async def test_a_flood_of_bad_lines_costs_no_more_than_a_few(tmp_path: Path) -> None:
    async with open_database(tmp_path / "b.db") as db:
        run, ended = await told(db, tmp_path / "run", [b""] * 3_000_000)
        assert ended == "bad_events" and run.events_offset == follow.MAX_BAD_LINES + 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    "seq",
    "time",
    "kind",
    "phase",
    "detail",
    "step",
    "total_steps",
    "epoch",
    "values",
    "answer",
    "source",
    "prompt",
    "best",
    "level",
    "message",
    "outcome",
    "error",
    "suggestion",
    "memory_used",
    "utilisation",
    "eta_seconds",
]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from(NAMES), json_values, max_size=8),
    st.sampled_from(
        ["phase", "progress", "metric", "hardware", "sample", "checkpoint", "alert", "done", "failed", "newer"]
    ),
    st.binary(max_size=30),
)
def test_any_document_is_an_event_or_is_refused_in_words(fields: dict[str, object], kind: str, tail: bytes) -> None:
    document = {"seq": 0, "time": 1.0, "kind": kind, "step": 1, **fields}
    for line in (json.dumps(document).encode(), json.dumps(document).encode() + tail, tail):
        try:
            event = Event.from_line(line)
        except BadEventError as error:
            assert one_line(str(error)) == str(error), "nothing in it steers a terminal"
        else:
            assert Event.from_line(event.to_line()) == event, "what is stored reads back as it was"


def test_a_line_that_is_not_an_event_stops_no_worker(tmp_path: Path) -> None:
    """It goes on counting where a reader expects it, and leaves alone what a reader may have passed already."""
    from brightrun_tui.domain.events import Alert
    from brightrun_tui.trainer.runtime.events import EventLog

    path = tmp_path / "run" / "events.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"".join(line + b"\n" for line in [*poison.beginning(), b"nonsense"]) + b'{"seq":3,"ti')
    log = EventLog(path)
    log.write(Alert(message="on we go"))
    log.close()
    assert path.read_bytes().count(b"\n") == 4

    async def read() -> Run:
        async with open_database(tmp_path / "b.db") as db:
            return await follow.drain(db, await runs.create(db, spec(), str(path.parent)))

    run = asyncio.run(read())
    assert (run.bad_lines, run.events_seq) == (1, 3)


async def test_a_worker_that_makes_up_names_of_curves_fills_neither_disk_nor_screen(tmp_path: Path) -> None:
    """Sixty-four new names a line: a megabyte of events became fifteen of store, and every look read all of them."""
    made_up = [
        poison.event(seq, "metric", step=seq, values={f"c{seq}-{n}": 1e308 for n in range(64)}) for seq in range(40)
    ]
    honest = [poison.event(40 + seq, "metric", step=seq, values={"c0-0": 2.0, "new": 1.0}) for seq in range(3)]
    async with open_database(tmp_path / "brightrun.db") as db:
        run, ended = await told(db, tmp_path / "run", made_up + honest)
        names = await metrics.names(db, run.id)
        assert not ended and len(names) == 256 and names == sorted(names) and "new" not in names
        assert [notice.code for notice in run.notices] == ["many_curves"]
        assert [point.value for point in await metrics.series(db, run.id, "c0-0")] == [2.0, 2.0, 2.0], (
            "known ones go on"
        )
