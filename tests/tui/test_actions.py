"""One table of actions: what it promises is bound, documented, and reachable by keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button

from brightrun_tui.paths import Paths
from brightrun_tui.tui.action import spell
from brightrun_tui.tui.actions import ACTIONS, SCOPES, as_markdown, of_scope
from brightrun_tui.tui.app import BrightRunApp
from brightrun_tui.tui.screens.answers import AnswersScreen
from brightrun_tui.tui.screens.chat import ChatScreen
from brightrun_tui.tui.screens.chat_settings import ChatSettingsScreen
from brightrun_tui.tui.screens.columns import ColumnsScreen
from brightrun_tui.tui.screens.compare_runs import CompareRunsScreen
from brightrun_tui.tui.screens.correct import CorrectScreen
from brightrun_tui.tui.screens.corrections import CorrectionsScreen
from brightrun_tui.tui.screens.data import DataScreen
from brightrun_tui.tui.screens.dataset_report import ReportScreen
from brightrun_tui.tui.screens.dialog import Confirm, Dialog
from brightrun_tui.tui.screens.endpoint import EndpointScreen
from brightrun_tui.tui.screens.help import HelpScreen
from brightrun_tui.tui.screens.integrations import IntegrationsScreen
from brightrun_tui.tui.screens.monitor import MonitorScreen
from brightrun_tui.tui.screens.new_run import NewRunScreen
from brightrun_tui.tui.screens.news import NewsScreen
from brightrun_tui.tui.screens.offers import OffersScreen
from brightrun_tui.tui.screens.palette import Palette
from brightrun_tui.tui.screens.pick_base import PickBase
from brightrun_tui.tui.screens.records import RecordsScreen
from brightrun_tui.tui.screens.registry import RegistryScreen
from brightrun_tui.tui.screens.repair import RepairScreen
from brightrun_tui.tui.screens.run_columns import RunColumnsScreen
from brightrun_tui.tui.widgets.alert_list import AlertList
from brightrun_tui.tui.widgets.fields import ChoiceField, PickField, TextField, WaitingField
from brightrun_tui.tui.widgets.filter_bar import FilterBar
from brightrun_tui.tui.widgets.form import SettingRow
from brightrun_tui.tui.widgets.log_view import LogView
from brightrun_tui.tui.widgets.loss_chart import LossChart
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.row_table import RowTable
from brightrun_tui.tui.widgets.rows import RowList
from brightrun_tui.tui.widgets.slider import SliderField
from brightrun_tui.tui.widgets.welcome import Welcome
from tests.tui.conftest import SCREENS, SIZES, Opened

CLASSES: tuple[Any, ...] = (
    BrightRunApp, IntegrationsScreen, NewRunScreen, MonitorScreen, RegistryScreen, RowList, RowTable, LossChart, LogView,
    TextField, ChoiceField, PickField, Dialog, DataScreen, EndpointScreen, AnswersScreen, ChatScreen, OffersScreen,
    ColumnsScreen, Welcome, WaitingField, CorrectScreen, CorrectionsScreen, ChatSettingsScreen, ReportScreen, Reading,
    AlertList, CompareRunsScreen, RecordsScreen, RepairScreen, SliderField, PickBase, RunColumnsScreen, Confirm, FilterBar,
)  # fmt: skip


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.id)
def test_every_action_is_bound_and_does_something(action: Any) -> None:
    """A key that the help shows works: its class has the binding and the method."""
    owners = [owner for owner in CLASSES if action.scope in owner.SCOPES]
    assert owners, f"no class answers to the scope {action.scope}"
    for owner in owners:
        bound = _keys_of(owner, action.id)
        assert set(action.keys) <= bound
        assert callable(getattr(owner, f"action_{action.name}", None))


def _keys_of(owner: Any, action_id: str) -> set[str]:
    """Keys that a class or one of its bases binds to the action."""
    bindings = [binding for base in owner.__mro__ for binding in base.__dict__.get("BINDINGS", ())]
    return {key for binding in bindings if getattr(binding, "id", "") == action_id for key in binding.key.split(",")}


def test_no_scope_uses_a_key_twice() -> None:
    """A key means one thing in one place."""
    for scope in SCOPES:
        keys = [key for action in of_scope(scope) for key in action.keys]
        assert len(keys) == len(set(keys)), scope


def test_the_documentation_is_the_table() -> None:
    """docs/keys.md never lies: it is what the table says (python -c 'from brightrun_tui.tui.actions import …')."""
    assert (Path(__file__).parents[2] / "docs" / "keys.md").read_text("utf-8") == as_markdown()


async def test_help_shows_every_action_of_the_screen(seeded: Paths, opened: Opened) -> None:
    """`?` lists all that works on each of the four; nothing is hidden knowledge."""
    async with opened(seeded, SIZES[0]) as driver:
        for mode in SCREENS:
            await driver.visit(mode)
            await driver.press("escape", "question_mark")
            for size in (driver.app.size, *(size for size in SIZES if size != driver.app.size)):
                await driver.resize(size)
                shown = " ".join(str(flow.render()) for flow in driver.screen(HelpScreen).query("HelpScreen Flow"))
                help_text = " ".join(shown.split())
                for action in (*of_scope(mode), *of_scope("app")):
                    assert action.help in help_text, f"{action.id} on {mode} at {size}"
            await driver.press("escape")


def test_keys_are_spelt_as_they_stand_on_the_keyboard() -> None:
    """No name of Textual's for a character, and no title that help would have to cut."""
    spelt = {spell(key.rpartition("+")[2]) for action in ACTIONS for key in action.keys}
    assert not [key for key in spelt if "_" in key], "see actions._SPELLED"
    assert max(len(action.title) for action in ACTIONS) <= 17


