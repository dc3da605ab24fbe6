"""The base model of a draft: chosen alone, or with what lets it fit."""

from __future__ import annotations

import asyncio

from textual import work

from brightrun_tui.planning.remedies import Remedy
from brightrun_tui.tui.screens.renting import Renting


class ChoosingBase(Renting):
    """Opens the picker of bases, and puts what was chosen there into the form."""

    @work(group="pick")
    async def action_base(self) -> None:
        from brightrun_tui.planning.base_fit import base_fits
        from brightrun_tui.tui.screens.pick_base import PickBase

        plan = self._plan
        fits = await asyncio.to_thread(base_fits, plan, self.app.paths)
        picker = PickBase(fits, plan, chosen=self._draft.base, width=self.app.size.width)
        chosen = await self.app.push_screen_wait(picker)
        if not chosen:
            return
        self._remember()
        with_it = picker.taken_with
        if isinstance(with_it, Remedy):
            self._apply(with_it, base=chosen)
            self.app.toast(f"{with_it.words}; u takes base and change back.", title="Changed with the base")
            return
        self._change(base=chosen)
        if with_it is not None:
            self._take_machine(with_it)
