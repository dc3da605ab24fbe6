"""A log that keeps up: bounded, follows, stands still when you scroll up, and can be searched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from textual import work
from textual.content import Content
from textual.message import Message

from brightrun_tui.domain import humanize
from brightrun_tui.tui.actions import bindings, key_of
from brightrun_tui.tui.widgets.log_follower import MOST_OLDER, LogFollower
from brightrun_tui.tui.widgets.log_lines import Severity, place_of
from brightrun_tui.tui.widgets.run_log import RunLog
from brightrun_tui.tui.widgets.titles import retitle

LEAST = {Severity.WARNING: "warnings and errors", Severity.ERROR: "errors"}


class LogView(LogFollower, can_focus=True):
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
        self._machine = ""
        self._moves = 0
        self._over = False

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

    async def _to_beginning(self) -> None:
        moves = self._moves
        await self._read_all()
        if moves == self._moves:
            self.scroll_to(y=0, animate=False, force=True)

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
