"""Monitor: what a person sees of runs, and that nothing is stopped or deleted by a slip."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from filelock import FileLock
from textual.widgets import Button

from brightrun_tui.domain.events import Body, Event, Metric, Progress
from brightrun_tui.domain.requests import MoveRun, Request, RetryRun
from brightrun_tui.domain.run import Notice
from brightrun_tui.paths import Paths
from brightrun_tui.store import events, open_database, requests, runs
from brightrun_tui.tui.screens.save_file import SaveFileScreen
from brightrun_tui.tui.widgets.fields import TextField
from brightrun_tui.tui.widgets.loss_chart import LossChart
from brightrun_tui.tui.widgets.row_table import RowTable
from tests.tui import seed
from tests.tui.conftest import SIZES, Driver, Opened


@pytest.fixture
def first_mode() -> str:
    return "monitor"


async def asked(paths: Paths) -> list[Request]:
    async with open_database(paths.database) as db:
        return await requests.pending(db)


async def choose(driver: Driver, run_id: str) -> None:
    await driver.press("3")
    await driver.until(lambda: driver.app.current_mode == "monitor" and driver.one("#runs", RowTable).row_count)
    driver.one("#runs", RowTable).go(run_id)
    await driver.until(lambda: driver.app.snapshot.detail and driver.app.snapshot.detail.run_id == run_id, "its detail")
    await driver.pilot.pause()


async def test_a_running_run_is_seen_at_a_glance_and_looked_into_by_keyboard(seeded: Paths, opened: Opened) -> None:
    """State in glyph and word, progress, time left, losses and their curves, at every size; each pane has a key, z gives one
    of them the whole screen; the curve is zoomed, moved, smoothed, put on a log axis; new points appear by themselves."""
    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "r-0006")
        for size in reversed(SIZES):
            await driver.resize(size)
            await driver.sees("▶", "running", "shop-faq", "61%", "step 98/160", "left", "train 0.", "eval 1.")
            await driver.until(lambda: any("⠀" < letter <= "⣿" for letter in driver.text()), f"a curve at {size}")

        await driver.press("L")
        await driver.sees("tok/s", "following")
        await driver.press("a")
        await driver.sees("How do I return a lamp that arrived broken?", "base", "tuned · step 96")
        await driver.press("i")
        await driver.sees("Base model", "starter", "472 of 480 records usable")
        await driver.press("z")
        await driver.until(lambda: "Runs" not in driver.text(), "the facts have the whole screen")
        await driver.press("escape", "c")
        await driver.sees("Runs 7", "Curves")

        await driver.resize((120, 40))
        await driver.press("w", "plus", "h")
        chart = driver.one("#curves", LossChart)
        assert chart.view.window is not None and chart.view.window[1] < 98, "zoomed and moved"
        await driver.press("y", "e")
        await driver.sees("log", "steps ")
        assert not chart.view.smooth
        await driver.press("0")
        assert chart.view.window is None
        async with open_database(seeded.database) as db:
            run = await runs.get(db, "r-0006")
            later = [event for event in seed.training_events(120, 160, seed=9) if event.seq > run.events_seq]
            await events.ingest(db, "r-0006", later, 999)
        await driver.sees("step 120/160", "75%")
        assert driver.app.screen.query_one(LossChart).drawn["train_loss"].steps[-1] == 120, "no key, no reopening"
        await driver.press("v")
        await driver.sees("Learning rate", "rate 0.0002")
        assert set(chart.drawn) == {"learning_rate"}, "what is not seen is not drawn, and costs nobody a byte"
        await driver.press("v", "v")
        await driver.sees("train 0.")
        await driver.press("V")
        await driver.sees("Gradient norm", "before clipping 0.500")


async def answer(driver: Driver, key: str) -> None:
    """Answer the question that is open."""
    await driver.until(lambda: len(driver.app.screen_stack) == 2, "the question")
    await driver.press(key)
    await driver.until(lambda: len(driver.app.screen_stack) == 1, "it has been answered")


async def test_nothing_happens_to_a_run_without_a_deliberate_yes(seeded: Paths, opened: Opened) -> None:
    """Every question can be left with escape; Enter is no; what is impossible is not offered, and its key does nothing. A run
    that diverged is retried with the learning rate that the failure suggests."""
    async with opened(seeded, SIZES[0]) as driver:
        for run_id, key in (("r-0004", "D"), ("r-0004", "R"), ("r-0006", "s")):
            await choose(driver, run_id)
            await driver.press(key)
            await answer(driver, "escape")
        assert await asked(seeded) == [], "escape is a yes"
        await driver.resize(SIZES[1])
        await driver.press("s")
        await driver.sees("Stop the run", "No, go back")
        await answer(driver, "enter")
        assert await asked(seeded) == [], "enter is a yes"
        await choose(driver, "r-0002")
        await driver.press("p", "s", "C")
        assert len(driver.app.screen_stack) == 1
        await driver.until(
            lambda: "Open model" in driver.keys() and "Stop" not in driver.keys(), "the keys of a completed run"
        )
        assert await asked(seeded) == [], "a completed run is paused or stopped"
        with FileLock(seeded.engine_lock):  # an engine is there already, so none is started
            await choose(driver, "r-0006")
            await driver.press("s")
            await driver.sees("Stop the run")
            await answer(driver, "y")
            stop = (await asked(seeded))[0].ask
            await choose(driver, "r-0004")
            await driver.press("R")
            await driver.sees("Retry the run", "Learning rate", "5e-05")
            await answer(driver, "y")
            retry = (await asked(seeded))[-1].ask
    assert (stop.kind, stop.target) == ("stop_run", "r-0006")
    assert retry == RetryRun(target="r-0004", apply_suggestion=True)


async def test_a_failed_run_says_why_and_what_to_do(seeded: Paths, opened: Opened) -> None:
    """The cause in plain words, the fix, and that R retries with it; NaN has a badge on the curve."""
    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "r-0004")
        await driver.sees_at_every_size("✗ failed", "the loss became NaN at step 11", "→", "loss is NaN at steps 11–12")
        assert driver.app.screen.query_one(LossChart).drawn["train_loss"].gaps == [11, 12]
        async with open_database(seeded.database) as db:
            seq = (await runs.get(db, "r-0004")).events_seq
            nan = Event(seq + 1, time.time(), Metric(step=12, values={"eval_loss": None}))
            await events.ingest(db, "r-0004", [nan], 0)
        await driver.until(lambda: "eval_loss" in driver.app.screen.query_one(LossChart).drawn, "one more")
        await driver.sees_at_every_size("loss is NaN at steps 11–12 (2 points)", "eval")


async def test_the_keys_act_on_what_a_filter_leaves(seeded: Paths, opened: Opened) -> None:
    """`/` filters by name and state, is seen, and escape drops it. Nothing hidden is stopped or deleted: the first row that
    fits is chosen, and the question shows it."""
    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "r-0006")
        await driver.press("slash", *"failed", "enter")
        await driver.sees("Runs 1 of 7", "contracts-de")
        await driver.sees_no("poems")
        assert driver.app.focused is driver.one("#runs")
        await driver.press("slash", "escape")
        await driver.sees("Runs 7", "shop-faq")
        await driver.resize(SIZES[1])
        await driver.sees("Runs 7", "poems")

        await choose(driver, "r-0005")
        await driver.press("slash", *"state:failed", "enter")
        await driver.until(lambda: driver.app.watched_run == "r-0004", "the row that is left is the chosen one")
        await driver.press("c", "D")
        await driver.sees("Delete the run", "Forget “contracts-de”", "✗ contracts-de")
        await driver.press("escape", "escape")
        await driver.sees("Runs 7", "tone-of-voice")
        await driver.press("slash", *"!state:failed !lamp", "enter")
        await driver.sees("Runs 4 of 7")
        await driver.press("c", "r")
        assert driver.app.focused is driver.one("#runs")


async def both_asked(driver: Driver, paths: Paths) -> list[Request]:
    """Say yes to a question about two runs, and wait for both requests."""
    before = len(await asked(paths))
    driver.app.screen.query_one("#yes", Button).press()
    await driver.until(lambda: len(driver.app.screen_stack) == 1)
    while len(waiting := await asked(paths)) < before + 2:
        await driver.pilot.pause(0.05)
    return waiting[before:]


async def test_marked_runs_are_taken_together(seeded: Paths, opened: Opened) -> None:
    """Space marks; one question about all that are marked and may be deleted or tried again, with what each of them is changed
    by, and about no other."""
    both = {"r-0003", "r-0004"}
    async with opened(seeded) as driver:
        await choose(driver, "r-0003")
        await driver.press("space")
        driver.one("#runs", RowTable).go("r-0004")
        await driver.settle()
        await driver.press("space")
        await driver.sees("2 marked")
        await driver.press("m")
        await driver.sees("Runs side by side", "Held-out loss, best", "poems", "contracts-de")
        await driver.press("escape")
        with FileLock(seeded.engine_lock):
            await driver.press("R")
            await driver.sees("Retry 2 runs", "poems", "contracts-de: Learning rate 5e-05")
            retried = await both_asked(driver, seeded)
            await driver.sees("2 marked")
            await driver.press("D")
            await driver.sees("Delete 2 runs", "poems", "contracts-de")
            deleted = await both_asked(driver, seeded)
    assert {(one.ask.kind, one.ask.target) for one in retried} == {("retry_run", run_id) for run_id in both}
    assert {(one.ask.kind, one.ask.target) for one in deleted} == {("delete_run", run_id) for run_id in both}


async def test_a_note_and_the_columns_of_the_table_are_kept(seeded: Paths, opened: Opened) -> None:
    """A note is saved by the key that ends typing, and stands with the run; two columns are chosen, the second first, and the
    choice is there after the next start."""
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "r-0006")
        await driver.press("N")
        await driver.sees("Note on")
        await driver.press(*"second", "enter")
        await driver.until(lambda: "Note on" not in driver.text(), "the dialogue has ended")
        await driver.press("i", "z")
        await driver.sees("second")
        await driver.press("escape", "r")

        await driver.sees("Progress", "Train")
        await driver.press("O", "space", "j", "space", "less_than_sign", "enter")
        await driver.until(lambda: "Train" not in driver.text().split("─ Run ─")[0], "the table has other columns")
        assert driver.text().index("Progress") < driver.text().index("State")
        row = next(line for line in driver.text().splitlines() if "tone-of-voice" in line)
        assert row.index("28%") < row.index("paused") and "free" not in row, "the rows follow their heading"
        await driver.until(lambda: "run_columns" in seeded.config_file.read_text(), "it is written down")
    assert '["progress", "state"]' in seeded.config_file.read_text()


async def test_a_run_that_waits_can_be_moved_and_no_other(seeded: Paths, opened: Opened) -> None:
    async with open_database(seeded.database) as db:
        await runs.update(db, "r-0007", phase="queued", phase_detail="waits for a free GPU: 0 busy with run shop-faq")
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "r-0007")
        await driver.sees("waits for a free GPU")
        with FileLock(seeded.engine_lock):
            await driver.press("less_than_sign")
            while not (waiting := await asked(seeded)):
                await driver.pilot.pause(0.02)
    assert [one.ask for one in waiting] == [MoveRun(target="r-0007", to="up")]


async def test_a_damaged_run_is_shown_as_that_and_can_be_deleted(seeded: Paths, opened: Opened) -> None:
    """The others stay what they were; nothing but its deletion is offered for it."""
    async with open_database(seeded.database) as db:
        await db.execute("UPDATE runs SET doc = '{}' WHERE id = 'r-0004'")
    async with opened(seeded, (80, 24)) as driver:
        await choose(driver, "r-0004")
        await driver.sees("damaged", "cannot be read", "Runs 7")
        assert "Retry" not in driver.keys()
        for pane in ("L", "i"):
            await driver.press(pane)
            await driver.sees("Its record is damaged: this cannot be told.")
            await driver.sees_no("No run is chosen")
        with FileLock(seeded.engine_lock):
            await driver.press("D")
            await driver.sees("Delete the run")
            await driver.press("y")
            await driver.until(lambda: len(driver.app.screen_stack) == 1)
            waiting = await asked(seeded)
    assert [(request.ask.kind, request.ask.target) for request in waiting] == [("delete_run", "r-0004")]


async def test_a_run_that_went_back_says_so_and_shows_what_it_lost_apart(seeded: Paths, opened: Opened) -> None:
    """At an older checkpoint after a crash: curve, losses and title are of where the run is now, whether Monitor was open then or
    is opened later; the word goes once all is learnt again."""

    async def says(*told: Body) -> None:
        async with open_database(seeded.database) as db:
            seq = (await runs.get(db, "r-0006")).events_seq
            lines = [Event(seq + number, time.time(), body) for number, body in enumerate(told, 1)]
            await events.ingest(db, "r-0006", lines, 0)

    def step(number: int) -> Metric:
        return Metric(step=number, values={"train_loss": 5.0 + number / 1000})

    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "r-0006")
        await driver.sees("step 98/160")
        await says(Progress(step=60, total_steps=160), step(61))
        await driver.sees_at_every_size("step 61/160", "↻ went back; dots: what it had learnt behind step", "5.061")
    async with opened(seeded, SIZES[0]) as driver:
        await choose(driver, "r-0006")
        await driver.sees_at_every_size("step 61/160", "↻ went back; dots: what it had learnt behind step")
        assert max(driver.app.screen.query_one(LossChart).drawn["train_loss"].steps) < 98
        await says(*map(step, range(62, 99)))
        await driver.sees_at_every_size("step 98/160", "5.098")
        await driver.sees_no("went back")


async def test_the_chosen_run_stays_in_sight_where_it_moves(seeded: Paths, opened: Opened) -> None:
    """Newer runs that end push it down the list; the keys act on it still, so it is still shown."""
    async with opened(seeded, (80, 24)) as driver:
        await choose(driver, "r-0004")
        rows = driver.one("#runs", RowTable)
        before = rows.ids.index("r-0004")
        async with open_database(seeded.database) as db:
            for number in range(12):
                await seed.add_run(db, seeded, f"later-{number}", f"r-01{number:02d}", "completed", steps=0, log=False)
        await driver.until(lambda: rows.ids.index("r-0004") > before + 10, "it is far down")
        await driver.until(lambda: " contracts-de " in driver.text().split("─ Run ─")[0], "its row")


async def test_a_list_that_nobody_touches_shows_what_is_at_work(paths: Paths, opened: Opened) -> None:
    """The chosen run ends and others come and go: the keys still act on it, it is in sight, and so are all that are at work."""
    async with open_database(paths.database) as db:
        for number in range(30):
            await seed.add_run(db, paths, f"old-{number}", f"r-{number:04}", "completed", steps=0, log=False)
        await seed.add_run(db, paths, "watched", "r-0100", "running", steps=3)
        async with opened(paths) as driver:
            await driver.until(lambda: driver.app.watched_run == "r-0100" and "watched" in driver.text())
            await runs.transition(db, "r-0100", "failed")
            for number in range(3):
                await seed.add_run(db, paths, f"new-{number}", f"r-02{number:02}", "running", steps=3)
            await driver.sees("new-0", "new-1", "new-2", "✗ failed  watched")
            shown = driver.one("#runs", RowTable)
            assert driver.app.watched_run == shown.chosen == "r-0100" and shown.scroll_offset.y == 0
            assert shown.ids.index("r-0100") == 3


async def test_what_is_wrong_with_a_run_is_seen_in_its_row(seeded: Paths, opened: Opened) -> None:
    """The engine's word on a run that is not chosen: a mark in the list, words among the alerts, and gone once acknowledged."""
    async with open_database(seeded.database) as db:
        notice = Notice(time=1.0, level="error", code="diverging", message="the training loss grows: it is diverging")
        await runs.update(db, "r-0006", notices=(notice,))
    async with opened(seeded) as driver:
        await choose(driver, "r-0004")
        await driver.sees("▶ running !")
        await driver.press("A")
        await driver.sees("shop-faq  the training loss grows", "choose it (j)")
        await driver.press("K")
        await driver.sees_no("▶ running !")
        await driver.sees("Acknowledged")


