"""Two versions side by side."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from brightrun_tui import registry
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import compare_text
from brightrun_tui.tui.widgets.measured_text import boards_text
from brightrun_tui.tui.widgets.reflow import Flow, Lines


class CompareScreen(Dialog[None]):
    """Facts, settings that differ, what both were measured on, and answers to the same prompts."""

    def __init__(self, a: ModelVersion, b: ModelVersion) -> None:
        super().__init__("Compare", classes="-large")
        self._a, self._b = a, b

    def compose_body(self) -> ComposeResult:
        found = registry.compare(self._a, self._b)
        boards = registry.shared_boards((self._a, self._b), self.app.snapshot.evaluations)
        with VerticalScroll(can_focus=True):
            yield Flow(partial(_compared, found, boards, self._a, self._b))

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()


def _compared(
    found: registry.Comparison, boards: list[registry.Board], a: ModelVersion, b: ModelVersion, width: int
) -> Lines:
    lines = compare_text.comparison(found, width)
    if boards:
        lines += [Content(""), *boards_text(boards, width)]
    return lines + compare_text.compared_answers(a, b, width)
