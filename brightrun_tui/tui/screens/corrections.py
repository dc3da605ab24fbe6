"""What a model should have answered: what became of it, and the next version that learns it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import OptionList

from brightrun_tui import registry
from brightrun_tui.domain import humanize
from brightrun_tui.domain.correction import Correction, CorrectionOutcome
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.files import plain_disk_errors
from brightrun_tui.planning.draft import Draft
from brightrun_tui.serving import KeptAnswer, keep_answers, keeps_answers, read_answers
from brightrun_tui.store import corrections as store
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Confirm, Dialog
from brightrun_tui.tui.screens.pick import Choice, PickScreen
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.reflow import Flow, Lines
from brightrun_tui.tui.widgets.rows import ListRow, RowList
from brightrun_tui.tui.widgets.titles import retitle

ASKED_FIRST = (
    "From now on its endpoint keeps what it is asked and what it answers, in a file that only you can read, so that you can find "
    "wrong answers and correct them. Whoever asks should know. End it: brightrun endpoints answers NAME --forget"
)
Outcomes = dict[int, tuple[str, CorrectionOutcome]]
MOST_SHOWN = 200
MARKS = {"right": ("✓ right", "$success"), "wrong": ("✗ wrong", "$error"), "partly": ("~ partly right", "$warning")}
NONE_YET = (
    "No corrections yet. Chat with the model (c); where an answer is wrong, press F3 and write what it should have been. "
    "Or choose from what its endpoint answered (e). From here the corrections become new training data, and its next version "
    "learns them."
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
                ListRow(str(each.id), (each, self._outcomes.get(each.id)), partial(_row, each, self._outcomes))
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
    async def action_from_endpoint(self) -> None:
        """Choose one of the answers that endpoints of this model gave, and write the right one in its place."""
        from brightrun_tui.tui.screens.correct import CorrectScreen

        served = [
            each for each in self.app.snapshot.endpoints if each.model == self._model.name and not each.base_alone
        ]
        directories = [Path(each.directory) for each in served]
        try:
            kept = await asyncio.to_thread(_kept, directories)
            if not kept:
                await self._offer_to_keep(directories)
                return
            choices = [
                Choice(each.id, cells.one_line(each.question), humanize.clock(each.time), cells.one_line(each.answer))
                for each in kept
            ]
            chosen = await self.app.push_screen_wait(PickScreen("Which answer is wrong?", choices))
            found = next((each for each in kept if each.id == chosen), None)
            if found is None:
                return
            wanted = await self.app.push_screen_wait(CorrectScreen(found.ref, found.question, found.answer))
            if wanted is None:
                return
            await registry.correct(self.app.db, found.ref, found.conversation, wanted, answer=found.answer)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        self._read()
        self.app.look_now()

    async def _offer_to_keep(self, directories: Sequence[Path]) -> None:
        if not directories:
            self.app.toast("Deploy it first; then what it is asked can be kept.", title="Nothing serves this model")
        elif all(map(keeps_answers, directories)):
            self.app.toast("It has not been asked anything since.", title="No answers are kept yet")
        elif await self.app.push_screen_wait(Confirm("Keep its answers", ASKED_FIRST, yes="Keep them", danger=False)):
            await asyncio.to_thread(_keep_all, directories)
            self.app.toast(
                f"What {self._model.name} is asked and answers is kept from now on.", title="Answers are kept"
            )

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
            made = await self._make_dataset()
        except BrightrunError as error:
            self.app.show_error(error)
            return
        if made is None:
            return
        self.app.look_now()
        many = "s" if made.new > 1 else ""
        self.app.toast(f"{made.report.name}: {made.new} correction{many} added. {made.before} stays as it is.")
        self.dismiss(made.draft)

    async def _make_dataset(self) -> registry.CorrectedDataset | None:
        """Make a dataset from the data that the model was made from, or from what a person names where that is not
        here; None where they name none.

        Raises:
            BrightrunError: as `registry.make_dataset`.
        """
        from brightrun_tui.tui.screens.data import DataScreen

        make = partial(registry.make_dataset, self.app.db, self.app.paths, self._model.name)
        try:
            return await make()
        except BrightrunError as error:
            if error.kind != ErrorKind.DATASET_MISSING:
                raise
            self.app.toast(f"{error.what[0].upper()}{error.what[1:]}. Choose what to add the corrections to.")
        chosen = await self.app.push_screen_wait(DataScreen(self.app.snapshot.datasets, ""))
        if chosen is None:
            return None
        known = {each.name: each.path for each in self.app.snapshot.datasets}
        return await make(data=known.get(chosen.word, chosen.word))


def _kept(directories: Sequence[Path]) -> list[KeptAnswer]:
    """Return the newest answers of these endpoints. Blocking."""
    with plain_disk_errors(directories[0] if directories else Path()):
        found = [answer for directory in directories for answer in read_answers(directory, MOST_SHOWN)]
    return sorted(found, key=lambda answer: -answer.time)[:MOST_SHOWN]


def _keep_all(directories: Sequence[Path]) -> None:
    for directory in directories:
        with plain_disk_errors(directory):
            keep_answers(directory, True)


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
