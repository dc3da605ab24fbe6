"""Work on the store may be called off at any moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from brightrun_tui.store import engine, open_database


@pytest.mark.parametrize("turns", range(12))
async def test_a_write_that_is_called_off_leaves_the_store_usable(tmp_path: Path, turns: int) -> None:
    """A person stops a launch in the middle of a write: whatever comes next is written as ever."""
    async with open_database(tmp_path / "brightrun.db") as db:
        task = asyncio.create_task(engine.set_fact(db, "first", 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.wait_for(engine.set_fact(db, "second", 2), 60)
        assert await engine.fact(db, "second") == 2
