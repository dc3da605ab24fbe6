"""Data of any kind is shown, never interpreted; any size of terminal is lived with."""

from __future__ import annotations

import asyncio
import time

import pytest
from filelock import FileLock
from textual import events
from textual.geometry import Size
from textual.widgets import Input

from brightrun_tui.domain.model import SampleAnswer
from brightrun_tui.paths import Paths
from brightrun_tui.store import datasets, endpoints, models, open_database, runs
from brightrun_tui.tui.app import DEEPEST
from brightrun_tui.tui.screens.pick import Choice, PickScreen
from tests.tui import seed
from tests.tui.conftest import Opened

FEW_COLUMNS = {
    "colon": "Search for commands",
    "f1": "─ Help ─",
    "f2": "─ Theme ─",
    "2": "Estimate and checks",
    "3": "shop-faq",
    "4": "lamp-support:2",
}
"""What a key opens, and words that are seen then."""
NASTY = "[/][type=x, v={'a[0]'}] $accent [@click=app.quit]x[/] \x1b[2J\r\x07 日本語 🚀 " + "w" * 300


@pytest.fixture
async def nasty(paths: Paths) -> Paths:
    """Markup, escape codes, wide letters and endless words wherever a person or a model can put text."""
    async with open_database(paths.database) as db:
        await seed.add_run(db, paths, NASTY, "r-1", "running", steps=30)
        run = await seed.add_run(db, paths, "[/]", "r-2", "completed", steps=30, phase=NASTY, phase_detail=NASTY)
        model = await seed.add_model(db, paths, "[/]", run.id, note=NASTY, tags=("[/tag]",), rating=2)
        sample = SampleAnswer(prompt=({"role": "user", "content": NASTY},), base=NASTY, tuned=NASTY, reference=NASTY)
        verdict = model.report.verdict.model_copy(update={"summary": NASTY, "reasons": (NASTY,)})
        report = model.report.model_copy(update={"samples": (sample,), "verdict": verdict})
        await models.complete(db, model.model_copy(update={"report": report}))
        await models.annotate(db, model.model_copy(update={"report": report}), note=NASTY)
        endpoint = await seed.add_endpoint(db, paths, model, state="failed")
        await endpoints.save(db, endpoint, error=NASTY)
        await runs.update(db, run.id, model="[/]", model_version=1)
        report_of_data = seed.dataset_report(NASTY, "/data/[/].jsonl")
        await datasets.add(db, report_of_data.model_copy(update={"preview": report_of_data.preview}))
    return paths


async def test_markup_and_escape_codes_are_only_text(nasty: Paths, opened: Opened) -> None:
    """A model called “[/]” breaks nothing, on no page of no screen, in a small terminal and in a large one."""
    sizes = [(80, 24), (200, 50)]
    with FileLock(nasty.engine_lock):  # an engine is there already, so none is started
        async with opened(nasty, sizes[0]) as driver:
            pages = (
                "1",
                "2 escape d",
                "escape 3",
                "c",
                "L",
                "a",
                "i",
                "z",
                "4",
                "] ] ]",
                "u",
                "escape r",
                "escape t",
                "escape e",
                "escape D",
                "escape c",
            )
            for page in pages:
                keys = [{"]": "right_square_bracket"}.get(key, key) for key in page.split()]
                await driver.press(*keys)
                await driver.pilot.pause(0.05)
                assert "\x1b" not in driver.text(), f"{page} at {sizes[0]}"
                sizes.reverse()
                await driver.resize(sizes[0])
                await driver.pilot.pause(0.05)
                assert "\x1b" not in driver.text(), f"{page} at {sizes[0]}"
            assert driver.app.is_running


