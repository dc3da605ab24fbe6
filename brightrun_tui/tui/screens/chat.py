"""Talk to a model, or to two side by side, another version or the base. What is not served yet is served first."""

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
from brightrun_tui.domain.errors import BrightrunError
from brightrun_tui.domain.model import ModelVersion
from brightrun_tui.domain.talk import TalkTurn, talk_jsonl, talk_markdown
from brightrun_tui.tui.actions import bindings
from brightrun_tui.tui.screens.chat_partner import Partner, question_of_base
from brightrun_tui.tui.screens.chat_partners import ChatPartners
from brightrun_tui.tui.screens.chat_settings import ChatSettings, ChatSettingsScreen
from brightrun_tui.tui.widgets import cells
from brightrun_tui.tui.widgets.bubble import Bubble
from brightrun_tui.tui.widgets.footer import KeyFooter
from brightrun_tui.tui.widgets.message_box import MessageBox
from brightrun_tui.tui.widgets.sanitize import sanitize_content
from brightrun_tui.tui.widgets.titles import retitle

PAINT_SECONDS = 0.1
MOST_PARTNERS = 2


class ChatScreen(ChatPartners):
    """A conversation; the answer appears while it is written."""

    SCOPES = ("chat", "modal")
    BINDINGS = bindings("chat", "modal")  # both use escape

    def __init__(self, model: ModelVersion) -> None:
        super().__init__(model)
        self._settings = ChatSettings()

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

    def _say(self, text: str, style: str = "$muted") -> None:
        self.query_one("#chat-status", Static).update(sanitize_content(Content.styled(cells.one_line(text), style)))


def _write_new(target: Path, text: str) -> None:
    """Raise `OSError` where something is there already."""
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
