"""The list of runs: which one is chosen, which are marked, in what order they stand, and what of that the next start knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

from textual import getters, work

from brightrun_tui.domain.run import Run
from brightrun_tui.store.runs import DamagedRun
from brightrun_tui.tui.remembered import recall, remember_also
from brightrun_tui.tui.run_list import RunOrder
from brightrun_tui.tui.screens.mode_screen import ModeScreen
from brightrun_tui.tui.widgets.row_table import RowTable
from brightrun_tui.tui.widgets.run_columns import GROUPS, SORTS


class ListActions(ModeScreen):
    """A screen with a `RowTable` called ``runs``."""

    runs = getters.query_one("#runs", RowTable)

    def __init__(self) -> None:
        super().__init__()
        self._left = recall(self.app.paths)
        self._order = RunOrder("", self._left.sort, self._left.reverse, self._left.group, self._left.folded)
        self._marked: set[str] = set()
        self._columns = self.app.run_columns

    @property
    def _chosen(self) -> str:
        """The id of the chosen run: the one that is highlighted, however quickly one key follows another."""
        listed = self.query_one_optional("#runs", RowTable)  # none, where the screen could not be made
        return listed.chosen if listed else ""

    @property
    def run(self) -> Run | None:
        """The chosen run."""
        return self.app.snapshot.run(self._chosen)

    @property
    def _damaged(self) -> DamagedRun | None:
        """The chosen run, when its record is damaged."""
        return self.app.snapshot.damaged_run(self._chosen)

    def targets(self) -> tuple[Run | DamagedRun, ...]:
        """Return the marked runs, else the chosen one."""
        snapshot = self.app.snapshot
        marked = [id_ for id_ in self.runs.ids if id_ in self._marked] if self._marked else ()
        found = (snapshot.run(id_) or snapshot.damaged_run(id_) for id_ in marked or [self._chosen])
        return tuple(run for run in found if run is not None)

    def _arrange(self, **changes: Any) -> None:
        """Show the list in another order, and keep that for the next start."""
        self._order = replace(self._order, **changes)
        self._keep(
            sort=self._order.sort, reverse=self._order.reverse, group=self._order.group, folded=self._order.folded
        )
        self.redraw()

    def _keep(self, **changes: Any) -> None:
        left = self._left.model_copy(update=changes)
        if left != self._left:
            self._left = left
            self.run_worker(
                asyncio.to_thread(partial(remember_also, self.app.paths, **changes)),
                group="remember",
                exit_on_error=False,
            )

    def _sort_by(self, column: str) -> None:
        """Sort by this column; the same one again reverses it, and a third time sorts by urgency as before."""
        if column != self._order.sort:
            self._arrange(sort=column, reverse=False)
        elif not self._order.reverse:
            self._arrange(reverse=True)
        else:
            self._arrange(sort="", reverse=False)

    def action_mark(self) -> None:
        self._marked ^= {self._chosen}
        self.redraw()
        if self.focused is self.runs:
            self.runs.action_cursor_down()

    def action_pin(self) -> None:
        run = self.run
        if run is not None:
            pinned = self._left.pinned
            self._keep(pinned=tuple(id_ for id_ in pinned if id_ != run.id) if run.id in pinned else (*pinned, run.id))
            self.redraw()

    def action_fold(self) -> None:
        self._arrange(folded=not self._order.folded)

    @work(group="pick")
    async def action_sort(self) -> None:
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        choices = [Choice("", "Running first"), *(Choice(name, title) for name, (title, _) in SORTS.items())]
        chosen = await self.app.push_screen_wait(PickScreen("Sort by", choices, chosen=self._order.sort))
        if chosen is not None:
            self._sort_by(chosen) if chosen else self._arrange(sort="", reverse=False)

    @work(group="pick")
    async def action_group(self) -> None:
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        choices = [Choice("", "Not at all"), *(Choice(name, title) for name, (title, _) in GROUPS.items())]
        chosen = await self.app.push_screen_wait(PickScreen("Group by", choices, chosen=self._order.group))
        if chosen is not None:
            self._arrange(group=chosen)

    @work(group="pick")
    async def action_columns(self) -> None:
        from brightrun_tui.tui.screens.run_columns import RunColumnsScreen

        chosen = await self.app.push_screen_wait(RunColumnsScreen(self._columns))
        if chosen is not None:
            self._columns = chosen
            self.redraw()
            await self.app.keep_run_columns(chosen)
