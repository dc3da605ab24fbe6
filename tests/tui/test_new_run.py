"""New Run: the plan follows every change, and nothing starts by a slip."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from filelock import FileLock
from textual._compositor import Compositor
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode
from textual.widgets import Input, OptionList

from brightrun_tui import datasets
from brightrun_tui.domain.setting_help import TRADES
from brightrun_tui.domain.settings import iter_settings
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import Paths
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import make_spec
from brightrun_tui.store import open_database, runs
from brightrun_tui.tui.screens import new_run
from brightrun_tui.tui.screens.data import DataScreen
from brightrun_tui.tui.screens.data_choices import examples
from brightrun_tui.tui.screens.dialog import Confirm
from brightrun_tui.tui.screens.read_settings import ReadSettingsScreen
from brightrun_tui.tui.widgets.fields import TextField, WaitingField
from brightrun_tui.tui.widgets.form import SettingRow
from tests.planning.hub_stand_in import StandIn
from tests.planning.test_damaged import damaged_starter
from tests.planning.tiny_model import write_model
from tests.tui import seed
from tests.tui.conftest import SIZES, Driver, Opened


@pytest.fixture
def first_mode() -> str:
    return "new_run"


MARKED = ((60, 30), (80, 24))
"""Small terminals, in which there is no room behind a value."""


async def open_form(driver: Driver) -> None:
    await driver.press("2")
    await driver.until(lambda: driver.app.current_mode == "new_run" and driver.app.screen.query("#checks"))
    await driver.sees("no dataset is")
    if driver.one("#welcome").display:
        await driver.press("escape")


async def choose_example(driver: Driver) -> None:
    """As the keys of `test_the_keyboard_alone_starts_a_run` do."""
    await driver.app.show_draft(driver.new_run.draft.model_copy(update={"data": examples()[0].id}))
    await driver.sees("✓ ready")


async def begin_anew(driver: Driver) -> None:
    """The example, and nothing changed."""
    await driver.press("escape")
    driver.new_run.fill(Draft(data=examples()[0].id))
    await driver.until(
        lambda: driver.plan.draft == driver.new_run.draft and driver.plan.ready, "the example is planned"
    )
    assert not driver.new_run.draft.overrides


async def test_the_keyboard_alone_starts_a_run(paths: Paths, opened: Opened) -> None:
    """From the first screen to a run in Monitor without a mouse, at every size. Without a dataset the button says no, with
    the reason and the fix; whatever is typed as its path is lived with; Escape at the last question does not start it."""
    async with opened(paths, SIZES[0]) as driver:
        for number, size in enumerate(SIZES):
            await driver.pilot.resize_terminal(*size)
            await driver.visit("new_run")
            if not number:
                await open_form(driver)
                await nothing_starts_without_a_dataset(driver)
                await any_path_is_lived_with(driver)
            await driver.press("escape", "d")
            await driver.sees("support-desk", "records usable")
            await driver.press("enter")
            await driver.sees("✓ ready")
            await driver.sees("Memory", "Time", "free", "Start  ▶")
            with FileLock(paths.engine_lock):  # an engine is there already, so none is started
                await driver.press("escape", "s")
                await driver.sees("Start the run", "It costs nothing")
                await driver.press("escape")
                await driver.until(lambda: len(driver.app.screen_stack) == 1)
                assert len(driver.app.snapshot.runs) == number, "Escape started it"
                await driver.press("s")
                await driver.sees("Start the run")
                await driver.press("enter")
                await driver.until(lambda: driver.app.current_mode == "monitor", "Monitor is shown")
                await driver.sees("support-desk", "queued", f"Runs {number + 1}")
    async with open_database(paths.database) as db:
        for run in await runs.list_runs(db):
            assert run.name == "support-desk" and run.state == "queued" and run.estimate and run.estimate.steps > 0


async def nothing_starts_without_a_dataset(driver: Driver) -> None:
    for size in reversed(SIZES):
        await driver.pilot.resize_terminal(*size)
        await driver.sees("✗ not yet: no dataset is", "✗ dataset", "give a file")
        await driver.press("f5")
        assert len(driver.app.screen_stack) == 1, "it would start all the same"


async def any_path_is_lived_with(driver: Driver) -> None:
    """Homes of nobody, endless names and places one may not see are typed in the middle of typing something else."""
    await driver.press("escape", "d")
    entry = driver.one("#narrow", Input)
    for typed in ("~nobody/x", "/" + "x" * 300, "/proc/self/fd/", "/\0"):
        entry.value = typed
        await driver.press("enter")
        if not isinstance(driver.app.screen, DataScreen):
            await driver.press("escape", "d")
            entry = driver.one("#narrow", Input)
    await driver.press("escape")
    await driver.sees("Estimate and checks")


async def test_a_setting_is_explained_changed_marked_and_taken_back(paths: Paths, opened: Opened) -> None:
    """One number of the form: its help, typing and arrows, what the plan makes of it, its mark, and undo."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        row = driver.new_run.form.row("training.epochs")
        field = row.field
        assert isinstance(field, TextField) and driver.plan.estimate
        field.focus()
        await driver.press("question_mark")  # what it is, what stands there and who set it, what it brings and costs
        await driver.sees("3, by template", "above 0 and at most", "costs", "--set training.epochs=")
        await driver.press("escape")
        before = driver.plan.estimate.steps
        for size in (*MARKED, (120, 40)):
            await driver.pilot.resize_terminal(*size)
            await driver.settle()
            line = driver.text().splitlines()[row.region.y]
            assert "▌" not in line and "yours" not in line, f"marked at {size} before it is changed: {line}"

        await driver.press("enter", "end", "backspace", "9")  # enter and the digits, no other key
        await driver.until(lambda: driver.plan.settings.training.epochs == 9.0)
        assert driver.plan.estimate.steps > 2 * before, "the estimate follows"
        await driver.sees("● yours")
        await driver.press("enter", "down")
        for size in (*MARKED, (120, 40)):
            await driver.pilot.resize_terminal(*size)
            await driver.settle()
            line = driver.text().splitlines()[row.region.y]
            assert "▌" in line or "● yours" in line, f"not marked but by colour at {size}: {line}"

        await begin_anew(driver)
        field.focus()
        await driver.press("right", "right", "shift+right")  # from stop to stop, three at once with shift
        assert field.value == "10"
        await driver.until(lambda: driver.plan.settings.training.epochs == 10)
        await driver.sees("● yours", "Epochs  time 5 min")
        await driver.press("u")
        await driver.until(lambda: field.value == "3", "undo takes the whole move back")
        await driver.press("enter", "7", "left", "1", "enter")  # arrows move in what is typed
        await driver.until(lambda: field.value == "17", "typed values lie between the stops")
        await driver.press("left")
        assert field.value == "15"
    assert {setting.key for setting in iter_settings()} == set(TRADES), "help for every setting"


