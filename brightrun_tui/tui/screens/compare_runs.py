"""The marked runs side by side: results, then what was set differently."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from brightrun_tui.domain.run import Run
from brightrun_tui.domain.run_compare import compare, names
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells, reflow

MOST = 5
"""Runs for which there is room side by side."""


class CompareRunsScreen(Dialog[None]):
    """Read it, close it."""

    def __init__(self, runs: Sequence[Run]) -> None:
        super().__init__("Runs side by side", classes="-large")
        self._runs = tuple(runs[:MOST])

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            yield reflow.Flow(self._lines)

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def _lines(self, width: int) -> reflow.Lines:
        label = 24 if width > 70 else 20
        column = max(8, (width - label) // len(self._runs) - 1)

        def row(title: str, values: Sequence[Content]) -> Content:
            parts = [Content.styled(f"{cells.fit(title, label - 1)} ", "$muted")]
            for value in values:
                cut = value.truncate(column, ellipsis=True)
                parts += [cut.pad_right(column - cut.cell_length), Content(" ")]
            return Content("").join(parts)

        lines = [row("", [Content.styled(cells.one_line(name), "bold") for name in names(self._runs)])]
        group = ""
        for fact in compare(self._runs):
            if fact.group != group:
                group = fact.group
                lines += [Content(""), *reflow.heading(group, width)]
            lines.append(
                row(
                    fact.label,
                    [
                        Content.styled(
                            ("★ " if place in fact.best else "") + cells.one_line(value),
                            "bold $success" if place in fact.best else "" if fact.differs else "$muted",
                        )
                        for place, value in enumerate(fact.values)
                    ],
                )
            )
        return lines
