"""Every screen looks as it was drawn last, with a history and without one, at two sizes.

What is to look different is drawn anew: ``pytest tests/tui/test_pictures.py --draw-pictures``; the diff of the files shows it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, tzinfo
from difflib import unified_diff
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import pytest

from brightrun_tui.domain import humanize
from brightrun_tui.domain.money import GIB
from brightrun_tui.paths import Paths
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.planning.draft import Draft
from brightrun_tui.providers import local
from brightrun_tui.resources import resource
from brightrun_tui.store import datasets, open_database
from tests.tui import seed
from tests.tui.conftest import DEADLINE, SCREENS, SIZES, Driver, Opened
from tests.tui.picture import picture

PICTURES = Path(__file__).with_name("pictures")
STATES = ("empty", "history")
NOW = datetime(2026, 3, 12, 14, 30, tzinfo=UTC).timestamp()
Look = Callable[[Driver, Path], Awaitable[None]]
EXAMPLE = "support-desk"
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


async def add_example(paths: Paths) -> None:
    """The example that ships, by a name: where it lies differs."""
    report = report_of(str(resource("presets") / "examples" / f"{EXAMPLE}.jsonl"), {}, paths)
    async with open_database(paths.database) as db:
        await datasets.add(db, report)


def file_of(screen: str, state: str, size: tuple[int, int]) -> Path:
    return PICTURES / f"{screen}-{state}-{size[0]}x{size[1]}.txt"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", STATES)
async def test_every_screen_looks_as_it_was_drawn(
    same_everywhere: None,
    paths: Paths,
    opened: Opened,
    request: pytest.FixtureRequest,
    state: str,
    size: tuple[int, int],
) -> None:
    """Letters, places and colours of each of the four."""
    if state == "history":
        await seed.fill(paths)
        await add_example(paths)
    look: Look = draw if request.config.getoption("--draw-pictures") else compare
    async with opened(paths, size) as driver:
        for screen in SCREENS:
            await driver.visit(screen)
            if (screen, state) == ("new_run", "history"):
                await driver.app.show_draft(Draft(data=EXAMPLE))
                await driver.sees("✓ ready")
            await look(driver, file_of(screen, state, size))


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


def test_no_picture_is_left_over() -> None:
    """Every file is compared with a screen."""
    assert {*PICTURES.iterdir()} == {file_of(*which) for which in product(SCREENS, STATES, SIZES)}
