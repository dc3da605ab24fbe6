"""The real app over a real, seeded store, in a terminal of a given size that exists only in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
from textual import events
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget

from brightrun_tui.paths import Paths, get_paths
from brightrun_tui.planning.plan import Plan
from brightrun_tui.tui.app import BrightRunApp
from brightrun_tui.tui.screens.new_run import NewRunScreen
from tests.processes import end_all
from tests.tui import history

SIZES = [(80, 24), (120, 40)]
SCREENS = ("integrations", "new_run", "monitor", "registry")
"""In the order of their keys."""
DEADLINE = 60.0
WORK_SECONDS, REST_SECONDS, LOOKS = 0.003, 0.002, 5
"""Of processor time: what changes a screen takes longer, a rest of 20 ms less; a fact outside of the process waits for 0.1 s."""
S = TypeVar("S", bound=Screen[Any])

Opened = Callable[..., AbstractAsyncContextManager["Driver"]]


@pytest.fixture(autouse=True)
def quiet_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches a real service: addresses answer “connection refused” at once."""
    for name in ("HF_ENDPOINT", "BRIGHTRUN_RUNPOD_URL", "BRIGHTRUN_RUNPOD_GRAPHQL_URL", "BRIGHTRUN_VAST_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("HF_TOKEN", "RUNPOD_API_KEY", "VAST_API_KEY", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """An installation of its own, still empty; an engine that the test made it start ends with it."""
    monkeypatch.setenv("BRIGHTRUN_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SPARE_SECONDS", "0")  # a filled-in form alone starts nothing
    yield get_paths()
    end_all(tmp_path)


@pytest.fixture
def seeded(paths: Paths) -> Paths:
    """An installation with a history."""
    history.fill(paths)
    return paths


@dataclass
class Driver:
    """The app at work, and what a person would do and see."""

    app: BrightRunApp
    pilot: Pilot[Any]

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.app._press_keys([key])
            await self.settle()

    async def paste(self, text: str) -> None:
        """Give a text to what has the focus, at once: where it is not the typing that is tested, nobody looks between keys."""
        self.app.post_message(events.Paste(text))
        await self.app._animator.wait_until_complete()
        await self.settle()

    async def settle(self) -> None:
        """Wait until every part of the screen has handled all that it was sent; then lay out and draw what that changed.

        `Pilot.pause` sends each of them a message and waits for all to have come, which for a form of a hundred parts
        takes a hundred times as long as to look. What takes time by itself (threads, timers) is for `until`.
        """
        end, patience = time.monotonic() + DEADLINE, 0.0
        while any(map(_at_work, self._parts())) and not self.app._exception_event.is_set():
            if time.monotonic() > end:
                raise AssertionError(f"still at work: {[part for part in self._parts() if _at_work(part)]}")
            await asyncio.sleep(patience)
            patience = min(0.02, patience + 0.0005)
        if self.app._running:
            self.app.screen._on_timer_update()

    def _parts(self) -> list[MessagePump]:
        return [self.app, *self.app.screen.walk_children(with_self=True)] if self.app._running else []

    async def visit(self, screen: str) -> None:
        """Go to one of the four by its key."""
        await self.press(str(SCREENS.index(screen) + 1))
        await self.until(lambda: self.app.current_mode == screen, screen)

    async def until(self, fact: Callable[[], Any], what: str = "") -> None:
        """Wait for a fact, with a deadline. It is looked at again once the process has worked and rests, or after a while:
        reading a screen costs as much as drawing it, and shows nothing new where nobody has worked."""
        end = time.monotonic() + DEADLINE
        if fact():
            return
        while not fact():
            if time.monotonic() > end:
                raise AssertionError(f"never happened: {what or fact}\n{self.text()}")
            await self._rest_after_work()
        await self.settle()

    async def _rest_after_work(self) -> None:
        began = before = time.process_time()
        for _ in range(LOOKS):
            await asyncio.sleep(0.02)
            now = time.process_time()
            if now - began > WORK_SECONDS and now - before < REST_SECONDS:
                break
            before = now

    async def sees(self, *words: str) -> None:
        """Wait until all of these are on the screen."""
        await self.until(lambda: self._count(words) == len(words), f"{words} on the screen")

    async def sees_no(self, *words: str) -> None:
        """Wait until none of these is on the screen: its parts are drawn one after the other."""
        await self.until(lambda: not self._count(words), f"no {words} on the screen")

    async def resize(self, size: tuple[int, int]) -> None:
        await self.pilot.resize_terminal(*size)
        await self.settle()

    async def sees_at_every_size(self, *words: str) -> None:
        """Wait until all of these are on the screen, at the size that it has and then at the other of `SIZES`, which it keeps."""
        await self.sees(*words)
        for size in SIZES:
            if size != self.app.size:
                await self.resize(size)
                await self.sees(*words)
                return

    def _count(self, words: tuple[str, ...]) -> int:
        """How many of these are on the screen."""
        text = self.text()
        return sum(word in text for word in words)

    def text(self) -> str:
        """The screen as lines of text."""
        _width, height = self.app.size
        rows = self.app.screen._compositor.render_strips()
        return "\n".join("".join(cell.text for cell in row) for row in rows[:height])

    def screen(self, kind: type[S]) -> S:
        """The screen on top, which is of this kind."""
        screen: object = self.app.screen
        assert isinstance(screen, kind), f"{screen} is shown"
        return screen

    @property
    def new_run(self) -> NewRunScreen:
        return self.screen(NewRunScreen)

    @property
    def plan(self) -> Plan:
        """What the form of New Run comes to."""
        assert self.new_run.plan is not None, "nothing was reckoned yet"
        return self.new_run.plan

    def keys(self) -> str:
        """The last line: the keys that can be pressed."""
        return self.text().splitlines()[-1]

    def one(self, selector: str, kind: type[Widget] = Widget) -> Any:
        return self.app.screen.query_one(selector, kind)

    def toasts(self) -> str:
        return "\n".join(f"{note.title} {note.message}" for note in self.app._notifications)


def _at_work(part: MessagePump) -> bool:
    """Whether it has messages still, or handles one: else it waits for the next."""
    queue: Any = part._message_queue
    waiting = any(not one.done() for one in queue.ready_event._waiters)
    return not (part._closing or part._closed) and not (queue.empty() and waiting)


@pytest.fixture
def first_mode() -> str:
    """The screen that the app opens on. A module that is about another one says so: nothing else is then opened for it."""
    return "integrations"


@pytest.fixture
def opened(first_mode: str) -> Opened:
    """Opens the app: ``async with opened(paths, size=(80, 24)) as driver``. A fault that it survives fails a test, too."""

    @asynccontextmanager
    async def opening(
        paths: Paths, size: tuple[int, int] = (120, 40), *, read_only: bool = False, faults: bool = False
    ) -> AsyncIterator[Driver]:
        app = BrightRunApp(paths, read_only=read_only, first_mode=first_mode)
        async with app.run_test(size=size, notifications=True) as pilot:
            driver = Driver(app, pilot)
            await driver.until(lambda: app.snapshot.loaded, "the store is read")
            yield driver
        assert faults or not app.faults.counts, f"the app had to survive {dict(app.faults.counts)}"

    return opening