async def test_what_is_wrong_with_a_setting_is_said_where_it_stands_and_mended(paths: Paths, opened: Opened) -> None:
    """A learning rate of “fast”, a rank too large, a budget that is no number: named, healed, never in force unseen."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        form = driver.new_run.form
        rate, rank = form.row("training.learning_rate"), form.row("lora.r")
        rate.field.focus()
        await driver.press("enter", "ctrl+u", *"fast")
        await driver.sees("✗ “fast” does not fit", "✗ settings")
        await driver.press("ctrl+u")
        await driver.sees("✓ ready")

        driver.new_run.fill(Draft(data=examples()[0].id, overrides={"training.max_grad_norm": "0.5"}))
        await driver.sees("Settings  ● 1 changed", "● 1 changed")  # behind “Advanced” as well as under a filter
        driver.new_run.fill(Draft(data=examples()[0].id, overrides={"training.learning_rate": "7"}))
        await driver.sees("✗ settings  “7” does not fit Learning rate")
        assert "training.learning_rate" not in driver.text(), "no dotted key where there is a title"

        await begin_anew(driver)
        field = rank.field
        assert isinstance(field, TextField)
        field.focus()
        await driver.press("enter", "ctrl+u", *"5000", "enter")
        await driver.sees(" f  Rank (r)", "✗ settings")  # the change stands under its key with its effect
        await driver.press("f")
        await driver.sees("✓ ready")
        assert field.value == "1024" and rank.has_class("-changed"), "one key makes it green, and marks it"
        await driver.press("u")
        await driver.sees("✗ settings")
        assert field.value == "5000", "another takes it back"

        await begin_anew(driver)
        form.row("budget_usd").field.focus()
        await driver.press("enter", *"$4,50")  # a number to a person and to the app; “much” is not
        await driver.until(lambda: driver.new_run.draft.budget_usd == 4.5)
        await driver.press("ctrl+u", *"much")
        await driver.sees("✗ a number above 0")
        await driver.press("ctrl+u", *"1,000")
        await driver.sees("✗ write 1000 or 1.50", "✗ not yet: Budget ($)")
        assert not driver.app.screen.check_action("start", ()), "what is in force is not what is seen"
        await driver.press("ctrl+u", *"1000")
        await driver.until(lambda: driver.new_run.draft.budget_usd == 1000)
        await driver.sees_no("Budget ($):", "✗ write 1000")


async def test_one_choice_sets_many_settings_and_leaves_what_was_typed(paths: Paths, opened: Opened) -> None:
    """Intensity says what it sets; choosing “Code” raises the rank, but a rank that was typed stays. Whatever `--set` can
    change, the form can change."""
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        driver.new_run.form.row("intensity").field.focus()
        await driver.press("right")
        await driver.sees("‹ aggressive ›", "rank 32, epochs 4.5", "Learning rate 0.001, Epochs", "intensity aggr")
        await driver.press("u")
        await driver.sees("‹ balanced ›")

        await driver.press("escape", "t")
        await driver.sees("Template")
        await driver.press(*"code", "enter")
        await driver.until(lambda: driver.plan.settings.lora.r == 64)
        field = driver.new_run.form.row("lora.r").field
        assert isinstance(field, WaitingField)
        await driver.until(lambda: field.value == "64", "the field shows it")
        field.focus()
        await driver.press("enter", "end", "backspace", "backspace", "8", "enter")
        await driver.until(lambda: driver.plan.settings.lora.r == 8)
        await driver.press("escape", "t", *"quick", "enter")
        await driver.until(lambda: driver.plan.draft.template == "quick")
        assert driver.plan.settings.lora.r == 8, "what was typed stays"

        await driver.press("escape", "a")
        await driver.until(lambda: len(driver.app.screen.query(SettingRow)) > 10)
        keys = [row.setting.key for row in driver.app.screen.query(SettingRow)]
        assert sorted(keys) == sorted(setting.key for setting in iter_settings()), (
            "none is missing, none is there twice"
        )


async def test_only_what_has_changed_is_planned_styled_and_painted(
    paths: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change is planned with at once. Of a move in the form the label and the field, not all of it; the border of a panel
    when the focus leaves it and when it comes back. Nothing for an app that ends: quitting while a plan is made is immediate.
    """
    styled: list[DOMNode] = []
    painted: list[bool] = []
    update, paint = Stylesheet.update_nodes, Compositor.render_full_update

    def counted(self: Stylesheet, nodes: Iterable[DOMNode], animate: bool = False) -> None:
        styled.extend(there := list(nodes))
        update(self, there, animate=animate)

    def render_full_update(self: Compositor, *arguments: Any, **options: Any) -> Any:
        painted.append(True)
        return paint(self, *arguments, **options)

    monkeypatch.setattr(Stylesheet, "update_nodes", counted)
    async with opened(paths) as driver:
        await open_form(driver)
        form = driver.one("#form")
        highlit = form.styles.border_top
        await driver.press("down")
        styled.clear()
        await driver.press("down")
        assert 0 < len(styled) < 20, "the label of the field, not all of the form"
        for row in driver.app.screen.query(".form-row"):
            assert bool(row.query_one(".form-label").styles.text_style.bold) == row.has_focus_within
        driver.app.screen.set_focus(None)
        await driver.settle()
        assert form.styles.border_top != highlit
        await driver.press("tab")
        assert form.styles.border_top == highlit

        monkeypatch.setattr(new_run, "PLAN_SECONDS", 1e6)
        await choose_example(driver)  # only changes that follow one another fast wait until they have rested

        await driver.press("tab", "j", "k")
        monkeypatch.setattr(Compositor, "render_full_update", render_full_update)
        began = driver.app.screen.focused
        await driver.press("j", "j", "j", "k", "k")
        await driver.until(lambda: driver.app.screen.focused is not began)
        await driver.pilot.pause(0.2)
        assert not painted, "moving in the form paints the whole screen"

        driver.new_run.fill(Draft(data=examples()[0].id, overrides={"training.epochs": 5}))
        await driver.press("escape")
        styled.clear()
        start = asyncio.get_running_loop().time()
        await driver.press("q")
        assert asyncio.get_running_loop().time() - start < 10, "quitting waits for the plan"
    assert len(styled) <= 1, "more than the field that loses the focus is styled as the app ends"


