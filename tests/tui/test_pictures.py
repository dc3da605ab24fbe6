"""Every screen looks as it was drawn last, with a history and without one, at two sizes.

What is to look different is drawn anew: ``pytest tests/tui/test_pictures.py --draw-pictures``; the diff of the files shows it.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from brightrun_tui.paths import Paths
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.planning.draft import Draft
from brightrun_tui.resources import resource
from brightrun_tui.store import datasets, open_database
from tests.tui import seed
from tests.tui.conftest import SCREENS, SIZES, Opened
from tests.tui.drawing import Look, look, same_everywhere  # noqa: F401  # fixtures

PICTURES = Path(__file__).with_name("pictures")
STATES = ("empty", "history")
EXAMPLE = "support-desk"


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
    same_everywhere: None, paths: Paths, opened: Opened, look: Look, state: str, size: tuple[int, int]
) -> None:
    """Letters, places and colours of each of the four."""
    if state == "history":
        await seed.fill(paths)
        await add_example(paths)
    async with opened(paths, size) as driver:
        for screen in SCREENS:
            await driver.visit(screen)
            if (screen, state) == ("new_run", "history"):
                await driver.app.show_draft(Draft(data=EXAMPLE))
                await driver.sees("✓ ready")
            await look(driver, file_of(screen, state, size))


def test_no_picture_is_left_over() -> None:
    """Every file is compared with a screen."""
    assert {*PICTURES.iterdir()} == {file_of(*which) for which in product(SCREENS, STATES, SIZES)}
