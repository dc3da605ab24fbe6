"""Choose a base model: those that are known here, and under a key what the Hugging Face Hub has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from textual import events, work
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.planning.base_fit import BaseFit
from brightrun_tui.planning.data_checks import main_language
from brightrun_tui.planning.hub_search import FoundModel, search_models
from brightrun_tui.planning.offers import Market, WeighedOffer, weigh_market
from brightrun_tui.planning.plan import Plan
from brightrun_tui.planning.remedies import Remedy, fit_with
from brightrun_tui.tui import actions
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.pick import Choice, PickScreen
from brightrun_tui.tui.widgets import base_text
from brightrun_tui.tui.widgets.base_text import BaseLine
from brightrun_tui.tui.widgets.footer import KeyFooter

LEAST_LETTERS = 2
NOT_ESTIMATED = "Memory and time are estimated once a dataset is chosen."
TABLE_WIDTH, TABLE_SHARE, BESIDE_TABLE = 160, 0.96, 6
"""Width of the dialogue as its style has it, and what border, padding and scrollbar take of it."""
DRAWN_SECONDS, BREATH_SECONDS = 0.3, 0.015
"""Changes are looked for once the dialogue is drawn, and with a breath between two plans: keys are answered meanwhile."""
REST_SECONDS = 0.5
"""So long the cursor rests on a base before services are asked for a machine that has room for it."""


class PickBase(PickScreen):
    """Nothing that is typed leaves this machine before the search is asked for.

    ``taken_with``: what was chosen together with the base so that it fits, a change of the draft or a machine.
    """

    SCOPES = ("bases", "choose", "modal")
    BINDINGS = bindings("bases")

    def __init__(self, fits: Sequence[BaseFit], plan: Plan | None, *, chosen: str, width: int) -> None:
        """Offer the bases; ``width``: columns of the terminal."""
        self._room = _room(width)
        self._plan = plan
        self._language = main_language(plan.report) if plan and plan.report else ""
        self._lines = {fit.base.id: BaseLine(fit, language=self._language) for fit in fits}
        self._found: dict[str, FoundModel] = {}
        self._without_change: set[str] = set()
        self._markets: dict[str, Market] = {}
        self.taken_with: Remedy | WeighedOffer | None = None
        super().__init__(
            "Base model",
            [self._choice(id_) for id_ in self._lines],
            chosen=chosen,
            own="a name, a Hub id, a directory or a GGUF file",
            head=base_text.head(self._room, self._language),
        )

    def on_mount(self) -> None:
        super().on_mount()
        self.call_after_refresh(self._look_for_changes)

    def on_resize(self, event: events.Resize) -> None:
        """Draw lines and head for the room there is now; the cursor stays."""
        if (room := _room(event.size.width)) != self._room:
            self._room = room
            self.query_one(".pick-head", Static).update(Content.styled(base_text.head(room, self._language), "$muted"))
            for choice in self._choices:
                self._renew(self._choice(choice.id))

    def _choice(self, id_: str) -> Choice:
        if id_ in self._found:
            model = self._found[id_]
            return Choice(
                id_, base_text.found_row(model, self._room, self._language), "", base_text.found_detail(model)
            )
        line = self._lines[id_]
        told = [self._what_lets_it_fit(id_), base_text.base_detail(line)]
        told += [] if line.fit.estimate else [NOT_ESTIMATED]
        return Choice(id_, base_text.base_row(line, self._room), "", "\n".join(part for part in told if part))

    def _what_lets_it_fit(self, id_: str) -> str:
        line, key = self._lines[id_], actions.key_of("bases.fitting")
        if line.remedy:
            return base_text.remedy_words(line, key)
        if not self._is_too_large(id_) or id_ not in self._without_change:
            return ""
        market = self._markets.get(id_)
        if market is None:
            return "→ Settings alone do not make it fit here. ◌ looking for a machine that has room …"
        return base_text.machine_words(line.fit, _first_that_fits(market), bool(market.asked), key)

    def _is_too_large(self, id_: str) -> bool:
        found = self._lines[id_].fit.estimate if id_ in self._lines else None
        return found is not None and found.fits == "no"

    @work(exclusive=True, group="changes")
    async def _look_for_changes(self) -> None:
        """Find the smallest change with which each base would fit: the one under the cursor first, then as they are
        listed.
        """
        plan = self._plan
        if plan is None:
            return
        await asyncio.sleep(DRAWN_SECONDS)
        waiting = [id_ for id_, line in self._lines.items() if line.fit.estimate and line.fit.estimate.fits != "safe"]
        while waiting:
            id_ = self._under_cursor if self._under_cursor in waiting else waiting[0]
            waiting.remove(id_)
            remedy = await asyncio.to_thread(fit_with, plan, id_, self.app.paths, rest=BREATH_SECONDS)
            if remedy is None:
                self._without_change.add(id_)
            self._lines[id_] = replace(self._lines[id_], remedy=remedy)
            self._renew(self._choice(id_))
            if id_ == self._under_cursor:
                self._look_for_machine(id_)
                self.query_one(KeyFooter).look()

    @work(exclusive=True, group="machine")
    async def _look_for_machine(self, id_: str) -> None:
        """Look for what is for rent with room for a base that no change lets fit; services are asked for that one only."""
        if self._plan is None or id_ not in self._without_change or id_ in self._markets or not self._is_too_large(id_):
            return
        await asyncio.sleep(REST_SECONDS)
        try:
            found = await weigh_market(self._plan.draft.model_copy(update={"base": id_}), self.app.paths)
        except BrightrunError:  # the plan says why, once the base is chosen
            found = Market()
        self._markets[id_] = found
        self._renew(self._choice(id_))
        self.query_one(KeyFooter).look()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        super().on_option_list_option_highlighted(event)
        self._look_for_machine(event.option_id or "")
        self.query_one(KeyFooter).look()

    @property
    def _under_cursor(self) -> str:
        option = self.query_one(OptionList).highlighted_option
        return option.id or "" if option else ""

    @property
    def _fitting(self) -> Remedy | WeighedOffer | None:
        """What lets the base under the cursor fit."""
        id_ = self._under_cursor
        line, market = self._lines.get(id_), self._markets.get(id_)
        return line.remedy if line and line.remedy else _first_that_fits(market) if market else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "fitting":
            return True if self._fitting else None
        return super().check_action(action, parameters)

    def action_fitting(self) -> None:
        """Take the base with what lets it fit."""
        self.taken_with = self._fitting
        self.dismiss(self._under_cursor)

    @work(exclusive=True, group="hub")
    async def action_hub(self) -> None:
        """Put what the Hub finds below what is known here."""
        words = self.query_one("#narrow", Input).value.strip()
        if len(words) < LEAST_LETTERS:
            self._say("Type what to look for on the Hub first: a name, an owner, a language.")
            return
        self._say(f"◌ asking the Hub for “{words}” …")
        try:
            found = await asyncio.to_thread(search_models, words, self.app.paths)
        except BrightrunError as error:
            self._say(f"✗ {error.what}\n→ {error.fix}", "$error")
            return
        known = {choice.id for choice in self._choices}
        new = {model.id: model for model in found if model.id not in known}
        self._found |= new
        self._choices += [self._choice(id_) for id_ in new]
        self._fill(self.query_one("#narrow", Input).value)
        self.query_one(OptionList).focus()
        if not new:
            self._say(f"The Hub has no other model for “{words}” that generates text and has safetensors.")

    def _say(self, words: str, style: str = "$muted") -> None:
        self.query_one("#detail", Static).update(Content.styled(words, style))


def _room(width: int) -> int:
    """Return columns for a line of the table, of so many of the terminal."""
    return min(TABLE_WIDTH, int(TABLE_SHARE * width)) - BESIDE_TABLE


def _first_that_fits(market: Market) -> WeighedOffer | None:
    return next((one for one in market.offers if one.fits == "safe"), None)
