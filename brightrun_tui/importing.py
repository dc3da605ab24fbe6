"""Importing large packages quickly."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from brightrun_tui.lighter_imports import hasten_imports


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Switch garbage collection off during imports: what a module makes stays, and looking for garbage takes a tenth to
    a quarter of the time.

    Afterwards what was imported is left out of every later collection, which so never holds up a screen or a step for
    it.
    """
    hasten_imports()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def without_torch() -> Iterator[None]:
    """Import transformers without torch, where only its tokenizers are wanted.

    What cannot be imported is not there, so transformers does without, for the whole process: 60 MB instead of 250, and
    a third of the time. Afterwards others may import it. Nothing happens where it is imported already.
    """
    hasten_imports()
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]
