"""First contact: where the app begins, keys that never surprise, and a table with headings of one's own."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
from filelock import FileLock
from textual.widgets import Input, OptionList

from brightrun_tui.paths import Paths
from brightrun_tui.planning.column_maps import column_map
from brightrun_tui.store import datasets, open_database
from brightrun_tui.tui.app import _beginning
from brightrun_tui.tui.remembered import remember_also
from brightrun_tui.tui.screens import data, data_choices
from brightrun_tui.tui.screens.columns import ColumnsScreen
from brightrun_tui.tui.screens.data import DataScreen
from brightrun_tui.tui.screens.data_choices import examples
from brightrun_tui.tui.screens.monitor import MonitorScreen
from brightrun_tui.tui.screens.pick import Choice
from brightrun_tui.tui.widgets.fields import WaitingField
from tests.tui import seed
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


async def test_nothing_yet_begins_with_a_welcome_and_keys_never_surprise(paths: Paths, opened: Opened) -> None:
    """Enter fills in the example; the form takes the welcome's place and is ready. A digit on a number field goes to the
    screen, not into the number; enter opens it, escape drops what was typed. u goes back one step after the other."""
    assert (await _beginning(paths, ""))[0] == "new_run"
    async with opened(paths) as driver:
        await driver.press("2")
        await driver.sees("Welcome", "try the example", "my own file", "connect a GPU")
        await driver.press("enter")
        await driver.sees("✓ ready", "support-desk")
        await driver.sees_no("Welcome")

        field = driver.new_run.form.row("training.epochs").field
        assert isinstance(field, WaitingField)
        field.focus()
        before = field.value
        await driver.press("3")
        await driver.until(lambda: driver.app.current_mode == "monitor", "a digit is a key of the screen")
        await driver.press("2")
        await driver.until(lambda: driver.app.current_mode == "new_run")
        assert field.value == before
        await driver.press("enter", "7")
        await driver.until(lambda: driver.new_run.draft.overrides == {"training.epochs": "7"})
        await driver.press("escape")
        await driver.until(lambda: field.value == before and not driver.new_run.draft.overrides, "escape drops it")

        field.focus()
        await driver.press("enter", "7", "enter")
        await driver.sees("● yours")
        await driver.press("x")
        await driver.sees_no("● yours")
        await driver.press("u")
        await driver.sees("● yours")
        await driver.press("u", "u")
        await driver.until(lambda: not driver.new_run.draft.data, "the data is taken back, too")


async def test_what_is_looked_for_or_acted_on_in_the_form_stays_in_sight(
    paths: Paths, opened: Opened, tmp_path: Path
) -> None:
    """Words of its help find a setting; undo that takes rows away above a field moves the form, a slider would else be changed
    unseen; of a report the first thing noticed is named, with the key to the rest, and the settings are seen without moving."""
    table = tmp_path / "alt.csv"
    rows = german_table(table).read_text(encoding="utf-8")
    table.write_bytes((rows + rows.partition("\n")[2]).encode("cp1252"))
    async with opened(paths, (80, 24)) as driver:
        await open_form(driver)
        columns = {"prompt": "Kundenfrage", "completion": "Unsere Antwort"}
        draft = driver.new_run.draft.model_copy(update={"data": str(table), "columns": columns})
        await driver.app.show_draft(draft)
        await driver.sees("✓ ready", "more; v shows them", "Not before")
        await driver.press("u")
        await driver.sees("no dataset is chosen")

        await choose_example(driver)
        form = driver.new_run.form
        field = form.row("training.learning_rate").field
        field.focus()
        await driver.press("a")
        form.scroll_to_widget(field, top=True, animate=False)
        field.focus()
        await driver.until(lambda: field.region.y == form.content_region.y, "the field at the upper edge")
        await driver.press("u")
        await driver.sees("no dataset is chosen")
        await driver.until(lambda: form.content_region.contains_region(field.region), "the field in sight")

        await driver.press("a")
        await driver.resize((120, 40))
        await driver.press("slash", *"neft")
        await driver.sees("NEFTune")
        await driver.sees_no("Warm-up", "Rank (r)")
        await driver.press("escape")
        await driver.sees("Rank (r)", "Template")  # the others come back when the search is dropped


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


async def test_a_category_by_its_name_and_roles_left_out_are_explained(
    paths: Paths, opened: Opened, tmp_path: Path
) -> None:
    """Beside a role that no column was given stands which column is it by its name, or what a column would do there."""
    rows = german_table(tmp_path / "plain.csv").read_text(encoding="utf-8").splitlines()
    kinds = ["Kategorie", *("Versand" if n % 2 else "Preis" for n in range(40))]
    table = tmp_path / "kinds.csv"
    table.write_text("\n".join(f"{kind};{row}" for kind, row in zip(kinds, rows, strict=True)), encoding="utf-8")
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("escape", "d")
        await driver.until(lambda: isinstance(driver.app.screen, DataScreen))
        driver.one("#narrow", Input).value = str(table)
        await driver.sees("40 of 40")
        await driver.press("f4")
        await driver.sees("by its name: “Kategorie”", "rows of one talk or person")


async def test_the_palette_finds_an_added_dataset(seeded: Paths, opened: Opened) -> None:
    """It is shown with what is in it, in the dialogue that chooses data; nothing is changed by looking."""
    async with open_database(seeded.database) as db:
        await datasets.add(db, seed.dataset_report("anfragen-2026", examples()[0].id))
    async with opened(seeded) as driver:
        await driver.press("colon", *"da")
        await driver.paste("ta anfr")
        await driver.sees("data anfragen-2026")
        await driver.press("enter")
        await driver.sees("─ Dataset ─", "169 of 169 records usable")
        screen = driver.screen(DataScreen)
        assert (option := screen.query_one(OptionList).highlighted_option) and option.id == "anfragen-2026"
        await driver.press("escape")
        assert not driver.new_run.draft.data
        await driver.press("colon")
        await driver.paste("data anfr")
        await driver.press("enter")
        await driver.sees("─ Dataset ─", "169 of 169 records usable")
        await driver.press("enter")
        await driver.until(lambda: driver.new_run.draft.data == "anfragen-2026")


async def test_enter_is_for_what_was_typed_however_fast(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed faster than files are listed: the one that was typed is taken, not what stood there before."""
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_bytes(Path(examples()[0].id).read_bytes())
    monkeypatch.chdir(tmp_path)
    may_list = Event()

    def slowly(typed: str) -> list[Choice]:
        may_list.wait(30)
        return data_choices.list_data(typed)

    monkeypatch.setattr(data, "list_data", slowly)
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("escape", "d")
        await driver.sees("─ Dataset ─", "169 of 169")
        await driver.press(*"two", "enter")
        may_list.set()
        await driver.until(lambda: driver.app.current_mode == "new_run" and not driver.app.screen.is_modal, "the form")
        await driver.until(lambda: driver.new_run.draft.data, "the data")
        assert driver.new_run.draft.data == str(tmp_path / "two.jsonl")


async def test_a_sweep_is_a_group_of_runs(paths: Paths, opened: Opened) -> None:
    """Three learning rates with three keys; the palette shows them beside one another."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        with FileLock(paths.engine_lock):  # an engine is there already, so none is started
            await driver.press("S")
            await driver.sees("Two or three values")
            await driver.press("end", "backspace", *"abc", "enter")
            await driver.sees("That did not work", "Two or three values")
            await driver.press("backspace", "backspace", "backspace", "1", "enter")
            await driver.sees("3 runs, one after the other", "free", "a quarter and at half")
            await driver.press("y")
            await driver.until(lambda: len(driver.app.snapshot.runs) == 3, "three runs")
        assert len({run.spec.group for run in driver.app.snapshot.runs}) == 1
        assert all(run.spec.stop_worst for run in driver.app.snapshot.runs)
        await driver.press("colon")
        await driver.paste("sweep supp")
        await driver.press("enter")
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
