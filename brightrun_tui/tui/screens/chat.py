"""Talk to a model, or to two side by side. Serves it first when it is not served yet."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from brightrun_tui import registry
from brightrun_tui.domain import humanize
from brightrun_tui.domain.errors import BrightrunError, EngineError
from brightrun_tui.domain.model import Endpoint, ModelVersion
from brightrun_tui.domain.requests import Deploy, Undeploy
from brightrun_tui.domain.talk import TalkTurn, talk_jsonl, talk_markdown
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.chat_settings import ChatSettings, ChatSettingsScreen
from brightrun_tui.tui.screens.dialog import Confirm, Dialog
from brightrun_tui.tui.screens.endpoint import served_name
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.bubble import Bubble
from brightrun_tui.tui.widgets.message_box import MessageBox
from brightrun_tui.tui.widgets.sanitize import sanitize
from brightrun_tui.tui.widgets.titles import retitle

READY_SECONDS = 300.0
PAINT_SECONDS = 0.1
MOST_PARTNERS = 2


class Partner:
    """One model that is talked to, and the talk with it; a new chat is a new list."""

    def __init__(self, model: ModelVersion) -> None:
        self.model = model
        self.turns: list[TalkTurn] = []


class ChatScreen(Dialog[None]):
    """A conversation; the answer appears while it is written."""

    SCOPES = ("chat", "modal")
    BINDINGS = bindings("chat")

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(f"Chat with {model.ref}", classes="-large -chat")
        self._partners = [Partner(model)]
        self._settings = ChatSettings()
        self._started: set[str] = set()

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
        if action == "wrong":
            return True if self._chosen is not None and not self.answering else None
        if action == "save":
            return True if self._partners[0].turns else None
        return True

    def action_stop(self) -> None:
        self.workers.cancel_group(self, "answer")
        self._say("stopped")

    async def action_dismiss(self, result: None = None) -> None:
        """Escape ends the answer first, then the conversation."""
        if self.answering:
            self.action_stop()
        elif self._started_here():
            self._leave()
        else:
            await super().action_dismiss()

    def _started_here(self) -> list[Endpoint]:
        """Endpoints that are there because of this chat."""
        return [e for e in self.app.snapshot.endpoints if e.id in self._started and e.state in ("starting", "ready")]

    @work(group="leave", exclusive=True)
    async def _leave(self) -> None:
        """What was started for the chat is not left behind without a word."""
        started = self._started_here()
        names = " and ".join(served_name(endpoint) for endpoint in started)
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
        """A second model that is asked the same; the same key takes it away again."""
        from brightrun_tui.tui.screens.pick import Choice, PickScreen

        if len(self._partners) == MOST_PARTNERS:
            self._partners.pop()
            self._title_anew()
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
            self._partners.append(Partner(other))
            self._title_anew()
            self._prepare()

    def _title_anew(self) -> None:
        names = " and ".join(partner.model.ref for partner in self._partners)
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
        """The answer that has the focus, else the newest one."""
        if isinstance(self.focused, Bubble):
            return self.focused
        answers = [bubble for bubble in self.query(Bubble) if bubble.turn.role == "assistant"]
        return answers[-1] if answers else None

    @work(group="ask")
    async def action_save(self) -> None:
        from brightrun_tui.tui.screens.save_file import SaveFileScreen

        name = f"chat-{self._partners[0].model.name}-{time.strftime('%Y%m%d-%H%M%S')}.md"
        question = "Where. “.md” is for reading, “.jsonl” is training data."
        target = await self.app.push_screen_wait(SaveFileScreen("Save the talk", question, name))
        if target is None:
            return
        talks = [[*self._system(), *partner.turns] for partner in self._partners]
        if target.suffix == ".jsonl":
            text = "".join(talk_jsonl(talk) for talk in talks)
        else:
            text = "\n".join(
                talk_markdown(f"Chat with {partner.model.ref}", talk)
                for partner, talk in zip(self._partners, talks, strict=True)
            )
        try:
            await asyncio.to_thread(_write_new, target, text)
        except OSError as error:
            self._say(f"✗ {target}: {error.strerror or error}", "$error")
        else:
            self._say(f"saved: {target}", "$success")

    @work(group="prepare", exclusive=True)
    async def _prepare(self) -> None:
        for partner in self._partners:
            await self._endpoint(partner.model)

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
        said = TalkTurn(role="assistant", content="", speaker=partner.model.ref)
        bubble = Bubble(said)
        try:
            endpoint = await self._endpoint(partner.model)
            if endpoint is None:
                return
            await row.mount(bubble)
            self._say("answering …")
            painted = 0.0
            async for piece in chat(
                endpoint.url,
                read_key(Path(endpoint.directory)),
                served_name(endpoint),
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
            self.refresh_bindings()

    async def _endpoint(self, model: ModelVersion) -> Endpoint | None:
        """The model's endpoint, ready; deploys when there is none. None after saying why not."""
        found = self.app.snapshot.endpoint_of(model)
        if found is None or found.state in ("failed", "stopping"):
            if self.app.read_only:
                self._say("✗ not served, and read-only mode cannot deploy it", "$error")
                return None
            self._say(f"◌ starting a server for {model.ref} …")
            reply = await self.app.ask(Deploy(target=model.ref), wait=30.0)
            if reply is None:
                self._say("✗ it could not be deployed", "$error")
                return None
            if reply.answer is not None:
                self._started.add(reply.answer.endpoint)
        try:
            return await self._until_ready(model)
        except EngineError as error:
            self._say(f"✗ {error.what}{f' – {error.fix}' if error.fix else ''}", "$error")
            return None

    async def _until_ready(self, model: ModelVersion) -> Endpoint:
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (waited := loop.time() - start) < READY_SECONDS:
            endpoint = self.app.snapshot.endpoint_of(model)
            if endpoint is not None and endpoint.down:
                since = humanize.clock(endpoint.down_since)
                self._say(f"✗ its server has been down since {since}; start it again: brightrun engine start", "$error")
                return endpoint
            if endpoint is not None and endpoint.state == "ready":
                where = "this machine" if endpoint.provider == "local" else endpoint.provider
                late = "; it is loaded into memory for the first answer" if endpoint.asleep else ""
                self._say(f"● ready; the model runs on {where}{late}", "$success")
                return endpoint
            if endpoint is not None and endpoint.state == "failed" and waited > 2.0:
                raise EngineError(endpoint.error or "the server did not come up")
            self._say(f"◌ loading {model.ref}, {humanize.duration(waited)} so far …")
            await asyncio.sleep(0.3)
        raise EngineError(f"the server did not come up within {READY_SECONDS:.0f} s")

    def _say(self, text: str, style: str = "$muted") -> None:
        self.query_one("#chat-status", Static).update(sanitize(Content.styled(cells.one_line(text), style)))


def _write_new(target: Path, text: str) -> None:
    """Raises `OSError` where something is there already."""
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
