"""Whatever fails in a part of the app costs that part: it is said once, kept in the log, and everything else goes on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.pilot import Pilot
from textual.widgets import Static

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.paths import Paths
from brightrun_tui.tui import service_tester
from brightrun_tui.tui.app import BrightRunApp
from brightrun_tui.tui.faults import STORM, Faults, kind_of
from brightrun_tui.tui.screens import integrations, new_run, palette
from brightrun_tui.tui.screens.data import DataScreen
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.screens.monitor import MonitorScreen
from brightrun_tui.tui.screens.registry import RegistryScreen
from brightrun_tui.tui.snapshot import SnapshotReader
from brightrun_tui.tui.widgets import model_text, run_columns
from brightrun_tui.tui.widgets.loss_chart import LossChart
from tests.tui.conftest import DEADLINE, Driver, Opened


class Unforeseen(Exception):
    """What nobody wrote a sentence for."""


def fail(*_arguments: Any, **_options: Any) -> Any:
    raise Unforeseen("with [/brackets] and a [b]style")


async def fail_later(*_arguments: Any, **_options: Any) -> Any:
    fail()


PARTS = [
    ("an action", integrations.IntegrationsScreen, "action_test", "1 t"),
    ("work in the background", service_tester, "test_service", "1 T"),
    ("a command of the palette", palette.ActionProvider, "_run", "1 colon t h enter"),
    ("work in a thread", new_run, "make_plan", "2 R"),
    ("an event handler", new_run.NewRunScreen, "on_descendant_focus", "2 tab"),
    ("a message handler of a dialogue", DataScreen, "on_input_changed", "2 shift+tab d a"),
    ("a row of a list", run_columns, "table_row", "3"),
    ("the drawing of a widget", LossChart, "render_line", "3 c y"),
    ("a screen being filled", RegistryScreen, "show", "4"),
    ("a text made of data", model_text, "report_card", "4 right_square_bracket left_square_bracket"),
]


def more_faults(driver: Driver, before: int) -> bool:
    return sum(driver.app.faults.counts.values()) > before


async def test_parts_that_fail_are_said_and_the_rest_goes_on(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten kinds of parts fail one after the other in one session: a word about each, its traceback kept, and all else works."""
    async with opened(seeded, faults=True) as driver:
        for part, owner, name, keys in PARTS:
            known = sum(driver.app.faults.counts.values())
            with monkeypatch.context() as broken:
                broken.setattr(owner, name, fail_later if name in ("test_service", "_run") else fail)
                for key in keys.split():
                    await driver.press(key)
                    await driver.pilot.pause(0.5 if key in ("colon", "e") else 0.0)
                await driver.until(partial(more_faults, driver, known), part)
            await driver.press("escape")
        assert "A fault of ours" in driver.toasts() and "app.log" in driver.toasts()
        await driver.press("f1")
        await driver.sees("─ Help ─")
        log = (seeded.logs / "app.log").read_text()
        assert log.count("Unforeseen: with [/brackets]") == log.count("Traceback") == len(driver.app.faults.counts)


class Lying(Dialog[None]):
    """One of several dialogues on one another, whose text goes on changing."""

    def __init__(self, number: int) -> None:
        super().__init__(f"number {number}")
        self.number = number

    def compose_body(self) -> ComposeResult:
        yield Static("x")

    def change(self, colour: str) -> None:
        self.query_one(Static).styles.background = colour


async def test_dialogues_on_one_another_are_drawn_in_their_order_whichever_of_them_changes(
    seeded: Paths, opened: Opened
) -> None:
    """What lies below is what lay below when it was opened, however the drawings follow one another."""
    kinds = [type(f"Lying{number}", (Lying,), {}) for number in range(4)]
    async with opened(seeded) as driver:
        dialogues = [kind(number) for number, kind in enumerate(kinds)]
        for dialogue in dialogues:
            await driver.app.push_screen(dialogue)
        await driver.sees("number 3")
        for colour, changed in enumerate(product([(1, 2), (0,), (1,)], repeat=3)):
            for together in changed:
                for number in together:
                    dialogues[number].change(("red", "green", "blue")[colour % 3])
                await driver.pilot.pause()
        await driver.sees("number 3", "Bright Run")


