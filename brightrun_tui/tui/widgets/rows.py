"""A list of one- or two-line rows that keeps its cursor while rows come, go and change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.widgets.sanitize import sanitize_content
from brightrun_tui.tui.widgets.shown import shown


@dataclass(frozen=True)
class ListRow:
    """``build`` makes the row for so many cells; it is asked again only when ``stamp`` or the width has changed."""

    id: str
    stamp: object
    build: Callable[[int], Content]


class RowList(OptionList):
    """Rows by id, built for the width there is. `show` changes only what differs."""

    SCOPES = ("list",)
    BINDINGS = bindings("list")

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._asked: Sequence[ListRow] = ()
        self._rows: list[tuple[str, Content]] = []
        self._built: dict[str, tuple[object, Content]] = {}

    @property
    def chosen(self) -> str:
        """The id under the cursor, or empty."""
        option = self.highlighted_option
        return option.id or "" if option else ""

    @property
    def room(self) -> int:
        """Cells that a row is built for."""
        return max(8, self.scrollable_content_region.width - 2)

    def on_resize(self, event: events.Resize) -> None:
        self.show(self._asked)

    def show(self, rows: Sequence[ListRow]) -> None:
        """Show these rows; the cursor stays on its id, or near its place when that id is gone."""
        width = self.room
        self._asked = rows
        self._built = {row.id: self._content(row, width) for row in rows}
        old, self._rows = self._rows, [(id_, content) for id_, (_, content) in self._built.items()]
        ids = [id_ for id_, _ in self._rows]
        if [id_ for id_, _ in old] == ids:
            for index, ((_, before), (_, after)) in enumerate(zip(old, self._rows, strict=True)):
                if before is not after and not before.is_same(after):
                    self.replace_option_prompt_at_index(index, after)
            return
        chosen, place, top = self.chosen, self.highlighted or 0, self.scroll_offset.y
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options([Option(prompt, id=id_) for id_, prompt in self._rows])
            if ids:
                self.highlighted = ids.index(chosen) if chosen in ids else min(place, len(ids) - 1)
        self.scroll_to(y=top, animate=False)

    def _content(self, row: ListRow, width: int) -> tuple[object, Content]:
        stamp = (width, row.stamp)
        known = self._built.get(row.id)
        return (
            known
            if known is not None and known[0] == stamp
            else (stamp, shown(self, lambda cells: sanitize_content(row.build(cells)), width, lambda note: note))
        )

    def choose(self, id_: str) -> bool:
        """Put the cursor on ``id_``; False when there is no such row."""
        ids = [known for known, _ in self._rows]
        if id_ not in ids:
            return False
        if self.chosen != id_:
            self.highlighted = ids.index(id_)
        return True
