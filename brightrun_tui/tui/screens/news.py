"""What has happened, newest first: read and unread, and from each to the run or model that it is about."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import OptionList

from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.notices import Level
from brightrun_tui.domain.notification import Notification
from brightrun_tui.store import notifications
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import cells, reflow
from brightrun_tui.tui.widgets.reflow import Flow
from brightrun_tui.tui.widgets.rows import ListRow, RowList

GLYPHS = {Level.INFO: ("✓", "$success"), Level.WARNING: ("!", "$warning"), Level.ERROR: ("✗", "$error")}
_ABOUT = 22


class NewsScreen(Dialog[Notification]):
    """Answers what was chosen with enter. Whatever was shown counts as read once it is closed."""

    def __init__(self) -> None:
        super().__init__("News", classes="-large -news")

    def compose_body(self) -> ComposeResult:
        yield RowList(id="news")
        yield Flow(id="news-words")

    def on_mount(self) -> None:
        self.query_one(RowList).focus()
        self._show(self.app.snapshot)
        self.app.snapshot_signal.subscribe(self, self._show)

    def on_unmount(self) -> None:
        newest = self.app.snapshot.news[0].id if self.app.snapshot.news else 0
        if newest and not self.app.read_only:
            self.app.run_worker(self._read(newest), group="news-read", exit_on_error=False)

    async def _read(self, newest: int) -> None:
        try:
            await notifications.mark_read(await self.app.opened_store(), up_to=newest)
        except BrightrunError as error:
            self.app.show_error(error)
        self.app.look_now()

    def _show(self, snapshot: Snapshot) -> None:
        age = [(one, humanize.ago(one.time)) for one in snapshot.news]
        self.query_one(RowList).show([ListRow(str(one.id), (one, ago), partial(row_of, one, ago)) for one, ago in age])
        self._show_words()

    @property
    def _chosen(self) -> Notification | None:
        chosen = self.query_one(RowList).chosen
        return next((one for one in self.app.snapshot.news if str(one.id) == chosen), None)

    def on_option_list_option_highlighted(self) -> None:
        self._show_words()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._chosen)

    def _show_words(self) -> None:
        one = self._chosen
        self.query_one("#news-words", Flow).show(lambda width: words_of(one, width))


def row_of(one: Notification, ago: str, width: int) -> Content:
    """Return a line: unread mark, level, what it is about, what happened, and when."""
    glyph, style = GLYPHS[one.level]
    about = min(_ABOUT, width // 4)
    room = max(8, width - 4 - about - 1 - len(ago) - 1)
    return Content.assemble(
        ("  " if one.read_at else "● ", "bold $accent"),
        (f"{glyph} ", style),
        (cells.fit(one.subject, about), "bold" if not one.read_at else ""),
        " ",
        cells.fit(one.message, room),
        (f" {ago}", "$faint"),
    )


def words_of(one: Notification | None, width: int) -> reflow.Lines:
    """Return the whole sentence, and what enter does."""
    if one is None:
        return reflow.text(
            "Nothing has happened yet. When a run ends, fails or needs you, you see it here.", width, "$muted"
        )
    goes = "enter shows the run" if one.run_id else "enter shows the model" if one.model else ""
    return [
        *reflow.text(one.message, width, most=4),
        Content.styled("  ·  ".join(part for part in (one.kind.words, humanize.day(one.time), goes) if part), "$muted"),
    ]
