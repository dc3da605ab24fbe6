"""A store that cannot be written just now is waited for: no run fails by it, and what must not wait does not."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from brightrun_tui.domain.disk import LOW_BYTES
from brightrun_tui.orchestrator.reserve import PLENTY_BYTES, RESERVE_BYTES, Reserve
from tests.orchestrator.workers import POLITE, STEADY, on_stage


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(place)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """To the last byte; what takes the room."""
    full = disk / "full"
    with full.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return full


async def test_a_database_that_is_locked_for_a_while_fails_no_run(tmp_path: Path) -> None:
    async with on_stage(tmp_path, STEADY) as stage:
        await stage.until(lambda run: run.step > 3, "it trains")
        stage.db.patience = 0.1
        other = sqlite3.connect(stage.paths.database, isolation_level=None, timeout=60, check_same_thread=False)
        await asyncio.to_thread(
            other.execute, "BEGIN EXCLUSIVE"
        )  # aside: what is being written here must come to its end
        while not stage.troubles.words():
            await asyncio.sleep(0.02)
        assert "another program keeps the database locked" in stage.troubles.words()[0]
        held = (await stage.run()).step
        other.execute("ROLLBACK")
        other.close()
        run = await stage.until(lambda run: run.step > held + 5, "it is followed again")
        assert run.state == "running" and stage.target.starts == 1
        await stage.until(lambda _: not stage.troubles.words(), "nothing is the matter any more")


async def test_a_full_disk_keeps_no_stop_from_its_worker_and_fails_no_run(small_disk: Path) -> None:
    """The worker is told to end before anything of it can be written down; the answer comes when it can."""
    async with on_stage(small_disk, POLITE) as stage:
        await stage.until(lambda run: run.step == 3, "it trains")
        full = fill(small_disk)
        answer = asyncio.ensure_future(stage.ask("stop_asked"))
        while stage.alive():
            await asyncio.sleep(0.02)
        assert (await stage.run()).state == "running" and not answer.done()
        assert "the disk is full" in stage.troubles.words()[0]
        full.unlink()
        assert (await answer).state == "stopping"
        run = await stage.until(lambda run: run.state == "stopped", "it is stopped")
        assert run.failure is None and not stage.troubles.words()


def test_the_reserve_is_given_up_when_the_disk_is_full_and_taken_again_when_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "reserve"
    reserve = Reserve(file)
    free = {"bytes": PLENTY_BYTES + 1}
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=free["bytes"]))
    assert not reserve.look() and file.stat().st_blocks * 512 >= RESERVE_BYTES
    free["bytes"] = LOW_BYTES - 1
    assert reserve.look() and not file.exists()
    free["bytes"] = LOW_BYTES + 1
    assert not reserve.look() and not file.exists(), "what was just given free is not taken from those who need it"
    reserve.give_up()
