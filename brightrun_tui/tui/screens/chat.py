"""Talk to a model, or to two side by side, another version or the base. What is not served yet is served first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from brightrun_tui import registry
from brightrun_tui.domain import humanize
from brightrun_tui.domain.endpoint import Endpoint
from brightrun_tui.domain.errors import BrightrunError, EngineError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.requests import Undeploy
from brightrun_tui.domain.talk import TalkTurn, talk_jsonl, talk_markdown
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.chat_partner import Partner, question_of_base
from brightrun_tui.tui.screens.chat_settings import ChatSettings, ChatSettingsScreen
from brightrun_tui.tui.screens.dialog import Confirm, Dialog
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.bubble import Bubble
from brightrun_tui.tui.widgets.footer import KeyFooter
from brightrun_tui.tui.widgets.message_box import MessageBox
from brightrun_tui.tui.widgets.sanitize import sanitize_content
from brightrun_tui.tui.widgets.titles import retitle

READY_SECONDS = 300.0
PAINT_SECONDS = 0.1
MOST_PARTNERS = 2

Result = TypeVar("Result")


class ChatScreen(Dialog[None]):
    """A conversation; the answer appears while it is written."""

    SCOPES = ("chat", "modal")
    BINDINGS = bindings("chat", "modal")  # both use escape

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Chat with {model.ref}", classes="-large -chat")
        self._partners = [Partner(model)]
        self._settings = ChatSettings()
        self._started: dict[str, Partner] = {}
        self._begun: set[asyncio.Task[Any]] = set()

    def compose_body(self) -> ComposeResult:
        yield VerticalScroll(id="turns", can_focus=False)
        yield Static("", id="chat-status", markup=False)
        yield MessageBox(placeholder="write, then enter; ^j begins a new line", id="say")

    def on_mount(self) -> None:
        self._box.focus()
        self._prepare()

    @property
    def _box(self) -> MessageBox:
        return self.query_one("#say", MessageBox)

    @property
    def answering(self) -> bool:
        """Whether an answer is being written."""
        return any(worker.group == "answer" and worker.is_running for worker in self.workers)

    def on_worker_state_changed(self) -> None:
        """Redraw the footer: some keys are for while an answer is written, others for afterwards."""
        for footer in self.query(KeyFooter):
            footer.look()

    def on_message_box_sent(self, event: MessageBox.Sent) -> None:
        event.stop()
        said = event.text.strip()
        if said and not self.answering:
            event.box.put("")
            self._answer(said)

    def action_send(self) -> None:
        self._box.focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "stop":
            return True if self.answering else None
        if action == "dismiss":
            return None if self.answering else True  # escape ends the answer first, then the conversation
        if action == "wrong":
            return True if self._chosen is not None and not self.answering else None
        if action == "save":
            return True if self._partners[0].turns else None
        return True

    def action_stop(self) -> None:
        self.workers.cancel_group(self, "answer")
        self._say("stopped")

    async def action_dismiss(self, result: None = None) -> None:
        """Close the chat, once what it has started is ended or asked about."""
        if self._started_here() or self._begun or any(partner.base_alone for partner in self._started.values()):
            self._leave()
        else:
            await super().action_dismiss()

    def _started_here(self) -> list[Endpoint]:
        """Return endpoints that are there because of this chat."""
        return [e for e in self.app.snapshot.endpoints if e.id in self._started and e.serving]

    @work(group="leave", exclusive=True)
    async def _leave(self) -> None:
        """End what was started for the chat, or ask about it; a base that was started always ends."""
        await asyncio.gather(*self._begun)
        for partner in {*self._started.values()}:
            await self._end_base(partner)
        started = [endpoint for endpoint in self._started_here() if not endpoint.base_alone]
        if not started:
            self.dismiss(None)
            return
        names = " and ".join(endpoint.served_name for endpoint in started)
        many = "are" if len(started) > 1 else "is"
        stop = await self.app.push_screen_wait(
            Confirm(
                "The chat ends",
                f"{names} {many} being served for this chat, which keeps memory busy. Go on serving?",
                yes="Stop serving",
                no="Keep it up",
                danger=False,
            )
        )
        if stop is None:
            return
        for endpoint in started if stop else ():
            await self.app.ask(Undeploy(target=endpoint.id), wait=0.0)
        if not stop:
            self.app.toast(f"{names} {many} still served; U in the Registry ends that.")
        self.dismiss(None)

    async def action_clear(self) -> None:
        self.workers.cancel_group(self, "answer")
        for partner in self._partners:
            partner.turns = []  # what is being answered still ends in the old ones
        await self.query_one("#turns").remove_children()
        self._say("")

    def action_page_up(self) -> None:
        self.query_one("#turns", VerticalScroll).scroll_page_up()

    def action_page_down(self) -> None:
        self.query_one("#turns", VerticalScroll).scroll_page_down()

    @work(group="ask")
    async def action_settings(self) -> None:
        chosen = await self.app.push_screen_wait(ChatSettingsScreen(self._settings))
        if chosen is not None:
            self._settings = chosen
            self._title_anew()

    @work(group="ask")
    async def action_beside(self) -> None:
        """Ask a second model the same; the same key takes it away again."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        if len(self._partners) == MOST_PARTNERS:
            await self._take_away()
            return
        here = self._partners[0].model
        others = sorted(
            (other for other in self.app.snapshot.models if other.ref != here.ref),
            key=lambda other: (other.name != here.name, -other.created_at),
        )
        choices = [Choice(other.ref, other.ref, other.report.verdict.grade, other.base_id) for other in others]
        ref = await self.app.push_screen_wait(PickScreen(f"Ask beside {here.ref}", choices))
        other = self.app.snapshot.model(ref or "")
        if other is not None:
            self._put_beside(Partner(other))

    def action_base(self) -> None:
        if not any(worker.group == "base" and worker.is_running for worker in self.workers):
            self._base_or_not()

    @work(group="base")
    async def _base_or_not(self) -> None:
        """Ask the model's base the same; the same key takes it away again, and out of memory."""
        if self._partners[-1].base_alone:
            await self._take_away()
            return
        here = self._partners[0].model
        try:
            question = await question_of_base(self.app, here)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        if question is not None and not await self.app.push_screen_wait(question):
            return
        if len(self._partners) == MOST_PARTNERS:
            await self._take_away()
        self._put_beside(Partner(here, base_alone=True))

    def _put_beside(self, partner: Partner) -> None:
        self._partners.append(partner)
        self._title_anew()
        self._prepare()

    async def _take_away(self) -> None:
        """Stop asking the second model."""
        gone = self._partners.pop()
        self._title_anew()
        self._say("")
        await asyncio.gather(*self._begun)
        await self._end_base(gone)

    async def _end_base(self, partner: Partner) -> None:
        """End the endpoint of a base that this chat began; those of versions may be kept."""
        ended = {endpoint.id for endpoint in self.app.snapshot.endpoints if endpoint.ended}
        for endpoint in [each for each, whose in self._started.items() if whose is partner and partner.base_alone]:
            del self._started[endpoint]
            if endpoint not in ended:
                await self._to_its_end(self.app.ask(Undeploy(target=endpoint), wait=0.0))

    async def _to_its_end(self, asking: Coroutine[Any, Any, Result]) -> Result:
        """Wait for it; it goes on when whoever waits is cancelled, and the chat does not end before it."""
        task = asyncio.create_task(asking)
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return await asyncio.shield(task)

    def _title_anew(self) -> None:
        names = " and ".join(partner.title for partner in self._partners)
        retitle(self.query_one(".dialog"), f"Chat with {names}", self._settings.words)

    @work(group="ask")
    async def action_wrong(self) -> None:
        """Keep what the chosen answer, else the newest one, should have been."""
        from brightrun_tui.tui.screens.correct import CorrectScreen

        bubble = self._chosen
        if bubble is None:
            return
        partner = next((each for each in self._partners if bubble.turn in each.turns), None)
        if partner is None:
            self._say("that talk was forgotten")
            return
        if partner.base_alone:
            self._say(f"this is what the base says; corrections are learnt by {partner.model.ref}: choose its answer")
            return
        before = partner.turns[: partner.turns.index(bubble.turn)]
        conversation = [turn.message for turn in [*self._system(), *before]]
        wanted = await self.app.push_screen_wait(
            CorrectScreen(partner.model.ref, before[-1].content, bubble.turn.content)
        )
        if wanted is None:
            return
        try:
            await registry.correct(self.app.db, partner.model.ref, conversation, wanted, answer=bubble.turn.content)
        except BrightrunError as error:
            self.app.show_error(error)
            return
        bubble.show(bubble.turn, "✎ corrected")
        self._say("correction kept; x in the Registry makes new training data of them", "$success")
        self.app.look_now()

    @property
    def _chosen(self) -> Bubble | None:
        """The answer that has the focus, else the newest one that can be corrected."""
        if isinstance(self.focused, Bubble):
            return self.focused
        names = {partner.name for partner in self._partners if not partner.base_alone}
        answers = [bubble for bubble in self.query(Bubble) if bubble.turn.speaker in names]
        return answers[-1] if answers else None

    @work(group="ask")
    async def action_save(self) -> None:
        from brightrun_tui.tui.screens.save_file import SaveFileScreen

        name = f"chat-{self._partners[0].model.name}-{time.strftime('%Y%m%d-%H%M%S')}.md"
        question = "Where. “.md” is for reading, “.jsonl” is training data."
        target = await self.app.push_screen_wait(SaveFileScreen("Save the talk", question, name))
        if target is None:
            return
        talks = [(partner, [*self._system(), *partner.turns]) for partner in self._partners]
        if target.suffix == ".jsonl":
            text = "".join(talk_jsonl(talk) for partner, talk in talks if not partner.base_alone)
        else:
            text = "\n".join(talk_markdown(f"Chat with {partner.name}", talk) for partner, talk in talks)
        try:
            await asyncio.to_thread(_write_new, target, text)
        except OSError as error:
            self._say(f"✗ {target}: {error.strerror or error}", "$error")
        else:
            self._say(f"saved: {target}", "$success")

    @work(group="prepare", exclusive=True)
    async def _prepare(self) -> None:
        for partner in [*self._partners]:
            if await self._endpoint(partner) is None and partner.base_alone and partner in self._partners:
                self._partners.remove(partner)  # why stands in the line below the talk
                self._title_anew()
                await self._end_base(partner)

    def _system(self) -> list[TalkTurn]:
        return [TalkTurn(role="system", content=self._settings.system)] if self._settings.system else []

    @work(group="answer", exclusive=True)
    async def _answer(self, said: str) -> None:
        """Ask everybody at once. A question that nobody answered is not a part of the conversation; it can be sent again."""
        asked = TalkTurn(role="user", content=said)
        question, row = Bubble(asked), Container(classes="answers")
        turns = self.query_one("#turns", VerticalScroll)
        await turns.mount(question, row)
        turns.scroll_end(animate=False)
        talks = [(partner, partner.turns) for partner in self._partners]
        try:
            await asyncio.gather(*(self._ask(partner, talk, asked, row) for partner, talk in talks))
        finally:
            if not any(asked in talk for _, talk in talks):
                for part in (question, row):
                    if part.is_attached:
                        part.remove()
                if self.is_attached and all(partner.turns is talk for partner, talk in talks):
                    self._box.put(self._box.text or said)

    async def _ask(self, partner: Partner, talk: list[TalkTurn], asked: TalkTurn, row: Container) -> None:
        """Let one model answer into a bubble of its own, and keep what it said, also where it was stopped."""
        from brightrun_tui.serving import chat, read_key

        text, began, tokens = "", 0.0, [0]
        said = TalkTurn(role="assistant", content="", speaker=partner.name)
        bubble = Bubble(said)
        try:
            endpoint = await self._endpoint(partner)
            if endpoint is None or not row.is_attached:  # cleared, or left, while it loaded
                return
            await row.mount(bubble)
            self._say("answering …")
            painted = 0.0
            async for piece in chat(
                endpoint.url,
                read_key(Path(endpoint.directory)),
                endpoint.served_name,
                [turn.message for turn in [*self._system(), *talk, asked]],
                used=partial(tokens.__setitem__, 0),
                **self._settings.sampling,
            ):
                now = time.monotonic()
                began, text = began or now, text + piece
                if now - painted > PAINT_SECONDS:
                    painted = now
                    bubble.show(said.model_copy(update={"content": text}))
                    self.query_one("#turns", VerticalScroll).scroll_end(animate=False)
            self._say("" if text else "the answer was empty")
        except BrightrunError as error:
            self._say(f"✗ {error.what}{f' – {error.fix}' if error.fix else ''}", "$error")
        finally:
            if text:
                seconds = time.monotonic() - began
                said = said.model_copy(update={"content": text, "tokens": tokens[0], "seconds": seconds})
                talk += [asked, said]
                bubble.show(said)
            elif bubble.is_attached:
                bubble.remove()

    async def _endpoint(self, partner: Partner) -> Endpoint | None:
        """Return the partner's endpoint, ready; deploys when there is none. None after saying why not."""
        found = partner.endpoint(self.app.snapshot)
        if found is None or found.state in ("failed", "stopping"):
            if self.app.read_only:
                self._say("✗ not served, and read-only mode cannot deploy it", "$error")
                return None
            self._say(f"◌ starting a server for {partner.name} …")
            if not await self._to_its_end(self._deploy(partner)):
                self._say("✗ it could not be deployed", "$error")
                return None
        try:
            return await self._until_ready(partner)
        except EngineError as error:
            self._say(f"✗ {error.what}{f' – {error.fix}' if error.fix else ''}", "$error")
            return None

    async def _deploy(self, partner: Partner) -> bool:
        """Say whether the engine has not refused."""
        reply = await self.app.ask(partner.deploy, wait=30.0)
        if reply is not None and reply.answer is not None and not reply.answer.already:
            self._started[reply.answer.endpoint] = partner
        return reply is not None

    async def _until_ready(self, partner: Partner) -> Endpoint | None:
        """Wait until the endpoint is ready; None where it was taken away meanwhile."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (waited := loop.time() - start) < READY_SECONDS:
            if partner not in self._partners:
                return None
            endpoint = partner.endpoint(self.app.snapshot)
            if endpoint is not None and endpoint.down:
                since = humanize.clock(endpoint.down_since)
                self._say(f"✗ its server has been down since {since}; start it again: brightrun engine start", "$error")
                return endpoint
            if endpoint is not None and endpoint.answers:
                self._say(partner.ready_words(endpoint), "$success")
                return endpoint
            if endpoint is not None and endpoint.state == "failed" and waited > 2.0:
                raise EngineError(endpoint.error or "the server did not come up")
            doing = f"starting {partner.name} again ({endpoint.restarting})" if endpoint and endpoint.restarting else ""
            self._say(f"◌ {doing or f'loading {partner.name}'}, {humanize.duration(waited)} so far …")
            await asyncio.sleep(0.3)
        raise EngineError(f"the server did not come up within {humanize.span(READY_SECONDS)}")

    def _say(self, text: str, style: str = "$muted") -> None:
        self.query_one("#chat-status", Static).update(sanitize_content(Content.styled(cells.one_line(text), style)))


def _write_new(target: Path, text: str) -> None:
    """Raise `OSError` where something is there already."""
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
