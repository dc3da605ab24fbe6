"""A home of its own for each journey, with a toy base model and data; the real command line, engine and worker."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from brightrun_tui.domain.run import Run
from brightrun_tui.store import metrics, open_database, runs
from tests import preloaded
from tests.clouds import fast_worker
from tests.clouds.machine import GPU_CHECK
from tests.clouds.server import CloudServer, why_not
from tests.processes import end_all, of_home
from tests.serving.toy import make_toy
from tests.toy_base import toy_base
from tests.trainer.conftest import make_records

TIMINGS = {
    "BRIGHTRUN_ENGINE_REMOTE_PYTHON": "image-python",
    "BRIGHTRUN_ENGINE_LEASE_POLL_SECONDS": "0.3",
    "BRIGHTRUN_ENGINE_REMOTE_POLL_SECONDS": "0.3",
    "BRIGHTRUN_ENGINE_VERIFY_SECONDS": "0.5",
    "BRIGHTRUN_ENGINE_SILENT_SECONDS": "4",
    "BRIGHTRUN_ENGINE_FINISH_SECONDS": "30",
    "BRIGHTRUN_ENGINE_RELEASE_SECONDS": "5",
    "BRIGHTRUN_SSH_CONNECT_SECONDS": "5",
    "BRIGHTRUN_SSH_RETRY_SECONDS": "0.2",
    "BRIGHTRUN_SSH_PATIENCE_SECONDS": "4",
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
}


@dataclass
class Home:
    """One installation of the product, driven through its command line."""

    root: Path
    base: Path
    data: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "BRIGHTRUN_HOME": str(self.root), "BRIGHTRUN_ENGINE_IDLE_SECONDS": "3", "NO_COLOR": "1"}

    def command(self, *words: str, timeout: float = 120) -> preloaded.Ended:
        return preloaded.brightrun(list(words), self.environment, timeout=timeout)

    def begin(self, *words: str) -> preloaded.Forked:
        """Call it and do not wait; nobody reads what it says."""
        with open(os.devnull, "r+b") as nothing:
            return preloaded.fork(preloaded.VERBS, words, self.environment, [nothing.fileno()] * preloaded.STREAMS)

    def json(self, *words: str, timeout: float = 120) -> Any:
        done = self.command(*words, "--json", timeout=timeout)
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def start_training(self, *settings: str) -> str:
        """A run that takes some seconds; its id."""
        words = [word for setting in settings for word in ("--set", setting)]
        document = self.json(
            "train", str(self.data), "--base", str(self.base), "--name", "toy", "--detach", "--yes", *words
        )
        return str(document["run"]["id"])

    def run(self, run_id: str) -> Run:
        async def read() -> Run:
            async with open_database(self.root / "data" / "brightrun.db") as db:
                return await runs.get(db, run_id)

        return asyncio.run(read())

    def losses(self, run_id: str) -> dict[int, float | None]:
        async def read() -> dict[int, float | None]:
            async with open_database(self.root / "data" / "brightrun.db") as db:
                points = await metrics.series(db, run_id, "train_loss")
                assert len({p.step for p in points}) == len(points)
                return {p.step: p.value for p in points}

        return asyncio.run(read())

    def processes(self, module: str) -> list[psutil.Process]:
        """Our processes of one kind (``brightrun_tui.orchestrator``, ``brightrun_tui.trainer`` …) in this home."""
        return of_home(self.root, module)

    def kill(self, module: str) -> None:
        processes = self.processes(module)
        assert processes, f"no {module} to kill"
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGKILL)

    def close(self) -> None:
        end_all(self.root)


def wait_until(fact: Callable[[], Any], what: str, seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = fact()
        if result:
            return result
        time.sleep(0.1)
    pytest.fail(f"within {seconds:.0f} s it did not become true that {what}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    data = tmp_path / "data.jsonl"
    lines = [
        json.dumps({"messages": [{"role": m.role, "content": m.content} for m in record.messages]})
        for record in make_records(120)
    ]
    data.write_text("\n".join(lines) + "\n")
    home = Home(tmp_path / "home", toy_base(), data)
    yield home
    home.close()


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudServer]:
    if reason := why_not():
        pytest.skip(reason)
    with CloudServer() as server:
        for name, value in {**server.environment, **TIMINGS}.items():
            monkeypatch.setenv(name, value)
        yield server


@dataclass
class UntaughtWorker:
    """What machines start where the promise is about money, machines, transfer and the order of things: it keeps the worker's
    protocol, and learns nothing. It can be held at a step, so that what is to happen meanwhile does."""

    directory: Path

    def hold(self, step: int) -> None:
        aside = self.directory / "hold.new"
        aside.write_text(str(step))
        aside.rename(self._hold)

    def go_on(self) -> None:
        self._hold.unlink()

    @property
    def _hold(self) -> Path:
        return self.directory / "hold"

    @property
    def calm(self) -> dict[str, dict[int, float | None]]:
        """The curve of a run that nothing happens to."""
        steps = range(1, fast_worker.STEPS + 1)
        return {"losses": {step: fast_worker.loss(step) for step in steps}}

    def make(self) -> Path:
        """Write what is taken for a Python with everything installed; the name of the module stays on the command line."""
        return self._script("python", f'[ "$1" = "-c" ] && exit 0\n{GPU_CHECK}{self._start("$3", "$2")}')

    def make_here(self) -> Path:
        """Write what this machine's workers are started by, ``nice``, so that they are such workers, too."""
        worker = f'[ "$6" = brightrun_tui.trainer ] && {self._start("$7", "$6")}'
        return self._script("nice", f'{worker}exec {shutil.which("nice")} "$@"\n')

    def _start(self, run_directory: str, module: str) -> str:
        words = shlex.join(map(str, [sys.executable, "-S", fast_worker.__file__, make_toy().run]))
        return f'exec {words} "{run_directory}" {shlex.quote(str(self._hold))} "{module}"\n'

    def _script(self, name: str, text: str) -> Path:
        script = self.directory / name
        script.write_text(f"#!/bin/sh\n{text}")
        script.chmod(0o755)
        return script


@pytest.fixture
def untaught(clouds: CloudServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UntaughtWorker:
    directory = tmp_path / "untaught"
    directory.mkdir()
    worker = UntaughtWorker(directory)
    monkeypatch.setenv("BRIGHTRUN_ENGINE_REMOTE_PYTHON", str(worker.make()))
    return worker


@pytest.fixture
def untaught_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UntaughtWorker:
    """The same on this machine."""
    directory = tmp_path / "untaught"
    directory.mkdir()
    worker = UntaughtWorker(directory)
    monkeypatch.setenv("BRIGHTRUN_ENGINE_SPARE_SECONDS", "0")  # a worker in waiting is a real one
    monkeypatch.setenv("PATH", f"{worker.make_here().parent}{os.pathsep}{os.environ['PATH']}")
    return worker


@pytest.fixture(scope="module")
def calm() -> dict[str, dict[int, float | None]]:
    """The curve of the first run; every other run of the same settings must have the very same."""
    return {}
