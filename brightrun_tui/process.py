"""How a process of ours begins, how it starts another one, and whether that lives."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import time
from io import TextIOWrapper
from types import ModuleType

SECRET_ENDINGS = (
    *("_KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIALS"),
    *("_PASS", "_PWD", "_PAT", "_DSN", "COOKIE", "WEBHOOK", "WEBHOOK_URL"),
)
"""How the names of environment variables end that hold secrets: those of every service of ours, and of other programs."""
_WITH_PASSWORD = re.compile(r"://[^/@:\s]*:[^/@\s]+@")
"""An address that holds a password, as of a database."""
_WAYS_OUT = ("_PROXY", "INDEX_URL", "_INDEX", "_ENDPOINT")
"""Such addresses without which nobody gets out of some networks."""

WITHOUT_COMPILER = {"TORCHDYNAMO_DISABLE": "1"}
"""For processes that import torch, unless the user has set it: nothing of ours is compiled by it, so that
`brightrun_tui.lighter_imports` can leave the compiler out, which takes a second of a processor and 80 MB."""

WITHOUT_OTHERS = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""For every process of ours, unless the user has set it: what is checked by our models is nobody else's business, and looking for
somebody means reading the entry points of every installed package."""
_LOOKS_FOR_OTHERS = "pydantic.plugin._loader"
"""The part of pydantic that would; importing it, for nothing, is a fortieth of opening the app."""

ENDED_AS_ENDLESS = signal.SIGVTALRM
"""The signal by which a process of ours ends when something that it works for others does not come to an end."""

TIDY_SECONDS = 20
_SAME_MOMENT = 2.0
_EPOCH = 1e9
"""No machine runs for so many seconds: larger ones were written by a version that took the clock on the wall."""
_OURS = 0o077
_users_umask: int | None = None


def begin_privately() -> None:
    """Keep what this process and its children write to the user alone, their memory out of crash dumps, and other
    packages' plugins out of what they validate.
    """
    global _users_umask
    for name, value in WITHOUT_OTHERS.items():
        os.environ.setdefault(name, value)
    if os.environ.get("PYDANTIC_DISABLE_PLUGINS") == "__all__" and _LOOKS_FOR_OTHERS not in sys.modules:
        nobody = ModuleType(_LOOKS_FOR_OTHERS)
        nobody.get_plugins = lambda: ()  # type: ignore[attr-defined]
        sys.modules[_LOOKS_FOR_OTHERS] = nobody
    _open_what_was_closed()
    before = os.umask(_OURS)
    _users_umask = before if _users_umask is None else _users_umask
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _open_what_was_closed() -> None:
    """Open standard streams that whoever started us had closed: a file opened next, a database even, would take their
    place, and a child that prints would write into it.
    """
    for descriptor, mode, name in ((0, "r", "stdin"), (1, "w", "stdout"), (2, "w", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            taken = os.open(os.devnull, os.O_RDWR)
            if taken == descriptor:
                os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def end_tidily() -> None:
    """Put away what this process made for a while (copies of data, keys for one login) when the terminal closes or the system
    ends it, for some seconds at most. What whoever started us wants ignored (``nohup``) stays so.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _end)


def _end(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(TIDY_SECONDS)
    raise SystemExit(128 + number)


def bear_any_encoding() -> None:
    """Write what a terminal or a file has no letters for (Latin-1, plain ASCII) as its escape, without an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def users_umask() -> int:
    """Return the umask of whoever started this process: for files that go where the user wants them."""
    if _users_umask is not None:
        return _users_umask
    now = os.umask(_OURS)  # the one way to read it
    os.umask(now)
    return now


def python(*arguments: str) -> list[str]:
    """Return the command line of a Python of its own, which imports nothing from the directory it happens to be started in."""
    return [sys.executable, "-P", *arguments]


def lives(pid: int) -> bool:
    """Say whether a process is there and has not ended, whoever is still to be told of its end."""
    import psutil  # here: every command imports this module

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def boot_seconds() -> float:
    """Return the seconds since this machine was started, those asleep included: comparable between processes, and setting its
    clock changes nothing.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))  # elsewhere that one counts them


def born(pid: int) -> float:
    """Return when a process began, in seconds after this machine did: its name, with its number. Raises `psutil.Error`."""
    import psutil  # here: every command imports this module

    # either moment is told by the clock on the wall, and goes along when somebody sets it
    return float(psutil.Process(pid).create_time() - psutil.boot_time())


def is_still(pid: int, born_at: float) -> bool:
    """Say whether ``pid`` is the process that was `born` then, and has not ended."""
    import psutil  # here: every command imports this module

    try:
        began = psutil.Process(pid).create_time() if born_at > _EPOCH else born(pid)
    except psutil.Error:
        return False
    return abs(began - born_at) < _SAME_MOMENT and lives(pid)


def environment_without_secrets() -> dict[str, str]:
    """Return this process's environment for one that must not know any key: every child of ours but the engine."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().endswith(SECRET_ENDINGS)
        and (name.upper().endswith(_WAYS_OUT) or not _WITH_PASSWORD.search(value))
    }
