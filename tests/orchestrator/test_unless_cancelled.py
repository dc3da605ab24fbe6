"""Work that nobody waits for any more: it ends, and keeps no engine from ending."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from brightrun_tui.orchestrator.targets import Say
from brightrun_tui.orchestrator.unless_cancelled import NobodyWaitsError, unless_cancelled
from brightrun_tui.planning import unpacked
from tests.processes import words_of


async def test_a_stop_in_the_midst_of_it_ends_the_thread() -> None:
    said: list[str] = []
    ended = threading.Event()

    def work(say: Say) -> None:
        try:
            while True:
                say("a step")
                time.sleep(0.01)
        finally:
            ended.set()

    task = asyncio.create_task(unless_cancelled(work, said.append))
    while not said:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 60)


async def test_what_it_returns_and_raises_comes_through() -> None:
    assert await unless_cancelled(lambda say: 7, print) == 7
    with pytest.raises(ZeroDivisionError):
        await unless_cancelled(lambda say: 1 // 0, print)


def test_weights_that_are_being_read_in_silence_can_be_left(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The process that reads them is ended, although it tells nothing for an hour."""
    silent = [sys.executable, "-c", "import time; time.sleep(3600)"]
    monkeypatch.setattr(unpacked, "python", lambda *_: silent)
    monkeypatch.setattr(unpacked, "require_room", lambda *_: None)

    def leave(what: str, _fraction: float) -> None:
        assert what
        raise NobodyWaitsError

    with pytest.raises(NobodyWaitsError):
        unpacked.dequantise(tmp_path / "a.gguf", tmp_path, 1, leave)
    assert not [one for one in psutil.Process().children() if "time.sleep(3600)" in " ".join(words_of(one))]
