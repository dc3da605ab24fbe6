"""Measuring the chosen version again, and who does best."""

from __future__ import annotations

import asyncio

from textual import work

from brightrun_tui import registry
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.planning.dataset_reports import report_of
from brightrun_tui.tui.screens.chosen_model import ChosenModel
from brightrun_tui.tui.screens.evaluate import EvaluateScreen, WantedEvaluation


class MeasureActions(ChosenModel):
    """Asks, and leaves the work to runs of the engine. A subclass says which versions are marked."""

    @property
    def marked(self) -> tuple[ModelVersion, ...]:
        """The marked versions."""
        return ()

    @work(group="ask")
    async def action_evaluate(self) -> None:
        model = self.model
        if model is None:
            return
        others = [other for other in self.app.snapshot.models if other.name == model.name and other.ref != model.ref]
        try:
            data = await registry.own_data(self.app.db, model)
        except BrightrunError:
            data = ""
        wanted = await self.app.push_screen_wait(EvaluateScreen(model, others, data, self.marked))
        if wanted is not None:
            self._begin_evaluation(wanted)

    @work(group="evaluate")
    async def _begin_evaluation(self, wanted: WantedEvaluation) -> None:
        from brightrun_tui.orchestrator import client

        try:
            report = await asyncio.to_thread(report_of, wanted.data, {}, self.app.paths)
            specs = await registry.plan_evaluations(self.app.db, wanted.versions, report, answers=wanted.answers)
            for spec in specs:
                await client.submit(self.app.db, self.app.paths, spec)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        refs = ", ".join(version.ref for version in wanted.versions)
        self.app.toast(f"{refs} on {report.name}: 3 shows how far it is", title="Measuring")
        self.app.look_now()

    @work(group="ask")
    async def action_leaderboard(self) -> None:
        from brightrun_tui.tui.screens.leaderboard import LeaderboardScreen

        versions = [model for model in self.app.snapshot.models if not model.archived]
        boards = await asyncio.to_thread(registry.make_boards, versions, self.app.snapshot.evaluations)
        self.app.push_screen(LeaderboardScreen(boards))
