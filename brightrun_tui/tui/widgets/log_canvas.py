"""The lines of a log as they are drawn, with every place of what is looked for marked."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from brightrun_tui.tui.widgets.kept_log import KeptLog


class LogCanvas(ScrollView):
    """Draws the lines of its `KeptLog`, and one below them that is not finished yet."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._text = KeptLog()
        self._tail = ""
        self._nothing = ""
        self._match: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything kept, oldest first, shown or not."""
        return tuple(self._text.kept)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index, left = y + self.scroll_offset.y, self.scroll_offset.x
        style = self.visual_style
        base = style.rich_style
        lines = self._text.lines
        if index < len(lines):
            text = lines[index]
        elif index == len(lines) and self._tail:
            text = self._tail
        else:
            text = ""
            if not lines and not self._tail and y == self.size.height // 2:
                text = self._nothing.center(width)
                base = (style + Style(foreground=Color.parse(self.app.theme_variables["faint"]))).rich_style
        cells = [Segment(text, base)]
        if self._text.is_match(text):
            cells = self._marked(text, base, index == self._match)
        return Strip(cells, cell_len(text)).crop_extend(left, left + width, base)

    def _marked(self, text: str, base: object, current: bool) -> list[Segment]:
        variables = self.app.theme_variables
        mark = Style(
            background=Color.parse(variables["accent" if current else "block-cursor-background"]),
            foreground=Color.parse(variables["background" if current else "block-cursor-foreground"]),
        ).rich_style
        cells: list[Segment] = []
        folded, needle, place = text.casefold(), self._text.needle, 0
        while (found := folded.find(needle, place)) >= 0 and len(folded) == len(text):
            cells += [Segment(text[place:found], base), Segment(text[found : found + len(needle)], mark)]  # type: ignore[arg-type]
            place = found + len(needle)
        return [*cells, Segment(text[place:], base)]  # type: ignore[arg-type]

    def _measure(self) -> None:
        self.virtual_size = Size(max(self._text.width, len(self._tail)), len(self._text.lines) + bool(self._tail))
