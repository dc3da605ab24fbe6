"""What went wrong inside the app while it goes on: told apart by kind, counted, and bounded."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb

PACKAGE = str(Path(__file__).resolve().parent)
STORM = 100
"""So many faults within `STORM_SECONDS` are not an accident: the app would do nothing else any more."""
STORM_SECONDS = 3.0
SAID_AT = frozenset({1, 10, 100, 1000, 10_000})
"""At which counts a kind of fault is spoken of again."""
_MOST_KINDS = 500


class Faults:
    """Faults by kind, see `kind_of`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._recent: deque[float] = deque(maxlen=STORM)

    def count(self, error: Exception) -> int:
        """Return how often this kind has come by now, this time included."""
        self._recent.append(self._clock())
        kind = kind_of(error)
        if kind not in self.counts and len(self.counts) >= _MOST_KINDS:
            kind = "other"
        self.counts[kind] += 1
        return self.counts[kind]

    @property
    def storm(self) -> bool:
        return len(self._recent) == STORM and self._recent[-1] - self._recent[0] < STORM_SECONDS


def kind_of(error: Exception) -> str:
    """Return ``KeyError monitor.py:120 content.py:70``: the last place in our code, and where it was raised."""
    frames = extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(PACKAGE)]
    places = dict.fromkeys(f"{Path(frame.filename).name}:{frame.lineno}" for frame in (*ours[-1:], *frames[-1:]))
    return " ".join([type(error).__name__, *places])
