"""Feeding broken inputs to one piece of the product, and what came of them."""

from __future__ import annotations

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from brightrun_tui.domain.errors import BrightrunError

HANG_SECONDS = 20.0


class Hang(BaseException):
    """It took longer than anything may. No Exception: nobody on the way is to catch it."""


@dataclass
class Tally:
    """Of one kind of input: how many there were, and how they ended. ``failures`` has a line and a place for each that failed.

    ``unseen``: changes that had no visible mark, and actions on what was not shown as chosen; of keys only.
    """

    kind: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    hangs: int = 0
    tracebacks: int = 0
    unseen: int = 0
    slowest: float = 0.0
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        return self.hangs + self.tracebacks + self.unseen

    def feed(self, label: str, work: Callable[[], object]) -> None:
        """Run ``work``: it may return, or refuse with a sentence of ours; all else is a failure."""
        self.inputs += 1
        began = time.monotonic()
        try:
            with _limited():
                work()
            self.accepted += 1
        except BrightrunError as error:
            self.refused += 1
            if not error.what or "Traceback" in str(error) or "nobody foresaw" in str(error):
                self._failed(label, error)
        except Hang as error:
            self.hangs += 1
            self.failures.setdefault(_place(error), label)
        except Exception as error:
            self._failed(label, error)
        self.slowest = max(self.slowest, time.monotonic() - began)

    def _failed(self, label: str, error: Exception) -> None:
        self.tracebacks += 1
        self.failures.setdefault(f"{type(error).__name__}: {str(error)[:160]} at {_place(error)}", label)

    @staticmethod
    def head() -> str:
        counts = f"{'accepted':>10}{'refused':>9}{'tracebacks':>12}{'hangs':>7}{'unseen':>8}"
        return f"{'kind':<22}{'inputs':>8}{counts}{'slowest':>10}"

    def row(self) -> str:
        return (
            f"{self.kind:<22}{self.inputs:>8}{self.accepted:>10}{self.refused:>9}{self.tracebacks:>12}{self.hangs:>7}"
            f"{self.unseen:>8}{self.slowest:>8.2f} s"
        )


@contextmanager
def _limited() -> Iterator[None]:
    def ring(_number: int, _frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _place(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.endswith("tally.py")]
    return " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-3:]))
