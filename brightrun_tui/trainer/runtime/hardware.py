"""What the machine is doing, told every few seconds, and whether the training still moves."""

from __future__ import annotations

import contextlib
import resource
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import torch

from brightrun_tui.domain import events
from brightrun_tui.trainer.runtime.events import EventLog

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
                self._log.write(self.reading())
                idle = time.monotonic() - self._last_beat
                if not self._told and idle > max(STUCK_SECONDS, 10 * self._longest_gap):
                    self._told = True
                    self._log.write(
                        events.Alert(
                            level="warning", code="stuck", message=f"nothing has moved for {idle / 60:.0f} minutes"
                        )
                    )

    def reading(self) -> events.Hardware:
        """Memory in bytes, utilisation 0–1; None where the driver does not tell."""
        own = self._process.memory_info().rss
        if self._gpu is None:
            memory = psutil.virtual_memory()
            return events.Hardware(
                device="cpu",
                memory_used=memory.total - memory.available,
                memory_total=memory.total,
                utilisation=psutil.cpu_percent() / 100,
                process_memory=own,
            )
        import pynvml

        handle, name = self._gpu
        memory = _told(pynvml.nvmlDeviceGetMemoryInfo, handle)
        rates = _told(pynvml.nvmlDeviceGetUtilizationRates, handle)
        return events.Hardware(
            device=name,
            memory_used=int(memory.used) if memory else None,
            memory_total=int(memory.total) if memory else None,
            utilisation=rates.gpu / 100 if rates else None,
            process_memory=own,
        )


def peak_memory() -> int:
    """Bytes of memory that this process ever held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def _open_gpu() -> tuple[Any, str] | None:
    """NVML's handle of the card (or the part of one) that torch works on, and its name; None where there is none to watch.

    They are brought together by the UUID: NVML counts every card of the machine, torch those it was shown.
    """
    if not torch.cuda.is_available():
        return None
    try:
        import pynvml
    except ImportError:
        return None
    card = torch.cuda.get_device_properties(0)
    with contextlib.suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        for kind in ("GPU", "MIG"):
            handle = _told(pynvml.nvmlDeviceGetHandleByUUID, f"{kind}-{card.uuid}")
            if handle is not None:
                return handle, card.name
    return None


def _told(ask: Callable[[Any], Any], what: Any) -> Any:
    """What NVML answers; None where it cannot: a part of a card, for one, has no utilisation."""
    import pynvml

    try:
        return ask(what)
    except pynvml.NVMLError:
        return None
