"""Which characters of a conversation the loss counts, through the tokenizer's own chat template.

Three kinds of template are met in the wild:

* with ``{% generation %}`` markers: they say what the assistant wrote;
* without: the conversation is rendered up to each answer, with and without it; what the answer added is what
  counts. Where a template rewrites earlier turns when later ones come (Qwen3 drops old thoughts), each answer
  becomes an example of its own, so that every answer is trained after exactly the text that precedes it in use;
* none at all (bare base models): a plain one is given to the tokenizer and saved with the adapter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from jinja2.exceptions import TemplateError
from transformers.utils.chat_template_utils import render_jinja_template

from brightrun_tui.domain.dataset import Message
from brightrun_tui.domain.errors import BaseModelError

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

Kind = Literal["marked", "unmarked"]


class UnrenderableError(Exception):
    """The template cannot render a conversation, or not in a way that shows what the assistant wrote."""


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
    """A conversation as text, with the answers that are trained."""

    text: str
    spans: tuple[Span, ...]


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

    def render(self, messages: list[dict[str, str]], *, generation_prompt: bool = False) -> str:
        """The text of a conversation.

        Raises:
            UnrenderableError: the template refuses it; the message says why.
        """
        return self._render(messages, generation_prompt)[0]

    def _render(self, messages: list[dict[str, str]], generation_prompt: bool) -> tuple[str, list[tuple[int, int]]]:
        try:
            return self._render_as_given(messages, generation_prompt)
        except TemplateError as error:
            if not messages or messages[0]["role"] != "system":
                raise UnrenderableError(str(error)) from error
        try:
            return self._render_as_given(_system_into_first_turn(messages), generation_prompt)
        except TemplateError as error:
            raise UnrenderableError(str(error)) from error

    def _render_as_given(self, messages: list[dict[str, str]],
                         generation_prompt: bool) -> tuple[str, list[tuple[int, int]]]:
        texts, marks = render_jinja_template(
            conversations=[messages], chat_template=self.source, add_generation_prompt=generation_prompt,
            return_assistant_tokens_mask=self.kind == "marked", **self.variables)
        return texts[0], list(marks[0]) if self.kind == "marked" else []

    def renderings(self, messages: tuple[Message, ...]) -> list[Rendering]:
        """One rendering, or one for each trained answer where the template rewrites earlier turns.

        Raises:
            UnrenderableError: with the reason.
        """
        turns = [{"role": m.role, "content": m.content} for m in messages]
        answers = [i for i, m in enumerate(messages) if m.role == "assistant"]
        trained = [i for i in answers if messages[i].train]
        if self.kind == "marked":
            text, marks = self._render(turns, False)
            if len(marks) != len(answers):
                raise UnrenderableError(f"the template marks {len(marks)} answers where the conversation has {len(answers)}")
            spans = [self._span(text, *mark, exact=True) for i, mark in zip(answers, marks, strict=True) if i in trained]
            return [Rendering(text, tuple(spans))]
        return self._renderings_by_prefix(turns, trained)

    def _renderings_by_prefix(self, turns: list[dict[str, str]], trained: list[int]) -> list[Rendering]:
        whole = self.render(turns)
        pieces: list[Rendering] = []
        for i in trained:
            before = self.render(turns[:i], generation_prompt=True)
            after = self.render(turns[: i + 1])
            if not after.startswith(before):
                before = self.render(turns[:i])  # templates that put part of their prompt after the answer's header
            if not after.startswith(before) or len(after) == len(before):
                raise UnrenderableError("the template has no {% generation %} markers, and what precedes an answer "
                                        "changes when the answer is added")
            pieces.append(Rendering(after, (self._span(after, len(before), len(after), exact=False),)))
        if all(whole.startswith(piece.text) for piece in pieces):
            return [Rendering(whole, tuple(piece.spans[0] for piece in pieces))]
        return pieces

    def _span(self, text: str, start: int, end: int, *, exact: bool) -> Span:
        return Span(start, start + len(self.opening) if text.startswith(self.opening, start) else start, end, exact)


def chat_template(tokenizer: Any) -> ChatTemplate:
    """The template of a tokenizer; one without gets a plain one (`CHATML` or `PLAIN`), which is saved with it.

    Raises:
        BaseModelError: there is no template and nothing that could end a turn.
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
                where="base model", fix="choose the “instruct” or “chat” version of this model", kind="no_chat_template")
        notice = f"the base model has no chat template; {name} is used and saved with the adapter"
    source = tokenizer.get_chat_template()
    kind: Kind = "marked" if _GENERATION_MARKER.search(source) else "unmarked"
    template = ChatTemplate(source, kind, variables, notice)
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


def _system_into_first_turn(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """For templates that know no system role (Gemma): its text opens the first user turn."""
    system, *rest = messages
    if not rest or rest[0]["role"] != "user":
        return messages
    return [{"role": "user", "content": f"{system['content']}\n\n{rest[0]['content']}"}, *rest[1:]]