async def test_what_opens_over_anything_does_not_pile_up(seeded: Paths, opened: Opened) -> None:
    """Each dialogue is laid out anew at every resize: keys held down must not open them without end. Escape leads out again."""
    async with opened(seeded) as driver:
        deepest = 0
        for key in ("f2", "f7", "f1", "ctrl+p", "f2", "f7") * 4:
            await driver.press(key)
            deepest = max(deepest, len(driver.app.screen_stack))
        await driver.press("escape", "escape", "escape", "escape", "2", *"dddddddddddd")
        deepest = max(deepest, len(driver.app.screen_stack))
        assert 2 < deepest <= DEEPEST + 1
        for _ in range(2 * deepest):
            await driver.press("escape")
        await driver.until(lambda: len(driver.app.screen_stack) == 1, "all are closed")
        await driver.press("3")
        await driver.sees("shop-faq")
        for _ in range(10):
            await driver.press("ctrl+p", "escape", "ctrl+p", "escape")
        assert not driver.app.faults.counts


async def test_a_storm_of_resizes_ends_in_order(seeded: Paths, opened: Opened) -> None:
    """A person drags the window's corner on every screen; the last size is the one that counts."""
    async with opened(seeded) as driver:
        for mode in "1234":
            await driver.press(mode)
            for width, height in ((40, 10), (161, 33), (20, 5), (99, 34)):
                await driver.pilot.resize_terminal(width, height)
            await driver.pilot.pause()
        await driver.pilot.resize_terminal(80, 24)
        await driver.sees("4 Registry", "q Quit")
        lines = driver.text().splitlines()
        assert len(lines) == 24 and driver.app.screen.has_class("-narrow")


