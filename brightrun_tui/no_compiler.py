"""Computing with torch without its compiler, where nothing is compiled. Only worker processes use this, with torch at hand."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

COMPILER = "torch._dynamo"


@contextmanager
def without_compiler() -> Iterator[None]:
    """For importing what computes with torch on a CPU, in a process that compiles nothing (see `process.WITHOUT_COMPILER`).

    Even where torch is told to compile nothing, transformers, bitsandbytes and torch's optimisers load its compiler, only to ask
    that it leave a function alone; and transformers loads what splits tensors over machines. Both take a second of a processor
    and 80 MB. The first has a stand-in, which the whole of it takes the place of as soon as anyone wants more; the second is
    said not to be there. Nothing happens where there is a GPU, or where the compiler is wanted or loaded already.
    """
    import torch

    if os.environ.get("TORCHDYNAMO_DISABLE") != "1" or COMPILER in sys.modules or torch.accelerator.is_available():
        yield
        return
    sys.modules[COMPILER] = torch._dynamo = _NoCompiler(Path(torch.__file__).parent / "_dynamo")
    torch.compile = _as_it_is
    before, torch.distributed.is_available = torch.distributed.is_available, lambda: False
    try:
        yield
    finally:
        torch.distributed.is_available = before


def _as_it_is(function: Any = None, *_: Any, **__: Any) -> Any:
    """In the place of a decorator, with or without arguments."""
    return (lambda decorated: decorated) if function is None else function


class _NoCompiler(ModuleType):
    """In the place of `torch._dynamo`: nothing becomes of a function that is to be left alone."""

    disable = allow_in_graph = assume_constant_result = staticmethod(_as_it_is)

    def __init__(self, directory: Path) -> None:
        super().__init__(COMPILER)
        self.__path__ = [str(directory)]

    @staticmethod
    def graph_break(msg: str = "") -> None:
        """What is not compiled is not cut either."""

    def __getattr__(self, name: str) -> Any:
        """A part by itself, such as its settings; else the whole."""
        if name.startswith("__"):
            raise AttributeError(name)
        if find_spec(f"{COMPILER}.{name}"):
            return importlib.import_module(f"{COMPILER}.{name}")
        if sys.modules.get(COMPILER) is self:
            del sys.modules[COMPILER]
        return getattr(importlib.import_module(COMPILER), name)
