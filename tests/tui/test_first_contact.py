"""First contact: where the app begins, keys that never surprise, and a table with headings of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock
from textual.widgets import Input

from brightrun_tui.paths import Paths
from brightrun_tui.planning.column_maps import column_map
from brightrun_tui.tui.app import _beginning
from brightrun_tui.tui.remembered import remember_also
from brightrun_tui.tui.screens.columns import ColumnsScreen
from brightrun_tui.tui.screens.data import DataScreen
from brightrun_tui.tui.screens.monitor import MonitorScreen
from brightrun_tui.tui.widgets.fields import WaitingField
from tests.tui.conftest import Opened
from tests.tui.test_new_run import choose_example, open_form

HEADINGS = "Datum;Kundenfrage;Unsere Antwort\n"


@pytest.fixture
def first_mode() -> str:
    return "new_run"


def german_table(path: Path) -> Path:
    rows = [
        f"2024-01-{n % 28 + 1:02};Wann öffnet Haus {n}?;Haus {n} öffnet um acht Uhr, außer an Feiertagen.\n"
        for n in range(40)
    ]
    path.write_text(HEADINGS + "".join(rows), encoding="utf-8")
    return path


async def test_the_app_begins_where_work_is(paths: Paths, seeded: Paths) -> None:
    """With runs under way it opens on Monitor, wherever the person was."""
    remember_also(paths, mode="registry")
    assert (await _beginning(paths, ""))[0] == "monitor"


async def test_nothing_yet_begins_with_a_welcome(paths: Paths, opened: Opened) -> None:
    """Enter fills in the example; the form takes the welcome's place and is ready."""
    assert (await _beginning(paths, ""))[0] == "new_run"
    async with opened(paths) as driver:
        await driver.press("2")
        await driver.sees("Welcome", "try the example", "my own file", "connect a GPU")
        await driver.press("enter")
        await driver.sees("✓ ready", "support-desk")
        await driver.sees_no("Welcome")


async def test_single_keys_stay_keys_in_a_field(paths: Paths, opened: Opened) -> None:
    """A digit on a number field goes to the screen, not into the number; enter opens it, escape drops what was typed."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        field = driver.new_run.form.row("training.epochs").field
        assert isinstance(field, WaitingField)
        field.focus()
        before = field.value
        await driver.press("3")
        await driver.until(lambda: driver.app.current_mode == "monitor")
        await driver.press("2")
        await driver.until(lambda: driver.app.current_mode == "new_run")
        assert field.value == before
        await driver.press("enter", "7")
        await driver.until(lambda: driver.new_run.draft.overrides == {"training.epochs": "7"})
        await driver.press("escape")
        await driver.until(lambda: field.value == before and not driver.new_run.draft.overrides)


async def test_every_change_can_be_taken_back(paths: Paths, opened: Opened) -> None:
    """A value, one setting's reset and the data: u goes back one step after the other."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        driver.new_run.form.row("training.epochs").field.focus()
        await driver.press("enter", "7", "enter")
        await driver.sees("● yours")
        await driver.press("x")
        await driver.sees_no("● yours")
        await driver.press("u")
        await driver.sees("● yours")
        await driver.press("u", "u")
        await driver.until(lambda: not driver.new_run.draft.data)


async def test_slash_finds_a_setting(paths: Paths, opened: Opened) -> None:
    """Words of its help are enough; the others come back when the search is dropped."""
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("slash", *"neft")
        await driver.sees("NEFTune")
        await driver.sees_no("Warm-up", "Rank (r)")
        await driver.press("escape")
        await driver.sees("Rank (r)", "Template")


async def test_own_headings_are_mapped_in_the_app_and_remembered(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table with German headings: found where one is by its first letters, guessed from its content, changed by keys, known
    the next time.
    """
    german_table(tmp_path / "Kunden.csv")
    monkeypatch.chdir(tmp_path)
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("escape", "d")
        await driver.until(lambda: isinstance(driver.app.screen, DataScreen))
        driver.one("#narrow", Input).value = "kund"
        await driver.sees("Question: “Kundenfrage” · Answer: “Unsere Antwort”", "guessed", "40 of 40", "Haus 0 öffnet")
        await driver.press("f4")
        await driver.until(lambda: isinstance(driver.app.screen, ColumnsScreen))
        await driver.sees("Wann öffnet Haus 0?", "40 of 40")
        await driver.press("right")
        await driver.sees("One column cannot be two things")
        await driver.press("left", "down", "down", "down", "down", "right")
        await driver.sees("‹ Datum ›", "40 of 40")
        await driver.press("f5")
        await driver.sees("as you said", "Category: “Datum”")
        await driver.press("enter")
        await driver.sees("✓ ready")
        assert driver.new_run.draft.columns["completion"] == "Unsere Antwort"
    other = german_table(tmp_path / "next month.csv")
    found = column_map(str(other), paths)
    assert found.remembered and found.mapping["category"] == "Datum"


async def test_a_sweep_is_a_group_of_runs(paths: Paths, opened: Opened) -> None:
    """Three learning rates with three keys; the palette shows them beside one another."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        with FileLock(paths.engine_lock):  # an engine is there already, so none is started
            await driver.press("S")
            await driver.sees("Two or three values")
            await driver.press("enter")
            await driver.sees("3 runs, one after the other", "free", "a quarter and at half")
            await driver.press("y")
            await driver.until(lambda: len(driver.app.snapshot.runs) == 3, "three runs")
        assert len({run.spec.group for run in driver.app.snapshot.runs}) == 1
        assert all(run.spec.stop_worst for run in driver.app.snapshot.runs)
        await driver.press("colon", *"sweep supp", "enter")
        await driver.sees("─ Sweep ─", "Learning rate 0.001", "enter shows support-desk-")
        await driver.press("down", "enter")
        await driver.until(lambda: driver.app.current_mode == "monitor", "the run")
        assert driver.app.watched_run == sorted(driver.app.snapshot.runs, key=lambda run: run.created_at)[1].id


async def test_a_run_is_set_up_again_and_what_was_in_the_form_comes_back(seeded: Paths, opened: Opened) -> None:
    """n in Monitor fills in New Run; u brings back what stood there."""
    async with opened(seeded) as driver:
        await driver.press("3")
        await driver.until(
            lambda: driver.app.current_mode == "monitor" and driver.screen(MonitorScreen).run is not None
        )
        run = driver.screen(MonitorScreen).run
        assert run is not None
        await driver.press("n")
        await driver.until(lambda: driver.app.current_mode == "new_run")
        await driver.until(lambda: driver.new_run.draft.name == run.spec.name)
        assert driver.new_run.draft.data == (run.spec.dataset.source or run.spec.dataset.path)
        await driver.press("u")
        await driver.until(lambda: not driver.new_run.draft.data)
