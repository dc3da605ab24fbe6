"""Say which column of a table is the question, which the answer, and what the others are."""

from __future__ import annotations

import asyncio

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Button

from brightrun_tui.datasets.columns import MAPPABLE
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.planning.column_maps import ColumnMap
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells, plan_text, reflow
from brightrun_tui.tui.widgets.fields import ChoiceField, FieldChanged
from brightrun_tui.tui.widgets.form import FormRow
from brightrun_tui.tui.widgets.reflow import Flow

ROLE_WORDS = {
    "prompt": "Question",
    "completion": "Answer",
    "system": "Instruction",
    "context": "Context",
    "category": "Category",
    "group": "Belongs to",
}
NONE = ""
"""No column has this role."""


class ColumnsScreen(Dialog[dict[str, str]]):
    """Answers the mapping, role to column. What it comes to is shown at once."""

    SCOPES = ("columns", "modal")
    BINDINGS = bindings("columns")

    def __init__(self, place: str, found: ColumnMap) -> None:
        super().__init__("Which column is what?", classes="-large -columns")
        self._place, self._table = place, found.table
        self._mapping = dict(found.mapping)
        self._usable = False

    def compose_body(self) -> ComposeResult:
        titles = {name: cells.one_line(name) for name in self._table.names} | {NONE: "–"}
        for role in MAPPABLE:
            field = ChoiceField(role, (NONE, *self._table.names), titles=titles)
            field.value = self._mapping.get(role, NONE)
            yield FormRow(ROLE_WORDS[role], field)
        with VerticalScroll(id="verdict", can_focus=True):
            yield Flow(id="verdict-text")
        with Horizontal(classes="buttons"):
            yield Button("Use these columns", id="use", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query(ChoiceField).first().focus()
        self._show()

    @on(FieldChanged)
    def _turned(self, event: FieldChanged) -> None:
        self._mapping.pop(event.key, None)
        if event.value != NONE:
            self._mapping[event.key] = event.value
        self._show()

    @property
    def _problem(self) -> str:
        """Why this cannot be a mapping; empty where it can."""
        if not {"prompt", "completion"} <= self._mapping.keys():
            return "A question and an answer are needed."
        names = list(self._mapping.values())
        twice = [ROLE_WORDS[role] for role in MAPPABLE if names.count(self._mapping.get(role, NONE)) > 1]
        return f"One column cannot be two things: {' and '.join(twice)}." if twice else ""

    def _show(self) -> None:
        for row in self.query(FormRow):
            assert isinstance(row.field, ChoiceField)
            row.remark(self._table.examples.get(row.field.value, ""))
        self._check()

    @work(exclusive=True, group="check")
    async def _check(self) -> None:
        said = self.query_one("#verdict-text", Flow)
        self._usable = False
        if problem := self._problem:
            said.show(lambda width: reflow.text(problem, width, "$warning"))
            return
        said.show(lambda width: [Content.styled("◌ checking …", "$primary")])
        try:
            report = await asyncio.to_thread(report_of, self._place, dict(self._mapping), self.app.paths)
        except BrightrunError as error:
            what = cells.plain(error.what)
            said.show(lambda width: reflow.marked(reflow.text(what, width - 2, "$error"), 2, "✗", "bold $error"))
            return
        self._usable = True
        said.show(
            lambda width: [
                *plan_text.data_report(report, width, problems=2),
                Content(""),
                *plan_text.conversations(report, width, limit=3),
            ]
        )

    @on(Button.Pressed, "#use")
    def _pressed(self) -> None:
        self.action_use()

    def action_use(self) -> None:
        if self._usable:
            order = [role for role in MAPPABLE if role in self._mapping]
            self.dismiss({role: self._mapping[role] for role in order})
        else:
            self.app.toast("These columns cannot be used yet; the reason stands below them.", severity="warning")
