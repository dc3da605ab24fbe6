"""Computing with torch without its compiler, where nothing is compiled. Only worker processes use this, with torch at hand."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from brightrun_tui.process import WITHOUT_COMPILER

COMPILER = "torch._dynamo"
ALONE = ("config", "_trace_wrapped_higher_order_op")
"""Of its parts: what asks for nothing of the others, such as its settings."""


@contextmanager
def without_compiler() -> Iterator[None]:
    """For importing what computes with torch on a CPU. Unless the user wants it otherwise, the process compiles nothing.

    Even where torch is told to compile nothing, transformers, bitsandbytes and torch's optimisers load its compiler, only to ask
    that it leave a function alone; and transformers loads what splits tensors over machines. Both take a second of a processor
    and 80 MB. The first has a stand-in, which the whole of it takes the place of as soon as anyone wants more; the second is
    said not to be there. Nothing happens where there is a GPU, or where the compiler is wanted or loaded already.
    """
    for name, value in WITHOUT_COMPILER.items():
        os.environ.setdefault(name, value)
    import torch

    if os.environ["TORCHDYNAMO_DISABLE"] != "1" or COMPILER in sys.modules or torch.accelerator.is_available():
        yield
        return
    sys.modules[COMPILER] = torch._dynamo = _NoCompiler(Path(torch.__file__).parent / "_dynamo")
    sys.meta_path.insert(0, _Parts())
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
    """In the place of `torch._dynamo`: a function that is to be left alone is left as it is. All else brings the whole."""

    disable = allow_in_graph = assume_constant_result = staticmethod(_as_it_is)

    def __init__(self, directory: Path) -> None:
        super().__init__(COMPILER)
        self.__path__ = [str(directory)]

    @staticmethod
    def graph_break(msg: str = "") -> None:
        """What is not compiled is not cut either."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return importlib.import_module(f"{COMPILER}.{name}") if name in ALONE else getattr(_whole(), name)


class _Parts(MetaPathFinder):
    """Its parts refer to one another, so that most can be imported after the whole only."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package == COMPILER and name not in ALONE and isinstance(sys.modules.get(COMPILER), _NoCompiler):
            _whole()
            if fullname in sys.modules:
                return ModuleSpec(fullname, _Imported())
        return None


class _Imported(Loader):
    """Of a module that is there already."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is left to do."""


def _whole() -> ModuleType:
    if isinstance(sys.modules[COMPILER], _NoCompiler):
        del sys.modules[COMPILER]
    return importlib.import_module(COMPILER)