async def test_help_and_commands_open_over_a_dialogue(seeded: Paths, opened: Opened) -> None:
    """Textual keeps the app's keys out of dialogues: those that footer and help name there work all the same."""
    async with opened(seeded, (80, 24)) as driver:
        await driver.press("exclamation_mark")
        await driver.sees("News")
        assert "? Help" in driver.keys() and ": Commands" in driver.keys()
        await driver.press("question_mark")
        await driver.sees("Dialogues", "Close the dialogue")
        help_text = " ".join(str(flow.render()) for flow in driver.screen(HelpScreen).query("HelpScreen Flow"))
        assert "Save a picture" in help_text and "Watch what is running" not in help_text
        await driver.press("question_mark")
        assert isinstance(driver.app.screen, NewsScreen)
        await driver.press("colon")
        await driver.until(lambda: isinstance(driver.app.screen, Palette), "the palette")
        await driver.press("escape")
        await driver.until(lambda: isinstance(driver.app.screen, NewsScreen), "one step back")


async def test_settings_services_and_themes_are_reached_by_name(seeded: Paths, opened: Opened) -> None:
    """A setting that is hidden is shown and has the focus, a service's card as well; themes are those that can be kept."""
    async with opened(seeded, (80, 24)) as driver:
        await driver.press("colon", *"set")
        await driver.paste("ting gradient clip")
        await driver.sees("setting Gradient clip")
        await driver.press("enter")
        await driver.until(lambda: driver.app.current_mode == "new_run")
        row = SettingRow
        await driver.until(lambda: isinstance(parent := driver.new_run.focused and driver.new_run.focused.parent, row)
                           and parent.setting.key == "training.max_grad_norm", "the field")  # fmt: skip
        await driver.press("colon")
        await driver.paste("service judge")
        await driver.sees("service Judge")
        await driver.press("enter")
        await driver.until(lambda: driver.app.current_mode == "integrations")
        screen = driver.screen(IntegrationsScreen)
        await driver.until(lambda: screen.card and screen.card.service.name == "judge", "the card")
        await driver.press("colon")
        await driver.paste("theme ")
        await driver.sees("theme bright-dark")
        await driver.sees_no("theme dracula", "theme textual-dark", "theme nord")


async def test_nothing_is_done_in_a_terminal_that_shows_nothing(seeded: Paths, opened: Opened) -> None:
    """Where only the notice is shown, no question is answered and nothing typed or gone to; all comes back as it was."""
    async with opened(seeded, (80, 24)) as driver:
        await driver.visit("monitor")
        await driver.until(lambda: driver.screen(MonitorScreen).run, "a run")
        await driver.press("s")
        await driver.until(lambda: isinstance(driver.app.screen, Confirm), "the question")
        title = driver.one("Button#yes", Button).label
        for size in ((1, 1), (5, 10), (200, 8), (30, 24)):
            await driver.pilot.resize_terminal(*size)
            await driver.press("y", "enter", "2", "colon", "x", "exclamation_mark", "escape")
            assert isinstance(driver.app.screen, Confirm)
        await driver.sees("30 × 24", "q closes")
        await driver.pilot.resize_terminal(80, 24)
        await driver.sees(str(title))
        await driver.press("escape", "colon")
        await driver.until(lambda: isinstance(driver.app.screen, Palette), "the palette")
        await driver.pilot.resize_terminal(38, 11)
        await driver.sees("38 × 11")
        await driver.press("q")
        await driver.until(lambda: driver.app.return_code == 0, "the end")


async def test_no_key_acts_between_a_larger_terminal_and_its_picture(seeded: Paths, opened: Opened) -> None:
    """A key that comes while the picture of a larger terminal is being laid out acts on nothing: its run is not seen yet."""
    async with opened(seeded, (80, 24)) as driver:
        await driver.visit("monitor")
        screen = driver.screen(MonitorScreen)
        await driver.until(lambda: screen.run, "a run")
        looks: list[tuple[bool, bool]] = []
        screen.screen_layout_refresh_signal.subscribe(
            driver.app, lambda _: looks.append((driver.app.shows_nothing, bool(driver.one("#summary").region)))
        )
        for _ in range(8):
            await driver.pilot.resize_terminal(20, 8)
            await driver.pilot.resize_terminal(80, 24)
            await driver.until(lambda: driver.one("#summary").region, "the run")
        assert (False, False) not in looks and {(True, False), (False, True)} <= set(looks)


async def test_a_key_typed_into_a_field_is_not_offered(seeded: Paths, opened: Opened) -> None:
    """While a text field has the focus, the footer shows only keys that would not end up in the text."""
    async with opened(seeded) as driver:
        await driver.press("2")
        await driver.until(lambda: driver.app.current_mode == "new_run")
        driver.app.screen.query_one(WaitingField).focus()
        await driver.press("enter")
        await driver.until(lambda: "f1 Help" in driver.keys(), "the keys of a field")
        assert " q Quit" not in driver.keys() and "d Dataset" not in driver.keys()
