"""What the log of a run asks of the screen around it: a line to type into, a pager, a word where it does not work."""

from __future__ import annotations

import asyncio

from textual import getters, on, work

from brightrun_tui.tui.screens.mode_screen import ModeScreen
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
            found = await self.log_view.jump(wanted)
        except ValueError:
            self.app.toast(f"“{wanted}” is neither a time such as 14:05 nor a step.", severity="warning")
            return
        if not found:
            self.app.toast(f"Nothing that is kept of the log is at or after {wanted}.", severity="warning")

    @work(group="pager")
    @on(LogView.PagerAsked)
    async def _pager_asked(self, event: LogView.PagerAsked) -> None:
        from brightrun_tui.tui.pager import edit, page

        try:
            paths = await asyncio.to_thread(event.log.readable, self.app.paths.cache / "logs")
        except OSError as error:
            self.app.toast(f"The log cannot be read ({error.strerror}).", severity="warning")
            return
        why = (edit if event.edit else page)(self.app, paths) if paths else "There is no log yet."
        if why:
            self.app.toast(why, severity="warning")

    @on(LogView.NothingApart)
    def _nothing_apart(self) -> None:
        self.app.toast("All of this log comes from one machine.")

    @work(group="search")
    @on(FilterBar.Typed, "#log-search")
    async def _search_changed(self, event: FilterBar.Typed) -> None:
        if event.done:
            self.log_view.focus()
        await self.log_view.find(event.text) if event.done and event.text else self.log_view.search(event.text)
