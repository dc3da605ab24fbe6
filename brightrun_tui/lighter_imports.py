"""Importing torch, transformers, PEFT and bitsandbytes without what nothing of ours makes use of.

Torch's compiler, with sympy and all that belongs to it, is a third of importing them; transformers reads the source of all its
models to learn what they export, twice; and both prepare to spread a model over processes. What is left out is imported by
whoever asks for it. Each change looks whether what it changes is there, so that another version is imported as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial, wraps
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

Execute = Callable[[ModuleType], None]
Execution = Callable[[Execute, ModuleType], None]
"""How a module is executed, given what executes it as it is."""


def hasten_imports() -> None:
    """Make it so for this process, before the first of these packages is imported.

    The compiler is left out where ``TORCHDYNAMO_DISABLE`` is 1, which `brightrun_tui.process` sets.
    """
    if not any(isinstance(finder, _Hastening) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Hastening())


class _Hastening(MetaPathFinder):
    """Changes how some modules of other packages are imported; what they do stays the same."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        execution = _execution_of(fullname)
        if execution is None or (spec := PathFinder.find_spec(fullname, path)) is None or spec.loader is None:
            return None
        spec.loader.exec_module = partial(execution, spec.loader.exec_module)  # type: ignore[method-assign]
        return spec


def _hasten_utils(execute: Execute, module: ModuleType) -> None:
    execute(module)
    _read_once(module)
    _read_the_end_only(module)
    _spread_nothing(module)


def _hasten_adapters(execute: Execute, module: ModuleType) -> None:
    _leave_functions_uncompiled(execute, module)
    _spread_nothing(module)


_TRACED = "torch._dynamo._trace_wrapped_higher_order_op"


def _import_the_compiler_later(execute: Execute, module: ModuleType) -> None:
    """Execute ``module``, which wants one context of the compiler's, for masks of a rare kind: it comes when such a mask is
    made.
    """
    if _TRACED in sys.modules:
        execute(module)
        return
    later: Any = ModuleType(_TRACED)
    later.TransformGetItemToIndex = lambda: import_module(_TRACED).TransformGetItemToIndex()
    sys.modules[_TRACED] = later
    try:
        execute(module)
    finally:
        del sys.modules[_TRACED]


_MARKS = ("disable", "allow_in_graph", "assume_constant_result")
"""Decorators that say how a function is to be compiled, or that it is not."""


def _leave_functions_uncompiled(execute: Execute, module: ModuleType) -> None:
    """Execute ``module``, which tells torch how functions are to be compiled, or that they are not; where torch compiles
    nothing, all of that comes to the functions as they are, but torch would load its compiler first.
    """
    torch: Any = sys.modules.get("torch")
    if torch is None or "_dynamo" in vars(torch) or not _compiles_nothing():
        execute(module)
        return
    places = [(torch, "compile"), *((torch.compiler, name) for name in _MARKS)]
    kept = [(place, name, getattr(place, name)) for place, name in places if hasattr(place, name)]
    for place, name, _ in kept:
        setattr(place, name, _as_it_is)
    stand_in = torch._dynamo = _StandIn()
    try:
        execute(module)
    finally:
        for place, name, function in kept:
            setattr(place, name, function)
        if vars(torch).get("_dynamo") is stand_in:
            del torch._dynamo


class _StandIn:
    """For the compiler: it marks functions for nothing, and whoever wants more of it gets it."""

    def __getattr__(self, name: str) -> Any:
        return _as_it_is if name in _MARKS else getattr(import_module("torch._dynamo"), name)


def _as_it_is(function: Any = None, *_: Any, **__: Any) -> Any:
    """Return the function; as a decorator with arguments, what returns it."""
    return _as_it_is if function is None else function


def _mark_nothing(execute: Execute, module: Any) -> None:
    """Execute torch's own decorator for functions that are not to be compiled: it loads the compiler when one is called."""
    execute(module)
    if _compiles_nothing() and hasattr(module, "_disable_dynamo"):
        module._disable_dynamo = _as_it_is


def _step_as_it_is(execute: Execute, module: Any) -> None:
    """Execute torch's optimiser, whose steps load the compiler to tell it where they begin and end."""
    execute(module)
    if _compiles_nothing() and hasattr(module, "_use_grad_for_differentiable"):
        module._use_grad_for_differentiable = _with_gradients_where_wanted


def _with_gradients_where_wanted(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return the step of an optimiser, made with gradients only where it is to be differentiated through."""
    torch: Any = sys.modules["torch"]

    @wraps(step)
    def stepping(optimiser: Any, *arguments: Any, **named: Any) -> Any:
        with torch.set_grad_enabled(optimiser.defaults["differentiable"]):
            return step(optimiser, *arguments, **named)

    return stepping


def _without_compiled_models(execute: Execute, module: Any) -> None:
    """Execute what asks of a model whether it was compiled, and loads the compiler to know."""
    execute(module)
    if _compiles_nothing():
        for name in ("is_compiled_module", "has_compiled_regions"):
            if hasattr(module, name):
                setattr(module, name, lambda model: False)


def _compiles_nothing() -> bool:
    return os.environ.get("TORCHDYNAMO_DISABLE") == "1"


_EXECUTIONS: dict[str, Execution] = {
    "torch._compile": _mark_nothing,
    "accelerate.utils.other": _without_compiled_models,
    "torch.optim.optimizer": _step_as_it_is,
    "peft.tuners.tuners_utils": _hasten_adapters,
    "transformers.utils.import_utils": _hasten_utils,
    "transformers.masking_utils": _import_the_compiler_later,
}
_UNCOMPILED = ("transformers.", "bitsandbytes.", "accelerate.", "peft.")


def _execution_of(module: str) -> Execution | None:
    """Return how a module is executed that is not just executed."""
    return _EXECUTIONS.get(module) or (_leave_functions_uncompiled if module.startswith(_UNCOMPILED) else None)


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


def _spread_nothing(module: Any) -> None:
    """Say that torch cannot spread a model over processes, which nothing of ours does: what it needs for that takes a second."""
    if hasattr(module, "is_torch_distributed_available"):
        module.is_torch_distributed_available = lambda: False
    if hasattr(module, "_torch_supports_distributed"):
        module._torch_supports_distributed = False