async def test_nothing_of_a_silent_run_looks_as_if_it_were_of_now(seeded: Paths, opened: Opened) -> None:
    """No time left, no speed, and its machine as it was last seen; also once somebody has acknowledged that it is silent."""
    async with open_database(seeded.database) as db:
        await db.execute("UPDATE metrics SET time = time - 7200 WHERE run_id = 'r-0006'")
        await db.execute("UPDATE events SET time = time - 7200 WHERE run_id = 'r-0006'")
    async with opened(seeded) as driver:
        await choose(driver, "r-0006")
        await driver.sees("silent for", "last seen on cpu")
        await driver.press("K")
        await driver.sees_no("silent for")
        await driver.sees("epoch 1.84/3  silent", "last seen on cpu")
        await driver.sees_no("412 tokens/s", "2 min 10 s left")


async def test_an_alert_is_chosen_and_its_run_with_it(seeded: Paths, opened: Opened) -> None:
    """In the list of alerts the keys act on the run of the chosen one, enter shows its curve, and one is acknowledged alone."""
    async with open_database(seeded.database) as db:
        await seed.add_run(db, seeded, "second", "r-0008", "running", steps=98)
        for run_id in ("r-0006", "r-0008"):
            await runs.update(db, run_id, cost_usd=4.9)
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "r-0004")
        await driver.press("A")
        await driver.sees("shop-faq  98% of its budget is spent", "second  98% of its budget is spent")
        await driver.press("G")
        last = driver.app.watched_run
        await driver.press("g")
        await driver.until(lambda: {last, driver.app.watched_run} == {"r-0006", "r-0008"}, "its run is chosen")
        await driver.press("slash", *"state:failed", "enter", "A", "j")
        await driver.until(lambda: driver.app.watched_run in ("r-0006", "r-0008"), "the filter is dropped for it")
        await driver.press("enter")
        await driver.until(
            lambda: driver.one("#curves", LossChart).has_focus and not driver.one("#curves", LossChart).in_grid
        )