async def test_a_file_that_vanishes_before_the_start_is_seen_in_the_form(
    paths: Paths, opened: Opened, tmp_path: Path
) -> None:
    """The start is refused with the reason, and the form does not go on to call itself ready."""
    table = tmp_path / "faq.jsonl"
    table.write_bytes(Path(examples()[0].id).read_bytes())
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.app.show_draft(driver.new_run.draft.model_copy(update={"data": str(table)}))
        await driver.sees("✓ ready")
        table.unlink()
        await driver.press("s")
        await driver.sees("That did not work", "there is no such file")
        await driver.sees("✗ not yet")


async def test_the_form_comes_back_with_the_dataset_that_was_chosen(
    paths: Paths, opened: Opened, tmp_path: Path
) -> None:
    """What was chosen but not yet run is there after a restart, read as it was read; a file that is gone is named."""
    file = tmp_path / "faq.csv"
    file.write_text("Frage,Antwort\n" + "".join(f"Wann öffnet {n}?,Um {n} Uhr.\n" for n in range(60)))
    columns = {"prompt": "Frage", "completion": "Antwort"}
    async with opened(paths) as driver:
        await driver.app.show_draft(driver.new_run.draft.model_copy(update={"data": str(file), "columns": columns}))
        await driver.sees("✓ ready")
    async with opened(paths) as driver:
        await driver.sees("✓ ready", "faq", "60 of 60 records usable")
        assert driver.new_run.draft.columns == columns
    file.unlink()
    async with opened(paths) as driver:
        await driver.sees("✗ dataset", "there is no such file", "faq.csv")