async def test_a_screen_that_cannot_be_made_leaves_the_others(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys still lead from a screen of which nothing could be composed, or that failed while it was opened."""
    monkeypatch.setattr(RegistryScreen, "compose_body", fail)
    monkeypatch.setattr(MonitorScreen, "on_mount", fail)
    async with opened(seeded, faults=True) as driver:
        for key in ("4", "3"):
            await driver.press(key)
            await driver.until(lambda: "Unforeseen" in driver.toasts(), "a word about the fault")
            await driver.press("f1")
            await driver.sees("─ Help ─")
            await driver.press("escape", "2")
            await driver.sees("Estimate and checks")


async def test_the_other_rows_of_a_list_are_shown_beside_one_that_cannot_be(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One damaged run leaves the list of runs readable."""
    whole = run_columns.table_row
    monkeypatch.setattr(
        run_columns,
        "table_row",
        lambda run, vitals, width, **more: fail() if run.id == "r-0003" else whole(run, vitals, width, **more),
    )
    async with opened(seeded, faults=True) as driver:
        await driver.press("3")
        await driver.sees("this cannot be shown", "shop-faq", "tone-of-voice")


async def test_an_error_with_a_sentence_is_said_in_that_sentence(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of ours that a screen forgot to catch shows what is wrong and the fix, and is not a crash."""

    def refuse(*_: Any) -> None:
        raise BrightrunError("the lamp is [/out]", where="kitchen", fix="press [x]", kind="lamp")

    monkeypatch.setattr(integrations.IntegrationsScreen, "action_test", refuse)
    async with opened(seeded, faults=True) as driver:
        await driver.press("t")
        await driver.until(lambda: "the lamp is [/out]\npress [x]" in driver.toasts())
        assert not (seeded.logs / "app.log").exists()


async def test_the_same_fault_is_said_once_and_then_by_its_count(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the same key that fails: a first word, and one that it was the tenth time."""
    monkeypatch.setattr(integrations.IntegrationsScreen, "action_test", fail)
    async with opened(seeded, faults=True) as driver:
        await driver.press(*"t" * 10)
        await driver.until(lambda: "the 10th time" in driver.toasts())
        assert driver.toasts().count("A fault of ours") == 2
        assert (seeded.logs / "app.log").read_text().count("Traceback") == 1


async def test_faults_without_end_end_the_app_in_order(paths: Paths, capsys: pytest.CaptureFixture[str]) -> None:
    """A part that does nothing but fail again leaves a sentence and an exit code, not a hanging terminal."""
    app = BrightRunApp(paths)

    def again() -> None:
        app.call_later(again)
        fail()

    with pytest.raises(Unforeseen):
        async with app.run_test() as pilot:
            app.call_later(again)
            await _until(pilot, lambda: app.return_code == 1)
    assert "again and again (Unforeseen)" in " ".join(capsys.readouterr().err.split())


async def test_a_store_that_cannot_be_read_for_a_while_is_read_again(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture stays, the reason is said, and the app recovers by itself."""
    async with opened(seeded, faults=True) as driver:
        with monkeypatch.context() as broken:
            broken.setattr(SnapshotReader, "read", fail_later)
            driver.app.look_now()
            await driver.until(lambda: "Unforeseen" in driver.toasts())
        before = driver.app.snapshot
        await driver.until(lambda: driver.app.snapshot is not before, "a new picture")
        assert driver.app.snapshot.runs


async def test_a_screen_that_cannot_start_the_app_ends_it_with_one_sentence(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails before there is an app is not a part of one: exit code 1, a log, no traceback with values."""
    monkeypatch.setattr(integrations.IntegrationsScreen, "__init__", fail)
    app = BrightRunApp(paths)
    with pytest.raises(Unforeseen):
        async with app.run_test():
            pass
    assert app.return_code == 1
    assert "could not start (Unforeseen)" in " ".join(capsys.readouterr().err.split())
    assert "Unforeseen" in (paths.logs / "app.log").read_text()


async def _until(pilot: Pilot[Any], fact: Callable[[], bool]) -> None:
    for _ in range(int(DEADLINE / 0.05)):
        if fact():
            return
        await pilot.pause(0.05)
    raise AssertionError("never happened")


def test_a_storm_is_many_faults_in_a_short_time() -> None:
    """A hundred faults over a day are a hundred faults; a hundred within a second are a storm."""
    now = [0.0]
    slow, quick = Faults(lambda: now[0]), Faults(lambda: now[0])
    for number in range(STORM):
        now[0] += 60.0
        assert slow.count(Unforeseen()) == number + 1 and not slow.storm
    for _ in range(STORM):
        now[0] += 0.01
        quick.count(Unforeseen())
    assert quick.storm


def test_faults_are_told_apart_by_error_and_place() -> None:
    """The same class of error from two places is two kinds, and memory stays bounded whatever comes."""
    kinds = set()
    nothing: dict[str, object] = {}
    works: tuple[Callable[[], object], ...] = (lambda: nothing["a"], lambda: int("x"), lambda: "a"[1])
    for work in works:
        try:
            work()
        except Exception as error:
            kinds.add(kind_of(error))
    assert len(kinds) == 3
    faults = Faults()
    for number in range(2000):
        faults.count(type(f"Error{number}", (Exception,), {})())
    assert len(faults.counts) <= 501
