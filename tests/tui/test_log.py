"""The log pane: everything a terminal would have shown, nothing that could harm, and it keeps up."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.app import App

from brightrun_tui.domain.run_directory import RunDirectory
from brightrun_tui.orchestrator.log_copy import LogCopy
from brightrun_tui.orchestrator.machine_notes import note_machine
from brightrun_tui.paths import Paths
from brightrun_tui.tui.widgets.log_follower import MAX_LINES
from brightrun_tui.tui.widgets.log_tail import FIRST_BYTES, LINE_LIMIT, LogTail
from brightrun_tui.tui.widgets.log_view import LogView
from brightrun_tui.tui.widgets.run_log import RunLog
from tests.tui import seed
from tests.tui.conftest import Opened
from tests.tui.test_monitor import choose

RUN_LOG = "runs/r-0006/worker.log"


@pytest.fixture
def first_mode() -> str:
    return "monitor"


def test_a_progress_bar_is_one_line(tmp_path: Path) -> None:
    """Carriage returns overwrite, as in a terminal; the line being written is shown too."""
    log = tmp_path / "worker.log"
    log.write_bytes(b"start\n 10%|#   |\r 50%|##  |\r100%|####|\nnext  5%\rnext 10%")
    news = LogTail(log).read()
    assert news is not None
    assert news.lines == ("start", "100%|####|") and news.tail == "next 10%"


def test_control_characters_do_nothing(tmp_path: Path) -> None:
    """Printed escape codes can neither colour nor clear nor retitle this terminal."""
    log = tmp_path / "worker.log"
    log.write_bytes(
        b"\x1b[31mred\x1b[0m \x1b]0;title\x07bell\x07 \x1b[2Jclear \x9b31m \xff\xfe bytes\n" + b"x" * 10_000 + b"\n"
    )
    news = LogTail(log).read()
    assert news is not None
    assert news.lines[0].isprintable() and news.lines[0].startswith("red bell clear ")
    assert len(news.lines[1]) <= LINE_LIMIT + 2


def test_the_end_of_a_long_file_comes_first(tmp_path: Path) -> None:
    """A log of hundreds of megabytes opens at once, at its end, and says how much lies before, which is read when asked for."""
    log = tmp_path / "worker.log"
    log.write_bytes(b"".join(b"line %d\n" % number for number in range(400_000)))
    tail = LogTail(log)
    news = tail.read()
    assert news is not None
    assert news.lines[-1] == "line 399999"
    assert tail.unread >= log.stat().st_size - FIRST_BYTES - 20
    found = list(news.lines)
    while tail.unread:
        found = [*tail.older(), *found]
    assert found == [f"line {number}" for number in range(400_000)] and tail.older() == ()


@pytest.mark.parametrize("piece", [1, 3, 7])
def test_reading_in_pieces_loses_and_doubles_nothing(tmp_path: Path, piece: int) -> None:
    """Lines written a few bytes at a time, umlauts cut in half included, arrive whole and once."""
    log = tmp_path / "worker.log"
    text = "".join(f"zeile {number} äöü\n" for number in range(40))
    tail, found = LogTail(log), []
    with log.open("wb") as file:
        data = text.encode()
        for start in range(0, len(data), piece):
            file.write(data[start : start + piece])
            file.flush()
            news = tail.read()
            found += list(news.lines) if news else []
    assert found == text.splitlines()


def test_what_the_worker_says_is_readable(tmp_path: Path) -> None:
    """Events and printed lines are one log: steps with their loss, checkpoints, alerts, and what was printed."""
    events = seed.training_events(40, 160)
    (tmp_path / "events.jsonl").write_bytes(b"".join(event.to_line() for event in events) + b'{"half')
    (tmp_path / "worker.log").write_text("printed\n")
    log = RunLog(tmp_path)
    news = log.read()
    assert news is not None
    text = "\n".join(news.lines)
    assert "step 40    loss " in text and "checkpoint" in text and "! 8 records have no answer" in text
    assert news.lines[-1] == "printed" and "{" not in text
    assert log.read() is None
    (tmp_path / "setup.log").write_text("installing the training packages\n")
    news = log.read()
    assert news is not None and news.lines == ("installing the training packages",)


def test_a_new_file_starts_anew(tmp_path: Path) -> None:
    """A retried run begins its log again; the old one does not get mixed in."""
    log = tmp_path / "worker.log"
    log.write_text("old 1\nold 2\n")
    tail = LogTail(log)
    tail.read()
    os.replace(_written(tmp_path / "aside", "new\n"), log)
    news = tail.read()
    assert news is not None and news.restarted and news.lines == ("new",)


async def test_following_stands_still_when_scrolled_up_and_words_are_found(seeded: Paths, opened: Opened) -> None:
    """Who reads is not scrolled away; how much is new is said, and End goes back to the newest line. `/` finds text; a miss is
    said."""
    log = seeded.data / RUN_LOG
    async with opened(seeded, (80, 24)) as driver:
        await driver.press("3", "L")
        view = driver.one("#log", LogView)
        await driver.until(lambda: len(view.lines) > 60)
        await driver.press("k", "k", "k")
        place = view.scroll_offset.y
        with log.open("a") as file:
            file.write("fresh 1\nfresh 2\n")
        await driver.sees("paused · 2 new ↓")
        assert view.scroll_offset.y == place and not view.following
        await driver.press("G")
        await driver.sees("fresh 2", "following")
        await driver.press("slash", *"ready", "enter")
        await driver.sees("model ready", "“ready”")
        assert driver.app.focused is view
        await driver.press("slash", "end", *"xyzzy", "enter")
        await driver.sees("not found")


async def test_five_thousand_lines_a_second_stay_bounded(
    seeded: Paths, opened: Opened, record_property: object
) -> None:
    """A worker that prints like mad neither fills the memory nor freezes the keys: the oldest lines go."""
    log = seeded.data / RUN_LOG
    async with opened(seeded) as driver:
        await driver.press("3", "L")
        view = driver.one("#log", LogView)
        await driver.until(lambda: len(view.lines) > 60)
        lags: list[float] = []
        written = 0
        end = time.monotonic() + 5.0
        with log.open("a") as file:
            while time.monotonic() < end:
                file.write("".join(f"step {written + n} {'x' * 80}\n" for n in range(500)))
                file.flush()
                written += 500
                began = time.monotonic()
                await asyncio.sleep(0.1)
                lags.append(time.monotonic() - began - 0.1)
        await driver.until(lambda: view.lines[-1].startswith(f"step {written - 1} "), "the newest line is shown")
        assert len(view.lines) <= MAX_LINES
    print(f"\n{written} lines in 5 s, greatest loop lag {1000 * max(lags):.0f} ms")


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


async def test_what_lies_before_is_searched_and_gone_to(seeded: Paths, opened: Opened) -> None:
    """A log that is longer than what opens at once: a step far back is gone to, a word there is counted, g is its first line."""
    log = seeded.data / RUN_LOG
    lines = [
        f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}  step {number} loss 1.0"
        for number in range(40_000)
    ]
    log.write_text("needle first\n" + "\n".join(lines) + "\nneedle last\n")
    async with opened(seeded) as driver:
        await choose(driver, "r-0006")
        await driver.press("L", "z")
        view = driver.one("#log", LogView)
        await driver.sees("needle last", "before this (g reads it)")
        await driver.press("t", *"20000", "enter")
        await driver.sees("step 20000 loss", "paused")
        await driver.press("slash", *"needle", "enter")
        await driver.sees("“needle” 2 lines")
        await driver.press("g")
        await driver.until(lambda: view.scroll_offset.y == 0)
        assert "needle first" in view.lines and len(view.lines) > 40_000


async def test_whoever_goes_elsewhere_while_a_long_log_is_read_stays_there(
    seeded: Paths, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The beginning of gigabytes takes a while: what was asked for after it holds, and is not undone when that is read."""
    log = seeded.data / RUN_LOG
    fillers = [b"%d filler\n" % number for number in range(3 * FIRST_BYTES // 10)]
    log.write_bytes(b"".join([*fillers, b"a needle\n", *fillers[:200], b"the end\n"]))
    read, go_on = RunLog.older, threading.Event()

    def slowly(log: RunLog) -> tuple[tuple[int, tuple[str, ...]], ...]:
        go_on.wait(60.0)
        return read(log)

    monkeypatch.setattr(RunLog, "older", slowly)
    async with opened(seeded) as driver:
        await choose(driver, "r-0006")
        await driver.press("L")
        await driver.sees("the end")
        await driver.press("g", "slash", *"needle", "enter")
        await driver.sees("a needle", "1 line")
        await driver.press("G")
        await driver.sees("the end")
        go_on.set()
        view = driver.one("#log", LogView)
        await driver.until(lambda: view.lines.count("0 filler") == 2, "all of it is read")
        reading = {"log-older", "search"}
        await driver.until(lambda: not [one for one in driver.app.workers if one.group in reading], "nothing is read")
        await driver.sees("the end", "following")


async def test_a_log_that_cannot_be_read_says_so_once(seeded: Paths, opened: Opened) -> None:
    """A directory in its place, a disk with faults: one line, however often it is looked at."""
    log = seeded.data / RUN_LOG
    log.unlink()
    (log / "sub").mkdir(parents=True)
    async with opened(seeded) as driver:
        await choose(driver, "r-0006")
        await driver.press("L")
        await driver.sees("the log cannot be read")
        view, looks = driver.one("#log", LogView), 0
        read = RunLog.read

        def counted(log: RunLog) -> object:
            nonlocal looks
            looks += 1
            return read(log)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(RunLog, "read", counted)
            await driver.until(lambda: looks > 2, "it is looked at again")
        assert sum("cannot be read" in line for line in view.lines) == 1


async def test_each_machine_alone(seeded: Paths, opened: Opened) -> None:
    """`m` shows what came from one machine after the other, then all of it again; with one machine it says so."""
    async with opened(seeded, (120, 40)) as driver:
        await choose(driver, "r-0006")
        await driver.press("L", "z")
        view = driver.one("#log", LogView)
        await driver.until(lambda: len(view.lines) > 60)
        await driver.press("m")
        await driver.sees("All of this log comes from one machine.")
        files = RunDirectory((seeded.data / RUN_LOG).parent)
        note_machine(files, "RTX 4090 pod-1")
        LogCopy(files).begin_anew()
        with files.log.open("a") as file:
            file.write("printed there\n")
        await driver.press("m")
        await driver.sees("ended", "this machine · 1 of 2")
        await driver.until(lambda: len(view.lines) > 60)
        assert "printed there" not in view.lines
        await driver.press("m")
        await driver.sees("following", "RTX 4090 pod-1 · 2 of 2", "printed there")
        assert view.lines == ("── machine 2: RTX 4090 pod-1 ──", "printed there")
        note_machine(files, "A100 pod-2")
        await driver.sees("ended", "RTX 4090 pod-1 · 2 of 2")
        await driver.press("m")
        await driver.sees("following", "A100 pod-2 · 3 of 3")
        await driver.press("m")
        await driver.until(lambda: len(view.lines) > 62, "all of it")


async def test_the_whole_log_in_a_program_of_ones_own(
    seeded: Paths, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pager and editor get what the worker said, readable, and what it printed; the app comes back when they end."""
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\ncat "$@" > {tmp_path}/seen.txt\ntouch {tmp_path}/done\n')
    program.chmod(0o755)
    seen, done = tmp_path / "seen.txt", tmp_path / "done"
    monkeypatch.setattr(App, "suspend", lambda self: nullcontext())  # the terminal of a test is none
    async with opened(seeded) as driver:
        await choose(driver, "r-0006")
        await driver.press("L")
        for name, key in (("PAGER", "v"), ("VISUAL", "V")):
            monkeypatch.setenv(name, str(program))
            await driver.press(key)
            await driver.until(done.exists, f"the program of {name} has ended")
            text = seen.read_text()
            assert "step 40    loss " in text and "model ready" in text and "{" not in text, name
            seen.unlink()
            done.unlink()
            monkeypatch.delenv(name)


async def test_levels_wrapping_and_going_to_a_step(seeded: Paths, opened: Opened) -> None:
    """Only what is bad, with the lines that belong to it; long lines whole; and the place of a step or a time, or a word."""
    log = seeded.data / RUN_LOG
    log.write_text(
        "".join(f"10:00:{second:02}  step {second * 10} loss 1.0\n" for second in range(60))
        + f"WARNING: low memory {'x' * 300} the end\nTraceback (most recent call last):\n  File x\nValueError: bad\nfine\n"
    )
    async with opened(seeded) as driver:
        await choose(driver, "r-0006")
        await driver.press("L", "z")
        view = driver.one("#log", LogView)
        await driver.until(lambda: "fine" in view.lines, "the log is there")
        await driver.press("w")
        await driver.sees("wrapped", "the end")
        await driver.press("e")
        await driver.sees("warnings and errors", "WARNING: low", "Traceback", "File x", "ValueError: bad")
        assert "fine" not in driver.text() and "step 590" not in driver.text()
        await driver.press("e", "e", "t", *"200", "enter")
        await driver.until(lambda: len(driver.app.screen_stack) == 1 and not view.following, "it stands still")
        await driver.sees("10:00:20  step 200", "paused")
        await driver.press("t", *"11:30", "enter")
        await driver.sees("Nothing that is kept of the log is at or after 11:30")
        await driver.press("t", *"soon", "enter")
        await driver.sees("neither a time such as 14:05 nor a step")
