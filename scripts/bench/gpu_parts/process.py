"""The process of one part: started early, so that its imports are done when its turn comes; ended with all that it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
SETTLE_SECONDS = 10.0
"""That a part has after it was asked to end, before it is killed."""


@dataclass(frozen=True)
class Part:
    """``arguments`` follow directory and device. ``together``: side by side with the others so marked, where nothing is timed."""

    name: str
    module: str
    function: str
    arguments: tuple[Any, ...]
    seconds: float
    together: bool = False


class Process:
    """A part that imports what it needs and then waits for `run`."""

    def __init__(self, part: Part, environment: dict[str, str]) -> None:
        self._part = part
        self._said, self._complaints = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scripts.bench.gpu_parts", part.module, part.function],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._complaints,
            env=environment,
            cwd=ROOT,
            text=True,
            start_new_session=True,
        )

    def run(self, directory: Path, device: str, left: float) -> dict[str, Any]:
        """Run the part, and return all pieces that it found within its time, ``left`` seconds at most; ``failed`` says
        why it did not end well.
        """
        began = time.perf_counter()
        line = json.dumps({"directory": str(directory), "device": device, "arguments": self._part.arguments})
        try:
            self._process.communicate(line + "\n", timeout=max(1.0, min(self._part.seconds, left)))
            late = False
        except subprocess.TimeoutExpired:
            late = True
        except BrokenPipeError:
            late = False
        self.end()
        found: dict[str, Any] = {}
        self._said.seek(0)
        for said in self._said:
            if said.startswith('{"found"'):
                found |= json.loads(said)["found"]
        self._complaints.seek(0)
        if late:
            found["failed"] = "it did not end in time"
        elif self._process.returncode and "failed" not in found:
            found["failed"] = f"exit code {self._process.returncode}: {self._complaints.read().strip()[-1500:]}"
        self._said.close()
        self._complaints.close()
        return {**found, "seconds": round(time.perf_counter() - began, 1)}

    def end(self) -> None:
        """End it and everything it started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                break
            try:
                self._process.wait(SETTLE_SECONDS)
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()
