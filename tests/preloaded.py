"""Programs of ours without their imports: a process that has done them forks for each call, a process then like any other.

It has the arguments, environment, directory and streams of its caller, runs the program's own entry point, and ends as an
interpreter ends. What is about imports, the interpreter itself or a terminal starts a true one (`sys.executable`).
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import json
import os
import pkgutil
import re
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, NoReturn

from brightrun_tui.process import WITHOUT_COMPILER

ROOT = Path(__file__).resolve().parents[1]
VERBS = "brightrun_tui.cli"
"""The program that `brightrun` calls."""
LEFT_OUT = (
    "tui",
    "trainer",
    "serving",
    "orchestrator",
    "registry.exports",
    "integrations.hub_client",
    "gguf_conversion",
    "gguf_header",
    "nf4",
)
"""Of our rooms: what no verb imports, or what reads the environment while it is imported."""
TOO_EARLY = ("torch", "transformers", "huggingface_hub", "keyring", "textual")
"""Packages that read the environment when they are imported, which is each caller's own."""
STREAMS = 3
INTERPRETER = re.compile("PYTHON[A-Z]|LC_|LANG")
_SERVERS = {
    **{name: value for name, value in os.environ.items() if not name.startswith("BRIGHTRUN_")},
    **WITHOUT_COMPILER,
    "NO_COLOR": "1",
    "OMP_NUM_THREADS": "1",
}
"""Their environment: as it was before any test changed its own."""

seconds_of_calls = 0.0
"""Of a processor: what all calls took so far. They are no children of the process that asked for them."""
_counting = threading.Lock()


class Forked:
    """A call under way."""

    def __init__(self, answers: socket.socket) -> None:
        self._socket, self._answers = answers, answers.makefile("r")
        self.pid = int(self._answers.readline())
        self._ended = threading.Lock()
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, once it has ended; that of a killed one is the negative signal."""
        if not self._ended.acquire(blocking=False):
            return None  # somebody waits for it
        try:
            under_way = self._code is None and not select.select([self._socket], [], [], 0)[0]
        finally:
            self._ended.release()
        return None if under_way else self.wait()

    def wait(self) -> int:
        global seconds_of_calls
        with self._ended:
            if self._code is None:
                code, seconds = json.loads(self._answers.readline())
                self._answers.close()
                self._socket.close()
                with _counting:
                    seconds_of_calls += seconds
                self._code = int(code)
        return self._code

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def fork(
    program: str, words: Sequence[str], environment: Mapping[str, str], streams: Sequence[int], cwd: str | Path = ""
) -> Forked:
    """Start ``program``, a module with a ``main()``; ``streams`` are the descriptors of stdin, stdout and stderr."""
    here, there = socket.socketpair()
    with there:
        socket.send_fds(_server(program)[0], [b"."], [*streams, there.fileno()])
    request = {"words": list(words), "environment": dict(environment), "cwd": str(cwd or os.getcwd())}
    here.sendall(json.dumps(request).encode() + b"\n")
    return Forked(here)


@dataclass(frozen=True)
class Ended:
    """What a call came to."""

    returncode: int
    stdout: str
    stderr: str


def brightrun(
    words: list[str], environment: Mapping[str, str], *, stdin: str = "", cwd: str | Path = "", timeout: float = 240
) -> Ended:
    """Call the command line and wait until it has ended and both its streams are closed.

    What an interpreter reads for itself when it starts is taken by a true one.

    Raises:
        subprocess.TimeoutExpired: it has not ended in time, and was killed.
    """
    if _of_interpreter(environment) != _of_interpreter(_SERVERS):
        return by_an_interpreter(words, environment, stdin, cwd, timeout)
    (stdin_read, stdin_write), (stdout_read, stdout_write), (stderr_read, stderr_write) = (
        os.pipe() for _ in range(STREAMS)
    )
    theirs = [stdin_read, stdout_write, stderr_write]
    try:
        called = fork(VERBS, words, environment, theirs, cwd)
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    with os.fdopen(stdin_write, "wb") as put, os.fdopen(stdout_read, "rb") as out, os.fdopen(stderr_read, "rb") as err:
        late = _Deadline(called, timeout)
        read: list[bytes] = [b"", b""]
        others = [
            threading.Thread(target=_write, args=(put, stdin.encode())),
            threading.Thread(target=lambda: read.__setitem__(1, err.read())),
        ]
        for other in others:
            other.start()
        read[0] = out.read()
        for other in others:
            other.join()
        code = called.wait()
        late.cancel()
    if late.missed:
        raise subprocess.TimeoutExpired(words, timeout)
    return Ended(code, *(text.decode() for text in read))


def _of_interpreter(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that say how an interpreter of its own would begin."""
    return {name: value for name, value in environment.items() if INTERPRETER.match(name)}