async def test_a_run_that_vanishes_leaves_no_hole(seeded: Paths, opened: Opened) -> None:
    """Another program deletes the chosen run; the screen goes on with the next."""
    async with opened(seeded) as driver:
        await choose(driver, "r-0003")
        async with open_database(seeded.database) as db:
            await runs.delete(db, "r-0003")
        await driver.until(lambda: driver.app.watched_run not in ("", "r-0003"))
        await driver.until(lambda: "poems" not in driver.text())


async def test_a_run_is_changed_while_it_trains_and_told_where_to_stop(seeded: Paths, opened: Opened) -> None:
    """Only what was changed is asked for; the facts say what was changed, and from which step on."""
    async with open_database(seeded.database) as db:
        await runs.add_change(db, "r-0006", settings={}, budget_usd=7.5, max_hours=None)
    # An engine is there already, as long as the app is: none is started, which would begin what the history has waiting.
    with FileLock(seeded.engine_lock):
        async with opened(seeded) as driver:
            await choose(driver, "r-0006")
            await driver.press("u")
            await driver.sees("Change ", "Learning rate", "0.0002", "Budget", "7.5")
            await driver.press("end", *["backspace"] * 6, *"5e-5", "enter", "enter", "enter", "enter")
            await driver.until(lambda: len(driver.app.screen_stack) == 1, "the dialogue has closed")
            await driver.press("T")
            await driver.sees("After its next evaluation")
            await driver.press("enter")
            await driver.until(lambda: len(driver.app.screen_stack) == 1, "the list has closed")
            waiting = await asked(seeded)
            await driver.press("i", "z")
            await driver.sees("Changed on the way", "budget $7.50", "from step 98 on")
    said = [(one.ask.kind, one.ask.model_dump(exclude_defaults=True, exclude={"kind", "target"})) for one in waiting]
    assert said == [
        ("change_run", {"settings": {"training.learning_rate": "5e-5"}}),
        ("stop_run", {"after": "evaluation"}),
    ]


