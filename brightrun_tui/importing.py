"""Importing large packages quickly."""

from __future__ import annotations

import gc
import sys
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


@contextmanager
def without_torch() -> Iterator[None]:
    """For importing transformers where only its tokenizers are wanted.

    What cannot be imported is not there, so transformers does without, for the whole process: 60 MB instead of 250, and a third
    of the time. Afterwards others may import it. Nothing happens where it is imported already.
    """
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
