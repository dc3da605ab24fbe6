"""The toy model of these tests, made once a session in a process of its own."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brightrun_tui import serving
from brightrun_tui.domain.model import ModelVersion, Report, SampleAnswer

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Toy:
    """A base model directory, a finished run directory, and what peft itself answers with them."""

    base: Path
    run: Path

    @property
    def report(self) -> Report:
        return Report.model_validate_json((self.run / "report.json").read_bytes())

    @property
    def sample(self) -> SampleAnswer:
        return self.report.samples[0]

    def version(self, **changes: object) -> ModelVersion:
        """Version 1 of the model, served straight from the run directory."""
        given = ModelVersion(
            name="harbour",
            version=1,
            run_id="run-toy",
            directory=str(self.run / "adapter"),
            base_id="toy",
            base_path=str(self.base),
            report=self.report,
            created_at=1.0,
        )
        return given.model_copy(update=changes)


@functools.cache
def make_toy() -> Toy:
    """Train it (about ten seconds); the directory is removed when the session ends."""
    home = tempfile.TemporaryDirectory(prefix="brightrun-toy-")
    make_toy.keep = home  # type: ignore[attr-defined]
    quiet = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.serving.make_toy", home.name],
        cwd=ROOT,
        env=os.environ | quiet,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Toy(Path(home.name) / "base", Path(home.name) / "run")


def wait_for(fact: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Until ``fact()`` is true; fails with ``what`` at the deadline."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def serve(directory: Path, version: ModelVersion, **wanted: Any) -> serving.ServerState:
    """Start an endpoint and wait until it is ready."""
    serving.prepare(directory, endpoint_id="e1", version=version, **wanted)
    serving.start(directory)
    wait_for(lambda: settled(directory), "the endpoint is ready or has failed")
    state = serving.read_state(directory)
    assert state is not None
    assert state.status == "ready", f"{state.error}\n{(directory / 'server.log').read_text()[-2000:]}"
    return state


def settled(directory: Path) -> bool:
    state = serving.read_state(directory)
    return state is not None and state.status in ("ready", "failed")


def end(directory: Path) -> None:
    asyncio.run(serving.stop(directory))
