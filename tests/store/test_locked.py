"""A database that another program keeps locked is waited for, in one place, and told in one sentence."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from brightrun_tui.domain.errors import StoreError
from brightrun_tui.paths import Paths
from brightrun_tui.store import db as database
from brightrun_tui.store import open_database, runs
from brightrun_tui.tui.snapshot import SnapshotInterest, follow
from tests.cli.conftest import CommandLine
from tests.store.test_ingest import spec


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """As a backup or a database browser does it. Whoever wants can roll back earlier."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield other
    finally:
        if other.in_transaction:
            other.execute("ROLLBACK")
        other.close()


async def test_what_was_to_be_written_is_written_as_soon_as_the_lock_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SAY_SECONDS", 0.1)
    said: list[str] = []
    told = asyncio.Event()

    def waits(sentence: str) -> None:
        said.append(sentence)
        told.set()

    async with open_database(tmp_path / "b.db", waits=waits) as db:
        with locked(db.path) as other:
            writing = [asyncio.create_task(runs.create(db, spec(f"run{number}"), "/nowhere")) for number in range(3)]
            await asyncio.wait_for(told.wait(), 60)
            assert not any(task.done() for task in writing)
            assert await runs.list_runs(db) == [], "reading goes on meanwhile"
            other.execute("ROLLBACK")
            await asyncio.wait_for(asyncio.gather(*writing), 60)
        assert said == ["another program keeps the database locked; waiting for it"]
        assert len(await runs.list_runs(db)) == 3


async def test_a_lock_that_stays_is_one_clear_error_and_nothing_is_half_done(tmp_path: Path) -> None:
    async with open_database(tmp_path / "b.db", patience=0.3) as db:
        await runs.create(db, spec(), "/nowhere")
        with locked(db.path), pytest.raises(StoreError, match="another program keeps the database locked") as caught:
            await runs.update(db, "run1", step=5)
        assert caught.value.kind == "store_busy" and "backup" in caught.value.fix
        assert (await runs.get(db, "run1")).step == 0
        assert (await runs.update(db, "run1", step=5)).step == 5


async def test_a_new_installation_waits_for_the_lock_as_well(tmp_path: Path) -> None:
    """The very first statement, which makes the tables, meets it already."""
    path = tmp_path / "b.db"
    with locked(path) as other:

        async def first() -> int:
            async with open_database(path) as db:
                return len(await runs.list_runs(db))

        opening = asyncio.create_task(first())
        await asyncio.sleep(0.3)
        assert not opening.done()
        other.execute("ROLLBACK")
        assert await asyncio.wait_for(opening, 60) == 0


def test_the_command_line_says_one_line_and_waits(tmp_path: Path) -> None:
    brightrun = CommandLine(tmp_path / "home")
    data = tmp_path / "d.jsonl"
    data.write_text(
        "".join(json.dumps({"prompt": f"What is {n}?", "completion": f"It is {n}."}) + "\n" for n in range(20))
    )
    assert brightrun("datasets", "list").code == 0
    with locked(tmp_path / "home" / "data" / "brightrun.db") as other:
        process = subprocess.Popen(
            brightrun.command("datasets", "add", data),
            env=brightrun.environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stderr is not None
        assert process.stderr.readline() == "another program keeps the database locked; waiting for it\n"
        other.execute("ROLLBACK")
        _, rest = process.communicate(timeout=30)
    assert process.returncode == 0 and "added as d" in rest and "locked" not in rest


async def test_the_app_keeps_its_picture_and_says_why_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(tmp_path, tmp_path, tmp_path, tmp_path)
    async with open_database(paths.database) as db:
        await runs.create(db, spec(), "/nowhere")
        watch = SnapshotInterest()
        pictures = follow(db, paths, watch)
        first = await anext(pictures)
        read = db.all

        async def unreadable(sql: str, parameters: object = ()) -> list[object]:
            raise StoreError("the disk is full", kind="disk_full")

        monkeypatch.setattr(db, "all", unreadable)
        watch.look_now()
        second = await asyncio.wait_for(anext(pictures), 60)
        assert second.runs == first.runs and "the disk is full" in second.trouble
        monkeypatch.setattr(db, "all", read)
        third = await asyncio.wait_for(anext(pictures), 60)
        assert third.runs == first.runs and not third.trouble
        await pictures.aclose()  # type: ignore[attr-defined]  # it is a generator
