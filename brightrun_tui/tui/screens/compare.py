"""Two versions side by side."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from brightrun_tui import registry
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import model_text
from brightrun_tui.tui.widgets.reflow import Flow


class CompareScreen(Dialog[None]):
    """Facts, settings that differ, and answers to the same prompts."""

    def __init__(self, a: ModelVersion, b: ModelVersion) -> None:
        super().__init__("Compare", classes="-large")
        self._a, self._b = a, b

    def compose_body(self) -> ComposeResult:
        found = registry.compare(self._a, self._b)
        with VerticalScroll(can_focus=True):
            yield Flow(
                lambda width: model_text.comparison(found, width) + model_text.compared_answers(self._a, self._b, width)
            )

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
