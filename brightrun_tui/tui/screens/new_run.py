"""New Run: what will I train, on what data, where, for how much — and will it work?"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Button

from brightrun_tui.config import RunDefaults, load_section
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BrightrunError, UsageError
from brightrun_tui.domain.money import Offer
from brightrun_tui.domain.requests import StandBy
from brightrun_tui.orchestrator.timings import load_timings
from brightrun_tui.planning import machine_speed
from brightrun_tui.planning.draft import Draft
from brightrun_tui.planning.plan import Plan, make_plan
from brightrun_tui.planning.remedy_words import effect
from brightrun_tui.tui.actions import bindings, of_scope
from brightrun_tui.tui.remembered import recall, remember_also
from brightrun_tui.tui.screens.form_editing import FormEditing
from brightrun_tui.tui.screens.telling import StoppedError, overheard
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import plan_text, reflow
from brightrun_tui.tui.widgets.fields import PickField, TextField
from brightrun_tui.tui.widgets.filter_bar import FilterBar
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import TALL, Flow
from brightrun_tui.tui.widgets.run_form import RunForm, row_of
from brightrun_tui.tui.widgets.slider import SliderField
from brightrun_tui.tui.widgets.titles import retitle
from brightrun_tui.tui.widgets.welcome import Welcome

FILE_ACTIONS = ("write_settings", "read_settings")
"""Stand with their keys at the foot of the form."""
PLAN_SECONDS = 0.1
"""A change is planned with at once; those that follow it sooner than this only when they have rested so long."""
STAND_BY_SECONDS = 120.0
"""How often at most the engine is told that a run is about to be started here."""


class NewRunScreen(FormEditing):
    """The form on the left, what it comes to on the right."""

    MODE = "new_run"
    SCOPES = ("new_run", "form")
    BINDINGS = bindings("new_run", "form")
    CSS_PATH = "new_run.tcss"
    AUTO_FOCUS = ""

    start_button = getters.query_one("#start", Button)

    def __init__(self) -> None:
        super().__init__()
        self._plan: Plan | None = None
        self._stand_by_after = 0.0
        self._greeted: bool | None = None
        self._runs_known: frozenset[tuple[str, str]] | None = None
        self._changed_at = -math.inf
        self._starting = False
        self._measuring = False
        self._measured: set[tuple[str, str]] = set()

    def compose_body(self) -> ComposeResult:
        with Container(id="body"):
            with Vertical(id="left"):
                yield Welcome(id="welcome", classes="panel scroll")
                yield RunForm(id="form", classes="panel scroll")
                yield FilterBar("a setting's name, or a word of its help", id="find")
                yield Flow(id="hint")
            with Vertical(id="right"):
                with Reading(id="plan", classes="panel scroll"):
                    yield Flow(id="estimate")
                    yield Flow(id="checks")
                yield Button("Start", id="start", compact=True)
            with Reading(id="preview", classes="panel scroll"):
                yield Flow(id="preview-text")

    def on_mount(self) -> None:
        super().on_mount()
        files = [
            Content.assemble((action.key, "bold $accent"), " ", (action.title, "$muted"))
            for action in of_scope("new_run")
            if action.name in FILE_ACTIONS
        ]
        retitle(self.query_one("#form"), "New run", Content("  ").join(files))
        retitle(self.query_one("#preview"), "Conversations")
        self._timer = self.set_timer(PLAN_SECONDS, self._make_plan)
        try:
            defaults = load_section(self.app.paths, "defaults", RunDefaults)
        except BrightrunError as error:
            self.app.show_error(error)
        else:
            left = recall(self.app.paths)
            self._draft = Draft(
                data=left.data,
                columns=left.columns,
                base=defaults.base,
                template=defaults.template,
                provider=defaults.provider,
                budget_usd=defaults.budget_usd,
            )
            self.form.put_number("budget_usd", defaults.budget_usd)
        self._show_plan()

    def show(self, snapshot: Snapshot) -> None:
        if self._greeted is None:
            nothing_yet = not (snapshot.runs or snapshot.models or snapshot.datasets or snapshot.damaged)
            self._greet(nothing_yet and not self._draft.data)
        self._ask_again_if_mended()
        self._plan_again_after(snapshot)
        self._show_plan()

    def _plan_again_after(self, snapshot: Snapshot) -> None:
        """Plan again where a run began or ended since: it fetched a base, told how long such a run takes, or filled a disk."""
        runs = frozenset((run.id, run.state) for run in snapshot.runs)
        if self._runs_known is not None and runs != self._runs_known and self._plan and self._draft.data:
            self._change()
        self._runs_known = runs

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self._plan and self._plan.first_problem and self._plan.first_problem.kind == ErrorKind.NOT_CONNECTED:
            self._change()

    def _greet(self, welcome: bool) -> None:
        """Show the welcome in the form's place, or the form."""
        if welcome != self._greeted:
            self.query_one("#welcome").display = welcome
            for part in ("#form", "#hint"):
                self.query_one(part).display = not welcome
            self.query_one("#welcome" if welcome else "#data").focus()
        self._greeted = welcome

    @on(Welcome.Chosen)
    def _welcomed(self, event: Welcome.Chosen) -> None:
        from brightrun_tui.tui.screens.data_choices import examples

        if event.example:
            self._remember()
            self._change(data=examples()[0].id, columns={})
        self._greet(False)

    @property
    def draft(self) -> Draft:
        """What the form says."""
        return self._draft

    @property
    def plan(self) -> Plan | None:
        """What it would come to; None until it was first reckoned."""
        return self._plan

    @property
    def offer(self) -> Offer | None:
        """The machine that would be rented; None if none is, and while one is looked for."""
        return self._offer

    def _change(self, **changes: object) -> None:
        """Change the draft; the plan follows. Another need asks for another machine."""
        if changes.keys() & {"provider", "gpu", "interruptible", "data", "base"}:
            self._drop_offer()
        self._draft = self._draft.model_copy(update=changes)
        if self._draft.data:
            self._greet(False)
        if "data" in changes and not self.app.read_only:
            chosen = partial(remember_also, self.app.paths, data=self._draft.data, columns=dict(self._draft.columns))
            self.run_worker(asyncio.to_thread(chosen), group="remember", exit_on_error=False)
        self._timer.stop()
        before, self._changed_at = self._changed_at, time.monotonic()
        if self._changed_at - before > PLAN_SECONDS:
            self.call_after_refresh(self._make_plan)  # the changed field is painted first
        else:
            self._timer = self.set_timer(PLAN_SECONDS, self._make_plan)

    @work(exclusive=True, group="plan")
    async def _make_plan(self) -> None:
        draft, offer = self._draft, self._offer
        try:
            plan = await asyncio.to_thread(
                make_plan,
                draft,
                self.app.paths,
                offer=offer,
                account=self._account,
                refusal=self._refusal,
                progress=overheard(self._say_read, partial(self._is_wanted, draft)),
            )
        except StoppedError:
            return
        if draft is not self._draft or offer is not self._offer:
            return
        self._plan, self._remedies = plan, ()
        self._show_plan()
        self._find_remedies(plan)
        self._show_hint()
        problem = plan.first_problem
        if problem is not None and problem.kind == ErrorKind.NO_OFFER and plan.estimate and not self._asking:
            self._find_offer(draft)
        if self._ready and not self.app.read_only and draft.here:
            await self._prepare_here(plan)

    def _is_wanted(self, draft: Draft) -> bool:
        """Say whether its dataset is still the one that is chosen, and there is somebody to see it."""
        return self.is_mounted and (draft.data, draft.columns) == (self._draft.data, self._draft.columns)

    def _say_read(self, what: str) -> None:
        """Say how far the reading of a large dataset is."""
        if self.is_mounted:
            self._retitle_plan(Content.styled(f"◌ {what}", "$primary"))

    def _retitle_plan(self, said: Content) -> None:
        retitle(self.query_one("#plan"), "Estimate and checks", said.truncate(44, ellipsis=True))

    async def _prepare_here(self, plan: Plan) -> None:
        """Have a worker ready for a run on this machine, which is likely now, and know how long it will take."""
        try:
            wanted = load_timings(self.app.paths).spare_seconds > 0
        except BrightrunError as error:
            self.app.show_error(error)
            return
        if not wanted:
            return
        if time.monotonic() > self._stand_by_after:
            self._stand_by_after = time.monotonic() + STAND_BY_SECONDS
            await self.app.ask(StandBy(), wait=0.0)
        self._measure_machine(plan)

    @work(exit_on_error=False, group="measure")
    async def _measure_machine(self, plan: Plan) -> None:
        """Find out, once, how fast this machine is with that base model, while nothing else is at work; then plan again."""
        assert plan.base and plan.estimate
        wanted = (plan.base.id, plan.estimate.quantisation)
        busy = self._measuring or any(run.active for run in self.app.snapshot.runs)
        if busy or wanted in self._measured:
            return
        if not await asyncio.to_thread(machine_speed.is_unknown, plan, self.app.paths):
            return
        self._measuring = True
        self._measured.add(wanted)
        self._show_plan()
        try:
            known = await machine_speed.measure(plan, self.app.paths)
        finally:
            self._measuring = False
        self._show_plan()
        if known:
            self._change()

    def _show_plan(self) -> None:
        plan = self._plan
        report = plan.report if plan else None
        waiting = "◌ asking for machines and prices …" if self._asking else ""
        refused = f"✗ {self._refusal.what}" if self._refusal else ""
        self.form.show(self._draft, plan, self._typed, self._offer, waiting or refused)
        self.query_one("#estimate", Flow).show(lambda width: plan_text.estimate(plan, self._is_low, width))
        self.query_one("#checks", Flow).show(
            partial(plan_text.checks, plan, self._remedies, self.app.size.height < TALL)
        )
        self.query_one("#preview-text", Flow).show(partial(plan_text.conversations, report))
        ready = self._ready
        self.start_button.set_class(ready, "-ready")
        starting = "◌ starting …"
        self.start_button.label = Content(starting if self._starting else "Start  ▶" if ready else "Start")
        self._retitle_plan(plan_text.start_words(plan, self._problem, self._measuring))
        self.refresh_keys()

    @property
    def _is_low(self) -> bool:
        """Whether the plan lies below the form and has a few lines only."""
        return self.has_class("-slim") and self.app.size.height < TALL

    @property
    def _problem(self) -> BrightrunError | None:
        """What must be put right first: a field that was refused, else what the plan says."""
        for key, why in self._refused.items():
            return UsageError(
                f"{self.form.row(key).label}: {why}", where="New Run", fix="correct that field, or empty it"
            )
        return self._plan.first_problem if self._plan else None

    @property
    def _ready(self) -> bool:
        return bool(self._plan and self._plan.ready and not self._refused and not self._starting)

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Mark a start as under way: it takes a moment, and pressing the key again meanwhile does not start a second
        run.
        """
        self._starting = True
        self.workers.cancel_group(self, "measure")  # it would take the run's time, and measure what is left of it
        self._show_plan()
        try:
            yield
        finally:
            self._starting = False
            if self.is_mounted:
                self._show_plan()

    def on_descendant_focus(self) -> None:
        self._plan_before = None
        self._show_hint()

    @property
    def _effect(self) -> str:
        """What the field that is being changed has made of the plan so far."""
        before, now = self._plan_before, self._plan
        if before is None or now is None or before is now:
            return ""
        return effect(before, now) or "memory, time and cost stay"

    def _show_hint(self) -> None:
        """Show the whole help of the field that has the focus, and how text gets into it."""
        row = row_of(self.focused)
        label, hint = (row.label, row.hint) if row else ("", "")
        how = ""
        if isinstance(self.focused, TextField):
            slides = "← → or " if isinstance(self.focused, SliderField) else ""
            how = "  enter keeps it, esc drops it" if self.focused.typing else f"  {slides}enter"
        effect = f"  {self._effect}" if self._effect else ""
        text = Content.assemble((label, "bold"), (effect, "bold $primary"), (how, "$accent"), "  ", (hint, "$muted"))
        self.query_one("#hint", Flow).show(lambda width: reflow.text(text, width))
        self.refresh_keys()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "start":
            return True if self._ready else None
        if action == "fix":
            return True if self._remedies else None
        if action == "machine":
            return True if self._plan and self._plan.estimate else None
        if action == "undo":
            return True if self._history else None
        if action in ("save_template", "write_settings"):
            return True if self._plan else None
        if action == "sweep":
            return True if self._ready else None
        if action == "reset_one":
            return True if self._focused_setting in self._typed else None
        if action == "preview":
            return True if self._plan and self._plan.report else None
        return True

    @on(PickField.Opened)
    async def _pick_opened(self, event: PickField.Opened) -> None:
        await self.app.run_action({"data": "dataset"}.get(event.key, event.key), self)

    @on(Button.Pressed, "#start")
    async def _start_pressed(self) -> None:
        if self._problem is not None:
            self.app.show_error(self._problem)
        elif not self._starting:
            await self.app.run_action("start", self)
