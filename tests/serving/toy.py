"""The toy model of these tests, made once a session in a process of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brightrun_tui import serving
from brightrun_tui.domain.model import ModelVersion, Report, SampleAnswer
from brightrun_tui.store import models, open_database
from tests.made_once import by_module, made_once

ROOT = Path(__file__).resolve().parents[2]


async def keep(database: Path, version: ModelVersion) -> None:
    """Put it in the registry, as the engine does when its run has ended."""
    async with open_database(database) as db:
        await models.reserve(db, version.name, version.run_id)
        await models.complete(db, version)


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


def make_toy() -> Toy:
    """Made by ten seconds of training, once a test session."""
    home = made_once("toy", by_module("tests.serving.make_toy"))
    return Toy(home / "base", home / "run")


def wait_for(fact: Callable[[], object], what: str, seconds: float = 120.0) -> None:
    """Until ``fact()`` is true; fails with ``what`` at the deadline."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)


def serve(directory: Path, version: ModelVersion, **wanted: Any) -> serving.ServerState:
    """Start an endpoint and wait until it is ready."""
    serving.prepare(directory, **{"endpoint_id": "e1", **wanted}, version=version)
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
