"""The terminal around the app: how fast to draw on it, when it is gone, and its clipboard."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from brightrun_tui.logs import append_crash
from brightrun_tui.process import environment_without_secrets

REMOTE_FPS = 12
OSC52_LIMIT = 74_994
"""Bytes; several terminals drop longer clipboard sequences."""


def prepare_environment() -> None:
    """Draw fewer frames where each one travels over a wire. Textual reads these names when it is imported, not later."""
    if any(os.environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "TMUX", "STY")):
        os.environ.setdefault("TEXTUAL_FPS", str(REMOTE_FPS))
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")


class DaemonExecutor(ThreadPoolExecutor):
    """A thread a call, none of which can hold up the end of the app.

    Threads of the usual executor are waited for on exit: a slow network answer would keep the terminal for seconds.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True, name="background").start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for nothing."""


def leave_on_signals(leave: Callable[[int], None]) -> None:
    """Call ``leave(exit code)`` on SIGTERM and SIGHUP, and make sure that the process is gone soon after.

    Textual installs no handlers of its own: without these the terminal would stay in full-screen mode with mouse
    reporting on.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _leave, leave, 128 + number)


async def watch_terminal(leave: Callable[[int], None], interval: float = 1.0) -> None:
    """Call ``leave`` when nobody is at the other end any more. Textual itself would spin at 100 % of a core."""
    descriptor = sys.__stdin__.fileno() if sys.__stdin__ else 0
    while True:
        await asyncio.sleep(interval)
        if _gone(descriptor):
            _leave(leave, 128 + signal.SIGHUP)
            return


def _gone(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))


def _leave(leave: Callable[[int], None], code: int) -> None:
    """Leave. A thread ends the process if that takes too long, because writing to a dead terminal can block for ever."""

    def end() -> None:
        time.sleep(3.0)
        os._exit(code)

    threading.Thread(target=end, daemon=True, name="last resort").start()
    leave(code)


async def copy(text: str, write_osc52: Callable[[str], None]) -> str:
    """Put ``text`` on the clipboard by the best way there is; returns what was done in words, "" when nothing works.

    In tmux through tmux, elsewhere through a native tool when the machine is this one, else by OSC 52, which a
    terminal may ignore without a word.
    """
    if os.environ.get("TMUX") and await _pipe(["tmux", "load-buffer", "-w", "-"], text):
        return "Copied to the tmux buffer and sent to your terminal's clipboard"
    if not os.environ.get("SSH_CONNECTION"):
        tools = [
            ("WAYLAND_DISPLAY", ["wl-copy"]),
            ("DISPLAY", ["xclip", "-selection", "clipboard"]),
            ("DISPLAY", ["xsel", "-ib"]),
            ("HOME", ["pbcopy"]),
        ]
        for variable, argv in tools:
            if os.environ.get(variable) and await _pipe(argv, text):
                return "Copied"
    if len(text.encode()) > OSC52_LIMIT:
        return ""
    write_osc52(text)
    return "Sent to your terminal's clipboard"


async def _pipe(argv: list[str], text: str) -> bool:
    if shutil.which(argv[0]) is None:
        return False
    process = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment_without_secrets(),
    )
    try:
        await asyncio.wait_for(process.communicate(text.encode()), 2.0)
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
    return process.returncode == 0


def log_crash(error: BaseException, logs: Path) -> Path | None:
    """Append a traceback to ``app.log``."""
    path = logs / "app.log"
    try:
        append_crash(path, f"--- {time.strftime('%Y-%m-%d %H:%M:%S')}", error)
    except OSError:
        return None
    return path
