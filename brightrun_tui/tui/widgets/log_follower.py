"""Following a log on the screen: reading on, staying at the end or standing still, and reading what comes before."""

from __future__ import annotations

import asyncio

from textual import events
from textual.geometry import Size

from brightrun_tui.tui.widgets.log_canvas import LogCanvas
from brightrun_tui.tui.widgets.log_lines import Severity
from brightrun_tui.tui.widgets.log_tail import News
from brightrun_tui.tui.widgets.run_log import RunLog

POLL_SECONDS = 0.4
MAX_LINES = 20_000
KEEP_LINES = 16_000
"""Lines left when the oldest are dropped; dropping many at once keeps it cheap."""
MOST_OLDER = 100_000
"""Lines before those that a log opens with that are read when somebody asks for them; beyond these a pager does better."""


class LogFollower(LogCanvas):
    """Reads a run's log on while it is seen. A subclass says how it is."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._log: RunLog | None = None
        self._reading = False
        self._following = True
        self._unseen = 0
        self._dropped = 0
        self._skipped = 0
        self._older = 0
        self._one_reads = asyncio.Lock()

    def _retitle(self) -> None:
        """Show how the log is: followed or not, and what of it is left out."""
        raise NotImplementedError

    @property
    def following(self) -> bool:
        return self._following

    def on_mount(self) -> None:
        self._timer = self.set_interval(POLL_SECONDS, self._poll)
        self._retitle()

    def pause(self) -> None:
        self._timer.pause()

    def resume(self) -> None:
        self._timer.resume()
        self._poll()

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        at_end = new >= self.max_scroll_y
        if at_end and not self._following and new > old:
            self._set_following(True)
        elif not at_end and new < old:
            self._set_following(False)

    def on_resize(self, event: events.Resize) -> None:
        if self._text.wrap:
            self._arrange()
        elif self._following:
            self.call_after_refresh(self._keep_up)

    def _poll(self) -> None:
        if self._log is not None and not self._reading and self.is_mounted and self.display:
            self._reading = True
            self.run_worker(self._read(self._log), group="log", exit_on_error=True)

    async def _read(self, log: RunLog) -> None:
        try:
            news = await asyncio.to_thread(log.read)
        except OSError as error:
            said = f"the log cannot be read ({error.strerror})"
            news = News(lines=(said,)) if said not in self._text.kept[-1:] else None
        finally:
            self._reading = False
        if news is not None and log is self._log:
            self._take(news)
        elif log.part is not None:  # another machine may have gone on
            self._retitle()

    def _take(self, news: News) -> None:
        if news.restarted:
            self._clear()
        self._skipped += news.skipped
        self._text.room = self.scrollable_content_region.width
        fresh = self._text.add(news.lines)
        tail = news.tail if self._text.least is Severity.INFO else ""
        tail_changed, self._tail = self._tail != tail, tail
        if len(self._text.kept) > MAX_LINES + self._older:
            self._drop(len(self._text.kept) - KEEP_LINES - self._older)
        if not self._following:
            self._unseen += fresh
        if fresh or tail_changed:
            self._measure()
            if self._following:
                self._to_end()
            self.refresh()
        self._retitle()

    def _drop(self, dropped: int) -> None:
        count = self._text.drop(dropped)
        if self._log is not None:
            self._log.forget(dropped)
        self._dropped += dropped
        self._match = None if self._match is None or self._match < count else self._match - count
        if not self._following:
            self.scroll_to(y=max(0, self.scroll_offset.y - count), animate=False, force=True)

    def _clear(self) -> None:
        self._text.clear()
        self._tail, self._match = "", None
        self._unseen = self._dropped = self._skipped = self._older = 0
        self._following = True
        self.virtual_size = Size(0, 0)
        self._retitle()
        self.refresh()

    async def _read_all(self) -> None:
        """Read what lies before the lines that are kept, too, up to `MOST_OLDER` of them."""
        while await self._read_older():
            pass

    async def _read_older(self) -> bool:
        """Read a piece of what lies before; returns whether there was one, and room for it."""
        log = self._log
        async with self._one_reads:
            if log is None or log is not self._log or not log.unread or self._older >= MOST_OLDER:
                return False
            try:
                pieces = await asyncio.to_thread(log.older)
            except OSError:
                return False
        if log is not self._log:
            return False
        before = len(self._text.lines)
        for place, lines in pieces:
            self._text.kept[place:place] = lines
            self._older += len(lines)
        stood = self.scroll_offset.y
        self._arrange()
        if not self._following:
            self.scroll_to(y=stood + len(self._text.lines) - before, animate=False, force=True)
        return True

    def _arrange(self) -> None:
        """Make what is shown anew from what is kept."""
        self._text.room = self.scrollable_content_region.width
        self._text.arrange()
        self._match = None
        self._measure()
        if self._following:
            self.call_after_refresh(self._keep_up)
        self._retitle()
        self.refresh()

    def _set_following(self, following: bool) -> None:
        self._following = following
        if following:
            self._unseen = 0
            self._to_end()
        self._retitle()

    def _keep_up(self) -> None:
        """Stay at the end, unless somebody has gone elsewhere meanwhile."""
        if self._following:
            self._to_end()

    def _to_end(self) -> None:
        self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        self.vertical_scrollbar.position = self.scroll_y
