"""What the machine is doing, told every few seconds, and whether the training still moves."""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
import time
from typing import Any

import psutil

from brightrun_tui.trainer.events import EventLog

PERIOD = 4.0
STUCK_SECONDS = 600.0
"""A run that reports nothing for this long, and ten times longer than it ever took, is called stuck."""


class HardwareMonitor:
    """A thread that writes ``hardware`` events, and one alert when the work stands still. Use as a context."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._process = psutil.Process()
        self._gpu = _open_gpu()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hardware", daemon=True)
        self._last_beat = time.monotonic()
        self._longest_gap = 0.0
        self._told = False

    def __enter__(self) -> HardwareMonitor:
        psutil.cpu_percent()
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def beat(self) -> None:
        """Call when something was achieved (a step, an evaluation, an answer)."""
        now = time.monotonic()
        self._longest_gap = max(self._longest_gap, now - self._last_beat)
        self._last_beat = now
        self._told = False

    def _run(self) -> None:
        wait = 1.0
        while not self._stop.wait(wait):
            wait = PERIOD
            with contextlib.suppress(OSError):  # the main thread meets the same full disk and reports it
                self._log.write("hardware", **self.reading())
                idle = time.monotonic() - self._last_beat
                if not self._told and idle > max(STUCK_SECONDS, 10 * self._longest_gap):
                    self._told = True
                    self._log.write("alert", level="warning", code="stuck",
                                    message=f"nothing has moved for {idle / 60:.0f} minutes")

    def reading(self) -> dict[str, Any]:
        """Memory in bytes, utilisation 0–1."""
        own = self._process.memory_info().rss
        if self._gpu is None:
            memory = psutil.virtual_memory()
            return {"device": "cpu", "memory_used": memory.total - memory.available, "memory_total": memory.total,
                    "utilisation": psutil.cpu_percent() / 100, "process_memory": own}
        import pynvml

        memory = pynvml.nvmlDeviceGetMemoryInfo(self._gpu)
        busy = pynvml.nvmlDeviceGetUtilizationRates(self._gpu).gpu
        return {"device": str(pynvml.nvmlDeviceGetName(self._gpu)), "memory_used": int(memory.used),
                "memory_total": int(memory.total), "utilisation": busy / 100, "process_memory": own}


def peak_memory() -> int:
    """Bytes of memory that this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def _open_gpu() -> Any:
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml.nvmlDeviceGetHandleByIndex(0)
    except Exception as error:  # pynvml raises a dozen kinds; each means that there is no GPU to watch
        if type(error).__module__.split(".")[0] != "pynvml" and not isinstance(error, (ImportError, OSError)):
            raise
        return None
