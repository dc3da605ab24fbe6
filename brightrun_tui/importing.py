"""Importing large packages quickly."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Switch garbage collection off during imports: what a module makes stays, and looking for garbage takes a tenth to
    a quarter of the time.

    Afterwards what was imported is left out of every later collection, which so never holds up a screen or a step for
    it.
    """
    hasten_transformers()
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
    hasten_transformers()
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


def hasten_transformers() -> None:
    """Have transformers find out what its models export in a fifth of the time, when it is imported.

    It reads the source of all its models to learn that, twice, which is a third of its import.
    """
    if not any(isinstance(finder, _Hastening) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hastening())


class _Hastening(MetaPathFinder):
    """Changes the module that reads the sources as soon as that is imported; what it finds out stays the same."""

    MODULE = "transformers.utils.import_utils"

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.MODULE or (spec := PathFinder.find_spec(fullname, path)) is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def and_change(module: ModuleType) -> None:
            execute(module)
            _read_once(module)
            _read_the_end_only(module)

        spec.loader.exec_module = and_change  # type: ignore[method-assign]
        return spec


def _read_once(module: Any) -> None:
    """Cache what it finds in all directories: it keeps so few that the second time it finds nothing of them."""
    found = getattr(getattr(module, "create_import_structure_from_path", None), "__wrapped__", None)
    if found is not None:
        module.create_import_structure_from_path = cache(found)


def _read_the_end_only(module: Any) -> None:
    """Read only the end of a file: it goes through all lines to find the last one that begins with ``__all__``."""
    fetch = getattr(module, "fetch__all__", None)
    if fetch is not None:
        module.fetch__all__ = lambda content: fetch(content[content.rfind("\n__all__") + 1 :])
