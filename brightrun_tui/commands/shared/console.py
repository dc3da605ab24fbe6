"""The console of the command line: styles come from us alone, and nothing that is printed steers the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from brightrun_tui.domain.text import sanitize


class PlainConsole(Console):
    """rich's console without markup, emoji names and highlighting, and with `domain.text` as the last gate before the terminal.

    Style a part with `rich.text.Text`; a string is shown as it is.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(_fit(segment.text), segment.style)


def _fit(text: str) -> str:
    """Return the text as wide as rich took it to be when it laid out the line: what has no width leaves no gap."""
    if text.isprintable() or text == "\n":
        return text
    return "".join(new if new == old else new * cell_len(old) for old, new in zip(text, sanitize(text), strict=True))
