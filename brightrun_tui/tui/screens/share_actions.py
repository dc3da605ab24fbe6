"""The chosen version out to files, to the Hub and into mails; and versions of others in."""

from __future__ import annotations

import asyncio
from functools import partial

from textual import work

from brightrun_tui import registry
from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.paths import typed_path
from brightrun_tui.serving.fidelity import read_fidelity
from brightrun_tui.tui.screens.chosen_model import ChosenModel
from brightrun_tui.tui.screens.export import HUB, WantedExport
from brightrun_tui.tui.widgets import cells

TELL_SHARE = 0.25
"""Of an upload or a download, between two words about how far it is."""


class ShareActions(ChosenModel):
    """Asks where to, and does it while other screens are shown."""

    @work(group="ask")
    async def action_export(self) -> None:
        from brightrun_tui.tui.screens.export import ExportScreen

        model = self.model
        wanted = await self.app.push_screen_wait(ExportScreen(model)) if model else None
        if model and wanted:
            self._export(model, wanted)

    @work(group="export")
    async def _export(self, model: ModelVersion, wanted: WantedExport) -> None:
        """Export the model, which takes minutes for a large one and goes on whatever screen is shown."""
        paths = self.app.paths
        self.app.toast(f"Writing {model.ref} …")
        try:
            if wanted.form == HUB:
                seal = await asyncio.to_thread(registry.sign, paths, model) if wanted.sign else None
                pushed = await registry.push(paths, model, wanted.target, seal=seal, tell=self._telling())
                said = f"{pushed.url}, {'private' if pushed.private else 'public'}"
            else:
                target = typed_path(wanted.target).absolute()
                signed_by = paths if wanted.sign else None
                path = await registry.export(model, target, form=wanted.form, signed_by=signed_by)
                measured = await asyncio.to_thread(read_fidelity, path)
                said = f"{path}\n{measured.words}" if measured else str(path)
        except BrightrunError as error:
            self.app.show_error(error)
        else:
            self.app.toast(said, title=f"{model.ref} exported")

    @work(group="ask")
    async def action_take(self) -> None:
        from brightrun_tui.tui.screens.ask_line import AskLine

        question = (
            "A bundle's file; owner/repo or owner/repo@tag of the Hugging Face Hub; or an owner alone, to see what "
            "their team shares"
        )
        source = await self.app.push_screen_wait(AskLine("Import a model", question, yes="Import"))
        if source and "/" not in source and not await asyncio.to_thread(typed_path(source).exists):
            await self._look_at_team(source)
        elif source:
            self._take(source)

    async def _look_at_team(self, owner: str) -> None:
        """Show what an owner shares, to take one of it or say what one thinks of it."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen
        from brightrun_tui.tui.screens.rate import RateScreen

        shared = await self._choose_of_team(owner)
        if shared is None:
            return
        choices = [
            Choice("take", "Take it", "into this registry", "As the next version of its model; nothing of it is run."),
            Choice("rate", "Rate it", "for the team", _opinions(shared) or "Stars and a note that all of them see."),
        ]
        what = await self.app.push_screen_wait(PickScreen(shared.repository, choices))
        if what == "take":
            self._take(shared.repository)
        elif what == "rate" and (said := await self.app.push_screen_wait(RateScreen(shared.repository))):
            self._rate_shared(shared.repository, *said)

    @work(group="export")
    async def _rate_shared(self, repository: str, stars: int | None, note: str) -> None:
        try:
            rated = await registry.rate_on_hub(self.app.paths, repository, stars or 0, note)
        except BrightrunError as error:
            self.app.show_error(error)
        else:
            self.app.toast(_facts(rated), title=f"{repository} is rated")

    async def _choose_of_team(self, owner: str) -> registry.TeamModel | None:
        """Return what was chosen of what an owner shares; None for nothing."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        try:
            found = await registry.list_team(self.app.paths, owner)
        except BrightrunError as error:
            self.app.show_error(error)
            return None
        if not found:
            self.app.toast(f"{owner} shares no model of Bright Run that you may see.", title="Nothing there")
            return None
        choices = [Choice(each.repository, each.repository, _facts(each), _opinions(each)) for each in found]
        chosen = await self.app.push_screen_wait(PickScreen(f"Models of {owner}", choices))
        return next((each for each in found if each.repository == chosen), None)

    @work(group="export")
    async def _take(self, source: str) -> None:
        db, paths, path = await self.app.opened_store(), self.app.paths, typed_path(source).absolute()
        try:
            if await asyncio.to_thread(path.is_file):
                found = await registry.import_bundle(db, paths, path)
            else:
                found = await registry.pull(db, paths, source, self._telling())
            origin = await asyncio.to_thread(registry.origin_of, paths, found)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        missing = registry.missing_base(found)
        base = f" {missing[0].upper()}{missing[1:]}" if missing else ""
        self.app.toast(f"{origin.words or 'made here'}.{base}", title=f"{found.ref} is here")
        self.app.look_now()

    def _telling(self) -> registry.Tell:
        """Tell now and then how far it is; called from another thread."""
        told = 0.0

        def tell(what: str, share: float) -> None:
            nonlocal told
            if share - told >= TELL_SHARE and share < 1.0:
                told = share
                self.app.call_from_thread(partial(self.app.toast, what))

        return tell

    @work(group="ask")
    async def action_html(self) -> None:
        from brightrun_tui.tui.screens.save_file import SaveFileScreen

        model = self.model
        if model is None:
            return
        target = await self.app.push_screen_wait(
            SaveFileScreen("HTML report card", "Where to write it", f"{model.name}-v{model.version}.html")
        )
        if target is None:
            return
        try:
            path = await registry.write_html_card(self.app.db, model, target)
        except BrightrunError as error:
            self.app.show_error(error)
        else:
            self.app.toast(str(path), title=f"The card of {model.ref} is written")


def _facts(shared: registry.TeamModel) -> str:
    """Return newest version, stars and held-out loss, as far as they are known."""
    if shared.problem:
        return shared.problem
    words = [shared.versions[0] if shared.versions else "", f"{shared.stars:.1f} ★" if shared.stars else ""]
    words += [f"loss {humanize.loss(shared.loss)}" if shared.loss is not None else ""]
    words += ["" if shared.private else "public"]
    return " · ".join(filter(None, words))


def _opinions(shared: registry.TeamModel) -> str:
    """Return what was said of it last."""
    noted = [each for each in reversed(shared.ratings) if each.note]
    return cells.one_line(" · ".join(f"{each.author}: {each.note}" for each in noted[:3]))
