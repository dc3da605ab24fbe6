"""The marked runs side by side: results, what was set differently, curves, answers; and all of that as a file."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual import work
from textual.app import ComposeResult

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.run import Run
from brightrun_tui.files import write_for_user
from brightrun_tui.process import users_umask
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.compared_runs import facts_of, read
from brightrun_tui.tui.screens.dialog import Dialog
from brightrun_tui.tui.widgets.compared_runs_text import ROLES, compared
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow


class CompareRunsScreen(Dialog[None]):
    """Read it, write it to a file, close it."""

    SCOPES = ("compare_runs", "modal")
    BINDINGS = bindings("compare_runs")

    def __init__(self, runs: Sequence[Run]) -> None:
        title = "Runs side by side"
        if len(runs) > len(ROLES):
            title += f": the first {len(ROLES)} of {len(runs)}"
        super().__init__(title, classes="-large")
        self._found = facts_of(runs[: len(ROLES)])

    def compose_body(self) -> ComposeResult:
        with Reading():
            yield Flow(lambda width: compared(self._found, width))

    def on_mount(self) -> None:
        self.query_one(Reading).focus()
        self._read()

    @work(group="compare")
    async def _read(self) -> None:
        try:
            self._found = await read(self.app.db, self._found.runs)
        except BrightrunError as error:
            self.app.show_error(error)
        self.query_one(Flow).show(lambda width: compared(self._found, width))

    @work(group="save")
    async def action_save(self) -> None:
        from brightrun_tui.tui.screens.save_file import SaveFileScreen
        from brightrun_tui.tui.widgets.compared_runs_export import FORMATS

        question = "Its ending says what it becomes: .html to read and mail, .csv for a spreadsheet, .json for programs"
        target = await self.app.push_screen_wait(SaveFileScreen("Save the comparison", question, "runs.html"))
        if target is None:
            return
        made = FORMATS.get(target.suffix.lower())
        if made is None:
            self.app.toast(f"“{target.name}” should end in {', '.join(FORMATS)}.", severity="warning")
            return
        if target.exists():
            self.app.toast(f"There is something already at {target}; choose another name.", severity="warning")
            return
        try:
            await asyncio.to_thread(write_for_user, target, made(self._found), users_umask())
        except OSError as error:
            self.app.toast(f"{target} could not be written ({error.strerror}).", severity="error")
        else:
            self.app.toast(str(target), title="The comparison was saved")
