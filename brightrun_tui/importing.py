"""Importing large packages quickly."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """For imports: what a module makes stays, so looking for garbage in it is time lost, a tenth to a quarter.

    Afterwards what was imported is left out of every later collection, which so never holds up a screen or a step for it.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
