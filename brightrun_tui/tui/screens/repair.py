"""What to leave out of a new version of a dataset, and which of its categories to rename."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set

from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Button, Label, OptionList
from textual.widgets.option_list import Option

from brightrun_tui.datasets import Examined
from brightrun_tui.datasets.repairing import DUPLICATE, Repairs, droppable
from brightrun_tui.domain.dataset import DatasetReport
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.text import at_equals
from brightrun_tui.planning.dataset_repair import repaired
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.screens.telling import told
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.fields import TextField
from brightrun_tui.tui.widgets.reflow import Flow

TRIM, CHOSEN = "trim", "chosen"
"""Beside the kinds of findings: white space, and the records that were marked."""


class CategorySuggester(Suggester):
    """Completes the name of a category, on both sides of the last ``old=new``: most are called as another one is."""

    def __init__(self, values: Sequence[str]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._values = tuple(dict.fromkeys(values))

    async def get_suggestion(self, value: str) -> str | None:
        start = re.split("[,=]", value)[-1].lstrip()
        ends = "" if "=" in value.rpartition(",")[2] else "="
        fitting = (one for one in self._values if start and one.startswith(start))
        return next(
            (f"{value}{one.removeprefix(start)}{ends}" for one in fitting if len(one) > len(start) or ends), None
        )


class RepairScreen(Dialog[DatasetReport]):
    """Answers the report of the new version. ``first`` is a kind of finding that is ticked to begin with."""

    SCOPES = ("repair", "modal")
    BINDINGS = bindings("repair")

    def __init__(self, found: Examined, marked: Set[int], *, first: str = "", name: str = "") -> None:
        super().__init__("Make a new version", classes="-large -data -repair")
        self._found, self._marked = found, marked
        self._first, self._called = first, name
        self._at_work = False
        self._choices: dict[str, str] = {}
        self._ticked: set[str] = set()

    def compose_body(self) -> ComposeResult:
        report = self._found.report
        possible = droppable(self._found)
        problems = [each for each in report.problems if each.kind in possible]
        problems.sort(key=lambda each: each.kind != DUPLICATE)
        ticked = {self._first} & set(possible)
        if self._marked:
            many = (
                f"the {len(self._marked):,} records that you marked"
                if len(self._marked) > 1
                else "the record you marked"
            )
            self._choices[CHOSEN] = f"take out {many}"
            ticked.add(CHOSEN)
        self._choices |= {each.kind: f"take out {each.count:,} {each.what}" for each in problems}
        self._choices[TRIM] = "trim white space around every turn"
        self._ticked = ticked
        yield OptionList(*(Option(self._prompt(each), id=each) for each in self._choices), id="choices", compact=True)
        values = [value for names in report.categories.values() for value in names]
        if values:
            said = f"Relabel, such as {values[-1]}=new; several with commas; → completes"
            yield Label(Content(cells.one_line(said)))
            yield TextField("relabel", suggester=CategorySuggester(values))
        with VerticalScroll(id="verdict", can_focus=False):
            yield Flow(self._words, id="verdict-text")
        with Horizontal(classes="buttons"):
            yield Button("Make the new version", id="make", variant="primary", compact=True)

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def _prompt(self, choice: str) -> Content:
        mark, style = ("[x] ", "bold $accent") if choice in self._ticked else ("[ ] ", "$muted")
        return Content.assemble((mark, style), cells.one_line(self._choices[choice]))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._toggle(event.option_id or "")

    def action_tick(self) -> None:
        option = self.query_one(OptionList).highlighted_option
        self._toggle(option.id or "" if option else "")

    def _toggle(self, choice: str) -> None:
        if choice:
            self._ticked ^= {choice}
            self.query_one(OptionList).replace_option_prompt(choice, self._prompt(choice))

    def _words(self, width: int) -> reflow.Lines:
        report = self._found.report
        out = report.records - report.usable
        said = f"The original stays as it is: {report.path}."
        if out:
            said += (
                f" {out:,} that cannot be used {'is' if out == 1 else 'are'} left out of the new version in any case."
            )
        return reflow.text(cells.plain(said), width, "$muted")

    @property
    def _repairs(self) -> Repairs:
        ticked = self._ticked
        pairs = [pair for field in self.query(TextField) for pair in field.value.split(",") if pair.strip()]
        return Repairs(
            drop=frozenset(ticked - {TRIM, CHOSEN}),
            entries=frozenset(self._marked) if CHOSEN in ticked else frozenset(),
            trim=TRIM in ticked,
            relabel={old.strip(): new.strip() for old, _, new in map(at_equals, pairs)},
        )

    @on(Button.Pressed, "#make")
    def _pressed(self) -> None:
        self.action_make()

    def action_make(self) -> None:
        repairs = self._repairs
        if not all(repairs.relabel.values()):
            self._complain("A category is relabelled as old=new.", "")
        elif not self._at_work:
            self._make(repairs)

    @work(exclusive=True, group="make")
    async def _make(self, repairs: Repairs) -> None:
        """Write it; closing the dialogue meanwhile ends that, and leaves nothing behind."""
        self._at_work = True
        try:
            report = await told(
                lambda tell: repaired(self._found, repairs, self.app.paths, name=self._called, progress=tell), self._say
            )
        except BrightrunError as error:
            self._complain(error.what, error.fix)
            return
        finally:
            self._at_work = False
        self.dismiss(report)

    def _complain(self, what: str, fix: str) -> None:
        what, fix = cells.plain(what), cells.plain(fix)
        self.query_one("#verdict-text", Flow).show(
            lambda width: [
                *reflow.marked(reflow.text(what, width - 2, "$error"), 2, "✗", "bold $error"),
                *(reflow.marked(reflow.text(fix, width - 2), 2, "→", "bold $accent") if fix else ()),
            ]
        )

    def _say(self, what: str) -> None:
        line = Content.styled(cells.one_line(f"◌ {what}"), "$primary")
        self.query_one("#verdict-text", Flow).show(lambda width: [line])