async def test_defaults_that_cannot_be_read_stop_a_run(paths: Paths, opened: Opened) -> None:
    """They may hold a budget: a slip beside it must not let a run go without one."""
    paths.config.mkdir(parents=True, exist_ok=True)
    paths.config_file.write_text("[defaults]\nbudget_usd = 5\ntemplat = 'x'\n")
    async with opened(paths, (120, 40)) as driver:
        await open_form(driver)
        await driver.until(lambda: driver.new_run.plan is not None)
        await driver.sees("→ known keys: base, template")  # the line before, with the file's name, breaks anywhere
        assert "templat" in str([check.error for check in driver.plan.checks if check.error])


async def test_files_are_browsed_by_typing_and_judged_before_they_are_taken(
    paths: Paths, opened: Opened, tmp_path: Path
) -> None:
    """Typing a path lists what is there; the file under the cursor is checked, with reason and fix."""
    folder = tmp_path / "my data [b]"
    folder.mkdir()
    (folder / "bad.jsonl").write_text('{"messages": [\n')
    good = "".join(f'{{"prompt": "question {n}?", "completion": "answer {n}"}}\n' for n in range(60))
    (folder / "good.jsonl").write_text(good)
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("escape", "d")
        await driver.sees("support-desk")
        (tmp_path / "Goods.jsonl").write_text(good)
        (tmp_path / "goods-2.jsonl").write_text(good.replace("question", "Frage"))
        driver.one("#narrow").value = f"{tmp_path}/goo"
        await driver.sees("Goods.jsonl", "/goods-2.jsonl", "Frage 0?")  # completed, and under the cursor
        driver.one("#narrow").value = f"{folder}/"
        await driver.sees("bad.jsonl", "good.jsonl", "A directory")
        await driver.press("down", "down")
        await driver.sees("✗", "→")
        await driver.press("down")
        await driver.sees("60 of 60 records usable", "question 0?", "answer 0")
        await driver.press("enter")
        await driver.until(lambda: driver.new_run.draft.data == str(folder / "good.jsonl"))
        await driver.sees("✓ ready")
        await driver.press("escape", "v")
        await driver.sees("Conversations of good", "assistant", "learnt")


