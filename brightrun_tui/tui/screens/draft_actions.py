"""What is done with a draft: choosing data, base and template, settings as files, starting it once or as a sweep."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager

from textual import work

from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.halving import NOT_COMPARABLE, RULE
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.run import Run, RunSpec
from brightrun_tui.domain.settings import show_value
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.intensity import Intensity
from brightrun_tui.planning.offers import require_account
from brightrun_tui.planning.plan import Plan, make_plan, make_spec
from brightrun_tui.store import datasets
from brightrun_tui.tui.screens.mode_screen import ModeScreen
from brightrun_tui.tui.widgets import plan_text


class DraftActions(ModeScreen):
    """The screen with the form says how a draft changes and what it comes to."""

    _draft: Draft
    _typed: dict[str, str]
    _plan: Plan | None
    _offer: Offer | None

    def _remember(self, key: str = "") -> None:
        """Keep the form as it is now, for undo."""
        raise NotImplementedError

    def _change(self, **changes: object) -> None:
        """Change the draft and plan anew."""
        raise NotImplementedError

    def _hold(self, offer: Offer | None, refusal: BrightrunError | None = None) -> None:
        """Plan with this machine, or with the reason why there is none."""
        raise NotImplementedError

    def starting(self) -> AbstractContextManager[None]:
        """Show, while it lasts, that a run is being started, and start no other."""
        raise NotImplementedError

    def action_dataset(self) -> None:
        self.show_data(self._draft.data)

    @work(group="pick")
    async def show_data(self, highlighted: str) -> None:
        """Choose the data, beginning with these."""
        from brightrun_tui.tui.screens.data import DataScreen

        chosen = await self.app.push_screen_wait(DataScreen(self.app.snapshot.datasets, highlighted, self._draft.base))
        if chosen:
            self._remember()
            self._change(data=chosen.word, columns=dict(chosen.columns))

    @work(group="pick")
    async def action_preview(self) -> None:
        """Look at the records; a new version that was made there is what is learnt from now."""
        from brightrun_tui.tui.screens.dataset_report import ReportScreen

        plan, draft = self._plan, self._draft
        if plan is None or plan.report is None:
            return
        made = await self.app.push_screen_wait(
            ReportScreen(draft.data, draft.columns, draft.base, plan.settings, name=plan.report.name)
        )
        if made is not None:
            self._remember()
            self._change(data=made.name, columns={})

    @work(group="pick")
    async def action_template(self) -> None:
        from brightrun_tui.planning.templates import load_templates
        from brightrun_tui.tui.screens.pick_template import PickTemplate

        templates, problems = await asyncio.to_thread(load_templates, self.app.paths)
        for problem in problems:
            self.app.show_error(problem)
        picker = PickTemplate(
            templates, self.app.snapshot.models, self._plan, chosen=self._draft.template, height=self.app.size.height
        )
        chosen = await self.app.push_screen_wait(picker)
        if chosen:
            self._remember()
            self._change(template=chosen)

    @work(group="pick")
    async def action_save_template(self) -> None:
        from brightrun_tui.planning.settings_file import save_template
        from brightrun_tui.tui.screens.ask_line import AskLine

        plan = self._plan
        name = await self.app.push_screen_wait(
            AskLine("Save as template", "Name: lower-case letters, digits, - and _", yes="Save")
        )
        if plan is None or not name:
            return
        try:
            path = await asyncio.to_thread(save_template, plan, name, self.app.paths)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        self._remember()
        self._typed = {}
        self._change(template=name, overrides={}, intensity=Intensity.BALANCED)
        self.app.toast(str(path), title="Saved as a template of yours")

    @work(group="pick")
    async def action_write_settings(self) -> None:
        from brightrun_tui.planning.settings_file import write_settings
        from brightrun_tui.tui.screens.save_file import SaveFileScreen

        plan = self._plan
        if plan is None:
            return
        question = "Where to write them; o here, or brightrun train DATA --settings FILE, reads them"
        path = await self.app.push_screen_wait(SaveFileScreen("Save settings", question, f"{plan.name}.toml"))
        if path is None:
            return
        if path.exists() and not await self.confirm("Save settings", f"Replace {path}?", yes="Replace"):
            return
        try:
            await asyncio.to_thread(write_settings, plan, path)
        except BrightrunError as error:
            self.app.show_error(error)
        else:
            self.app.toast(str(path), title="Settings saved")

    @work(group="pick")
    async def action_read_settings(self) -> None:
        from brightrun_tui.tui.screens.read_settings import ReadSettingsScreen

        found = await self.app.push_screen_wait(ReadSettingsScreen())
        if found is None:
            return
        self._remember()
        self._typed = {key: show_value(value) for key, value in found.settings.items()}
        given = {key: value for key, value in (("base", found.base), ("template", found.template)) if value}
        self._change(overrides=dict(self._typed), intensity=Intensity.BALANCED, **given)
        said = ", ".join([*given, f"{len(found.settings)} setting{'s' * (len(found.settings) != 1)}"])
        self.app.toast(f"As the file says: {said}; u takes that back.", title="Settings read")

    @work(group="start", exclusive=True)
    async def action_start(self) -> None:
        plan = await asyncio.to_thread(make_plan, self._draft, self.app.paths, offer=self._offer)
        try:
            spec = make_spec(plan)
        except BrightrunError as error:
            self._refuse(error)
            return
        free = not (plan.estimate and plan.estimate.price_per_hour)
        if not await self.confirm("Start the run", plan_text.last_look(plan), yes="Start", danger=False, safe=free):
            return
        with self.starting():
            try:
                run = await self._submit(plan, spec)
            except BrightrunError as error:
                self.app.show_error(error)
                return
            self.app.look_now()
            await self.app.show_run(run.id)

    def _refuse(self, error: BrightrunError) -> None:
        """Show the error and plan again: what the form shows is no longer so."""
        self.app.show_error(error)
        self._change()

    async def _submit(self, plan: Plan, spec: RunSpec) -> Run:
        """Put the run into the queue. Raises `BrightrunError`: the account cannot pay, or the store cannot be written."""
        from brightrun_tui.orchestrator import client

        if plan.estimate:
            await require_account(plan.draft, self.app.paths, plan.estimate)
        if plan.report and all(known.name != plan.report.name for known in self.app.snapshot.datasets):
            await datasets.add(self.app.db, plan.report)
        return await client.submit(self.app.db, self.app.paths, spec, plan.estimate)

    @work(group="start", exclusive=True)
    async def action_sweep(self) -> None:
        """Start the same run with several values of a setting, one after the other, as one group."""
        from brightrun_tui.planning.sweep import are_comparable, parse_sweep, suggested, sweep_drafts, sweep_specs
        from brightrun_tui.tui.screens.sweep_setup import SweepSetup

        plan = self._plan
        if plan is None:
            return
        wanted = await self.app.push_screen_wait(SweepSetup(suggested(plan.settings)))
        if wanted is None:
            return
        try:
            values = parse_sweep(wanted.values)
            drafts = sweep_drafts(plan.draft, plan.name, values)
            plans = [await asyncio.to_thread(make_plan, draft, self.app.paths, offer=self._offer) for draft in drafts]
            stop_worst = wanted.stop_worst and are_comparable(values)
            specs = sweep_specs(plans, stop_worst=stop_worst)
        except BrightrunError as error:
            self._refuse(error)
            return
        rule = RULE if stop_worst else NOT_COMPARABLE if wanted.stop_worst else ""
        if not await self.confirm("Start the sweep", plan_text.sweep_words(plans, rule), yes="Start", danger=False):
            return
        run = None
        with self.starting():
            try:
                for one, spec in zip(plans, specs, strict=True):
                    run = await self._submit(one, spec)
            except BrightrunError as error:
                self.app.show_error(error)
                return
            self.app.look_now()
            self.app.toast("“: sweep” shows its runs beside one another.", title="The sweep is under way")
            if run is not None:
                await self.app.show_run(run.id)
