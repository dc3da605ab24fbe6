"""What a sweep tries, and whether its worst runs are stopped early."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button, Label, Static

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.halving import RULE
from brightrun_tui.planning.sweep import parse_sweep
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.fields import ChoiceField, FieldChanged, TextField

YES, NO = "yes", "no, run all to the end"


@dataclass(frozen=True)
class SweepChoice:
    """``values`` as `planning.sweep.parse_sweep` reads them."""

    values: str
    stop_worst: bool


class SweepSetup(Dialog[SweepChoice]):
    """Enter in the line of values goes on; down leads to the switch."""

    def __init__(self, suggested: str) -> None:
        super().__init__("Sweep")
        self._suggested = suggested

    def compose_body(self) -> ComposeResult:
        yield Label(Content("Two or three values for a setting; a second setting after a semicolon"))
        yield TextField("values", self._suggested)
        yield Label(Content("Stop the worst early"), classes="below")
        yield ChoiceField("stop_worst", (YES, NO))
        yield Static(Content.styled(RULE, "$muted"), id="rule")
        with Horizontal(classes="buttons"):
            yield Button("Continue", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(TextField).focus()

    @on(FieldChanged)
    def _changed(self, event: FieldChanged) -> None:
        if event.key == "stop_worst":
            self.query_one("#rule").visible = event.value == YES

    @on(Button.Pressed)
    def _answer(self) -> None:
        values = self.query_one(TextField).value.strip()
        try:
            parse_sweep(values)
        except BrightrunError as error:
            self.app.show_error(error)
        else:
            self.dismiss(SweepChoice(values, self.query_one(ChoiceField).value == YES))
