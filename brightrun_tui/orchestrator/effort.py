"""What a worker has used of its machine so far: the one sign of life that needs nothing of the worker itself."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

from brightrun_tui.hosts.ssh import SshHost

LEAST_SHARE = 0.02
"""Of one core. A process whose only thread that still turns is the one that reads the hardware uses less."""
LEAST_BYTES = 64 << 10
"""A second, read and written: what a download or the loading of a large file moves at least."""
TICKS = 100
"""In a second of a process's time in ``/proc``; the kernel's own constant for user space."""


@dataclass(frozen=True)
class Effort:
    """Of a process and its children, since they began: seconds of processor time, bytes read and written."""

    seconds: float = 0.0
    bytes: int = 0

    def shows_life(self, before: Effort, passed: float) -> bool:
        """Say whether something was at work in the ``passed`` seconds since ``before``."""
        return self.seconds - before.seconds > LEAST_SHARE * passed or self.bytes - before.bytes > LEAST_BYTES * passed


def effort_here(pid: int) -> Effort | None:
    """Measure a process on this machine; None when it is gone or cannot be looked at."""
    seconds, moved = 0.0, 0
    try:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            times = one.cpu_times()
            seconds += times.user + times.system
            moved += _bytes_of(one)
    except psutil.Error:
        return None
    return Effort(seconds, moved)


def _bytes_of(process: psutil.Process) -> int:
    """Return the bytes it has moved; 0 where the system does not tell."""
    try:
        counts = process.io_counters()
    except (AttributeError, psutil.Error):
        return 0
    return int(sum(getattr(counts, name, 0) for name in ("read_chars", "write_chars", "read_bytes")))


async def effort_there(host: SshHost, group: int) -> Effort | None:
    """Measure a process group on another machine; None when nothing of it is left. Raises `HostError`."""
    seen = await host.run("cat /proc/[0-9]*/stat 2>/dev/null", repeat=True)
    seconds, pids = 0.0, []
    for line in seen.output.splitlines():
        pid, _, rest = line.partition(" ")
        fields = rest.rpartition(")")[2].split()
        if pid.isdigit() and len(fields) > 12 and fields[2] == str(group):
            seconds += sum(int(field) for field in fields[11:13] if field.isdigit()) / TICKS
            pids.append(pid)
    if not pids:
        return None
    counts = await host.run(f"cat {' '.join(f'/proc/{pid}/io' for pid in pids)} 2>/dev/null", repeat=True)
    words = [line.partition(": ") for line in counts.output.splitlines()]
    moved = sum(int(value) for name, _, value in words if name in ("rchar", "wchar", "read_bytes") and value.isdigit())
    return Effort(seconds, moved)
