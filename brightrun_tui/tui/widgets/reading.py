"""A text that may be longer than its place, read with the keys of a list."""

from __future__ import annotations

from typing import Any, ClassVar

from textual.containers import VerticalScroll

from brightrun_tui.tui.actions import bindings


class Reading(VerticalScroll, can_focus=True):
    """Scrolls what stands in it, by line, page and to its ends."""

    SCOPES = ("reading",)
    BINDINGS: ClassVar[Any] = bindings("reading")

    def action_down(self) -> None:
        self.scroll_down(animate=False)

    def action_up(self) -> None:
        self.scroll_up(animate=False)

    def action_first(self) -> None:
        self.scroll_home(animate=False)

    def action_last(self) -> None:
        self.scroll_end(animate=False)

    def action_further(self) -> None:
        self.scroll_page_down(animate=False)

    def action_back(self) -> None:
        self.scroll_page_up(animate=False)
