"""Read-only: everything can be seen, nothing can be changed."""

from __future__ import annotations

import time

import pytest

from brightrun_tui.paths import Paths
from brightrun_tui.store import leases, models, open_database, requests, runs
from brightrun_tui.tui.actions import ACTIONS
from tests.orchestrator.samples import lease_of
from tests.tui.conftest import SCREENS, Opened


async def test_nothing_is_changed(seeded: Paths, opened: Opened) -> None:
    """Every key that changes something is refused with a word, and no question is even asked."""
    async with open_database(seeded.database) as db:
        before = (await runs.list_runs(db), await models.list_models(db))
    async with opened(seeded, read_only=True) as driver:
        for scope in SCREENS:
            await driver.visit(scope)
            await driver.sees("read-only")
            screen = driver.app.screen
            for action in ACTIONS:
                if action.scope == scope and action.changes:
                    driver.app.clear_notifications()
                    await driver.app.run_action(action.name, screen)
                    await driver.pilot.pause()
                    assert driver.app.screen is screen
                    assert f"“{action.title}” is not possible in read-only mode." in driver.toasts()
    async with open_database(seeded.database) as db:
        assert (await runs.list_runs(db), await models.list_models(db)) == before
        assert await requests.pending(db) == []


async def test_the_start_button_is_refused_too(paths: Paths, opened: Opened) -> None:
    """The mouse can do no more than the keys."""
    async with opened(paths, read_only=True) as driver:
        await driver.press("2")
        await driver.sees("no dataset is")
        await driver.press("escape", "d")
        await driver.sees("records usable")
        await driver.press("enter")
        await driver.sees("✓ ready")
        await driver.pilot.click("#start")
        await driver.until(lambda: "read-only" in driver.toasts())
        assert len(driver.app.screen_stack) == 1


async def test_a_narrow_terminal_says_that_nothing_can_be_changed(seeded: Paths, opened: Opened) -> None:
    """Where there is no room for it, the lamp of the engine stands alone, and never a letter of a word that was cut."""
    async with opened(seeded, (60, 24), read_only=True) as driver:
        await driver.until(lambda: driver.text().splitlines()[0].rstrip().endswith("read-only ○"), "both")
        await driver.pilot.resize_terminal(40, 24)
        await driver.until(lambda: driver.text().splitlines()[0].split()[-1] == "○", "the lamp")


@pytest.mark.parametrize("read_only", [False, True])
async def test_what_is_paid_is_seen_in_a_small_terminal(seeded: Paths, opened: Opened, read_only: bool) -> None:
    """Also beside the word that nothing can be changed, which takes the room of half of it."""
    async with open_database(seeded.database) as db:
        await leases.save(db, lease_of(provider="vast", price_per_hour=0.056, created_at=time.time()))
    async with opened(seeded, (80, 24), read_only=read_only) as driver:
        await driver.sees("4 Registry")
        assert driver.text().splitlines()[0].rstrip().endswith("/h")
        for width in (60, 40):
            await driver.pilot.resize_terminal(width, 24)
            await driver.until(lambda: driver.text().splitlines()[0].rstrip().endswith("/h"), f"the price at {width}")
