"""A person, or a cat, at the keyboard: random keys, mouse, pastes, torn bytes and sizes, in the real app in a real terminal.

The app must not end, hang or say what is not its own; and what it changes, or acts upon, must be seen (see `watched`).
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import psutil

from brightrun_tui.paths import get_paths
from tests.fuzz.mutate import TEXTS
from tests.fuzz.tally import Tally
from tests.planning.test_damaged import damaged_starter
from tests.processes import end_all, words_of
from tests.tui import seed as seeding

SIZES = ((80, 24), (120, 40), (200, 50), (60, 20), (20, 8))
ODD_SIZES = (*SIZES, (5, 10), (1, 1), (300, 3), (12, 60), (7, 2), (161, 33))
ESCAPES = (
    "\x1b[A",
    "\x1b[B",
    "\x1b[C",
    "\x1b[D",
    "\x1b[H",
    "\x1b[F",
    "\x1b[5~",
    "\x1b[6~",
    "\x1b[3~",
    "\x1b[2~",
    "\x1b[Z",
    "\x1b",
    "\x1bOP",
    "\x1bOQ",
    "\x1bOR",
    "\x1bOS",
    "\x1b[15~",
    "\x1b[17~",
    "\x1b[18~",
    "\x1b[19~",
    "\x1b[20~",
    "\x1b[1;5C",
    "\x1bx",
    "\x1b[I",
    "\x1b[O",
    "\x1b[?1;2c",
    "\x1b[99;99R",
    "\x1b[",
    "\x1b]0;x\x07",
    "\x1b[<",
    "\x1b[200~",
)
PLAIN = "123422334411dbtmavsRchjklLaipzCDeyo/nNfgGuUrJPB:?[]+-=0 .~" + "\r\t"
NEVER = ("\x11", "\x1a", "\x13")
"""Quit, suspend, and stop of output: no more could be tried after these."""
BURST = 20
ANSWER_SECONDS = 60.0
"""A busy machine may draw a whole screen within seconds only; what is stuck never does."""
HOSTILE = b"\x1b]0;PWNED"
UNSEEN = "unseen.txt"
"""Where the app's watcher writes what has changed, or would be acted upon, and is not seen."""


class Terminal:
    """The app in a pseudo-terminal of one size."""

    def __init__(self, home: Path, size: tuple[int, int]) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update(
                BRIGHTRUN_HOME=str(home),
                HF_HOME=str(home / "hf"),
                TERM="xterm-256color",
                PAGER="cat",  # one that holds the terminal would be told the keys, and answer to no other size
                VISUAL="true",  # the same of an editor; and random keys are for no shell
                SHELL="true",
                TEXTUAL_FPS="20",
                PYTHONFAULTHANDLER="1",  # see `at_what`
                HF_ENDPOINT="http://127.0.0.1:9",
                BRIGHTRUN_ENGINE_SPARE_SECONDS="0",
                BRIGHTRUN_RUNPOD_URL="http://127.0.0.1:9",
                BRIGHTRUN_VAST_URL="http://127.0.0.1:9",
                PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring",
            )
            os.execvp(sys.executable, [sys.executable, "-m", "tests.fuzz.watched", str(home / UNSEEN)])
        self.code: int | None = None
        self.wider = 1
        self.hostile = False
        self.tail = b""
        self.resize(size)

    def resize(self, size: tuple[int, int]) -> None:
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def read(self, seconds: float) -> bytes:
        """What was written within that time."""
        seen = b""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                try:
                    data = os.read(self.fd, 65536)
                except OSError:
                    break
                if not data:
                    break
                seen += data
        self.hostile |= HOSTILE in self.tail[-20:] + seen
        self.tail = (self.tail + seen)[-4000:]
        return seen

    def type(self, data: bytes) -> None:
        """Never waits for an app that does not read."""
        end = time.monotonic() + ANSWER_SECONDS
        while data and time.monotonic() < end and self.alive:
            if select.select([], [self.fd], [], 0.1)[1]:
                try:
                    data = data[os.write(self.fd, data[:512]) :]
                except OSError:
                    return
            self.read(0.01)

    @property
    def alive(self) -> bool:
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def answers(self, size: tuple[int, int]) -> bool:
        """Whether it draws itself anew for another size; it ends with ``size``."""
        end = time.monotonic() + ANSWER_SECONDS
        self.read(0.05)
        self.bring_back()
        self.wider = (
            3 - self.wider
        )  # what has that size already, and was not drawn for the one between, has nothing to draw
        self.resize((size[0] + self.wider, size[1]))
        while self.alive and time.monotonic() < end:
            if len(self.read(0.1)) > 50:
                self.resize(size)
                return True
        return False

    def bring_back(self) -> None:
        """As ``fg`` does with an app that was suspended by its palette."""
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(self.pid).status() == psutil.STATUS_STOPPED:
                os.kill(self.pid, signal.SIGCONT)

    def at_what(self) -> str:
        """What it does instead of answering: the programs that it waits for, and where its main thread is. It ends over it."""
        children = [" ".join(words_of(child)) for child in psutil.Process(self.pid).children(recursive=True)]
        os.kill(self.pid, signal.SIGABRT)
        said = self.read(2.0).decode("utf-8", "replace")
        frames = re.findall(
            r'File "(?:[^"]*/)?([^"/]+)", line (\d+) in (\w+)', said.rpartition("most recent call first")[2]
        )
        return f"{children} at {' < '.join(f'{file}:{line} {name}' for file, line, name in frames[:8])}"

    def end(self) -> None:
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def furnish(home: Path) -> None:
    """An installation with a history, and with damage of every kind."""
    paths = get_paths()
    asyncio.run(seeding.fill(paths))
    damaged_starter(paths)
    paths.user_themes.mkdir(parents=True, exist_ok=True)
    (paths.user_themes / "bad.toml").write_text('name = "bad"\n[colors]\nprimary = "[/INST]"\n')
    for number, text in enumerate(TEXTS[:12]):
        (home / f"data-{number}.jsonl").write_text(
            f'{{"prompt": "{text}", "completion": "[/] {text}"}}\n' * 3, "utf-8", errors="surrogatepass"
        )


