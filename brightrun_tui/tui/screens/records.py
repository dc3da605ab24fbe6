"""Records of a dataset one after the other: with their place, as text or as the tokens of the base model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from brightrun_tui.datasets.concerned import EntryReader
from brightrun_tui.datasets.reading import EntryOutcome
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.objective import DEFAULT_OBJECTIVE
from brightrun_tui.domain.token_view import TokenView
from brightrun_tui.planning.token_views import TokenViews
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.screens.telling import told
from brightrun_tui.tui.widgets import cells, record_text, reflow
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.sanitize import sanitize_content
from brightrun_tui.tui.widgets.titles import retitle

TEXT, TOKENS, BORDERS = "text", "tokens", "tokens with borders"
_NEXT_VIEW = {TEXT: TOKENS, TOKENS: BORDERS, BORDERS: TEXT}


@dataclass
class RecordSource:
    """Where records are read, and how they become tokens. ``taken``: the numbers of those that are marked to be taken out."""

    reader: EntryReader
    others: EntryReader
    views: TokenViews
    base: str
    max_length: int = 0
    objective: str = DEFAULT_OBJECTIVE
    taken: set[int] = field(default_factory=set)


class RecordsScreen(Dialog[None]):
    """Some entries of a dataset; ``like`` are those that they are compared with, where there are any."""

    SCOPES = ("records", "modal")
    BINDINGS = bindings("records")

    def __init__(self, title: str, source: RecordSource, entries: Sequence[int], like: Sequence[int] = ()) -> None:
        super().__init__(title, classes="-large -records")
        self._source, self._entries, self._like = source, entries, like
        self._place = 0
        self._view = TEXT
        self._outcome: EntryOutcome | None = None

    def compose_body(self) -> ComposeResult:
        yield Static("", id="record-head", markup=False)
        with VerticalScroll(id="verdict", can_focus=True):
            yield Flow(id="verdict-text")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()
        self._show()

    def action_following(self) -> None:
        self._go(self._place + 1)

    def action_preceding(self) -> None:
        self._go(self._place - 1)

    def action_first(self) -> None:
        self._go(0)

    def action_last(self) -> None:
        self._go(len(self._entries) - 1)

    def _go(self, place: int) -> None:
        place = max(0, min(len(self._entries) - 1, place))
        if place != self._place:
            self._place = place
            self.query_one(VerticalScroll).scroll_home(animate=False)
            self._show()

    @work(group="ask", exclusive=True)
    async def action_go(self) -> None:
        from brightrun_tui.tui.screens.ask_line import AskLine

        last = f"{len(self._entries):,}"
        typed = await self.app.push_screen_wait(AskLine("Go to a record", f"Its number, from 1 to {last}", yes="Go"))
        if typed and typed.isdecimal() and 1 <= int(typed) <= len(self._entries):
            self._go(int(typed) - 1)
        elif typed:
            said = f"There is no record {cells.one_line(typed)} here; the last one is {last}."
            self.app.toast(said, severity="warning")

    def action_tokens(self) -> None:
        self._view = _NEXT_VIEW[self._view]
        self._show()

    def action_take_out(self) -> None:
        self._source.taken.symmetric_difference_update({self._number})
        self._say_head()

    @property
    def _number(self) -> int:
        return int(self._entries[self._place])

    def _say_head(self, like: str = "") -> None:
        """Say where the record is, and what is to become of it."""
        place = self._outcome.place if self._outcome else ""
        out = "   ✗ marked to be taken out" if self._number in self._source.taken else ""
        unusable = self._outcome is not None and self._outcome.record is None
        view = "" if self._view == TEXT or unusable else f" · as {cells.one_line(self._source.base)} sees it"
        said = f"{place}{f', as {like}' if like else ''}{view}"
        head = Content.assemble((cells.one_line(said), "bold $primary"), (out, "bold $error"))
        self.query_one("#record-head", Static).update(sanitize_content(head))
        retitle(self.query_one(".dialog"), self._title, f"{self._place + 1:,} of {len(self._entries):,}")

    @work(exclusive=True, group="record")
    async def _show(self) -> None:
        """Read the entry, and show it as it is wanted."""
        number = self._number
        try:
            self._outcome = await self._entry(self._source.reader, number)
            compared = self._place < len(self._like)
            like = (await self._entry(self._source.others, int(self._like[self._place]))).place if compared else ""
            self._say_head(like)
            record = self._outcome.record
            view: TokenView | None = None
            if self._view != TEXT and record is not None:
                self._say("making tokens; the first time takes some seconds")
                source = self._source
                view = await told(lambda tell: source.views.of(record, source.objective), self._say)
        except BrightrunError as error:
            what, fix = cells.plain(error.what), cells.plain(error.fix)
            self._lines(
                lambda width: [
                    *reflow.marked(reflow.text(what, width - 2, "$error"), 2, "✗", "bold $error"),
                    *reflow.marked(reflow.text(fix, width - 2), 2, "→", "bold $accent"),
                ]
            )
            return
        except IndexError:
            self._say("the file changed: this record is gone")
            return
        found = self._outcome
        if view is None:
            self._lines(lambda width: record_text.outcome(found, width))
        else:
            shown, borders = view, self._view == BORDERS
            limit = min((each for each in (self._source.max_length, view.context) if each), default=0)
            self._lines(lambda width: record_text.tokens(shown, limit, width, borders=borders))

    async def _entry(self, reader: EntryReader, number: int) -> EntryOutcome:
        """Read an entry, and show how far the reading is, which takes a while in a large file."""
        return await told(
            lambda tell: reader.at(number, lambda read: tell(f"{read:,} records read", read / number)), self._say
        )

    def _lines(self, build: reflow.Build) -> None:
        self.query_one("#verdict-text", Flow).show(build)

    def _say(self, what: str) -> None:
        line = Content.styled(cells.one_line(f"◌ {what}"), "$primary")
        self._lines(lambda width: [line])
