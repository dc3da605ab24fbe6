"""Which columns the runs table has, and in what order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.rows import ListRow, RowList
from brightrun_tui.tui.widgets.run_columns import COLUMNS


class RunColumnsScreen(Dialog[tuple[str, ...]]):
    """Answers the names of the columns in their order; none: as many as fit."""

    SCOPES = ("run_columns", "modal")
    BINDINGS = bindings("run_columns")

    def __init__(self, wanted: Sequence[str]) -> None:
        super().__init__("Columns of the runs table", classes="-pick")
        names = [column.name for column in COLUMNS]
        known = [name for name in wanted if name in names]
        self._order = [*known, *(name for name in names if name not in known)]
        self._chosen = set(known)

    def compose_body(self) -> ComposeResult:
        said = "Those that are marked are shown in this order as far as there is room; where none is, as many as fit."
        yield Static(Content.styled(said, "$muted"))
        yield RowList(id="choices")

    def on_mount(self) -> None:
        self._show()
        self.query_one(RowList).focus()

    def _show(self) -> None:
        titles = {column.name: column.words or column.title for column in COLUMNS}

        def build(name: str, shown: bool, width: int) -> Content:
            mark = Content.styled("● " if shown else "  ", "bold $accent")
            return Content.assemble(mark, (titles[name], "bold" if shown else "")).truncate(width, ellipsis=True)

        chosen = self._chosen
        self.query_one(RowList).show(
            [ListRow(name, name in chosen, partial(build, name, name in chosen)) for name in self._order]
        )

    def _move(self, by: int) -> None:
        name = self.query_one(RowList).chosen
        to = self._order.index(name) + by
        if 0 <= to < len(self._order):
            self._order.remove(name)
            self._order.insert(to, name)
            self._show()

    def action_show(self) -> None:
        self._chosen ^= {self.query_one(RowList).chosen}
        self._show()

    def action_sooner(self) -> None:
        self._move(-1)

    def action_later(self) -> None:
        self._move(1)

    def action_none(self) -> None:
        self._chosen = set()
        self._show()

    def action_keep(self) -> None:
        self.dismiss(tuple(name for name in self._order if name in self._chosen))

    def on_option_list_option_selected(self) -> None:
        self.action_keep()