async def test_two_sizes_under_way_at_once_come_to_rest(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A screen that is busy gets a second size before it is through with the first: it is laid out for the size of now, once."""
    async with opened(seeded, (120, 40)) as driver:
        await driver.press("3")
        screen = driver.app.screen
        lay_out, laid_out = screen._screen_resized, 0

        def counted(size: Size) -> None:
            nonlocal laid_out
            laid_out += 1
            if laid_out > 20:
                return  # else a failure would not end
            lay_out(size)
            screen.post_message(events.Callback(callback=lambda: None))  # what a busy screen has between two sizes

        monkeypatch.setattr(screen, "_screen_resized", counted)
        for width in (121, 119, 120):
            screen.post_message(events.Resize(Size(width, 40), Size(width, 40)))
            screen.post_message(events.Callback(callback=lambda: None))
        await driver.pilot.pause()
        assert 0 < laid_out <= 20 and screen.size == driver.app.size


async def test_what_was_to_happen_once_happens_however_busy_the_machine(
    paths: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock jumps whenever it is read, as it does where a process stalls: nothing that waits a moment is left out."""
    async with opened(paths) as driver:
        fired: list[bool] = []
        jumps = iter(range(1, 100))  # not for ever: a timer that goes round would catch up without end
        clock = time.monotonic
        ahead = [0.0]

        def get_time() -> float:
            ahead[0] = next(jumps, ahead[0])
            return clock() + ahead[0]

        monkeypatch.setattr("textual._time.get_time", get_time)
        driver.app.set_timer(0.01, lambda: fired.append(True))
        await driver.until(lambda: fired, "the timer fires")


async def test_a_screen_left_at_another_size_fits_when_it_comes_back(seeded: Paths, opened: Opened) -> None:
    """Resized while on another screen, Monitor is arranged for the new size when it is shown again."""
    async with opened(seeded, (200, 50)) as driver:
        await driver.press("3")
        await driver.until(lambda: driver.app.current_mode == "monitor")
        await driver.press("4")
        await driver.pilot.resize_terminal(80, 24)
        await driver.press("3")
        await driver.until(lambda: driver.app.screen.has_class("-narrow"), "the narrow layout")
        await driver.sees("Runs 7")


async def test_an_empty_installation_says_what_to_do(paths: Paths, opened: Opened) -> None:
    """Nothing there yet is not a blank screen."""
    async with opened(paths, (80, 24)) as driver:
        await driver.press("3")
        await driver.sees("No run yet. Press 2 to set one up.")
        await driver.press("4")
        await driver.sees("Models appear here when a run has completed.")


async def test_a_thousand_runs_do_not_freeze_the_keys(paths: Paths, opened: Opened) -> None:
    """An old installation stays quick: the list is read and shown, and j moves at once."""
    async with open_database(paths.database) as db:
        for number in range(300):
            await runs.create(
                db, seed.spec(f"run-{number}", f"r-{number:04}"), str(paths.run_directory(f"r-{number:04}"))
            )
    async with opened(paths) as driver:
        await driver.press("3")
        await driver.sees("Runs 300")
        lags = []
        for _ in range(10):
            began = asyncio.get_running_loop().time()
            await driver.press("j")
            lags.append(asyncio.get_running_loop().time() - began)
        print(f"\nj over 300 runs: {1000 * sorted(lags)[5]:.0f} ms")
        assert driver.app.watched_run != driver.app.snapshot.runs[0].id


async def test_keys_typed_ahead_close_one_dialogue_and_nothing_else(seeded: Paths, opened: Opened) -> None:
    """A slow line delivers two answers at once: the second one is for nobody, and takes no other screen away."""
    async with opened(seeded) as driver:
        await driver.press("3")
        await driver.sees("shop-faq")
        await driver.press("s")
        await driver.sees("Stop the run")
        for key in ("n", "n", "escape", "y"):
            driver.app.screen.post_message(events.Key(key, None))
        await driver.sees_no("Stop the run")
        await driver.press("f1")
        await driver.sees("─ Help ─")


async def test_pages_are_turned_in_a_palette_that_is_still_opening(seeded: Paths, opened: Opened) -> None:
    """“:” and page up in one burst, as a slow line delivers them, on every size."""
    async with opened(seeded) as driver:
        for _ in range(3):
            for key in ("colon", "pageup", "pagedown", "ctrl+end"):
                driver.app.post_message(events.Key(key, ":" if key == "colon" else None))
            await driver.sees("Search for commands")
            await driver.press("pageup", "pagedown", "escape")
            await driver.sees_no("Search for commands")


async def test_keys_typed_ahead_reach_the_list_that_is_opening(seeded: Paths, opened: Opened) -> None:
    """The key that moves in it comes before it has anything to move in, and counts."""
    async with opened(seeded) as driver:
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        driver.app.push_screen(
            SlowToOpen("Which?", [Choice(name, name) for name in ("first", "second", "third")]), answer.set_result
        )
        down = events.Key("down", None)
        down._set_forwarded()  # the screen that was there before had no use for it
        driver.app.post_message(down)
        driver.app.post_message(events.Key("enter", None))
        assert await asyncio.wait_for(answer, 30) == "second"


class SlowToOpen(PickScreen):
    """As on a machine that has other things to do."""

    async def _on_compose(self, event: events.Compose) -> None:
        await asyncio.sleep(0.3)  # what it is made of comes after this


async def test_a_clipboard_without_end_is_refused_in_words(seeded: Paths, opened: Opened) -> None:
    """A megabyte pasted by mistake holds nothing up and changes nothing; what a field can hold is taken."""
    async with opened(seeded) as driver:
        await driver.press("2")
        await driver.sees("Estimate and checks")
        await driver.press("d")
        await driver.until(lambda: isinstance(driver.app.focused, Input), "the field")
        field = driver.one("#narrow", Input)
        driver.app.post_message(events.Paste("x日\x1b[31m" * 150_000))
        await driver.sees("Nothing was pasted")
        assert "at most 10,000" in driver.toasts()
        assert not field.value
        driver.app.post_message(events.Paste("support"))
        await driver.until(lambda: field.value == "support", "what was pasted")


async def test_a_terminal_of_a_few_columns_is_lived_with(seeded: Paths, opened: Opened) -> None:
    """Down to one cell and back, with the palette, help, a picker and each screen open."""
    async with opened(seeded) as driver:
        for key, words in FEW_COLUMNS.items():
            await driver.press(key)
            await driver.sees(words)
            for size in ((20, 8), (5, 10), (3, 3), (1, 1), (2, 60), (120, 1)):
                await driver.pilot.resize_terminal(*size)
                await driver.pilot.pause(0.05)
            await driver.pilot.resize_terminal(120, 40)
            await driver.sees(words)
            await driver.press("escape")
