"""Choose a base model: those that are known here, and under a key what the Hugging Face Hub has."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from textual import work
from textual.content import Content
from textual.widgets import Input, OptionList, Static

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.planning.base_fit import BaseFit
from brightrun_tui.planning.hub_search import search_models
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.pick import Choice, PickScreen
from brightrun_tui.tui.widgets import choice_text

LEAST_LETTERS = 2
NOT_ESTIMATED = "\nMemory and time are estimated once a dataset is chosen."
TABLE_WIDTH, TABLE_SHARE, BESIDE_TABLE = 116, 0.96, 6
"""Width of the dialogue as its style has it, and what border, padding and scrollbar take of it."""


class PickBase(PickScreen):
    """Nothing that is typed leaves this machine before the search is asked for."""

    SCOPES = ("bases", "choose", "modal")
    BINDINGS = bindings("bases")

    def __init__(self, fits: Sequence[BaseFit], *, chosen: str, width: int) -> None:
        """``width``: columns of the terminal."""
        self._room = min(TABLE_WIDTH, int(TABLE_SHARE * width)) - BESIDE_TABLE
        unknown = "" if any(fit.estimate for fit in fits) else NOT_ESTIMATED
        choices = [
            Choice(
                fit.base.id,
                choice_text.base_row(fit, self._room),
                "",
                f"{fit.base.description} {fit.base.id}, {fit.base.license}{unknown}",
            )
            for fit in fits
        ]
        super().__init__(
            "Base model",
            choices,
            chosen=chosen,
            own="a name, a Hub id, a directory or a GGUF file",
            head=choice_text.row(choice_text.HEAD, self._room),
        )

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
        new = [
            Choice(model.id, choice_text.found_row(model, self._room), "", choice_text.found_detail(model))
            for model in found
            if model.id not in known
        ]
        self._choices += new
        self._fill(self.query_one("#narrow", Input).value)
        self.query_one(OptionList).focus()
        if not new:
            self._say(f"The Hub has no other model for “{words}” that generates text and has safetensors.")

    def _say(self, words: str, style: str = "$muted") -> None:
        self.query_one("#detail", Static).update(Content.styled(words, style))
