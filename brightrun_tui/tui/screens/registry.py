"""Registry: which models do I own, how good are they, how do I use and improve them?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual import getters, on, work
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.css.query import NoMatches
from textual.widgets import OptionList

from brightrun_tui import registry
from brightrun_tui.domain.advice import actionable
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import CHAMPION, PREVIOUS, ModelVersion
from brightrun_tui.domain.requests import Deploy, Undeploy, followed_alias, lasting_name
from brightrun_tui.domain.service_names import JUDGE
from brightrun_tui.tui.actions import bindings, key_of
from brightrun_tui.tui.screens.advice_actions import AdviceActions
from brightrun_tui.tui.screens.curate_actions import CurateActions
from brightrun_tui.tui.screens.measure_actions import MeasureActions
from brightrun_tui.tui.screens.share_actions import ShareActions
from brightrun_tui.tui.snapshot import Snapshot
from brightrun_tui.tui.widgets import cells, model_text, reflow
from brightrun_tui.tui.widgets.filter_bar import FilterBar, fits
from brightrun_tui.tui.widgets.reading import Reading
from brightrun_tui.tui.widgets.reflow import Flow, Lines
from brightrun_tui.tui.widgets.rows import ListRow, RowList
from brightrun_tui.tui.widgets.titles import retitle

if TYPE_CHECKING:
    from brightrun_tui.integrations.judge import JudgeSettings

PAGES = ("Report card", "Answers", "Training", "Origin")


class RegistryScreen(AdviceActions, CurateActions, MeasureActions, ShareActions):
    """Versions on the left (above, on a narrow terminal), the chosen one's report card on the right."""

    MODE = "registry"
    SCOPES = ("registry",)
    BINDINGS = bindings("registry")
    CSS_PATH = "registry.tcss"
    AUTO_FOCUS = "#models"

    models = getters.query_one("#models", RowList)

    def __init__(self) -> None:
        super().__init__()
        self._filter = ""
        self._wanted = self._shown = ""
        self._marked: frozenset[str] = frozenset()
        self._page = PAGES[0]
        self._judge: JudgeSettings | None = None

    def compose_body(self) -> ComposeResult:
        with Container(id="body"):
            with Vertical(id="side"):
                yield FilterBar("name, tag or alias", id="model-filter")
                yield RowList(id="models", classes="panel")
            with Reading(id="page", classes="panel scroll"):
                yield Flow(id="page-text")

    @property
    def model(self) -> ModelVersion | None:
        """The chosen version."""
        return self.app.snapshot.model(self._chosen)

    @property
    def _chosen(self) -> str:
        """Its name and number, or empty."""
        if self._wanted:
            return self._wanted
        try:
            return self.models.chosen
        except NoMatches:  # the screen could not be made
            return ""

    @property
    def marked(self) -> tuple[ModelVersion, ...]:
        """The marked versions, in the order of the list."""
        return tuple(model for model in self.app.snapshot.models if model.ref in self._marked)

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the chosen version is served, if it is."""
        model = self.model
        return self.app.snapshot.endpoint_of(model) if model else None

    def choose(self, ref: str) -> None:
        """Put the cursor on this version."""
        self._filter = ""
        self._wanted = ref
        self.redraw()

    def show(self, snapshot: Snapshot) -> None:
        chosen, self._wanted = self._wanted or self.models.chosen, ""
        kept = [model for model in snapshot.models if self._filter or not model.archived or model.ref == chosen]
        shown = [model for model in kept if fits(self._filter, model.ref, *model.tags, *model_text.names_of(model))]
        refs = [model.ref for model in shown]
        self._marked &= frozenset(refs)  # what the keys act on is always in sight
        if chosen not in refs:
            chosen = refs[0] if refs else ""
        with self.prevent(OptionList.OptionHighlighted):
            self.models.show([self._row(model, snapshot.endpoint_of(model)) for model in shown])
            self.models.choose(chosen)
        count = f"{len(shown)} of {len(snapshot.models)}" if self._filter else str(len(shown))
        serving = sum(each.answers and not each.base_alone for each in snapshot.endpoints)
        marked = (f"  {len(self._marked)} marked", "bold $accent") if self._marked else ""
        title = Content.assemble("Models ", (count, "$muted"), marked)
        retitle(self.models, title, f"{serving} serving" if serving else "")
        self._show_page()

    def _row(self, model: ModelVersion, endpoint: Endpoint | None) -> ListRow:
        tall = not self.has_class("-narrow")
        grade, state = model.report.verdict.grade, endpoint.state if endpoint else ""
        needs = bool(self.app.snapshot.attention.get(model.ref))
        mark = "●" if model.ref in self._marked else " " if self._marked else ""
        stamp = (model.created_at, model.rating, model_text.names_of(model), grade, state, tall, needs, mark)
        return ListRow(
            model.ref, stamp, partial(model_text.model_row, model, endpoint, tall=tall, needs=needs, mark=mark)
        )

    def _show_page(self) -> None:
        model = self.model
        self._shown = model.ref if model else ""
        card = partial(_card, self.app.snapshot, model) if model else None
        filtered = f"No model fits “{self._filter}”. esc drops the filter." if self._filter else ""
        none = filtered or _none_yet(self.app.snapshot)
        self.query_one("#page-text", Flow).show(partial(_page, self._page, model, card, none))
        tabs = [Content.styled(page, "bold $foreground" if page == self._page else "$muted") for page in PAGES]
        keys = Content.assemble(("[ ]", "bold $accent"), " ")
        retitle(
            self.query_one("#page"),
            model.ref if model else "No model" if filtered else "No model yet",
            keys + Content(" · ").join(tabs),
        )

    @on(OptionList.OptionHighlighted, "#models")
    def _model_chosen(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_id and event.option_id != self._shown:
            self.query_one("#page").scroll_home(animate=False)
            self._show_page()
            self.refresh_keys()

    @on(FilterBar.Typed, "#model-filter")
    def _filter_changed(self, event: FilterBar.Typed) -> None:
        self._filter = event.text
        self.redraw()
        if event.done:
            self.models.focus()

    def depends_on(self) -> tuple[object, ...]:
        return (self._chosen,)

    def possible(self) -> dict[str, bool]:
        model, endpoint = self.model, self.endpoint
        live = endpoint is not None and endpoint.serving
        possible = {
            "deploy": model is not None and not live,
            "undeploy": live or (endpoint is not None and endpoint.state in ("asleep", "failed")),
            "endpoint": endpoint is not None,
            "promote": model is not None and CHAMPION not in model.aliases,
            "compare": len(self.app.snapshot.models) > 1,
            "rollback": model is not None
            and any(PREVIOUS in other.aliases and other.name == model.name for other in self.app.snapshot.models),
        }
        possible["leaderboard"] = bool(self.app.snapshot.models)
        for name in ("chat", "evaluate", "corrections", "rate", "tag", "export", "html", "delete", "again", "mark"):
            possible[name] = model is not None
        possible["try_next"] = model is not None and bool(actionable(model.report))
        possible["answers"] = possible["judge"] = model is not None and bool(model.report.samples)
        return possible

    def step_back(self) -> None:
        """Step out of a kept filter, then the marks, then to the list."""
        if self._filter:
            self.query_one("#model-filter", FilterBar).action_drop()
        elif self._marked:
            self._marked = frozenset()
            self.redraw()
        else:
            self.models.focus()

    def action_mark(self) -> None:
        if self.model is not None:
            self._marked ^= {self.model.ref}
            self.redraw()
            if self.focused is self.models:
                self.models.action_cursor_down()

    @work(group="ask")
    async def action_deploy(self) -> None:
        """Deploy here, or elsewhere where that is asked for and agreed to: only then is a machine rented."""
        from brightrun_tui.tui.screens.serve_where import Left, where_to_serve

        model, endpoint = self.model, self.endpoint
        if model is None:
            return
        try:
            rental = await where_to_serve(self, model)
        except Left:
            return
        except BrightrunError as error:
            self.app.show_error(error)
            return
        if rental is not None and endpoint is not None and endpoint.state == "asleep":
            name, follows = endpoint.id, endpoint.follows
        else:
            named = model.name if CHAMPION in model.aliases else model.ref
            name, follows = lasting_name(named), followed_alias(named)
        asked = Deploy(target=model.ref, rental=rental, name=name, follows=follows)
        reply = await self.app.ask(asked, wait=30.0)
        if reply and reply.answer:
            self._open_endpoint(reply.answer.endpoint)

    async def action_again(self) -> None:
        if self.model is not None:
            await self.app.start_again(self.model.run_id)

    def action_endpoint(self) -> None:
        if self.endpoint is not None:
            self._open_endpoint(self.endpoint.id)

    def _open_endpoint(self, endpoint_id: str) -> None:
        from brightrun_tui.tui.screens.endpoint import EndpointScreen

        self.app.push_screen(EndpointScreen(endpoint_id))

    @work(group="ask")
    async def action_undeploy(self) -> None:
        endpoint, model = self.endpoint, self.model
        if endpoint is None or model is None:
            return
        question = f"Stop serving {model.ref}? Programs that call {endpoint.url} will get no answer. The model stays."
        yes = "Stop serving"
        if endpoint.state == "failed":
            question, yes = (
                f"Forget endpoint {endpoint.id}, which failed? The model stays, and so does its log.",
                "Forget it",
            )
        if await self.confirm("Undeploy", question, yes=yes):
            await self.app.ask(Undeploy(target=endpoint.id))

    def action_chat(self) -> None:
        from brightrun_tui.tui.screens.chat import ChatScreen

        if self.model is not None:
            self.app.push_screen(ChatScreen(self.model))

    def action_answers(self) -> None:
        from brightrun_tui.tui.screens.answers import AnswersScreen

        if self.model is not None and self.model.report.samples:
            self.app.push_screen(AnswersScreen(self.model))

    @work(group="ask")
    async def action_corrections(self) -> None:
        from brightrun_tui.tui.screens.corrections import CorrectionsScreen

        model = self.model
        draft = await self.app.push_screen_wait(CorrectionsScreen(model)) if model else None
        if draft is not None:
            await self.app.show_draft(draft)

    @work(group="ask")
    async def action_compare(self) -> None:
        from brightrun_tui.tui.screens.compare import CompareScreen

        versions, model = self.marked, self.model
        if model is not None and len(versions) < 2 and model not in versions:
            versions += (model,)
        if len(versions) == 1:
            versions += await self._choose_other(versions[0])
        if len(versions) > 1:
            self.app.push_screen(CompareScreen(versions))

    async def _choose_other(self, model: ModelVersion) -> tuple[ModelVersion, ...]:
        """Return the version to put beside this one; none where none was chosen."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        others = sorted(
            (other for other in self.app.snapshot.models if other.ref != model.ref),
            key=lambda other: (other.name != model.name, -other.created_at),
        )
        choices = [
            Choice(other.ref, other.ref, other.report.verdict.grade, other.report.verdict.summary) for other in others
        ]
        ref = await self.app.push_screen_wait(PickScreen(f"Compare {model.ref} with", choices))
        other = self.app.snapshot.model(ref or "")
        return (other,) if other is not None else ()

    @work(group="ask")
    async def action_judge(self) -> None:
        from brightrun_tui.config import load_section
        from brightrun_tui.integrations import credentials
        from brightrun_tui.integrations.judge import JudgeSettings
        from brightrun_tui.tui.screens.judge import JudgeScreen

        model, paths = self.model, self.app.paths
        if model is None:
            return
        try:
            settings = self._judge or load_section(paths, JUDGE, JudgeSettings)
            place = await asyncio.to_thread(credentials.where, JUDGE, paths)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        said = await self.app.push_screen_wait(JudgeScreen(model, settings, place))
        if said:
            self._judge = settings.model_copy(update={"url": said[0], "model": said[1]})
            self._ask_judge(model, *said)

    @work(group="judge")
    async def _ask_judge(self, model: ModelVersion, url: str, name: str) -> None:
        """Ask the judge, which takes a minute and goes on whatever screen is shown."""
        from brightrun_tui.integrations.judge import Judge, judge_key, judge_settings

        self.app.toast(f"{name} compares the answers of {model.ref} …")
        try:
            settings = judge_settings(self.app.paths, url=url, model=name)
            key = await asyncio.to_thread(judge_key, self.app.paths, settings.url)
            async with Judge(settings, key) as judge:
                judged = await registry.judge_version(await self.app.opened_store(), model, judge)
        except BrightrunError as error:
            self.app.show_error(error)
        else:
            if judged.report.judgement:
                self.app.toast(registry.judgement_sentence(judged.report.judgement), title=f"{model.ref} is judged")
        self.app.look_now()

    def action_next_pane(self) -> None:
        self._turn(1)

    def action_previous_pane(self) -> None:
        self._turn(-1)

    def action_zoom(self) -> None:
        self.toggle_class("-zoomed")
        self.query_one("#page" if self.has_class("-zoomed") else "#models").focus()

    @on(OptionList.OptionSelected, "#models")
    def _model_opened(self) -> None:
        self.action_zoom()

    def action_filter(self) -> None:
        self.query_one("#model-filter", FilterBar).open()

    def _turn(self, by: int) -> None:
        self._page = PAGES[(PAGES.index(self._page) + by) % len(PAGES)]
        self.query_one("#page").scroll_home(animate=False)
        self._show_page()


def _card(snapshot: Snapshot, model: ModelVersion, width: int) -> Lines:
    return model_text.report_card(
        model,
        snapshot.endpoint_of(model),
        width,
        snapshot.attention.get(model.ref, ()),
        snapshot.evaluations_of(model),
        snapshot.origins.get(model.ref),
    )


def _none_yet(snapshot: Snapshot) -> str:
    """Say where the first model will come from."""
    under_way = next((run for run in snapshot.runs if run.active and not run.spec.measures), None)
    if under_way is not None:
        name = cells.one_line(under_way.name)
        return f"The first model appears here when its run has completed: {key_of('app.monitor')} shows how {name} gets on."
    keys = key_of("app.new_run"), key_of("registry.take")
    return f"Models appear here when a run has completed. Press {keys[0]} to set one up, or {keys[1]} to take one in."


def _page(page: str, model: ModelVersion | None, card: Callable[[int], Lines] | None, none: str, width: int) -> Lines:
    """Return a page; ``none``: why no model is shown."""
    if model is None or card is None:
        return reflow.text(none, width, "$muted")
    if page == "Report card":
        return card(width)
    return {"Answers": model_text.answers, "Training": model_text.training, "Origin": model_text.origin}[page](
        model, width
    )
