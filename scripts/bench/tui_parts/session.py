"""A program in a real terminal of 120 × 40: its output with the time of every piece, keys, processor time and memory."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

PATIENCE = 60.0


@dataclass(frozen=True)
class Window:
    """What a stretch of time cost: seconds, processor seconds of the program, bytes written, bytes held at its end."""

    began: float
    ended: float
    cpu: float
    written: int
    memory: int

    @property
    def share(self) -> float:
        return self.cpu / (self.ended - self.began)

    @property
    def bytes_per_second(self) -> float:
        return self.written / (self.ended - self.began)


class Session:
    """Use as a context; the program is ended with it. Its children count as it does."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], cwd: Path) -> None:
        self._command, self._environment, self._cwd = command, environment, cwd
        self.pieces: list[tuple[float, bytes]] = []
        self._came = threading.Condition()

    def __enter__(self) -> Session:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.began = time.monotonic()
        self.process = psutil.Popen(
            self._command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=self._environment,
            cwd=self._cwd,
            start_new_session=True,
        )
        os.close(slave)
        self._over = threading.Event()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        return self

    def __exit__(self, *details: object) -> None:
        family = [self.process, *self._children()]
        for one in family:
            with suppress(psutil.Error):
                one.kill()
        self.process.wait()
        self._over.set()
        self._reading.join()  # else it reads from whatever has this number next
        os.close(self._master)

    def quit(self, key: bytes = b"q") -> None:
        """Let it end in order."""
        os.write(self._master, key)
        with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
            self.process.wait(10)

    def wait_for(self, marker: bytes, since: float = 0.0) -> float:
        """Wait until ``marker`` has come in output after ``since``, and return that moment."""
        deadline = time.monotonic() + PATIENCE
        with self._came:
            while True:
                seen = b""
                for at, piece in self.pieces:
                    if at >= since:
                        seen = seen[-256:] + piece
                        if marker in seen:
                            return at
                if not self._came.wait(timeout=max(0.0, deadline - time.monotonic())):
                    text = b"".join(piece for _, piece in self.pieces).decode(errors="replace")
                    raise SystemExit(f"{' '.join(self._command)} never showed {marker!r}:\n{text[-3000:]}")

    def _has_more_than(self, count: int) -> bool:
        return len(self.pieces) > count

    def press(self, keys: bytes, *, times: int = 1, pause: float = 0.2) -> list[float]:
        """Return the seconds from every key to the first output after it. ``keys`` are pressed in turn."""
        took = []
        for number in range(times):
            pressed = time.monotonic()
            count = len(self.pieces)
            os.write(self._master, keys[number % len(keys) : number % len(keys) + 1])
            with self._came:
                self._came.wait_for(partial(self._has_more_than, count), timeout=5.0)
                if len(self.pieces) > count:
                    took.append(self.pieces[count][0] - pressed)
            time.sleep(pause)
        return took

    def watch(self, seconds: float) -> Window:
        """Look at it for so long."""
        began, cpu, first = time.monotonic(), self.cpu(), len(self.pieces)
        time.sleep(seconds)
        ended = time.monotonic()
        written = sum(len(piece) for _, piece in self.pieces[first:])
        return Window(began, ended, self.cpu() - cpu, written, self.memory())

    def cpu(self) -> float:
        used = 0.0
        for one in [self.process, *self._children()]:
            with suppress(psutil.Error):
                times = one.cpu_times()
                used += times.user + times.system
        return used

    def memory(self) -> int:
        held = 0
        for one in [self.process, *self._children()]:
            with suppress(psutil.Error):
                held += one.memory_info().rss
        return held

    def _children(self) -> list[psutil.Process]:
        try:
            found: list[psutil.Process] = self.process.children(recursive=True)
        except psutil.Error:
            return []
        return found

    def _read(self) -> None:
        while not self._over.is_set():
            try:
                if not select.select([self._master], [], [], 0.2)[0]:
                    continue
                piece = os.read(self._master, 1 << 16)
            except (OSError, ValueError):
                return
            if not piece:
                return
            with self._came:
                self.pieces.append((time.monotonic(), piece))
                self._came.notify_all()
