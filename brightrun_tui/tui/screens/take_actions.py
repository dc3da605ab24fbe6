"""What a person takes away from runs: copies, files, comparisons, and notes of their own."""

from __future__ import annotations

import asyncio

from textual import work

from brightrun_tui.domain.run import Run
from brightrun_tui.files import write_atomic
from brightrun_tui.store import notes
from brightrun_tui.tui.actions import key_of
from brightrun_tui.tui.screens.list_actions import ListActions
from brightrun_tui.tui.widgets.curves import curves_of

MOST_COPIED = 70_000
"""Letters that terminals take into their clipboard."""


class TakeActions(ListActions):
    """Of the chosen run, or of those that are marked."""

    @work(group="pick")
    async def action_copy(self) -> None:
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        run = self.run
        if run is None:
            return
        things = {"id": ("Run id", run.id), "directory": ("Directory", run.directory), "name": ("Name", run.name)}
        if run.failure is not None:
            things["error"] = (
                "Why it failed",
                ". ".join(part.rstrip(".") for part in (run.failure.cause, run.failure.fix) if part),
            )
        choices = [Choice(name, title, text) for name, (title, text) in things.items()]
        detail = self.app.snapshot.detail
        if detail is not None and detail.run_id == run.id and detail.curves:
            choices.append(Choice("curves", "Curves", "a line a step, as CSV"))
        chosen = await self.app.push_screen_wait(PickScreen(f"Copy to the clipboard: {run.name}", choices))
        if chosen in things:
            self.app.copy_text(things[chosen][1], things[chosen][0])
        elif chosen == "curves" and detail is not None:
            from brightrun_tui.tui.widgets.chart_export import as_csv

            text = await asyncio.to_thread(as_csv, {name: curve.copy() for name, curve in detail.curves.items()})
            if len(text) > MOST_COPIED:
                key = key_of("monitor.export")
                self.app.toast(f"They are too long for the clipboard; {key} writes them to a file.", severity="warning")
            else:
                self.app.copy_text(text, "Curves")

    def action_compare(self) -> None:
        from brightrun_tui.tui.screens.compare_runs import CompareRunsScreen

        runs = [target for target in self.targets() if isinstance(target, Run)]
        if len(runs) > 1:
            self.app.push_screen(CompareRunsScreen(runs))

    @work(group="export")
    async def action_export(self) -> None:
        from brightrun_tui.tui.widgets.chart_export import as_csv, as_png, as_svg

        run, detail = self.run, self.app.snapshot.detail
        if run is None or detail is None or detail.run_id != run.id:
            return
        curves = {name: curve.copy() for name, curve in detail.curves.items()}
        folder = self.app.paths.cache / "curves" / run.id

        def write() -> None:
            folder.mkdir(parents=True, exist_ok=True)
            write_atomic(folder / "curves.csv", as_csv(curves))
            for spec in curves_of(curves):
                write_atomic(folder / f"{spec.name}.svg", as_svg(spec, curves, run.name))
                write_atomic(folder / f"{spec.name}.png", as_png(spec, curves, run.name))

        try:
            await asyncio.to_thread(write)
        except OSError as error:
            self.app.toast(f"The curves could not be written ({error.strerror}).", severity="error")
        else:
            self.app.toast(str(folder), title=f"The curves of {run.name}, as CSV, SVG and PNG")

    @work(group="note")
    async def action_note(self) -> None:
        from brightrun_tui.tui.screens.note import NoteScreen

        run = self.run
        if run is None:
            return
        note = await self.app.push_screen_wait(NoteScreen(run.name, await notes.get(self.app.db, run.id)))
        if note is not None:
            await notes.write(self.app.db, run.id, note)
            self.app.look_now()
