"""A list of any length under a heading that stays: only the rows that are seen are built."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.widgets.rows import ListRow
from brightrun_tui.tui.widgets.sanitize import sanitize_content
from brightrun_tui.tui.widgets.shown import shown

KEPT = 400
"""Built rows that are remembered."""
UNTOUCHED_SECONDS = 60.0
"""A list that nobody has moved in for so long shows its first rows again, as far as its cursor stays in sight."""


class RowTable(ScrollView, can_focus=True):
    """Rows by id, each of the same height; a row without an id is a caption and cannot be chosen.

    The cursor stays on its id while rows come, go and move; when that row is gone, the caller chooses another one.
    """

    SCOPES = ("list",)
    BINDINGS = bindings("list")
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-table--heading", "row-table--cursor"}

    @dataclass
    class Chosen(Message):
        """A person has moved the cursor to ``id``."""

        table: RowTable
        id: str

        @property
        def control(self) -> RowTable:
            return self.table

    @dataclass
    class Opened(Message):
        """Enter, or a click on the chosen row."""

        table: RowTable

        @property
        def control(self) -> RowTable:
            return self.table

    @dataclass
    class HeadingClicked(Message):
        """A click on the heading, ``x`` cells from its left."""

        table: RowTable
        x: int

        @property
        def control(self) -> RowTable:
            return self.table

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: Sequence[ListRow] = ()
        self._places: dict[str, int] = {}
        self._stamps: tuple[object, ...] = ()
        self._heading: Callable[[int], Content] | None = None
        self._row_height = 1
        self._cursor = ""
        self._moved = ""
        self._touched_at = -math.inf
        self._built: dict[object, tuple[object, list[Strip]]] = {}

    @property
    def chosen(self) -> str:
        """The id under the cursor, or empty."""
        return self._cursor if self._cursor in self._places else ""

    @property
    def moved(self) -> str:
        """Where a person has moved the cursor, as long as `Chosen` has not yet arrived; empty otherwise. What is typed next
        is meant for that row.
        """
        return self.chosen if self._moved else ""

    @property
    def row_count(self) -> int:
        """Rows that can be chosen."""
        return len(self._places)

    @property
    def ids(self) -> tuple[str, ...]:
        """In the order in which they are shown."""
        return tuple(self._places)

    def show(
        self, rows: Sequence[ListRow], *, heading: Callable[[int], Content] | None = None, height: int = 1
    ) -> None:
        """Show these rows under this heading, each ``height`` lines high. Painted only if something differs."""
        stamps = (height, heading is None, *((row.id, row.stamp) for row in rows))
        if stamps == self._stamps and heading is self._heading:
            self._rows = rows
            return
        sized = (len(rows), height, heading is None) != (len(self._rows), self._row_height, self._heading is None)
        before, same = self._stamps[2:], heading is self._heading and not sized
        self._stamps, self._rows, self._heading, self._row_height = stamps, rows, heading, height
        stood = self._places.get(self._cursor)
        self._places = {row.id: place for place, row in enumerate(rows) if row.id}
        if stood is not None and self._places.get(self._cursor, stood) != stood:
            self.call_after_refresh(self._into_sight)
        if self.scroll_offset.y and time.monotonic() - self._touched_at > UNTOUCHED_SECONDS:
            self.call_after_refresh(self._up_again)
        if sized:
            self.virtual_size = Size(0, self._head + len(rows) * height)
        if not same:
            self.refresh(layout=sized)
            return
        first = self.scroll_offset.y // height
        seen = range(first, min(len(rows), first + self.size.height // height + 2))
        self._paint(place for place in seen if before[place] != stamps[2 + place])

    def _paint(self, places: Iterable[int]) -> None:
        """Repaint only these rows: what is painted goes over the wire."""
        regions = []
        for place in places:
            top = self._head + place * self._row_height - self.scroll_offset.y
            regions.append(Region(0, max(self._head, top), self.size.width, self._row_height))
        if regions:
            self.refresh(*regions)

    def choose(self, id_: str) -> bool:
        """Put the cursor on ``id_`` and into sight; False when there is no such row."""
        if id_ not in self._places:
            return False
        self._moved = ""
        if id_ != self._cursor:
            self._paint(self._places[one] for one in (self._cursor, id_) if one in self._places)
            self._cursor = id_
            self.call_after_refresh(self._into_sight)
        return True

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, self._head + len(self._rows) * self._row_height)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y < self._head and self._heading is not None:
            style = self.get_visual_style("row-table--heading")
            return self._strips(self._heading, width, 1, style)[0]
        place, line = divmod(y - self._head + self.scroll_offset.y, self._row_height)
        if place >= len(self._rows):
            return Strip.blank(width, self.visual_style.rich_style)
        row = self._rows[place]
        style = self.get_visual_style("row-table--cursor") if row.id and row.id == self._cursor else self.visual_style
        key = (row.id or place, width, self._row_height, style)
        built = self._built.get(key)
        if built is None or built[0] != row.stamp:
            if len(self._built) > KEPT:
                self._built.clear()
            built = self._built[key] = row.stamp, self._strips(row.build, width, self._row_height, style)
        return built[1][line]

    def _strips(self, build: Callable[[int], Content], width: int, height: int, style: Style) -> list[Strip]:
        room = max(8, width - 2)
        lines = shown(self, lambda cells: sanitize_content(build(cells)), room, lambda note: note).split("\n")[:height]
        edge = Strip.blank(1, style.rich_style)
        strips = [
            Strip.join(
                [edge, *Visual.to_strips(self, line.truncate(room, ellipsis=True), room, 1, style), edge]
            ).adjust_cell_length(width, style.rich_style)
            for line in lines
        ]
        return strips + [Strip.blank(width, style.rich_style)] * (height - len(strips))

    @property
    def _head(self) -> int:
        return 0 if self._heading is None else 1

    @property
    def _page(self) -> int:
        return max(1, (self.scrollable_content_region.height - self._head) // self._row_height)

    def _into_sight(self) -> None:
        """Scroll no further than is needed; from the first row on, a caption above it is seen, too."""
        place = self._places.get(self._cursor)
        if place is None:
            return
        top, room = place * self._row_height, self.scrollable_content_region.height - self._head
        seen = self.scroll_offset.y
        if not any(self._places.values()) or place == min(self._places.values()):
            self.scroll_to(y=0, animate=False, force=True)
        elif top < seen:
            self.scroll_to(y=top, animate=False, force=True)
        elif top + self._row_height > seen + room:
            self.scroll_to(y=top + self._row_height - room, animate=False, force=True)

    def _up_again(self) -> None:
        """Scroll as far up as the cursor stays in sight: what comes first is what is to be seen."""
        place = self._places.get(self._cursor)
        if place is not None:
            room = self.scrollable_content_region.height - self._head
            least = max(0, (place + 1) * self._row_height - room)
            if least < self.scroll_offset.y:
                self.scroll_to(y=least, animate=False, force=True)

    def on_mouse_scroll_down(self) -> None:
        self._touched_at = time.monotonic()

    def on_mouse_scroll_up(self) -> None:
        self._touched_at = time.monotonic()

    def _move(self, by: int) -> None:
        ids = self.ids
        if not ids:
            return
        here = ids.index(self._cursor) + by if self._cursor in self._places else 0
        self.go(ids[max(0, min(len(ids) - 1, here))])

    def go(self, id_: str) -> None:
        """Move the cursor to ``id_`` as a person does, and say so."""
        self._touched_at = time.monotonic()
        if id_ != self._cursor and self.choose(id_):
            self._moved = id_
            self.post_message(self.Chosen(self, id_))

    def action_cursor_down(self) -> None:
        self._move(1)

    def action_cursor_up(self) -> None:
        self._move(-1)

    def action_page_down(self) -> None:
        self._move(self._page)

    def action_page_up(self) -> None:
        self._move(-self._page)

    def action_first(self) -> None:
        self._move(-len(self._rows))

    def action_last(self) -> None:
        self._move(len(self._rows))

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._into_sight)

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        if offset.y < self._head:
            self.post_message(self.HeadingClicked(self, offset.x - 1))
            return
        place = (offset.y - self._head + self.scroll_offset.y) // self._row_height
        if place < len(self._rows) and (id_ := self._rows[place].id):
            if id_ == self._cursor:
                self.post_message(self.Opened(self))
            self.go(id_)
