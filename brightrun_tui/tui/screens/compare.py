"""Versions side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from textual import work
from textual.app import ComposeResult
from textual.content import Content

from brightrun_tui import registry
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import compare_text
from brightrun_tui.tui.widgets.measured_text import boards_text
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow, Lines


class CompareScreen(Dialog[None]):
    """Facts, settings and data that differ, what they were measured on together, and answers to the same prompts."""

    def __init__(self, versions: Sequence[ModelVersion]) -> None:
        super().__init__("Compare", classes="-large")
        self._versions = versions

    def compose_body(self) -> ComposeResult:
        found = registry.compare_many(self._versions, self.app.snapshot.evaluations)
        with Reading():
            yield Flow(partial(_compared, found))

    def on_mount(self) -> None:
        self.query_one(Reading).focus()
        self._read_data()

    @work(group="compare")
    async def _read_data(self) -> None:
        """Read what they learnt from, which takes seconds for large data."""
        try:
            learnt = await registry.data_differences(self.app.db, self._versions)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        found = registry.compare_many(self._versions, self.app.snapshot.evaluations, learnt)
        self.query_one(Flow).show(partial(_compared, found))


def _compared(found: registry.ManyComparison, width: int) -> Lines:
    lines = compare_text.comparison(found, width)
    if found.boards:
        lines += [Content(""), *boards_text(found.boards, width)]
    return lines + compare_text.compared_answers(found.models, found.answers, width)
