"""What a person says of the chosen version and what becomes of it: rating, words, names, its place in the list, its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from textual import work

from brightrun_tui import registry
from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import CHAMPION, PREVIOUS, ModelVersion
from brightrun_tui.store import Database
from brightrun_tui.tui.screens.chosen_model import ChosenModel

MOVED_BY_US = (CHAMPION, PREVIOUS)
"""Aliases that follow what is promoted."""


class CurateActions(ChosenModel):
    """Asks, and changes the registry."""

    @work(group="ask")
    async def action_rate(self) -> None:
        from brightrun_tui.tui.screens.rate import RateScreen

        model = self.model
        said = await self.app.push_screen_wait(RateScreen(model.ref, model.rating, model.note)) if model else None
        if model and said:
            await self.change(registry.rate, model.ref, said[0], said[1])

    @work(group="ask")
    async def action_tag(self) -> None:
        from brightrun_tui.tui.screens.rate import WordsScreen

        model = self.model
        asked = "Words to find it by, with spaces between them"
        words = (
            await self.app.push_screen_wait(WordsScreen(f"Tags of {model.ref}", asked, model.tags, "shop german v2"))
            if model
            else None
        )
        if model and words is not None:
            gone = tuple(tag for tag in model.tags if tag not in words)
            await self.change(partial(registry.tag, add=words, remove=gone), model.ref)

    @work(group="ask")
    async def action_alias(self) -> None:
        from brightrun_tui.tui.screens.rate import WordsScreen

        model = self.model
        if model is None:
            return
        own = tuple(alias for alias in model.aliases if alias not in MOVED_BY_US)
        asked = f"{model.name}:ALIAS then means this version, also for its endpoints"
        words = await self.app.push_screen_wait(WordsScreen(f"Aliases of {model.ref}", asked, own, "live"))
        if words is not None:
            await self.change(_set_aliases, model, own, words)

    @work(group="ask")
    async def action_describe(self) -> None:
        from brightrun_tui.tui.screens.rate import DescriptionScreen

        model = self.model
        text = await self.app.push_screen_wait(DescriptionScreen(model)) if model else None
        if model and text is not None:
            await self.change(registry.describe, model.ref, text)

    @work(group="ask")
    async def action_archive(self) -> None:
        model = self.model
        if model is None:
            return
        await self.change(registry.archive, model.ref, not model.archived)
        if not model.archived:
            self.app.toast(
                f"A filter with “archived” shows it; the same key brings {model.ref} back.", title="Archived"
            )

    @work(group="ask")
    async def action_clean(self) -> None:
        try:
            spare = await registry.find_spare(self.app.db)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        if not spare:
            self.app.toast("No completed run has checkpoints, and no version a served copy, that nobody needs.")
        elif await self.confirm(
            "Clean up",
            f"Remove {registry.spare_words(spare)}? Models and report cards stay{_made_anew(spare)}.",
            yes="Remove them",
        ):
            freed = await registry.clean(spare)
            self.app.toast(f"{humanize.size(freed)} freed", title="Clean up")

    @work(group="ask")
    async def action_promote(self) -> None:
        model = self.model
        if model and await self.confirm(
            "Promote",
            f"Make {model.ref} the champion of “{model.name}”? The champion until now becomes “previous”.",
            yes="Promote",
            danger=False,
        ):
            await self.change(registry.promote, model.ref)

    @work(group="ask")
    async def action_rollback(self) -> None:
        model = self.model
        if model and await self.confirm(
            "Roll back", f"Make the previous champion of “{model.name}” the champion again?", yes="Roll back"
        ):
            await self.change(registry.rollback, model.name)

    @work(group="ask")
    async def action_delete(self) -> None:
        model = self.model
        if model and await self.confirm(
            "Delete", f"Remove {model.ref} and its files for good? This cannot be undone.", yes="Delete for good"
        ):
            await self.change(registry.delete, self.app.paths, model.ref)

    async def change(self, change: Callable[..., Awaitable[Any]], *arguments: Any) -> None:
        """Do something to the registry; an error becomes a toast."""
        try:
            await change(self.app.db, *arguments)
        except BrightrunError as error:
            self.app.show_error(error)
        self.app.look_now()


def _made_anew(spare: list[registry.Spare]) -> str:
    copies = any(each.served_copy for each in spare)
    return "; a copy is made anew when its version is served again" if copies else ""


async def _set_aliases(db: Database, model: ModelVersion, before: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    for alias in wanted:
        if alias not in before:
            await registry.set_alias(db, model.ref, alias)
    for alias in before:
        if alias not in wanted:
            await registry.drop_alias(db, model.name, alias)
