"""The real command line, each call in a process of its own, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import preloaded

PATIENCE = 240.0
"""Seconds after which a call counts as hanging."""


@dataclass(frozen=True)
class Outcome:
    """What a call came to."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """The error that ``--json`` printed; nobody got to see a traceback."""
        assert "Traceback" not in self.out + self.err
        error: dict[str, str] = self.document["error"]
        assert set(error) == {"kind", "what", "where", "fix"}
        return error


@dataclass(frozen=True)
class CommandLine:
    """Calls ``brightrun`` with all state below ``home``."""

    home: Path

    def __call__(self, *arguments: str | Path, stdin: str = "", **environment: str) -> Outcome:
        words = list(map(str, arguments))
        done = preloaded.brightrun(words, self.environment(**environment), stdin=stdin, timeout=PATIENCE)
        return Outcome(done.returncode, done.stdout, done.stderr)

    def command(self, *arguments: str | Path) -> list[str]:
        """For a call that is watched, interrupted or given a terminal: on an interpreter of its own."""
        return [sys.executable, "-m", "brightrun_tui", *map(str, arguments)]

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "BRIGHTRUN_HOME": str(self.home),
            "BRIGHTRUN_ENGINE_IDLE_SECONDS": "1",
            "NO_COLOR": "1",
            **more,
        }

    def processes(self) -> list[psutil.Process]:
        """Everything that runs for this home."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get("BRIGHTRUN_HOME") == str(self.home)
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(process)
            except psutil.Error:
                continue
        return found


@pytest.fixture
def brightrun(tmp_path: Path) -> Iterator[CommandLine]:
    """The command line; whatever it left running is ended after the test."""
    line = CommandLine(tmp_path / "home")
    yield line
    for process in line.processes():
        with suppress(psutil.NoSuchProcess):  # a worker in waiting ends with its engine
            process.kill()
        process.wait(60)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes small file systems in memory; takes them away afterwards."""
    places: list[Path] = []

    def mount(*options: str) -> Path:
        place = tmp_path / f"disk{len(places)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("mounting a file system needs root")
        places.append(place)
        return place

    yield mount
    for place in places:
        subprocess.run(["umount", "-l", str(place)], check=True)
