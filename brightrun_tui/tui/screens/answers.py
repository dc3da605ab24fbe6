"""The answers of a version one by one: right or wrong?"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content

from brightrun_tui import registry
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import model_text
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.titles import retitle


class AnswersScreen(Dialog[None]):
    """Shows one answer beside the wanted one; what is said of it is kept at once, and the next comes."""

    SCOPES = ("answers", "modal")
    BINDINGS = bindings("answers")

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Is it right? {model.ref}", classes="-large")
        self._model = model
        ticked = {tick.sample for tick in model.report.ticks}
        self._number = next((n for n in range(len(model.report.samples)) if n not in ticked), 0)

    def compose_body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            yield Flow(id="answer-text")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self._show()

    async def action_right(self) -> None:
        await self._say(True)

    async def action_wrong(self) -> None:
        await self._say(False)

    async def action_take_back(self) -> None:
        await self._say(None)

    def action_skip(self) -> None:
        self._go(1)

    def action_before(self) -> None:
        self._go(-1)

    async def _say(self, right: bool | None) -> None:
        try:
            self._model = await registry.tick(self.app.db, self._model.ref, self._number, right)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        self.app.look_now()
        self._go(0 if right is None else 1)

    def _go(self, by: int) -> None:
        self._number = min(max(0, self._number + by), len(self._model.report.samples) - 1)
        self._show()
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def _show(self) -> None:
        model, number = self._model, self._number
        self.query_one("#answer-text", Flow).show(lambda width: model_text.answer_to_tick(model, number, width))
        retitle(
            self.query_one(".dialog"),
            Content(f"Is it right? {model.ref}"),
            f"{number + 1} of {len(model.report.samples)}",
        )
