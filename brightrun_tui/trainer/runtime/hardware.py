"""What the machine is doing, told every few seconds, and whether the training still moves."""

from __future__ import annotations

import contextlib
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import torch

from brightrun_tui.domain import events, humanize
from brightrun_tui.trainer.runtime.events import EventLog

PERIOD = 4.0
STUCK_SECONDS = 600.0
"""A run that reports nothing for this long, and ten times longer than it ever took, is called stuck."""
_PROTECTION = 0x08 | 0x20 | 0x40 | 0x80
"""NVML's reasons for slower clocks: hardware slowdown, software and hardware thermal slowdown, power brake."""


class HardwareMonitor:
    """A thread that writes ``hardware`` events, and one alert when the work stands still. Use as a context."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._process = psutil.Process()
        self._gpu = _open_gpu()
        self._counted: tuple[float, int, int] | None = None
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
                            level="warning", code="stuck", message=f"nothing has moved for {humanize.span(idle)}"
                        )
                    )

    def reading(self) -> events.HardwareReading:
        """Do as `events.HardwareReading` says; None where the driver does not tell."""
        own = self._process.memory_info().rss
        disk = _disk(self._log.path.parent)
        memory = psutil.virtual_memory()
        load = psutil.cpu_percent() / 100
        network = self._network()
        if self._gpu is None:
            return events.HardwareReading(
                device="cpu",
                memory_used=memory.total - memory.available,
                memory_total=memory.total,
                utilisation=load,
                process_memory=own,
                disk_free=disk[0],
                disk_total=disk[1],
                **network,
            )
        import pynvml

        handle, name = self._gpu
        card = _told(pynvml.nvmlDeviceGetMemoryInfo, handle)
        rates = _told(pynvml.nvmlDeviceGetUtilizationRates, handle)
        return events.HardwareReading(
            device=name,
            memory_used=int(card.used) if card else None,
            memory_total=int(card.total) if card else None,
            utilisation=rates.gpu / 100 if rates else None,
            process_memory=own,
            disk_free=disk[0],
            disk_total=disk[1],
            cpu_load=load,
            ram_used=memory.total - memory.available,
            ram_total=memory.total,
            **network,
            **_heat(handle),
            **_clock(handle),
        )

    def _network(self) -> dict[str, Any]:
        """Return bytes a second since the last reading, over all networks but the one inside the machine."""
        with contextlib.suppress(OSError):
            now = time.monotonic()
            cards = psutil.net_io_counters(pernic=True, nowrap=True)
            outside = [card for name, card in cards.items() if not name.startswith("lo")]
            counted = sum(card.bytes_recv for card in outside), sum(card.bytes_sent for card in outside)
            before, self._counted = self._counted, (now, *counted)
            if before is not None and now > before[0]:
                seconds = now - before[0]
                received, sent = counted[0] - before[1], counted[1] - before[2]
                return {"received_rate": max(0.0, received / seconds), "sent_rate": max(0.0, sent / seconds)}
        return {}


def _disk(directory: Path) -> tuple[int | None, int | None]:
    """Return free bytes and all bytes of the disk that the run is on."""
    try:
        usage = shutil.disk_usage(directory)
    except OSError:
        return None, None
    return usage.free, usage.total


def _heat(handle: Any) -> dict[str, Any]:
    """Return temperature and power of a card against their limits, and whether it goes slower to protect itself.

    A card at its power limit is not called throttled: that is how every card works under load.
    """
    import pynvml

    def watts(milliwatts: int | None) -> float | None:
        return None if milliwatts is None else milliwatts / 1000

    degrees = _told(lambda card: pynvml.nvmlDeviceGetTemperature(card, pynvml.NVML_TEMPERATURE_GPU), handle)
    limit = _told(
        lambda card: pynvml.nvmlDeviceGetTemperatureThreshold(card, pynvml.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN), handle
    )
    reasons = _told(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    return {
        "temperature": None if degrees is None else float(degrees),
        "temperature_limit": None if limit is None else float(limit),
        "power": watts(_told(pynvml.nvmlDeviceGetPowerUsage, handle)),
        "power_limit": watts(_told(pynvml.nvmlDeviceGetEnforcedPowerLimit, handle)),
        "throttled": None if reasons is None else bool(reasons & _PROTECTION),
    }


def _clock(handle: Any) -> dict[str, Any]:
    """Return the clock of a card's processors and their highest one, in MHz."""
    import pynvml

    now = _told(lambda card: pynvml.nvmlDeviceGetClockInfo(card, pynvml.NVML_CLOCK_SM), handle)
    highest = _told(lambda card: pynvml.nvmlDeviceGetMaxClockInfo(card, pynvml.NVML_CLOCK_SM), handle)
    return {"clock": None if now is None else float(now), "clock_limit": None if highest is None else float(highest)}


def peak_memory() -> int:
    """Return bytes of memory that this program ever held.

    Linux says it itself: what it counts for `getrusage` includes what the parent held when it started this program.
    """
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def _open_gpu() -> tuple[Any, str] | None:
    """Return NVML's handle of the card (or the part of one) that torch works on, and its name; None where there is none to watch.

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
    """Return what NVML answers; None where it cannot: a part of a card, for one, has no utilisation."""
    import pynvml

    try:
        return ask(what)
    except pynvml.NVMLError:
        return None
