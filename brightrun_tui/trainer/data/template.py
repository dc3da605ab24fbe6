"""Which characters of a conversation the loss counts, through the tokenizer's own chat template.

Three kinds of template are met in the wild:

* with ``{% generation %}`` markers: they say what the assistant wrote;
* without: the conversation is rendered up to each answer, with and without it; what the answer added is what
  counts. Where a template rewrites earlier turns when later ones come (Qwen3 drops old thoughts), each answer
  becomes an example of its own, so that every answer is trained after exactly the text that precedes it in use;
* none at all (bare base models): a plain one is given to the tokenizer and saved with the adapter.

None of them is believed: for each record the text before an answer must be what the answer is asked for with, the
answer must be in its span, and all that was said must be in the text. Where a template drops thoughts that it prompts
for (DeepSeek-R1 and its like), the answer is written as the model has to go on from the prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from transformers.utils.chat_template_utils import render_jinja_template

from brightrun_tui.domain.chat_template import ENDLESS, GREEDY, damaged_template
from brightrun_tui.domain.dataset import Message, ToolCall
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.trainer.data.folding import fold
from brightrun_tui.trainer.runtime.limits import EndlessError, ends_within

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PLAIN = (
    "{% if bos_token is defined and bos_token %}{{ bos_token }}{% endif %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\n\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant:' }}"
    "{% generation %}{{ ' ' + message['content'] + eos_token }}{% endgeneration %}{{ '\n\n' }}"
    "{% else %}{{ message['role'] | capitalize + ': ' + message['content'] + '\n\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""A space belongs to the word behind it in most vocabularies, so a prompt that ended in one would be new to the model."""

_GENERATION_MARKER = re.compile(r"\{%-?\s*generation\s*-?%\}")

RENDER_SECONDS = 5.0
"""Of the processor, for one conversation."""

Kind = Literal["marked", "unmarked"]
TemplateTurn = dict[str, Any]
Tools = Sequence[dict[str, Any]]
OPEN, CLOSE = "<think>", "</think>"
_SPEAKERS = {
    "system": "system messages",
    "user": "questions",
    "assistant": "earlier answers",
    "tool": "what tools answered",
}


class UnrenderableError(Exception):
    """The template cannot render a conversation, or not in a way that shows all that was said."""


@dataclass(frozen=True)
class Span:
    """One trained answer: characters ``start`` to ``end`` of the text.

    From ``said`` on it is what the assistant said; what precedes that, the template puts there. ``exact``: the template
    itself marked it.
    """

    start: int
    said: int
    end: int
    exact: bool


@dataclass(frozen=True)
class Rendering:
    """A conversation as text, with the answers that are trained. ``lost_thoughts``: some of theirs have no place in it."""

    text: str
    spans: tuple[Span, ...]
    lost_thoughts: bool = False


