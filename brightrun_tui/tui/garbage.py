"""Looking for garbage briefly: a look at all that lives holds up the screen, 50 ms where a long run is open."""

from __future__ import annotations

import gc
import time

LONG_SECONDS = 0.02
YOUNG = 20_000
"""New objects between two looks at these alone; with Python's 700 that is a seventh of the processor time of the app."""
OLDEST = 2
"""The generation whose collection looks at everything that is not left out."""


class BriefCollections:
    """What lives now is left out of every later collection; so is, after one that took `LONG_SECONDS`, what it has left.

    What is left out is freed as before when nothing refers to it. Only what refers to itself in a circle then stays,
    and that is little: what is left out has lived long.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._threshold = gc.get_threshold()
        gc.set_threshold(YOUNG, *self._threshold[1:])
        gc.freeze()
        gc.callbacks.append(self._look)

    def close(self) -> None:
        gc.callbacks.remove(self._look)
        gc.set_threshold(*self._threshold)

    def _look(self, phase: str, facts: dict[str, int]) -> None:
        if facts["generation"] != OLDEST:
            return
        if phase == "start":
            self._began = time.perf_counter()
        elif time.perf_counter() - self._began > LONG_SECONDS:
            gc.freeze()
