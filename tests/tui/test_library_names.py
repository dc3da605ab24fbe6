"""A private name that the library uses itself is taken by none of our widgets: it would be another thing for each of the two."""

from __future__ import annotations

import dis
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

from textual.dom import DOMNode
from textual.widget import Widget

import brightrun_tui.tui

MEANT = {"_handle_exception", "_exception"}
"""Overridden or set on purpose, besides handlers of events (`_on_…`)."""

PRIVATE = re.compile(r"_[a-z]\w*")
MADE = {name for name in vars(type("Made", (Widget,), {})) if name.startswith("_")}
"""What the library puts on every class of widgets as it is made."""


def private_names(kind: type) -> set[str]:
    """What a class has, or sets on itself, below an underscore."""
    found = {name for name in vars(kind) if name not in MADE}
    for function in filter(inspect.isfunction, vars(kind).values()):
        names = function.__code__.co_names
        if any(map(PRIVATE.fullmatch, names)):  # taking code apart takes long, and few functions have any
            found |= {each.argval for each in dis.get_instructions(function) if each.opname == "STORE_ATTR"}
    return set(filter(PRIVATE.fullmatch, found))


def widgets() -> Iterator[type[DOMNode]]:
    for module in pkgutil.walk_packages(brightrun_tui.tui.__path__, "brightrun_tui.tui."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, DOMNode) and kind.__module__ == module.name:
                yield kind


def test_no_widget_takes_a_private_name_of_the_library() -> None:
    known: dict[type, set[str]] = {}
    wrong = []
    for kind in widgets():
        theirs: set[str] = set()
        for base in kind.__mro__:
            if base.__module__.startswith("textual"):
                theirs |= known.setdefault(base, private_names(base))
        taken = {name for name in private_names(kind) & theirs if name not in MEANT and not name.startswith("_on_")}
        wrong += [f"{kind.__module__}.{kind.__name__}: {name}" for name in sorted(taken)]
    assert not wrong