async def test_a_large_file_that_is_chosen_while_it_is_read_is_read_once(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enter, and more of it, before the check is done: it is taken as soon as it has been read."""
    file = tmp_path / "large.jsonl"
    file.write_text("".join(f'{{"prompt": "question {n}?", "completion": "answer {n}"}}\n' for n in range(60)))
    go_on, begun, examine = Event(), [], datasets.examine

    def slowly(path: Path, **options: Any) -> datasets.Examined:
        begun.append(path)
        go_on.wait(60)
        return examine(path, **options)

    monkeypatch.setattr(datasets, "examine", slowly)
    monkeypatch.chdir(tmp_path)
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("escape", "d")
        driver.one("#narrow").value = "./large"
        await driver.until(lambda: Path("large.jsonl") in begun)
        await driver.press("enter", "enter")
        go_on.set()
        await driver.until(lambda: len(driver.app.screen_stack) == 1, "the dialogue has answered")
        assert driver.new_run.draft.data == str(file), "from wherever the app is started next"
        await driver.sees("✓ ready")
        assert make_spec(driver.plan).dataset.path == str(file)
    assert [one.name for one in begun].count(file.name) == 1


async def test_another_dataset_can_be_chosen_while_a_large_one_is_read(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there at once, and the reading of the first one, which says how far it is, ends: nobody wants it any more."""
    large, ended, examine = tmp_path / "large.jsonl", Event(), datasets.examine
    large.write_text('{"prompt": "question?", "completion": "answer"}\n' * 2)

    def without_end(path: Path, **options: Any) -> datasets.Examined:
        while path == large:
            try:
                options["progress"]("7 records read", 0.5)
            except BaseException:
                ended.set()
                raise
            time.sleep(0.01)
        return examine(path, **options)

    monkeypatch.setattr(datasets, "examine", without_end)
    async with opened(paths) as driver:
        await driver.app.show_draft(driver.new_run.draft.model_copy(update={"data": str(large)}))
        await driver.sees("7 records read (50%)")
        await choose_example(driver)
        await driver.until(ended.is_set, "the first reading ended")


async def test_a_damaged_starter_is_said_and_another_base_can_be_chosen(paths: Paths, opened: Opened) -> None:
    """A damaged file of the model everybody begins with locks nobody out of New Run."""
    damaged_starter(paths)
    other = write_model(paths.data / "other")
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.sees("model.safetensors is damaged", "bases fetch")
        await driver.press("escape", "b")
        await driver.sees("Base model")
        driver.one("#narrow", Input).value = str(other)
        await driver.sees("as typed")
        await driver.press("enter")
        await driver.sees_no("is damaged")
        await choose_example(driver)


async def test_a_dataset_of_the_hub_and_a_folder_are_chosen_like_a_file(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """hf:owner/name is fetched with Enter, and what is wrong with it is said in the dialogue; a folder is one dataset."""
    rows = [f'{{"prompt": "What is number {i}?", "completion": "It is number {i}."}}\n'.encode() for i in range(60)]
    for name, part in (("a.jsonl", rows[:30]), ("b.jsonl", rows[30:])):
        (tmp_path / "parts").mkdir(exist_ok=True)
        (tmp_path / "parts" / name).write_bytes(b"".join(part))
    hub = StandIn({"train.jsonl": b"".join(rows[:40])}, repository="acme/faq", kind="datasets").start()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("escape", "d")
        driver.one("#narrow", Input).value = "hf:acme/typo"
        await driver.sees("from the Hugging Face Hub")
        await driver.press("enter")
        await driver.sees("there is no dataset")
        driver.one("#narrow", Input).value = "hf:acme/faq"
        await driver.sees("hf:acme/faq ", "Enter fetches it")
        await driver.press("enter")
        await driver.sees("40 of 40 records usable")
        await driver.press("escape", "d")
        driver.one("#narrow", Input).value = f"{tmp_path}/parts/"
        await driver.sees("all 2 JSONL files here")
        await driver.press("down", "enter")
        await driver.sees("60 of 60 records usable")
    hub.stop()


async def test_settings_go_to_a_file_and_come_back_by_keys_that_stand_at_the_form(
    paths: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path is completed; what a file sets, or what is wrong in which line, is said before it is taken; undo takes it back."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "bad.toml").write_text('base = "starter"\n[settings.training]\nepochz = 900\n')
    (tmp_path / "files" / "data.jsonl").write_text("")
    monkeypatch.chdir(tmp_path / "files")
    async with opened(paths, (80, 24)) as driver:
        await open_form(driver)
        driver.new_run.fill(Draft(data=examples()[0].id, overrides={"training.epochs": 7}))
        await driver.until(lambda: driver.new_run.plan and driver.plan.settings.training.epochs == 7)
        await driver.sees("w Save settings", "o Read settings")
        await driver.press("escape", "w")
        field = driver.one("TextField", TextField)
        field.value = f"{tmp_path}/fi"
        await driver.until(lambda: field._suggestion.endswith("/files/"), "the rest of the path")
        await driver.press("right", *"mine.toml", "enter")
        await driver.until((tmp_path / "files" / "mine.toml").exists)
        await driver.press("R")
        await driver.until(lambda: driver.plan.settings.training.epochs != 7)
        await driver.press("o")
        await driver.sees("bad.toml, line 3", "did you mean", "mine.toml")
        await driver.press("enter")
        assert isinstance(driver.app.screen, ReadSettingsScreen) and "data.jsonl" not in driver.text()
        await driver.press("down")
        await driver.sees("Epochs  7")
        await driver.press("enter")
        await driver.until(lambda: driver.plan.settings.training.epochs == 7)
        await driver.press("u")
        await driver.until(lambda: driver.plan.settings.training.epochs != 7)


async def test_one_key_takes_a_base_that_speaks_the_language_of_the_data(
    paths: Paths, opened: Opened, tmp_path: Path
) -> None:
    """The warning stands with the change under a key; the picker says of each base whether it speaks that language."""
    data = tmp_path / "deutsch.jsonl"
    answer = "Die Lieferung dauert üblicherweise drei bis sechs Werktage, wir melden uns vorher."
    data.write_text("".join(json.dumps({"prompt": f"Wann kommt {i}?", "completion": answer}) + "\n" for i in range(60)))
    async with opened(paths, (200, 50)) as driver:
        await open_form(driver)
        driver.new_run.fill(Draft(data=str(data)))
        await driver.sees("language  the records are in German", " f  base model Qwen2.5 0.5B")
        await driver.press("escape", "b")
        await driver.sees("29+ with German", "speaks English")
        await driver.press("escape", "f")
        await driver.until(lambda: driver.plan.draft.base == "Qwen/Qwen2.5-0.5B-Instruct")
        await driver.sees_no("language  the records")
        await driver.press("u")
        await driver.sees("language  the records are in German")
        assert driver.plan.draft.base == "starter"


async def test_the_hub_is_searched_under_a_key_and_without_a_network_that_is_said_at_once(
    paths: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size, licence and gate of what it has; what is typed leaves the machine only then."""
    listed = {
        "id": "acme/lamp-7b",
        "gated": "auto",
        "downloads": 1200,
        "tags": ["license:apache-2.0"],
        "cardData": {"language": ["en", "de", 7]},
    }
    hub = StandIn(
        {}, listed=[{**listed, "safetensors": {"parameters": {"BF16": 7_000_000_000}, "total": 7_000_000_000}}]
    )
    async with opened(paths) as driver:
        await open_form(driver)
        await driver.press("escape", "b")
        await driver.sees("f3 Search the Hub")
        await driver.press(*"lamp", "f3")
        await driver.sees("cannot be reached")
        hub.start()
        try:
            monkeypatch.setenv("HF_ENDPOINT", hub.url)
            await driver.press("f3")
            await driver.sees(
                "lamp-7b", "7.00 B", "on the Hub", "licence apache-2.0; it must be accepted", "speaks English, German"
            )
            bases = driver.app.screen.query_one(OptionList)

            def longest() -> int:
                return max(len(str(one.prompt)) for one in bases.options)

            for width in (160, 60):
                await driver.pilot.resize_terminal(width, 24)
                await driver.until(lambda: bases.size.width / 2 < longest() <= bases.size.width, "lines for this width")
            await driver.press("enter")
            await driver.until(lambda: driver.new_run.draft.base == "acme/lamp-7b")
        finally:
            hub.stop()


async def test_a_base_that_does_not_fit_is_taken_with_what_lets_it_fit(paths: Paths, opened: Opened) -> None:
    """The smallest change stands in its row before it is chosen; one key takes both, one takes both back."""
    async with opened(paths, SIZES[0]) as driver:
        await open_form(driver)
        driver.new_run.fill(
            Draft(
                data=examples()[0].id,
                overrides={"quantisation.method": "none", "training.gradient_checkpointing": "on"},
            )
        )
        await driver.until(lambda: driver.new_run.plan and driver.new_run.plan.estimate)
        await driver.press("escape", "b")
        await driver.press(*"14b")
        await driver.resize((200, 50))
        await driver.sees_at_every_size("✗ → NF4", "Fits with NF4", "f5 So that it fits")
        await driver.press("f5")
        await driver.until(lambda: driver.new_run.draft.base == "Qwen/Qwen2.5-14B-Instruct")
        await driver.until(lambda: driver.new_run.draft.overrides.get("quantisation.method") == "nf4")
        await driver.press("u")
        await driver.until(lambda: driver.new_run.draft.base == "starter")
        assert driver.new_run.draft.overrides["quantisation.method"] == "none"


async def test_a_second_press_starts_no_second_run(
    paths: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine takes its time: the button says so, and the key does nothing until Monitor is there."""
    begun = asyncio.Event()

    async def slow(paths: Paths, **_: object) -> None:
        await begun.wait()

    monkeypatch.setattr(client, "ensure_engine", slow)
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        await driver.press("escape", "s")
        await driver.sees("Start the run")
        await driver.press("enter")
        await driver.sees("◌ starting")
        await driver.press("s", "s")
        assert len(driver.app.screen_stack) == 1 and "s Start" not in driver.keys()
        begun.set()
        await driver.until(lambda: driver.app.current_mode == "monitor")
        async with open_database(paths.database) as db:
            assert len(await runs.list_runs(db)) == 1


async def test_a_run_that_ended_elsewhere_makes_the_estimate_anew(paths: Paths, opened: Opened, tmp_path: Path) -> None:
    """It may have fetched the base, and told how long such a run takes; nobody has to touch the form to see that."""
    base = tmp_path / "base"
    async with opened(paths) as driver:
        await open_form(driver)
        await choose_example(driver)
        await driver.app.show_draft(driver.new_run.draft.model_copy(update={"base": str(base)}))
        await driver.sees("not yet")
        write_model(base)
        await seed.add_run(driver.app.db, paths, "other", "r-0001", "completed", steps=0)
        driver.app.look_now()
        await driver.sees("✓ ready")


async def test_a_run_begins_when_it_is_agreed_to(paths: Paths, opened: Opened) -> None:
    """However long the plan lay on the screen: its age is not the time that a person took to decide."""
    with FileLock(paths.engine_lock):  # an engine is there already, so none is started
        async with opened(paths, (80, 24)) as driver:
            await open_form(driver)
            await choose_example(driver)
            long = Confirm("Long", "\n".join(f"line {number}" for number in range(40)), yes="Do it", no="Leave it")
            driver.app.push_screen(long)
            await driver.sees("line 0", "Leave it", "Do it", "y Do it", "pgdn Read on")
            await driver.press("pagedown", "pagedown", "pagedown")
            await driver.sees("line 39", "Leave it", "Do it")
            await driver.press("n")
            name = "a-name-that-is-longer-than-its-field"
            await driver.app.show_draft(driver.new_run.draft.model_copy(update={"name": name}))
            await driver.until(lambda: re.search(r"  a-name-that-is-\S+…", driver.text()), "it is seen to go on")
            await driver.press("s")
            await driver.sees(
                "Start the run", "y Start", "will be fetched (93 MB) and", "unpacked on this machine: about"
            )
            asked = time.time()
            while time.time() <= asked:  # the clock has moved on
                await asyncio.sleep(0.01)
            await driver.press("y")
            await driver.until(lambda: driver.app.snapshot.runs, "the run is in the queue")
            assert driver.app.snapshot.runs[0].created_at > asked
