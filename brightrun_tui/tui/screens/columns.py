"""Say which column of a table is the question, which the answer, and what the others are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Button

from brightrun_tui.datasets.columns import MAPPABLE, TableColumns
from brightrun_tui.datasets.reading_options import ENCODING, SHEET, split_reading
from brightrun_tui.datasets.unpacking import ENCODINGS, encoding_title
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.planning.column_maps import ColumnMap, look_again
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.screens.telling import told
from brightrun_tui.tui.widgets import cells, plan_text, reflow
from brightrun_tui.tui.widgets.fields import ChoiceField, FieldChanged
from brightrun_tui.tui.widgets.form import FormRow
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow

ROLE_WORDS = {
    "prompt": "Question",
    "completion": "Answer",
    "system": "Instruction",
    "context": "Context",
    "category": "Category",
    "group": "Belongs to",
}
ROLE_ROW = "role-row"
ROLE_USE = {
    "system": "what the model is told before the question",
    "context": "a text that the question is about",
    "category": "results are told for each, too",
    "group": "rows of one talk or person are held out together",
}
"""What a column in this role is good for."""
BY_NAMES = "The names of the columns say what they are; choose here only to have it otherwise."
NONE = ""
"""No column has this role."""


READING_WORDS = {ENCODING: "Encoding", SHEET: "Sheet"}
ROLE_WORDS |= READING_WORDS


def choosable(table: TableColumns) -> list[str]:
    """Return what of encoding and sheet there is to choose: text that is not plainly UTF-8, and workbooks of several sheets."""
    encoding = [ENCODING] if table.encoding not in ("", "utf-8") else []
    return [*encoding, *([SHEET] if len(table.sheets) > 1 else [])]


class ColumnsScreen(Dialog[dict[str, str]]):
    """Answers the mapping, role to column, with encoding and sheet where these are not as guessed. What it comes to is shown."""

    SCOPES = ("columns", "modal")
    BINDINGS = bindings("columns")

    def __init__(self, place: str, found: ColumnMap) -> None:
        super().__init__("Which column is what?", classes="-large -columns")
        self._place, self._table = place, found.table
        self._mapping = dict(found.mapping)
        self._usable = False

    def compose_body(self) -> ComposeResult:
        table = self._table
        for key in choosable(table):
            offered = table.sheets if key == SHEET else tuple(dict.fromkeys((table.encoding, *ENCODINGS[1:])))
            said = self._mapping.get(key, "")
            offered = (*offered, said) if said and said not in offered else offered
            titles = {each: cells.one_line(each if key == SHEET else encoding_title(each)) for each in offered}
            field = ChoiceField(key, offered, said, titles=titles)
            yield FormRow(READING_WORDS[key], field)
        yield from self._role_rows()
        with Reading(id="verdict"):
            yield Flow(id="verdict-text")
        with Horizontal(classes="buttons"):
            yield Button("Use these columns", id="use", variant="primary", compact=True)

    def _role_rows(self) -> Iterator[FormRow]:
        titles = {name: cells.one_line(name) for name in self._table.names} | {NONE: "–"}
        for role in MAPPABLE if len(self._table.names) > 1 else ():
            field = ChoiceField(role, (NONE, *self._table.names), titles=titles)
            field.value = self._mapping.get(role, NONE)
            row = FormRow(ROLE_WORDS[role], field)
            row.add_class(ROLE_ROW)
            yield row

    def on_mount(self) -> None:
        self.query(ChoiceField).first().focus()
        self._show()

    @on(FieldChanged)
    def _turned(self, event: FieldChanged) -> None:
        guess = {ENCODING: self._table.encoding, SHEET: next(iter(self._table.sheets), "")}.get(event.key, NONE)
        self._mapping.pop(event.key, None)
        if event.value != guess:
            self._mapping[event.key] = event.value
        if event.key in READING_WORDS:
            self._remark()
            self._look_again()
        else:
            self._show()

    @work(exclusive=True, group="look")
    async def _look_again(self) -> None:
        """Show the columns of another sheet, or as another encoding writes them; these keep their roles."""
        encoding, sheet, roles = split_reading(self._mapping)
        try:
            table = await asyncio.to_thread(look_again, self._place, encoding, sheet, self.app.paths)
        except BrightrunError as error:
            self._usable = False
            self._refuse(error)
            return
        before, self._table = self._table, table
        renamed = dict(zip(before.names, table.names, strict=True)) if len(before.names) == len(table.names) else {}
        roles = {role: name if name in table.names else renamed.get(name, "") for role, name in roles.items()}
        kept = roles if set(roles.values()) <= set(table.names) else dict(table.guess)
        self._mapping = {key: name for key, name in self._mapping.items() if key in READING_WORDS} | kept
        async with self.batch():
            await self.query(f".{ROLE_ROW}").remove()
            await self.query_one(".dialog").mount_all(self._role_rows(), before="#verdict")
        self._show()

    @property
    def _problem(self) -> str:
        """Why this cannot be a mapping; empty if it can."""
        roles = self._roles
        if not roles:
            return ""
        if not {"prompt", "completion"} <= roles.keys():
            return "A question and an answer are needed."
        names = list(roles.values())
        twice = [ROLE_WORDS[role] for role in MAPPABLE if names.count(roles.get(role, NONE)) > 1]
        return f"One column cannot be two things: {' and '.join(twice)}." if twice else ""

    def _show(self) -> None:
        self._remark()
        self._check()

    def _remark(self) -> None:
        for row in self.query(FormRow):
            assert isinstance(row.field, ChoiceField)
            key, value = row.field.key, row.field.value
            if key in READING_WORDS:
                row.remark("" if key in self._mapping else "guessed")
            elif value != NONE:
                row.remark(self._table.examples.get(value, ""))
            else:
                row.remark(self._without(key), "$faint")

    def _without(self, role: str) -> str:
        """Return what stands for a role that no column was given."""
        taken = set(self._roles.values())
        named = [name for name in self._table.categories if name not in taken] if role == "category" else []
        return f"by its name: {', '.join(f'“{name}”' for name in named)}" if named else ROLE_USE.get(role, "")

    @property
    def _roles(self) -> dict[str, str]:
        """The mapping without encoding and sheet."""
        return {role: name for role, name in self._mapping.items() if role not in READING_WORDS}

    @work(exclusive=True, group="check")
    async def _check(self) -> None:
        said = self.query_one("#verdict-text", Flow)
        self._usable = False
        if problem := self._problem:
            said.show(lambda width: reflow.text(problem, width, "$warning"))
            return
        said.show(lambda width: [Content.styled("◌ checking …", "$primary")])
        try:
            report = await told(
                lambda tell: report_of(self._place, dict(self._mapping), self.app.paths, tell), self._say
            )
        except BrightrunError as error:
            self._refuse(error)
            return
        self._usable = True
        by_names = not self._mapping.keys() - READING_WORDS.keys()
        said.show(
            lambda width: [
                *(reflow.text(BY_NAMES, width, "$muted") if by_names else ()),
                *plan_text.data_report(report, width, problems=2),
                Content(""),
                *plan_text.conversations(report, width, limit=3),
            ]
        )

    def _refuse(self, error: BrightrunError) -> None:
        what = cells.plain(error.what)
        self.query_one("#verdict-text", Flow).show(
            lambda width: reflow.marked(reflow.text(what, width - 2, "$error"), 2, "✗", "bold $error")
        )

    def _say(self, what: str) -> None:
        line = Content.styled(cells.one_line(f"◌ {what}"), "$primary")
        self.query_one("#verdict-text", Flow).show(lambda width: [line])

    @on(Button.Pressed, "#use")
    def _pressed(self) -> None:
        self.action_use()

    def action_use(self) -> None:
        if self._usable:
            order = [role for role in (*MAPPABLE, *READING_WORDS) if role in self._mapping]
            self.dismiss({role: self._mapping[role] for role in order})
        else:
            self.app.toast("These columns cannot be used yet; the reason is below them.", severity="warning")