def by_an_interpreter(
    words: list[str], environment: Mapping[str, str], stdin: str = "", cwd: str | Path = "", timeout: float = 240
) -> Ended:
    """As `brightrun`, on an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "brightrun_tui", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        cwd=cwd or None,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class _Deadline(threading.Timer):
    """Kills what has not ended in time."""

    def __init__(self, called: Forked, seconds: float) -> None:
        super().__init__(seconds, self._kill, (called,))
        self.missed = False
        self.start()

    def _kill(self, called: Forked) -> None:
        self.missed = True
        called.kill()


def _write(stream: IO[bytes], data: bytes) -> None:
    with suppress(BrokenPipeError), stream:
        stream.write(data)


@cache
def _server(program: str) -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Started when it is first asked for; it ends when this process does."""
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-m", "tests.preloaded", program, str(theirs.fileno())]
        return ours, subprocess.Popen(command, cwd=ROOT, env=_SERVERS, pass_fds=[theirs.fileno()])


def _import_verbs() -> None:
    """All that verbs import, at once or when they need it, but what stands in `TOO_EARLY`."""
    import brightrun_tui
    from brightrun_tui import verbs
    from brightrun_tui.datasets.languages import LEAST_LETTERS, language_of

    language_of("a" * LEAST_LETTERS)  # its model is kept, and is most of what checking a small dataset takes
    for name in ("rensa", "rich.console", "tokenizers"):
        importlib.import_module(name)
    for verb in verbs.COMMANDS:
        verbs.load(verb)
    for module in pkgutil.walk_packages(brightrun_tui.__path__, "brightrun_tui."):
        room = module.name.removeprefix("brightrun_tui.")
        if not room.startswith(LEFT_OUT) and not room.endswith("__main__"):
            importlib.import_module(module.name)
    early = [name for name in TOO_EARLY if name in sys.modules]
    assert not early, f"{early} would keep the environment of the first call"


def serve(asked: socket.socket) -> socket.socket | None:
    """Fork for each call. Returns in the forked process, with the caller's socket; None when nobody is there any more."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    callers: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as ready:
        ready.register(asked, selectors.EVENT_READ)
        ready.register(wake_read, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj is asked:
                    byte, descriptors, _, _ = socket.recv_fds(asked, 1, STREAMS + 1)
                    if not byte:
                        return None
                    caller = socket.socket(fileno=descriptors.pop())
                    pid = os.fork()
                    if pid == 0:
                        signal.set_wakeup_fd(-1)
                        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                        for stream, descriptor in enumerate(descriptors):
                            os.dup2(descriptor, stream)
                        for descriptor in (*descriptors, wake_read, wake_write, ready.fileno(), asked.detach()):
                            os.close(descriptor)
                        for other in callers.values():
                            other.close()
                        return caller
                    callers[pid] = caller
                    for descriptor in descriptors:
                        os.close(descriptor)
                else:
                    os.read(wake_read, 4096)
                    _tell_ended(callers)


def _tell_ended(callers: dict[int, socket.socket]) -> None:
    while callers:
        pid, status, used = os.wait4(-1, os.WNOHANG)
        if not pid:
            return
        answer = [os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime]
        with callers.pop(pid) as caller, suppress(BrokenPipeError):
            caller.sendall(json.dumps(answer).encode() + b"\n")


def become(program: str, caller: socket.socket) -> None:
    """Take on arguments, environment, directory and streams of a call."""
    with caller, caller.makefile("r") as asked:
        caller.sendall(f"{os.getpid()}\n".encode())
        request = json.loads(asked.readline())
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["cwd"])
    sys.argv = [program, *request["words"]]
    sys.path[0] = request["cwd"]
    sys.stdin = io.TextIOWrapper(open(0, "rb", closefd=False), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(open(1, "wb", closefd=False), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        open(2, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", line_buffering=True
    )


def end_by(main: Callable[[], str | int | None]) -> NoReturn:
    """Run it and end as an interpreter ends, but for taking apart what it has in memory: most of that is the server's, and
    touching it copies it, which takes longer than most calls do.
    """
    try:
        code = main()
    except SystemExit as ending:
        code = ending.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if code is None or isinstance(code, int):
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit((code or 0) & 0xFF)
    sys.exit(code)  # to be said, by the interpreter itself


def _main(program: str, descriptor: int) -> NoReturn:
    gc.disable()
    if program == VERBS:
        _import_verbs()
    main = importlib.import_module(program).main
    assert threading.active_count() == 1, "a process with threads cannot fork"
    gc.collect()
    gc.freeze()
    gc.enable()
    caller = serve(socket.socket(fileno=descriptor))
    if caller is None:
        sys.exit()
    become(program, caller)
    end_by(main)


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
