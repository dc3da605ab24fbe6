"""What the log of a run asks of the screen around it: a line to type into, a pager, a word where it does not work."""

from __future__ import annotations

from textual import getters, on, work

from brightrun_tui.tui.screens.base import ModeScreen
from brightrun_tui.tui.widgets.filter_bar import FilterBar
from brightrun_tui.tui.widgets.log_view import LogView


class LogActions(ModeScreen):
    """A screen with a `LogView` called ``log`` and a `FilterBar` called ``log-search``."""

    log_view = getters.query_one("#log", LogView)

    @on(LogView.SearchAsked)
    def _search_asked(self) -> None:
        self.query_one("#log-search", FilterBar).open()

    @work(group="ask")
    @on(LogView.JumpAsked)
    async def _jump_asked(self) -> None:
        from brightrun_tui.tui.screens.ask_line import AskLine

        wanted = await self.app.push_screen_wait(
            AskLine("Go to", "A time such as 14:05, or a step such as 120", yes="Go there")
        )
        if wanted is None:
            return
        try:
            found = self.log_view.jump(wanted)
        except ValueError:
            self.app.toast(f"“{wanted}” is neither a time such as 14:05 nor a step.", severity="warning")
            return
        if not found:
            self.app.toast(f"Nothing that is kept of the log is at or after {wanted}.", severity="warning")

    @on(LogView.PagerAsked)
    def _pager_asked(self, event: LogView.PagerAsked) -> None:
        from brightrun_tui.tui.pager import page

        why = page(self.app, event.path)
        if why:
            self.app.toast(why, severity="warning")

    @on(FilterBar.Typed, "#log-search")
    def _search_changed(self, event: FilterBar.Typed) -> None:
        self.log_view.search(event.text)
        if event.done:
            self.log_view.focus()