@dataclass(frozen=True)
class ChatTemplate:
    """A tokenizer's template.

    Attributes:
        notice: what the user should know about it, or empty.
        opening: what it writes by itself at the head of an answer, as Qwen3 does with empty thoughts; mostly empty.
    """

    source: str
    kind: Kind
    variables: dict[str, str]
    notice: str = ""
    opening: str = ""

    def render(self, turns: Sequence[TemplateTurn], *, tools: Tools = (), generation_prompt: bool = False) -> str:
        """Return the text of a conversation.

        Args:
            turns: as `Message.for_template` makes them.
            tools: functions that may be called, in OpenAI's form.

        Raises:
            UnrenderableError: the template refuses it; the message says why.
            BaseModelError: it does not come to an end.
        """
        return self._render(turns, tools, generation_prompt)[0]

    def _render(
        self, turns: Sequence[TemplateTurn], tools: Tools, generation_prompt: bool
    ) -> tuple[str, list[tuple[int, int]]]:
        try:
            with ends_within(RENDER_SECONDS):
                texts, marks = render_jinja_template(
                    conversations=[list(turns)],
                    tools=list(tools) or None,
                    chat_template=self.source,
                    add_generation_prompt=generation_prompt,
                    return_assistant_tokens_mask=self.kind == "marked",
                    **self.variables,
                )
        except (EndlessError, MemoryError) as error:
            raise damaged_template(GREEDY if isinstance(error, MemoryError) else ENDLESS) from None
        except Exception as error:  # a template can fail in any way a program can
            raise UnrenderableError(f"it says: {str(error)[:300] or type(error).__name__}") from error
        return texts[0], list(marks[0]) if self.kind == "marked" else []

    def renderings(self, messages: Sequence[Message], tools: Tools = ()) -> list[Rendering]:
        """Return one rendering, or one for each trained answer where the template rewrites earlier turns.

        What precedes an answer is byte for byte what a request for that answer is prompted with, the answer is in its span
        whole, and everything else that is said is in the text.

        Raises:
            UnrenderableError: with the reason.
        """
        turns = [message.for_template() for message in messages]
        trained = [i for i, message in enumerate(messages) if message.role == "assistant" and message.train]
        pieces = self._by_marks(messages, turns, trained, tools) or [
            self._by_prompt(messages[: i + 1], turns[: i + 1], tools) for i in trained
        ]
        for i, piece in zip(trained, pieces, strict=True):
            _require_all_said(messages[: i + 1], piece)
        if pieces and all(pieces[-1].text.startswith(piece.text) for piece in pieces):
            return [
                Rendering(
                    pieces[-1].text,
                    tuple(piece.spans[0] for piece in pieces),
                    any(piece.lost_thoughts for piece in pieces),
                )
            ]
        return pieces

    def _by_marks(
        self, messages: Sequence[Message], turns: Sequence[TemplateTurn], trained: Sequence[int], tools: Tools
    ) -> list[Rendering]:
        """Return a rendering where the template marks what the assistant wrote, and that is what it would write; else
        nothing.
        """
        if self.kind != "marked":
            return []
        text, marks = self._render(turns, tools, False)
        answers = [i for i, message in enumerate(messages) if message.role == "assistant"]
        if len(marks) != len(answers):
            return []
        pieces = []
        for i, (start, end) in zip(answers, marks, strict=True):
            if i not in trained:
                continue
            if text[:start] != self.render(turns[:i], tools=tools, generation_prompt=True) or not _holds(
                text[start:end], messages[i]
            ):
                return []
            pieces.append(Rendering(text[: _turn_end(text, end)], (self._span(text, start, end, exact=True),)))
        return pieces

    def _by_prompt(self, messages: Sequence[Message], turns: Sequence[TemplateTurn], tools: Tools) -> Rendering:
        """Return the last answer behind the prompt that asks for it."""
        before = self.render(turns[:-1], tools=tools, generation_prompt=True)
        after = self.render(turns, tools=tools)
        if after.startswith(before):
            span, said = self._span(after, len(before), len(after), exact=False), after[len(before) :]
            if _holds(said, messages[-1]):
                return Rendering(after, (span,))
            if messages[-1].tool_calls and _holds(said, messages[-1].model_copy(update={"reasoning": ""})):
                return Rendering(after, (span,), lost_thoughts=True)
        if not after.startswith(self.render(turns[:-1], tools=tools).rstrip()):
            raise UnrenderableError(
                "what precedes an answer changes when the answer is added, and it has no {% generation %} markers"
            )
        return self._continued(before, after, messages[-1])

    def _continued(self, before: str, after: str, message: Message) -> Rendering:
        """Return the prompt and the answer as the model has to go on from it, where the template itself writes it in another
        way.
        """
        inline, answer = _thoughts_and_answer(message.content)
        place = after.rfind(answer) if answer else -1
        if not all(_call_is_in(call, after) for call in message.tool_calls):
            raise UnrenderableError("it does not know calls of tools; take a base model whose template does")
        if place < 0 or message.tool_calls:
            raise UnrenderableError("it leaves out, or changes, what the assistant says")
        thoughts = message.reasoning.strip() or inline
        opened = before.rstrip().endswith(OPEN)
        knows = opened or CLOSE in self.source or bool(inline)
        head = (
            ("" if opened else f"{OPEN}\n") + f"{thoughts}\n{CLOSE}\n\n"
            if thoughts and knows
            else f"\n{CLOSE}\n\n"
            if opened
            else ""
        )
        text = before + head + after[place:]
        said = len(before) + (0 if thoughts else len(head))
        return Rendering(text, (Span(len(before), said, len(text), False),), lost_thoughts=bool(thoughts) and not knows)

    def _span(self, text: str, start: int, end: int, *, exact: bool) -> Span:
        return Span(start, start + len(self.opening) if text.startswith(self.opening, start) else start, end, exact)


