"""The first line: brand, the four screens, and whether the engine works and what it costs."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from brightrun_tui.domain import humanize
from brightrun_tui.tui.actions import BY_ID, key_of
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import run_text

NARROW, WIDE, ROOMY = 70, 110, 120
"""Columns below which tabs of screens that are not shown are their keys; from which on there are whole words; and the month."""
KEYS = 32
"""Cells of the tabs then; where there is no room for all the rest, it says what is paid, else the lamp of the engine."""
READ_ONLY = "read-only "
COUNTED = "monitor"
"""The tab with the number of unread news."""
TABS = ("integrations", "new_run", "monitor", "registry")


class Tab(Static):
    """One of the four screens; a click goes there."""

    def __init__(self, mode: str, active: bool) -> None:
        super().__init__(classes="tab -active" if active else "tab")
        self.mode, self._active, self._shown = mode, active, (-1, False)
        self.count(0)

    def count(self, unread: int, *, slim: bool = False) -> None:
        """Show the number of news that nobody has looked at, if there are any. ``slim``: the key alone, unless it is shown."""
        if (unread, slim) == self._shown:
            return
        self._shown = unread, slim
        action = BY_ID[f"app.{self.mode}"]
        mark = Content.styled(f" ●{unread if unread < 1000 else '999+'}", "bold") if unread else Content("")
        title = f" {action.title}" if self._active or not slim else ""
        self.update(Content.assemble((key_of(action.id), "bold" if self._active else "bold $accent"), title, mark))

    async def on_click(self) -> None:
        await self.app.run_action(self.mode)


class Header(Horizontal):
    """Brand, tabs, state."""

    def __init__(self, active: str) -> None:
        super().__init__()
        self._active = active

    def compose(self) -> ComposeResult:
        yield Static(Content.assemble(("◆", "bold $accent"), (" Bright Run", "bold")), classes="brand -long")
        yield Static(Content.styled("◆", "bold $accent"), classes="brand -short")
        for mode in TABS:
            yield Tab(mode, mode == self._active)
        yield Static("", classes="state", markup=False)

    def show(self, snapshot: Snapshot, read_only: bool = False) -> None:
        """Redraw when the words change."""
        columns = self.app.size.width
        for tab in self.query(Tab):
            tab.count(snapshot.unread if tab.mode == COUNTED else 0, slim=columns < NARROW)
        text = engine_words(snapshot, read_only=read_only, wide=columns >= WIDE, roomy=columns >= ROOMY)
        if columns < NARROW and text.cell_length > columns - KEYS:
            cost = snapshot.cost_per_hour
            lamp = engine_words(snapshot, read_only=False, wide=False)[:1]
            text = Content.styled(f"{humanize.money(cost)}/h", "bold $accent") if cost else lamp
            if read_only and columns - KEYS >= text.cell_length + len(READ_ONLY):
                text = Content.assemble((READ_ONLY, "bold $warning"), text)
        state = self.query_one(".state", Static)
        if state.content != text:
            state.update(text)


def engine_words(snapshot: Snapshot, *, read_only: bool, wide: bool, roomy: bool = False) -> Content:
    """Return “● engine · 1 running · $0.40/h”; with room for it “· month $3.20”."""
    engine = snapshot.engine
    parts: list[Any] = []
    if read_only:
        parts += [(READ_ONLY, "bold $warning")]
    if not snapshot.loaded or engine is None:
        return Content.assemble(*parts, ("○ …", "$faint"))
    active = sum(run.active for run in snapshot.runs)
    cost = snapshot.cost_per_hour
    short = not wide and bool(cost)
    running = next(iter(run_text.how_many(snapshot.runs)), "").replace("running", "▶" if short else "running")
    if snapshot.trouble:
        parts += [("! store not readable ", "bold $error")]
    if read_only and short:  # there is no room for more, and what is paid matters most
        price = (f"{humanize.money(cost)}/h", "bold $accent")
        return Content.assemble(
            *parts, ("● ", "$success") if engine.running and not engine.stale else ("○ ", "$warning"), price
        )
    if engine.stale:
        parts += [("! engine stuck", "bold $error")]
    elif engine.running:
        parts += [("● ", "$success"), ("engine" if wide or not active else "", "$muted")]
    elif active:
        parts += [("○ off" if short else "○ engine off", "$warning")]
    else:
        parts += [("○ idle" if short else "○ engine idle", "$faint")]
    if running:
        parts += [("" if engine.running and not wide else " · ", "$faint"), running]
    if cost:
        parts += [(" · ", "$faint"), (f"{humanize.money(cost)}/h", "bold $accent")]
    elif wide:
        parts += [(" · $0.00/h", "$faint")]
    if snapshot.month.total and roomy:
        parts += [(f" · month {humanize.money(snapshot.month.total)}", "$muted")]
    return Content.assemble(*parts)
