"""The app in a real terminal: it paints, it leaves no mess and no process behind, it tells no secret."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from filelock import FileLock

from brightrun_tui.domain.run import BaseModelRef
from brightrun_tui.orchestrator import client
from brightrun_tui.paths import Paths
from brightrun_tui.store import open_database, runs
from tests.tui import seed
from tests.tui.conftest import DEADLINE

APP = [sys.executable, "-m", "brightrun_tui"]
LEAVE_FULL_SCREEN = b"\x1b[?1049l"
MOUSE_OFF = b"\x1b[?1000l"


class Terminal:
    """A pseudo-terminal with a program in it."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ.update({"TERM": "xterm-256color", **environment})
            os.execvp(argv[0], argv)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""
        self.code: int | None = None

    def read(self, seconds: float = 0.05) -> bool:
        """Take what was written; False at the end."""
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                return False
            self.seen += data
            return bool(data)
        return True

    def until(self, marker: bytes) -> None:
        end = time.monotonic() + 2 * DEADLINE
        while marker not in self.seen:
            assert self.read(), f"ended without {marker!r}: {self.seen[-2000:]!r}"
            assert time.monotonic() < end, f"no {marker!r} in {self.seen[-2000:]!r}"

    def type(self, keys: str) -> None:
        os.write(self.fd, keys.encode())

    def wait(self, *, reading: bool = True) -> int:
        """The exit code; 128 + number when it was killed by a signal."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end and self.code is None:
            if reading:
                self.read()
            else:
                time.sleep(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        assert self.code is not None, "the app is still there"
        while reading and select.select([self.fd], [], [], 0)[0] and self.read():
            pass
        return self.code


@contextmanager
def terminal(argv: list[str], paths: Paths, **environment: str) -> Iterator[Terminal]:
    """Bright Run in a terminal; an engine seems to be there already, so none is started for the pretended runs."""
    given = {"BRIGHTRUN_HOME": str(paths.data.parent), "PYTHONPATH": str(Path(__file__).parents[2]), **environment}
    lock = FileLock(paths.engine_lock)
    lock.acquire()
    found = Terminal(argv, given)
    try:
        yield found
    finally:
        lock.release()
        if found.code is None:
            os.kill(found.pid, signal.SIGKILL)
            os.waitpid(found.pid, 0)
        with suppress(OSError):
            os.close(found.fd)


def test_it_comes_back_whole_from_ctrl_z_and_q_says_what_goes_on(seeded: Paths) -> None:
    """`fg` paints all of it anew. Quitting ends with code 0, restores the screen, and says that runs continue."""
    with terminal(APP, seeded) as term:
        term.until(b"Monitor")
        term.until(b"shop-faq")
        term.type("\x1a")
        while not os.waitpid(term.pid, os.WNOHANG | os.WUNTRACED)[0]:
            assert term.read()
        assert LEAVE_FULL_SCREEN in term.seen
        term.seen = b""
        os.kill(term.pid, signal.SIGCONT)
        term.until(b"Quit")
        term.type("q")
        assert term.wait() == 0
        assert LEAVE_FULL_SCREEN in term.seen and MOUSE_OFF in term.seen
        assert b"Still going in the background: 2 runs and 1 endpoint." in term.seen.replace(b"\r\n", b" ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal(seeded: Paths, number: signal.Signals) -> None:
    """kill, and a closed window, end the app in order: no full-screen mode, no mouse reports stay behind."""
    with terminal(APP, seeded) as term:
        term.until(b"shop-faq")
        os.kill(term.pid, number)
        assert term.wait() == 128 + number
        assert LEAVE_FULL_SCREEN in term.seen and MOUSE_OFF in term.seen


def test_a_terminal_that_vanishes_leaves_no_process(seeded: Paths) -> None:
    """A dropped SSH connection whose hang-up signal is ignored (nohup) does not leave a process eating a core."""
    ignoring = ["sh", "-c", f"trap '' HUP; exec {' '.join(APP)}"]
    with terminal(ignoring, seeded) as term:
        term.until(b"shop-faq")
        os.close(term.fd)
        term.wait(reading=False)


def _with_a_fault(tmp_path: Path, where: str) -> list[str]:
    """The app, of which one part raises with a key in its message and in its variables."""
    script = tmp_path / "crash.py"
    script.write_text(
        "from brightrun_tui.tui import app\n"
        "def fall(self, *_):\n"
        "    api_key = 'hf_' + 'verysecretvalue123'\n"
        "    raise RuntimeError('no luck with ' + api_key)\n"
        f"app.BrightRunApp.{where} = fall\n"
        "raise SystemExit(app.run_app())\n"
    )
    return [sys.executable, str(script)]


def test_a_crash_tells_one_line_and_no_secret(seeded: Paths, tmp_path: Path) -> None:
    """An app that cannot start shows one sentence and the name of a log; local variables, keys among them, are in neither."""
    with terminal(_with_a_fault(tmp_path, "on_mount"), seeded) as term:
        assert term.wait() == 1
        after = term.seen.rpartition(LEAVE_FULL_SCREEN)[2]
        assert b"RuntimeError" in after and b"app.log" in after.replace(b"\r\n", b"")
        assert b"Traceback" not in after and b"verysecret" not in term.seen
    log = (seeded.logs / "app.log").read_text()
    assert "Traceback" in log and "verysecret" not in log


def test_a_fault_of_one_key_is_said_on_the_screen_without_a_secret(seeded: Paths, tmp_path: Path) -> None:
    """The app goes on, quits in order, and neither screen nor log holds the key that was in the error."""
    with terminal(_with_a_fault(tmp_path, "action_help"), seeded) as term:
        term.until(b"shop-faq")
        term.type("?")
        term.until(b"A fault of ours")
        term.type("\xff" * 3)  # as UTF-8 typed by a person …
        os.write(term.fd, b"\xff\xfe\xe4")  # … and by a terminal that is set to something else
        term.type("1")
        term.until(b"This machine")
        term.type("q")
        assert term.wait() == 0
        assert b"verysecret" not in term.seen
    log = (seeded.logs / "app.log").read_text()
    assert "Traceback" in log and "verysecret" not in log


def test_no_colour_means_no_colour(seeded: Paths) -> None:
    """NO_COLOR: not a single colour is set, and state is still told by glyph and word."""
    with terminal(APP, seeded, NO_COLOR="1") as term:
        term.until(b"shop-faq")
        term.until(b"running")
        term.type("q")
        term.wait()
        assert b"38;2;" not in term.seen and b"38;5;" not in term.seen and b"48;2;" not in term.seen


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_inside_tmux_it_paints_and_copies(seeded: Paths) -> None:
    """In tmux the first screen appears, and the endpoint's key reaches tmux's own buffer."""
    socket = f"brightrun-{os.getpid()}"

    def tmux(*words: str) -> str:
        command = ["tmux", "-L", socket, "-f", "/dev/null", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout

    def until(text: str) -> None:
        end = time.monotonic() + 2 * DEADLINE
        while text not in (seen := tmux("capture-pane", "-p")):
            assert time.monotonic() < end, seen
            time.sleep(0.1)

    home = f"BRIGHTRUN_HOME={seeded.data.parent}"
    start = f"cd {Path(__file__).parents[2]} && exec env {home} {' '.join(APP)}"
    lock = FileLock(seeded.engine_lock)
    lock.acquire()
    try:
        tmux("new-session", "-d", "-x", "80", "-y", "24", start)
        until("4 Registry")
        tmux("send-keys", "4")
        until("lamp-support:2")
        tmux("send-keys", "u")
        until("http://127.0.0.1:8311/v1")
        tmux("send-keys", "c")
        until("Copied to the tmux buffer")
        assert tmux("show-buffer").strip() == "br-0123456789abcdefghijklmnop"
    finally:
        tmux("kill-server")
        lock.release()


@pytest.mark.slow
async def test_opening_the_app_brings_what_is_active_back_to_life(paths: Paths) -> None:
    """After a restart of the machine nobody looks after a queued run; opening the app starts the engine, unasked."""
    async with open_database(paths.database) as db:
        spec = seed.spec("orphan", "r-1").model_copy(update={"base": BaseModelRef(id="/no/such/directory")})
        await runs.create(db, spec, str(paths.run_directory("r-1")))
        term = Terminal(APP, {"BRIGHTRUN_HOME": str(paths.data.parent), "PYTHONPATH": str(Path(__file__).parents[2])})
        try:
            end = time.monotonic() + 60
            while (run := await runs.get(db, "r-1")).state != "failed":
                assert time.monotonic() < end, f"the run is still {run.state}"
                await asyncio.to_thread(term.read, 0.1)
            term.type("q")
            assert await asyncio.to_thread(term.wait) == 0
        finally:
            if term.code is None:
                os.kill(term.pid, signal.SIGKILL)
                os.waitpid(term.pid, 0)
            await client.stop_engine(db, paths)
    assert run.failure is not None and "/no/such/directory" in f"{run.failure.cause} {run.failure.fix}"
