"""What was found in a dataset, one finding after the other: each opens the records that it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread

from textual import work
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from brightrun_tui.datasets import Examined
from brightrun_tui.datasets.concerned import EntryReader
from brightrun_tui.datasets.reading import EntryOutcome
from brightrun_tui.datasets.repairing import droppable
from brightrun_tui.domain.dataset import DatasetReport, Problem
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.settings import RunSettings
from brightrun_tui.domain.token_lengths import TokenLengths
from brightrun_tui.planning.dataset_reports import examined
from brightrun_tui.planning.token_lengths import token_lengths
from brightrun_tui.planning.token_views import TokenViews, has_tokenizer
from brightrun_tui.store import datasets
from brightrun_tui.tui.actions import bindings, key_of
from brightrun_tui.tui.screens.dialog import Confirm, Dialog
from brightrun_tui.tui.screens.records import RecordSource, RecordsScreen
from brightrun_tui.tui.screens.repair import RepairScreen
from brightrun_tui.tui.screens.telling import told
from brightrun_tui.tui.widgets import cells, length_text, plan_text, record_text, reflow
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.titles import retitle

SHOWN_AT_ONCE = 3
ALL = "all"
"""The first choice: every record."""


class ReportScreen(Dialog[DatasetReport]):
    """The report of a dataset; answers a repaired version of it, where one was made."""

    SCOPES = ("report", "modal")
    BINDINGS = bindings("report")

    def __init__(
        self, word: str, columns: Mapping[str, str], base: str, settings: RunSettings | None = None, *, name: str = ""
    ) -> None:
        """Report on the dataset named ``word``; ``base`` and ``settings`` say how its records become tokens."""
        super().__init__(f"Conversations of {name or word}", classes="-large -data")
        self._word, self._columns = word, dict(columns)
        self._base, self._settings = base, settings
        self._found: Examined | None = None
        self._source: RecordSource | None = None
        self._tokens: TokenLengths | None = None
        self._why_no_tokens = ""

    def compose_body(self) -> ComposeResult:
        yield OptionList(id="choices", markup=False, compact=True)
        with Reading(id="verdict"):
            yield Flow(id="verdict-text")

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self._read()

    def on_screen_resume(self) -> None:
        """Show how many records are marked, which may have changed meanwhile."""
        marked = len(self._source.taken) if self._source else 0
        said = f"{marked:,} marked to be taken out: {key_of('report.repair')}" if marked else ""
        retitle(self.query_one(".dialog"), self._title, Content.styled(said, "$error"))

    async def action_dismiss(self, result: DatasetReport | None = None) -> None:
        if self._source and self._source.taken:
            self._leave_marks(len(self._source.taken))
        else:
            self.dismiss(None)

    @work(group="ask", exclusive=True)
    async def _leave_marks(self, marked: int) -> None:
        """Ask before leaving: marks are for a new version, and are lost without one."""
        many = f"{marked:,} records are" if marked > 1 else "A record is"
        question = f"{many} marked to be taken out, and no new version was made ({key_of('report.repair')} makes one)."
        if await self.app.push_screen_wait(Confirm("Leave", question, yes="Leave", danger=False)):
            self.dismiss(None)

    def on_unmount(self) -> None:
        if self._source:
            Thread(target=self._source.views.close, daemon=True).start()

    @work(exclusive=True, group="read")
    async def _read(self) -> None:
        """Examine the dataset, which is mostly known already, and list what was found."""
        try:
            found = await told(lambda tell: examined(self._word, self._columns, self.app.paths, tell), self._say)
        except BrightrunError as error:
            self.app.show_error(error)
            self.dismiss(None)
            return
        self._found = found
        settings, path = self._settings, found.report.path
        self._source = RecordSource(
            EntryReader(path, found.report.columns),
            EntryReader(path, found.report.columns),
            TokenViews(self._base, self.app.paths),
            self._base,
            settings.data.max_length if settings else 0,
            settings.training.objective if settings else DEFAULT_OBJECTIVE,
        )
        every = Content.assemble((f"{found.report.records:,} records", "bold"), ("  all of them, one by one", "$muted"))
        options = self.query_one(OptionList)
        options.set_options(
            [Option(every, id=ALL), *(Option(self._prompt(each), id=each.kind) for each in found.report.problems)]
        )
        options.highlighted = 0
        self.refresh_bindings()
        self._count_tokens(found, self._source)

    @work(exclusive=True, group="tokens")
    async def _count_tokens(self, found: Examined, source: RecordSource) -> None:
        """Count how long the records are for the base, where its tokenizer is on this machine."""

        def say(why: str) -> None:
            self._why_no_tokens = why
            self._show_whole()

        try:
            if not await asyncio.to_thread(has_tokenizer, self._base, self.app.paths):
                say(f"not in tokens: the tokenizer of {self._base} is not on this machine yet")
                return
            say(f"counting tokens of {self._base} …")
            settings = self._settings or RunSettings()
            self._tokens = await told(
                lambda tell: token_lengths(found, source.views, self._base, settings, tell),
                lambda what: say(f"{what} …"),
            )
        except BrightrunError as error:
            say(f"not in tokens: {error.what}")
        self._show_whole()

    def _show_whole(self) -> None:
        """Show the whole again, where it is what is shown."""
        option = self.query_one(OptionList).highlighted_option
        if self._found and option and option.id == ALL:
            self._show_all(self._found)

    def _show_all(self, found: Examined) -> None:
        report, tokens, why = found.report, self._tokens, self._why_no_tokens

        def build(width: int) -> reflow.Lines:
            lengths = length_text.in_tokens(tokens, width) if tokens else length_text.in_characters(report, why, width)
            return [*_whole(report, width), Content(""), *lengths, Content(""), *plan_text.conversations(report, width)]

        self._show(build)

    def _prompt(self, problem: Problem) -> Content:
        mark, style = ("·", "$muted") if problem.remark else ("!", "bold $warning")
        said = f"{problem.count:,} {problem.what}"
        return Content.assemble((f"{mark} ", style), cells.one_line(said))

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if self._found is None:
            return
        report = self._found.report
        if event.option_id == ALL:
            self.workers.cancel_group(self, "first")
            self._show_all(self._found)
            return
        problem = next(each for each in report.problems if each.kind == event.option_id)
        self._show_finding(problem, self._found, [])
        self._read_first(problem, self._found)

    @work(exclusive=True, group="first")
    async def _read_first(self, problem: Problem, found: Examined) -> None:
        """Read the first records that a finding is about, below it."""
        read: list[EntryOutcome] = []
        with suppress(BrightrunError, IndexError):  # reading all of them tells
            for number in found.entries.get(problem.kind, ())[:SHOWN_AT_ONCE]:
                read.append(await self._entry(number))
                self._show_finding(problem, found, list(read))

    async def _entry(self, number: int) -> EntryOutcome:
        assert self._source, "there since the dataset was examined"
        reader = self._source.reader
        return await told(lambda tell: reader.at(number, lambda read: tell("", 0.0)), lambda what: None)

    def _show_finding(self, problem: Problem, found: Examined, read: list[EntryOutcome]) -> None:
        there, droppable_too = bool(found.entries.get(problem.kind)), problem.kind in droppable(found)
        self._show(
            lambda width: [
                *_about(problem, there, droppable_too, width),
                *(line for each in read for line in (Content(""), *record_text.outcome(each, width))),
            ]
        )

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._open(event.option_id or ALL)

    def _open(self, kind: str) -> None:
        if self._found is None or self._source is None:
            return
        if kind == ALL:
            entries = range(self._found.report.records)
            self.app.push_screen(RecordsScreen(self._title, self._source, entries))
            return
        if concerned := self._found.entries.get(kind):
            problem = next(each for each in self._found.report.problems if each.kind == kind)
            title = cells.one_line(f"{problem.count:,} {problem.what}")
            self.app.push_screen(RecordsScreen(title, self._source, concerned, self._found.like.get(kind, ())))
        else:
            self.app.toast("This is about the file as a whole, not about single records.")

    @work(group="ask", exclusive=True)
    async def action_repair(self) -> None:
        """Make a new version."""
        if self._found is None or self._source is None:
            return
        option = self.query_one(OptionList).highlighted_option
        report = await self.app.push_screen_wait(
            RepairScreen(
                self._found,
                frozenset(self._source.taken),
                first=option.id or "" if option else "",
                name=self._word if self._is_name else "",
            )
        )
        if report is None:
            return
        try:
            await datasets.add(self.app.db, report)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        self.app.look_now()
        self.app.toast(f"{report.name}: {report.usable:,} records. The original stays as it is.")
        self.dismiss(report)

    @property
    def _is_name(self) -> bool:
        return any(known.name == self._word for known in self.app.snapshot.datasets)

    def _show(self, build: reflow.Build) -> None:
        self.query_one("#verdict-text", Flow).show(build)

    def _say(self, what: str) -> None:
        line = Content.styled(cells.one_line(f"◌ {what}"), "$primary")
        self._show(lambda width: [line])


def _whole(report: DatasetReport, width: int) -> reflow.Lines:
    lines = plan_text.data_report(report, width, problems=0, more="", with_lengths=False)
    if len(report.languages.shares) == 1:
        lines += plan_text.languages(report, width)
    if report.origin:
        said = f"made from {report.origin.name}: {'; '.join(report.origin.done)}"
        lines += reflow.marked(reflow.text(cells.plain(said), width - 4, "$muted"), 4, "  ↳", "$line")
    for name, values in report.categories.items():
        counts = ", ".join(f"{value} {count:,}" for value, count in list(values.items())[:12])
        lines += reflow.marked(reflow.text(cells.plain(f"{name}: {counts}"), width - 4, "$muted"), 4, "  ·", "$line")
    return lines


def _about(problem: Problem, there: bool, droppable_too: bool, width: int) -> reflow.Lines:
    """Return a finding with the first places, and what to do about it."""
    lines = reflow.text(cells.plain(f"{problem.count:,} {problem.what}"), width, "bold")
    if problem.places:
        first = "first: " + "; ".join(problem.places)
        lines += reflow.text(cells.plain(first), width, "$muted")
    if problem.fix:
        lines += reflow.marked(reflow.text(cells.plain(problem.fix), width - 2), 2, "→", "bold $accent")
    said = "enter shows the records" if there else "about the file as a whole"
    said += "; r makes a version without them" if droppable_too else ""
    return [*lines, Content(""), *reflow.text(said, width, "$muted")]
