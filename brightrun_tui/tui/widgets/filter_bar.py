"""A line to type a filter into. A filter that is in force stays visible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual.message import Message
from textual.widgets import Input

from brightrun_tui.tui.actions import bindings


class FilterBar(Input):
    """Hidden while empty and unfocused. Enter keeps the filter, escape drops it."""

    SCOPES: ClassVar[tuple[str, ...]] = ("filter",)
    BINDINGS: ClassVar[Any] = bindings("filter")

    @dataclass
    class Typed(Message):
        """The filter is now ``text``; ``done`` when the person has left the bar."""

        bar: FilterBar
        text: str
        done: bool = False

        @property
        def control(self) -> FilterBar:
            return self.bar

    def __init__(self, placeholder: str, *, id: str | None = None) -> None:
        super().__init__(placeholder=placeholder, id=id, compact=True, classes="filter-bar")
        self.display = False

    def open(self) -> None:
        self.display = True
        self.focus()

    def action_drop(self) -> None:
        self.value = ""
        self.action_leave()

    def empty(self) -> None:
        """Drop the filter without anybody having been here."""
        self.value, self.display = "", False

    def action_leave(self) -> None:
        self.display = bool(self.value)
        self.post_message(self.Typed(self, self.value, done=True))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self, event.value))

    def action_keep(self) -> None:
        self.action_leave()


def fits(needle: str, *texts: str) -> bool:
    """Say whether every word of ``needle`` is in one of ``texts``, whatever the case."""
    haystack = " ".join(texts).casefold()
    return all(word in haystack for word in needle.casefold().split())
