"""What a chat template, a program that came with the model, may take of this process."""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

_PATIENCE = 2.0


class EndlessError(Exception):
    """Work that does not come to an end."""


@contextmanager
def ends_within(seconds: float) -> Iterator[None]:
    """Limit what is done inside to so many seconds of processor time; what is inside a C function then gets twice as
    many, and the process ends (`process.ENDED_AS_ENDLESS`). In a thread other than the main one nothing is limited.

    Raises:
        EndlessError: it took longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: object) -> None:
        raise EndlessError

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_VIRTUAL, _PATIENCE * seconds)  # nobody handles its signal, `ENDED_AS_ENDLESS`
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGPROF, before)


def leave_others_memory() -> None:
    """Let this process have no more memory than is free at this moment: it has an error, and nobody is killed."""
    held, free = psutil.Process().memory_info().data, psutil.virtual_memory().available
    resource.setrlimit(resource.RLIMIT_DATA, (held + free, resource.RLIM_INFINITY))