def chat_template(tokenizer: Any) -> ChatTemplate:
    """Return the template of a tokenizer; one without gets a plain one (`CHATML` or `PLAIN`), which is saved with it.

    A template that takes no system messages, or no two questions in a row, is completed (`folding`), and saved so.

    Raises:
        BaseModelError: there is no template and nothing that could end a turn, or it does not come to an end.
    """
    variables = {name: str(token) for name, token in tokenizer.special_tokens_map.items() if isinstance(token, str)}
    notice = ""
    if not tokenizer.chat_template:
        vocabulary = tokenizer.get_vocab()
        if "<|im_start|>" in vocabulary and "<|im_end|>" in vocabulary:
            tokenizer.chat_template, name = CHATML, "ChatML"
        elif tokenizer.eos_token:
            tokenizer.chat_template, name = PLAIN, "“User: … Assistant: …”"
        else:
            raise BaseModelError(
                "its tokenizer has neither a chat template nor an end-of-text token, so an answer could never end",
                where="base model",
                fix="choose the “instruct” or “chat” version of this model",
                kind=ErrorKind.NO_CHAT_TEMPLATE,
            )
        notice = f"the base model has no chat template; {name} is used and saved with the adapter"

    def render(source: str, turns: list[dict[str, str]]) -> str | None:
        try:
            return ChatTemplate(source, "unmarked", variables).render(turns)
        except UnrenderableError:
            return None

    given = tokenizer.get_chat_template()
    source, completed = fold(given, render)
    if completed:
        tokenizer.chat_template = source
    kind: Kind = "marked" if _GENERATION_MARKER.search(source) else "unmarked"
    template = ChatTemplate(source, kind, variables, notice or completed)
    return replace(template, opening=_opening(template))


def _opening(template: ChatTemplate) -> str:
    said = "\u2588 answer \u2588"
    try:
        rendering = template.renderings((Message(role="user", content="?"), Message(role="assistant", content=said)))[0]
    except UnrenderableError:
        return ""
    span = rendering.spans[0]
    opening, found, _ = rendering.text[span.start : span.end].partition(said)
    return opening if found and opening.strip() else ""


def _thoughts_and_answer(content: str) -> tuple[str, str]:
    """Return what stands between ``<think>`` and ``</think>`` at the head of an answer, and the answer itself."""
    thoughts, closed, answer = content.partition(CLOSE)
    if not closed or not thoughts.lstrip().startswith(OPEN):
        return "", content.strip()
    return thoughts.strip().removeprefix(OPEN).strip(), answer.strip()


def _turn_end(text: str, end: int) -> int:
    """Return where the turn ends that is marked up to ``end``: its end marker may stand outside, at most to the end of
    the line.
    """
    newline = text.find("\n", end)
    return len(text) if newline < 0 else newline + 1


def _holds(text: str, message: Message) -> bool:
    """Say whether all that the assistant thought, called and said is in this text."""
    inline, answer = _thoughts_and_answer(message.content)
    wanted = [part for part in (message.reasoning.strip(), inline, answer) if part]
    return all(_is_in(part, text) for part in wanted) and all(_call_is_in(call, text) for call in message.tool_calls)


def _is_in(part: str, text: str) -> bool:
    return part in text or " ".join(part.split()) in " ".join(text.split())


def _call_is_in(call: ToolCall, text: str) -> bool:
    return call.name in text and all(_value_is_in(value, text) for value in call.arguments.values())


def _value_is_in(value: Any, text: str) -> bool:
    """Say whether a call's argument can be found, however it is written."""
    if isinstance(value, dict):
        return all(_value_is_in(inner, text) for inner in value.values())
    if isinstance(value, list):
        return all(_value_is_in(inner, text) for inner in value)
    if isinstance(value, str):
        return any(
            spelling in text
            for spelling in (value, json.dumps(value, ensure_ascii=False)[1:-1], json.dumps(value)[1:-1])
        )
    return str(value) in text or json.dumps(value) in text


def _require_all_said(messages: Sequence[Message], rendering: Rendering) -> None:
    """Raise `UnrenderableError` where something that was said before the answer is not in the text."""
    for message in messages[:-1]:
        answer = _thoughts_and_answer(message.content)[1] if message.role == "assistant" else message.content.strip()
        if answer and not _is_in(answer, rendering.text):
            raise UnrenderableError(f"it leaves out {_SPEAKERS[message.role]}")
        if not all(_call_is_in(call, rendering.text) for call in message.tool_calls):
            raise UnrenderableError("it leaves out calls of tools")
