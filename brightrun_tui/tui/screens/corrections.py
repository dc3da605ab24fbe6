"""What a model should have answered: what became of it, and the next version that learns it."""

from __future__ import annotations

from functools import partial

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList

from brightrun_tui import registry
from brightrun_tui.domain import humanize
from brightrun_tui.domain.correction import Correction, CorrectionOutcome
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.planning.draft import Draft
from brightrun_tui.store import corrections as store
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.reflow import Flow, Lines
from brightrun_tui.tui.widgets.rows import Row, RowList
from brightrun_tui.tui.widgets.titles import retitle

Outcomes = dict[int, tuple[str, CorrectionOutcome]]
MARKS = {"right": ("✓ right", "$success"), "wrong": ("✗ wrong", "$error"), "partly": ("~ partly right", "$warning")}
NONE_YET = (
    "No corrections yet. Chat with the model (c); where an answer is wrong, press F3 and write what it should have been. "
    "From here the corrections become new training data, and its next version learns them."
)


class CorrectionsScreen(Dialog[Draft]):
    """Every correction of a model; answers the draft of the run that learns from them."""

    SCOPES = ("corrections", "modal")
    BINDINGS = bindings("corrections")

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Corrections of {model.name}", classes="-large -corrections")
        self._model = model
        self._found: list[Correction] = []
        self._outcomes: Outcomes = {}

    def compose_body(self) -> ComposeResult:
        yield RowList(id="corrections")
        with VerticalScroll(can_focus=True):
            yield Flow(id="correction")

    def on_mount(self) -> None:
        self.query_one(RowList).focus()
        self._read()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action in ("train", "remove") and not self._found else True

    @work(group="read", exclusive=True)
    async def _read(self) -> None:
        try:
            self._found = (await store.of_model(self.app.db, self._model.name))[::-1]
            self._outcomes = await registry.outcomes_of(self.app.db, self._model.name)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        rows = self.query_one(RowList)
        rows.display = bool(self._found)
        rows.show(
            [
                Row(str(each.id), (each, self._outcomes.get(each.id)), partial(_row, each, self._outcomes))
                for each in self._found
            ]
        )
        waiting = sum(each.waiting for each in self._found)
        retitle(self.query_one(".dialog"), self._title, f"{len(self._found)}, {waiting} waiting")
        self._show()
        self.refresh_bindings()

    @property
    def _chosen(self) -> Correction | None:
        chosen = self.query_one(RowList).chosen
        return next((each for each in self._found if str(each.id) == chosen), None)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        self._show()

    def _show(self) -> None:
        self.query_one("#correction", Flow).show(partial(_details, self._chosen, self._outcomes))

    @work(group="ask", exclusive=True)
    async def action_remove(self) -> None:
        chosen = self._chosen
        if chosen is None:
            return
        try:
            await store.remove(self.app.db, chosen.model, chosen.id)
        except BrightrunError as error:
            self.app.show_error(error)
        self._read()
        self.app.look_now()

    @work(group="ask", exclusive=True)
    async def action_train(self) -> None:
        try:
            made = await registry.make_dataset(self.app.db, self.app.paths, self._model.name)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        self.app.look_now()
        many = "s" if made.new > 1 else ""
        self.app.toast(f"{made.report.name}: {made.new} correction{many} added. {made.before} stays as it is.")
        self.dismiss(made.draft)


def _row(each: Correction, outcomes: Outcomes, width: int) -> Content:
    word, style = _state(each, outcomes)
    room = max(10, width - 18)
    return Content.assemble(cells.fit(each.question, room), "  ", (cells.fit(word, 16), style))


def _state(each: Correction, outcomes: Outcomes) -> tuple[str, str]:
    if each.id in outcomes:
        return MARKS.get(outcomes[each.id][1].mark, ("? not clear", "$muted"))
    return ("waits", "$primary") if each.waiting else ("in new data", "$muted")


def _details(each: Correction | None, outcomes: Outcomes, width: int) -> Lines:
    if each is None:
        return reflow.text(Content.styled(NONE_YET, "$muted"), width)
    by = f"{each.author}, {humanize.day(each.created_at)}, about {each.model}:{each.version}"
    parts = [("", by), ("asked", each.question), ("answered", each.answer), ("right", each.wanted)]
    if each.dataset:
        parts.append(("data", each.dataset))
    if each.id in outcomes:
        ref, outcome = outcomes[each.id]
        parts.append((f"{ref} answers, {_state(each, outcomes)[0]}", outcome.answer))
    lines: Lines = []
    for title, text in parts:
        if text:
            lines += reflow.text(Content.styled(title, "bold $muted"), width) if title else []
            lines += reflow.text(Content(cells.plain(text)), width)
            lines.append(Content(""))
    return lines
