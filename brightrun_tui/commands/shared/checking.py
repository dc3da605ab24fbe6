"""Check a dataset, saying how far the reading is where that takes long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from brightrun_tui.commands.shared.output import say_over
from brightrun_tui.datasets import Examined
from brightrun_tui.datasets.opening import Progress
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.paths import Paths
from brightrun_tui.planning.dataset_reports import examined

_SAY_AFTER_SECONDS = 1.0
_SAY_EVERY_SECONDS = 0.2
_WIDTH = 78


def check_aloud(word: str, columns: dict[str, str], paths: Paths) -> DatasetReport:
    """Return the report of what the word names, as `examine_aloud`."""
    return examine_aloud(word, columns, paths).report


def examine_aloud(word: str, columns: dict[str, str], paths: Paths) -> Examined:
    """Return what the word names; progress goes to a terminal. Ctrl-C ends it at once. Raises as `examined`."""
    with told_aloud() as tell:
        return examined(word, columns, paths, tell)


@contextmanager
def told_aloud() -> Iterator[Progress]:
    """Return a callback that is told how far some work is; it says so on a terminal if the work takes long."""
    said = time.monotonic() - _SAY_EVERY_SECONDS + _SAY_AFTER_SECONDS
    line = ""

    def tell(what: str, share: float) -> None:
        nonlocal said, line
        now = time.monotonic()
        if now - said >= _SAY_EVERY_SECONDS:
            said, line = now, f"{what} ({share:.0%})"
            say_over(line[:_WIDTH].ljust(_WIDTH), last=False)

    try:
        yield tell
    finally:
        if line:
            say_over(line[:_WIDTH].ljust(_WIDTH), last=True)
