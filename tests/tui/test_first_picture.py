"""What is drawn first is drawn once, whole, and in the form that the terminal's size asks for; each key is asked for once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.screen import Screen
from textual.strip import Strip
from textual.widgets import Static

from brightrun_tui.paths import Paths
from brightrun_tui.store import open_database, runs
from brightrun_tui.tui.screens.monitor import MonitorScreen
from brightrun_tui.tui.widgets.footer import live_actions
from tests.tui import seed
from tests.tui.conftest import Opened, first_mode, opened  # noqa: F401


class Counted(Static):
    """Counts how often it is drawn, and notes the classes that its screen had when it was styled first."""

    drawn = 0
    made_in: frozenset[str] = frozenset()

    def on_mount(self) -> None:
        type(self).made_in = self.screen.classes

    def render(self) -> str:
        return "here"

    def render_lines(self, crop: Region) -> list[Strip]:
        type(self).drawn += 1
        return super().render_lines(crop)


class Bare(App[None]):
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        yield Counted()


class Other(Screen[None]):
    def compose(self) -> ComposeResult:
        yield Counted()


async def test_what_is_held_back_is_drawn_whole_when_it_is_let_go_and_not_before() -> None:
    app = Bare()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        before = Counted.drawn
        with app.batch_update():
            for width in (60, 70, 90):
                await pilot.resize_terminal(width, 20)
                await pilot.pause()
            assert Counted.drawn == before, "drawn for nobody"
        while Counted.drawn == before:
            await pilot.pause(0.01)
        assert "here" in app.export_screenshot()


@pytest.mark.parametrize(("columns", "form"), [(80, "-narrow"), (120, "-wide")])
async def test_a_screen_is_made_in_the_form_for_the_size_of_the_terminal(columns: int, form: str) -> None:
    app = Bare()
    async with app.run_test(size=(columns, 24)) as pilot:
        await app.push_screen(Other())
        await pilot.pause()
        assert form in Counted.made_in


@pytest.mark.parametrize("first_mode", ["monitor"])
async def test_the_footer_asks_for_each_action_once(
    opened: Opened, seeded: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each key that moves in a list has the footer look whether the others still mean something."""
    asked: Counter[str] = Counter()
    permits = MonitorScreen.check_action

    def check_action(self: MonitorScreen, action: str, parameters: tuple[object, ...]) -> bool | None:
        asked[action] += 1
        return permits(self, action, parameters)

    async with opened(seeded) as driver:
        monkeypatch.setattr(MonitorScreen, "check_action", check_action)
        found: list[Any] = live_actions(driver.app.screen.focused, driver.app.screen)
        assert found and set(asked.values()) == {1}


@pytest.mark.parametrize("first_mode", ["monitor"])
async def test_a_run_that_ended_before_its_first_step_promises_no_point(opened: Opened, paths: Paths) -> None:
    async with open_database(paths.database) as db:
        await runs.create(db, seed.spec("r-1", "r-1"), str(paths.run_directory("r-1")))
        await runs.transition(db, "r-1", "stopped")
    async with opened(paths) as driver:
        await driver.sees("It ended before its first step.")
        await driver.press("a")
        await driver.sees("It ended before it answered anything.")
