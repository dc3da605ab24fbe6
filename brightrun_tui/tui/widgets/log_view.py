"""A log that keeps up: bounded, follows, stands still when you scroll up, and can be searched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from textual import events, work
from textual.color import Color
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.style import Style

from brightrun_tui.domain import humanize
from brightrun_tui.tui.actions import bindings, key_of
from brightrun_tui.tui.widgets.kept_log import KeptLog
from brightrun_tui.tui.widgets.log_lines import Severity, place_of
from brightrun_tui.tui.widgets.log_tail import News
from brightrun_tui.tui.widgets.run_log import RunLog
from brightrun_tui.tui.widgets.titles import retitle

POLL_SECONDS = 0.4
MAX_LINES = 20_000
KEEP_LINES = 16_000
"""Lines left when the oldest are dropped; dropping many at once keeps it cheap."""
MOST_OLDER = 100_000
"""Lines before those that a log opens with that are read when somebody asks for them; beyond these a pager does better."""
LEAST = {Severity.WARNING: "warnings and errors", Severity.ERROR: "errors"}


class LogView(ScrollView, can_focus=True):
    """The newest lines of a run's log."""

    SCOPES = ("log",)
    BINDINGS = bindings("log")

    @dataclass
    class PagerAsked(Message):
        """The person wants to read the whole log in a program of their own: a pager, or an editor."""

        log: RunLog
        edit: bool = False

    class SearchAsked(Message):
        """The person wants to type what to look for."""

    class NothingApart(Message):
        """The person wants to read one machine's log alone, and there is one machine only."""

    class JumpAsked(Message):
        """The person wants to type a time or a step to go to."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._text = KeptLog()
        self._tail = ""
        self._log: RunLog | None = None
        self._machine = ""
        self._reading = False
        self._following = True
        self._unseen = 0
        self._dropped = 0
        self._skipped = 0
        self._older = 0
        self._one_reads = asyncio.Lock()
        self._moves = 0
        self._nothing = ""
        self._over = False
        self._match: int | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything kept, oldest first, shown or not."""
        return tuple(self._text.kept)

    @property
    def following(self) -> bool:
        return self._following

    def on_mount(self) -> None:
        self._timer = self.set_interval(POLL_SECONDS, self._poll)
        self._retitle()

    def on_mouse_scroll_up(self) -> None:
        self._moves += 1

    def on_mouse_scroll_down(self) -> None:
        self._moves += 1

    def follow(self, log: RunLog | None, *, nothing: str = "No run is chosen.", over: bool = False) -> None:
        """Show this log from its end; the same directory again changes nothing. ``nothing``: said where there is none; ``over``:
        the run has ended, and nothing more is expected.
        """
        changed, self._nothing, self._over = over != self._over, nothing, over
        if changed:
            self._retitle()
        if (self._log.path if self._log else None) == (log.path if log else None):
            return
        self._show(log)

    def pause(self) -> None:
        self._timer.pause()

    def resume(self) -> None:
        self._timer.resume()
        self._poll()

    def _show(self, log: RunLog | None, machine: str = "") -> None:
        self._log, self._machine = log, machine
        self._clear()
        self._poll()

    async def find(self, needle: str) -> None:
        """Search, as `search` does, in all of the log: what lies before the lines that are kept is read for it. Whoever has gone
        elsewhere meanwhile stays there.
        """
        self.search(needle)
        moves = self._moves
        await self._read_all()
        if moves == self._moves:
            self.search(needle)

    def search(self, needle: str) -> None:
        """Mark every place where ``needle`` stands, and go to the last one."""
        self._moves += 1
        self._text.search(needle)
        self._match = None
        if self._text.needle:
            self._go_to_match(range(len(self._text.lines) - 1, -1, -1))
        self._retitle()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index, left = y + self.scroll_offset.y, self.scroll_offset.x
        style = self.visual_style
        base = style.rich_style
        lines = self._text.lines
        if index < len(lines):
            text = lines[index]
        elif index == len(lines) and self._tail:
            text = self._tail
        else:
            text = ""
            if not lines and not self._tail and y == self.size.height // 2:
                text = self._nothing.center(width)
                base = (style + Style(foreground=Color.parse(self.app.theme_variables["faint"]))).rich_style
        cells = [Segment(text, base)]
        if self._text.is_match(text):
            cells = self._marked(text, base, index == self._match)
        return Strip(cells, cell_len(text)).crop_extend(left, left + width, base)

    def _marked(self, text: str, base: object, current: bool) -> list[Segment]:
        variables = self.app.theme_variables
        mark = Style(
            background=Color.parse(variables["accent" if current else "block-cursor-background"]),
            foreground=Color.parse(variables["background" if current else "block-cursor-foreground"]),
        ).rich_style
        cells: list[Segment] = []
        folded, needle, place = text.casefold(), self._text.needle, 0
        while (found := folded.find(needle, place)) >= 0 and len(folded) == len(text):
            cells += [Segment(text[place:found], base), Segment(text[found : found + len(needle)], mark)]  # type: ignore[arg-type]
            place = found + len(needle)
        return [*cells, Segment(text[place:], base)]  # type: ignore[arg-type]

    def watch_scroll_y(self, old: float, new: float) -> None:
        super().watch_scroll_y(old, new)
        at_end = new >= self.max_scroll_y
        if at_end and not self._following and new > old:
            self._set_following(True)
        elif not at_end and new < old:
            self._set_following(False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return None if action in ("next_match", "previous_match") and not self._text.needle else True

    def action_follow(self) -> None:
        self._moves += 1
        self._set_following(not self._following)

    def action_search(self) -> None:
        self.post_message(self.SearchAsked())

    def action_pager(self) -> None:
        if self._log is not None:
            self.post_message(self.PagerAsked(self._log))

    def action_editor(self) -> None:
        if self._log is not None:
            self.post_message(self.PagerAsked(self._log, edit=True))

    def action_jump(self) -> None:
        self.post_message(self.JumpAsked())

    def action_levels(self) -> None:
        self._text.least = Severity((self._text.least + 1) % len(Severity))
        self._arrange()

    def action_wrap(self) -> None:
        self._text.wrap = not self._text.wrap
        self._arrange()

    @work(group="log-machine", exclusive=True)
    async def action_machine(self) -> None:
        log = self._log
        if log is None:
            return
        try:
            parts = await asyncio.to_thread(log.parts)
        except OSError:
            parts = ()
        if log is not self._log:
            return
        if len(parts) < 2:
            self.post_message(self.NothingApart())
            return
        part = 0 if log.part is None else log.part + 1
        if part < len(parts):
            self._show(RunLog(log.path, part), f"{parts[part].machine} · {part + 1} of {len(parts)}")
        else:
            self._show(RunLog(log.path))

    async def jump(self, wanted: str) -> bool:
        """Stand still at the first line at or after a time or a step; returns whether there is one. What lies before
        the lines that are kept is read as far as it takes. Raises `ValueError` for what is neither.
        """
        self._moves += 1
        moves, place = self._moves, place_of(self._text.lines, wanted)
        line = "" if place is None else self._text.lines[place]
        while await self._read_older():
            before, place = line, place_of(self._text.lines, wanted)
            line = "" if place is None else self._text.lines[place]
            if line and line == before:
                break
        if place is not None and moves == self._moves:
            self._set_following(False)
            self.scroll_to(y=place, animate=False, force=True)
        return place is not None

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

    async def _to_beginning(self) -> None:
        moves = self._moves
        await self._read_all()
        if moves == self._moves:
            self.scroll_to(y=0, animate=False, force=True)

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

    def _measure(self) -> None:
        self.virtual_size = Size(max(self._text.width, len(self._tail)), len(self._text.lines) + bool(self._tail))

    def action_next_match(self) -> None:
        self._moves += 1
        start = -1 if self._match is None else self._match
        self._go_to_match([*range(start + 1, len(self._text.lines)), *range(start + 1)])

    def action_previous_match(self) -> None:
        self._moves += 1
        count = len(self._text.lines)
        start = count if self._match is None else self._match
        self._go_to_match([*range(start - 1, -1, -1), *range(count - 1, start - 1, -1)])

    def action_down(self) -> None:
        self._moves += 1
        self.scroll_relative(y=1, animate=False)

    def action_up(self) -> None:
        self._up(self.scroll_relative, y=-1)

    def action_page_down(self) -> None:
        self._moves += 1
        self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self._up(self.scroll_page_up)

    def _up(self, scroll: Callable[..., None], **by: int) -> None:
        """Scroll up; from the first line on into what comes before it."""
        self._moves += 1
        if self.scroll_offset.y == 0 and self._log is not None and self._log.unread:
            self._set_following(False)
            self.run_worker(self._read_older(), group="log-older", exit_on_error=True)
        else:
            scroll(animate=False, **by)

    def action_first(self) -> None:
        self._moves += 1
        self._set_following(False)
        self.scroll_to(y=0, animate=False)
        self.run_worker(self._to_beginning(), group="log-older", exit_on_error=True)

    def action_last(self) -> None:
        self._moves += 1
        self._set_following(True)

    def action_left(self) -> None:
        self.scroll_relative(x=-8, animate=False)

    def action_right(self) -> None:
        self.scroll_relative(x=8, animate=False)

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

    def _go_to_match(self, order: Iterable[int]) -> None:
        for index in order:
            if self._text.is_match(self._text.lines[index]):
                self._match = index
                self._set_following(False)
                self.scroll_to(y=max(0, index - self.size.height // 2), animate=False, force=True)
                self.refresh()
                return
        self._match = None

    def _retitle(self) -> None:
        if self._following and (self._over or (self._log is not None and self._log.ended)):
            state = Content.styled("ended", "$muted")
        elif self._following:
            state = Content.styled("following", "$success")
        elif self._unseen:
            state = Content.styled(f"paused · {humanize.count(self._unseen)} new ↓", "bold $accent")
        else:
            state = Content.styled("paused", "$warning")
        parts = [Content("Log"), state] if self._log else [Content("Log")]
        parts += [Content.styled(self._machine, "bold $accent")] if self._machine else []
        text = self._text
        if text.needle:
            count = f"{humanize.count(text.matches)} line{'s' if text.matches != 1 else ''}"
            parts.append(Content(f"“{text.needle}” {count}" if text.matches else f"“{text.needle}” not found"))
        parts += [Content.styled(LEAST[text.least], "bold $warning")] if text.least else []
        parts += [Content("wrapped")] if text.wrap else []
        left_out = [f"{humanize.count(self._dropped)} older lines dropped"] if self._dropped else []
        before = self._log.unread if self._log else 0
        key = key_of("log.pager" if self._older >= MOST_OLDER else "log.first")
        left_out += [f"{humanize.size(before)} before this ({key} reads it)"] if before else []
        left_out += [f"{humanize.size(self._skipped)} skipped"] if self._skipped else []
        retitle(self, Content("  ").join(parts), " · ".join(left_out))
