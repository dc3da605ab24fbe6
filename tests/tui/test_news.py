"""News while the app is open: on every screen, counted on the tab, in a history from which one gets to the run."""

from __future__ import annotations

import pytest

from brightrun_tui.domain.run import Notice
from brightrun_tui.paths import Paths
from brightrun_tui.store import notifications, open_database, runs
from tests.tui.conftest import SIZES, Opened


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_that_ends_is_said_wherever_one_is(seeded: Paths, opened: Opened, size: tuple[int, int]) -> None:
    """A toast, one more on the Monitor tab, and the history with enter as the way to the run; then it counts as read."""
    async with open_database(seeded.database) as db:
        before = await notifications.unread(db)
        async with opened(seeded, size) as driver:
            await driver.press("4")
            await driver.sees(f"●{before}")
            await runs.transition(db, "r-0006", "collecting")
            await runs.transition(db, "r-0006", "stopped")
            await driver.until(lambda: "shop-faq the run has stopped" in driver.toasts(), "a toast")
            await driver.sees(f"●{before + 1}")
            await driver.press("exclamation_mark")
            await driver.sees("News", "● ✓ shop-faq", "the run has stopped", "enter shows the run")
            await driver.press("enter")
            await driver.until(lambda: driver.app.current_mode == "monitor" and driver.app.watched_run == "r-0006")
            await driver.sees_no("Monitor ●")


async def test_news_that_asks_for_nothing_covers_nothing(seeded: Paths, opened: Opened) -> None:
    """That a machine has begun is counted and kept in the history; only what matters is laid over the screen."""
    async with open_database(seeded.database) as db:
        before = await notifications.unread(db)
        async with opened(seeded) as driver:
            await driver.until(lambda: driver.app.snapshot.unread == before)
            notice = Notice(time=1.0, level="info", code="first_step", message="the first step came after 1 min")
            await runs.update(db, "r-0006", notices=(notice,))
            await driver.sees(f"●{before + 1}")
            assert "first step" not in driver.toasts()
            await driver.press("exclamation_mark")
            await driver.sees("the first step came after 1 min")


async def test_toasts_bell_and_title_can_be_switched_off(seeded: Paths, opened: Opened) -> None:
    """Who wants to be left alone is; the count stays."""
    seeded.config_file.parent.mkdir(parents=True, exist_ok=True)
    seeded.config_file.write_text("[notify]\nchannels = []\ntoasts = false\ntitle = false\n")
    async with open_database(seeded.database) as db:
        before = await notifications.unread(db)
        async with opened(seeded) as driver:
            await driver.until(lambda: driver.app.snapshot.unread == before)
            await runs.transition(db, "r-0007", "stopped")
            await driver.sees(f"●{before + 1}")
            assert "shop-faq-large" not in driver.toasts()