def press(random: Random, home: Path) -> bytes:
    """One key, click, paste or torn sequence."""
    match random.randrange(40):
        case 0:
            x, y, button = random.randrange(1, 130), random.randrange(1, 45), random.choice((0, 1, 2, 32, 35, 64, 65))
            return f"\x1b[<{button};{x};{y}M\x1b[<{button};{x};{y}m".encode()
        case 1:
            return (
                b"\x1b[200~"
                + random.choice(TEXTS)[:2000].encode("utf-8", "replace").replace(b"\x1b", b"")
                + b"\x1b[201~"
            )
        case 2:
            return random.randbytes(random.randrange(1, 5)).translate(None, "".join(NEVER).encode())
        case 3:
            return f"{home}/data-{random.randrange(12)}".encode()
        case 4:
            letter = chr(random.randrange(1, 27))
            return b"" if letter in NEVER else letter.encode()
        case 5:
            return random.choice(("日", "🚀", "ä", "\u0301", "\u202e")).encode()
        case 6 | 7 | 8 | 9 | 10 | 11:
            return random.choice(ESCAPES).encode()
        case 12 | 13:
            return b"\x1b\x1b1" if random.random() < 0.5 else b"\x1b"
        case _:
            return random.choice(PLAIN).encode()


def fuzz(count: int, seed: int, home: Path) -> list[Tally]:
    """``count`` keys, an equal part at each size; a terminal that has ended is replaced by a new one."""
    furnish(home)
    try:
        return [
            _at_size(size, count // len(SIZES), Random(seed * 100 + number), home) for number, size in enumerate(SIZES)
        ]
    finally:
        end_all(home)


def _at_size(size: tuple[int, int], count: int, random: Random, home: Path) -> Tally:
    tally = Tally(f"keys at {size[0]}x{size[1]}")
    log = home / "logs" / "app.log"
    term = Terminal(home, size)
    recent: list[bytes] = []
    try:
        if not term.answers(size):
            tally.hangs += 1
        while tally.inputs < count:
            keys = [press(random, home) for _ in range(BURST)]
            recent = [*recent, *keys][-60:]
            known, told = _tracebacks(log), len(_lines(home / UNSEEN))
            began = time.monotonic()
            term.type(b"".join(keys))
            if random.random() < 0.2:
                for _ in range(random.choice((1, 3, 20))):
                    term.resize(random.choice(ODD_SIZES))
                    term.read(0.01)
            answers = term.answers(size)
            tally.inputs += BURST
            tally.slowest = max(tally.slowest, time.monotonic() - began)
            fresh = _tracebacks(log) - known
            tally.accepted += BURST
            if fresh:
                tally.tracebacks += fresh
                tally.failures[_last(log)] = f"after {b''.join(recent)[-300:]!r}"
            if not term.alive and term.code != 0:
                tally.tracebacks += not fresh
                tally.failures[f"exit code {term.code}: {term.tail[-300:]!r}"] = f"after {b''.join(recent)[-300:]!r}"
            elif not answers and term.alive:
                tally.hangs += 1
                tally.failures[f"no answer: {term.at_what()}"] = f"after {b''.join(recent)[-300:]!r}"
            for unseen in _lines(home / UNSEEN)[told:]:
                tally.unseen += 1
                tally.failures.setdefault(unseen, f"after {b''.join(recent)[-300:]!r}")
            if term.hostile:
                tally.tracebacks += 1
                tally.failures["a hostile sequence reached the terminal"] = f"after {b''.join(recent)[-300:]!r}"
            if not term.alive or not answers or term.hostile:
                term.end()
                recent = []
                term = Terminal(home, size)
                term.answers(size)
    finally:
        term.end()
    return tally


def _last(log: Path) -> str:
    """The last error there, and the places it came through."""
    lines = log.read_text("utf-8").rpartition("Traceback")[2].strip().splitlines()
    frames = [line.split('"') for line in lines if line.startswith('  File "')]
    places = [f"{Path(name).name}:{rest.split(',')[1].removeprefix(' line ')}" for _, name, rest in frames]
    if "RecursionError" in lines[-1]:  # what comes again and again says more than where it ended
        places = [f"{place} x{times}" for place, times in Counter(places).most_common(12)][::-1]
    return f"{lines[-1][:160]} at {' < '.join(reversed(places[-12:]))}"


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


def _tracebacks(log: Path) -> int:
    return log.read_text("utf-8").count("Traceback (most recent") if log.exists() else 0