async def test_runs_are_compared_by_curves_and_answers_and_saved(seeded: Paths, opened: Opened, tmp_path: Path) -> None:
    """Side by side: what came of them, the losses over one another, the answers; and all of it as page, table and document."""
    async with opened(seeded, (120, 60)) as driver:
        await choose(driver, "r-0003")
        await driver.press("space")
        await choose(driver, "r-0001")
        await driver.press("space", "m")
        await driver.sees(
            "Runs side by side", "Held-out loss", "Training loss", "Answers", "How do I return a lamp", "wanted"
        )
        for ending in ("html", "csv", "json"):
            target = tmp_path / f"both.{ending}"
            await driver.press("w")
            await driver.until(lambda: isinstance(driver.app.screen, SaveFileScreen))
            driver.one(".field", TextField).value = str(target)
            await driver.press("enter")
            await driver.until(target.exists)
        taken = tmp_path / "mine.json"
        taken.write_text("mine")
        await driver.press("w")
        await driver.until(lambda: isinstance(driver.app.screen, SaveFileScreen))
        driver.one(".field", TextField).value = str(taken)
        await driver.press("enter")
        await driver.until(lambda: "There is something already" in driver.toasts(), "nothing is written over")
        assert taken.read_text() == "mine"
        assert "poems" in (tmp_path / "both.csv").read_text().splitlines()[0]
        document = json.loads((tmp_path / "both.json").read_text())
        assert len(document["curves"]) == 2 and document["curves"][0]["train_loss"][0][0] == 1
        page = (tmp_path / "both.html").read_text()
        assert (
            page.count("<svg") == 2 and "How do I return a lamp that arrived broken?" in page and "<script" not in page
        )
