"""The app in a real terminal, tmux's: what stands on its screen and in its title, with the time of every look."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import cached_property

from brightrun_tui.domain.run_states import RUN_STATES

_ROW = re.compile(rf"^│.{{3}}(\S+) .*?\S ({'|'.join(RUN_STATES)})\b")
_COUNT = re.compile(r"3 Monitor ●(\d+)")


@dataclass(frozen=True)
class Look:
    """One look at the screen. ``time`` is when it was asked for, in seconds since the epoch."""

    time: float
    text: str
    title: str

    @cached_property
    def states(self) -> dict[str, str]:
        """What the table of runs says, by name."""
        return {found[1]: found[2] for line in self.text.splitlines() if (found := _ROW.match(line))}

    @cached_property
    def unread(self) -> int:
        """The count on the tab."""
        found = _COUNT.search(self.text)
        return int(found[1]) if found else 0

    @cached_property
    def words(self) -> str:
        """Everything, however it was wrapped and framed."""
        return re.sub(r"[\s│▌▐┃╭╮╰╯─…]+", "", self.text)

    def says(self, text: str) -> bool:
        """Say whether the beginning of a sentence is on the screen."""
        return re.sub(r"\s+", "", text)[:24] in self.words


class Terminal:
    """Use as a context; 120 × 40. Looks once a second, in a thread of its own, until it is left."""

    def __init__(self) -> None:
        self._socket = f"brightrun-day-{os.getpid()}"
        self.looks: list[Look] = []
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look_on, daemon=True)

    def __enter__(self) -> Terminal:
        given = {name: value for name, value in os.environ.items() if name.startswith(("BRIGHTRUN_", "RUNPOD", "VAST"))}
        words = ["env", *(f"{name}={value}" for name, value in given.items()), "PYTHONPATH=" + os.getcwd()]
        command = shlex.join([*words, sys.executable, "-m", "brightrun_tui"])
        self._tmux("new-session", "-d", "-x", "120", "-y", "40", f"exec {command}")
        self._looking.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()
        self._looking.join()
        self._tmux("kill-server")

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def _look_on(self) -> None:
        while not self._over.is_set():
            now = time.time()
            self.looks.append(Look(now, self._tmux("capture-pane", "-p"), self._tmux("display", "-p", "#{pane_title}")))
            self._over.wait(max(0.0, now + 1.0 - time.time()))

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout
