"""A list of one- or two-line rows that keeps its cursor while rows come, go and change."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from brightrun_tui.actions import bindings


class RowList(OptionList):
    """Rows by id. `show` changes only what differs."""

    SCOPES = ("list",)
    BINDINGS = bindings("list")

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes, markup=False)
        self._rows: list[tuple[str, Content]] = []

    @property
    def chosen(self) -> str:
        """The id under the cursor, or empty."""
        option = self.highlighted_option
        return option.id or "" if option else ""

    def show(self, rows: Sequence[tuple[str, Content]]) -> None:
        """Show these rows; the cursor stays on its id, or near its place when that id is gone."""
        old, self._rows = self._rows, list(rows)
        if [id_ for id_, _ in old] == [id_ for id_, _ in rows]:
            for index, ((_, before), (_, after)) in enumerate(zip(old, rows, strict=True)):
                if not before.is_same(after):
                    self.replace_option_prompt_at_index(index, after)
            return
        chosen, place = self.chosen, self.highlighted or 0
        top = self.scroll_offset.y
        with self.prevent(OptionList.OptionHighlighted):
            self.set_options([Option(prompt, id=id_) for id_, prompt in rows])
        ids = [id_ for id_, _ in rows]
        if ids:
            self.highlighted = ids.index(chosen) if chosen in ids else min(place, len(ids) - 1)
        self.scroll_to(y=top, animate=False)

    def choose(self, id_: str) -> bool:
        """Put the cursor on ``id_``; False when there is no such row."""
        ids = [known for known, _ in self._rows]
        if id_ not in ids:
            return False
        self.highlighted = ids.index(id_)
        return True
