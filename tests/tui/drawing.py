"""What screens are drawn in and compared with: one moment, one machine, and files of text."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, tzinfo
from difflib import unified_diff
from pathlib import Path
from types import SimpleNamespace

import pytest

from brightrun_tui.domain import humanize
from brightrun_tui.domain.money import GIB
from brightrun_tui.providers import local
from tests.tui.conftest import DEADLINE, Driver
from tests.tui.picture import picture

NOW = datetime(2026, 3, 12, 14, 30, tzinfo=UTC).timestamp()
Look = Callable[[Driver, Path], Awaitable[None]]
STILL = 40
"""Looks at a screen that are all the same before it is drawn."""


class Then(datetime):
    """The present is always the same moment."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Then:
        return cls.fromtimestamp(NOW, tz)


@pytest.fixture
def same_everywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """One moment, one time zone, and one machine: four cores, 16 GiB, no GPU."""
    with monkeypatch.context() as fixed:
        fixed.setenv("TZ", "UTC")
        time.tzset()
        fixed.setattr(time, "time", lambda: NOW)
        fixed.setattr(humanize, "datetime", Then)
        fixed.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
        fixed.setattr(local, "CGROUP", tmp_path / "no cgroup")
        fixed.setattr(local, "cards", lambda: ())
        memory = SimpleNamespace(total=16 * GIB, available=12 * GIB)
        disk = SimpleNamespace(free=200 * GIB)
        fixed.setattr(local, "psutil", SimpleNamespace(virtual_memory=lambda: memory, disk_usage=lambda _: disk))
        yield
    time.tzset()


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Look:
    """Draws a screen into a file where that was asked for, else compares it with the file."""
    return draw if request.config.getoption("--draw-pictures") else compare


async def compare(driver: Driver, file: Path) -> None:
    """Wait until the screen is what the file says."""
    drawn, end = file.read_text("utf-8"), time.monotonic() + DEADLINE
    while (seen := picture(driver.app)) != drawn:
        if time.monotonic() > end:
            changes = unified_diff(drawn.splitlines(), seen.splitlines(), file.name, "now on the screen", lineterm="")
            raise AssertionError("--draw-pictures draws it anew; what is different:\n" + "\n".join(changes))
        await driver.pilot.pause(0.02)


async def draw(driver: Driver, file: Path) -> None:
    """Put the screen into the file as soon as nothing moves on it any more."""
    seen, looks = "", 0
    while looks < STILL:
        await driver.pilot.pause(0.05)
        before, seen = seen, picture(driver.app)
        looks = looks + 1 if seen == before else 0
    file.parent.mkdir(exist_ok=True)
    file.write_text(seen, "utf-8")
