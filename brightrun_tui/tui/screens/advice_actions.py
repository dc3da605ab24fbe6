"""What a report card advises, done: answers read, the model served, New Run filled in with what is to be different."""

from __future__ import annotations

import asyncio

from textual import work

from brightrun_tui.domain.advice import actionable
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import Advice, AdviceKind
from brightrun_tui.domain.run import Run
from brightrun_tui.tui.actions import BY_ID, key_of
from brightrun_tui.tui.screens.chosen_model import ChosenModel

BY_KEY = {AdviceKind.READ: "registry.answers", AdviceKind.DEPLOY: "registry.deploy", AdviceKind.CHAT: "registry.chat"}
"""Actions that do what is advised."""


class AdviceActions(ChosenModel):
    """Offers what to try next."""

    @work(group="ask")
    async def action_try_next(self) -> None:
        """Let one of the card's advices be chosen, and do it; a training is filled in, not started."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        model = self.model
        if model is None:
            return
        run, advices = self.app.snapshot.run(model.run_id), actionable(model.report)
        choices = [
            Choice(str(number), await self._in_short(advice, run), "", advice.why)
            for number, advice in enumerate(advices)
        ]
        chosen = await self.app.push_screen_wait(PickScreen(f"What to try next with {model.ref}", choices))
        if chosen is None:
            return
        advice = advices[int(chosen)]
        if action := _action(advice):
            await self.run_action(BY_ID[action].name)
        elif run is None:
            self.app.toast("The run that made it is no longer on record here.", severity="warning")
        else:
            await self._fill_in(advice, run)

    async def _fill_in(self, advice: Advice, run: Run) -> None:
        from brightrun_tui.planning.again import draft_as_advised

        try:
            advised = await asyncio.to_thread(draft_as_advised, run.spec, advice, self.app.paths)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        await self.app.show_draft(advised.draft)
        self.app.toast(f"Filled in: {advised.words}. {key_of('new_run.undo')} takes that back.", title="New Run")

    async def _in_short(self, advice: Advice, run: Run | None) -> str:
        from brightrun_tui.planning.again import draft_as_advised

        if action := _action(advice):
            return BY_ID[action].title
        if run is None:
            return "Train again"
        try:
            advised = await asyncio.to_thread(draft_as_advised, run.spec, advice, self.app.paths)
        except BrightrunError:  # said when it is chosen
            return "Train again"
        return f"New run: {advised.words}"


def _action(advice: Advice) -> str:
    return BY_KEY.get(advice.kind, "") if advice.kind else ""
