"""Turns that a chat template refuses or leaves out, folded into those it takes, in the template itself.

The folding is Jinja in front of the template, saved with the adapter, so that training, report, chat, endpoint and
every export write a conversation in the same way.
"""

from __future__ import annotations

from collections.abc import Callable

Render = Callable[[str, list[dict[str, str]]], "str | None"]
"""The text that a template makes of turns; None if it refuses them."""

_HEAD = """{%- set folded = namespace(text='', turns=[]) -%}
{%- for turn in messages -%}"""
_SYSTEM = """
{%- if turn['role'] == 'system' -%}
{%- set folded.text = folded.text + turn['content'] + '\\n\\n' -%}
{%- elif turn['role'] == 'user' and folded.text -%}
{%- set folded.turns = folded.turns + [{'role': 'user', 'content': folded.text + turn['content']}] -%}
{%- set folded.text = '' -%}
{%- else -%}
{%- set folded.turns = folded.turns + [turn] -%}
{%- endif -%}"""
_USERS = """
{%- if turn['role'] == 'user' and folded.turns and folded.turns[-1]['role'] == 'user' -%}
{%- set folded.text = folded.turns[-1]['content'] + '\\n\\n' + turn['content'] -%}
{%- set folded.turns = folded.turns[:-1] + [{'role': 'user', 'content': folded.text}] -%}
{%- set folded.text = '' -%}
{%- else -%}
{%- set folded.turns = folded.turns + [turn] -%}
{%- endif -%}"""
_TAIL = """
{%- endfor -%}
{%- if folded.text -%}{%- set folded.turns = folded.turns + [{'role': 'user', 'content': folded.text | trim}] -%}{%- endif -%}
{%- set messages = folded.turns -%}
"""
_SYSTEM_FOLDING = _HEAD + _SYSTEM + _TAIL
_USERS_FOLDING = _HEAD + _USERS + _TAIL
_MARKS = ("Bright system text.", "Bright question.", "Bright second question.", "Bright answer.")


def fold(source: str, render: Render) -> tuple[str, str]:
    """Return the template with what it needs in front of it, and a sentence on that; the template itself and "" where it needs
    nothing.

    Args:
        source: a chat template.
        render: see `Render`.
    """
    system, question, second, answer = _MARKS
    said: list[str] = []
    user = {"role": "user", "content": question}
    replied = {"role": "assistant", "content": answer}

    def takes(template: str, turns: list[dict[str, str]]) -> bool:
        text = render(template, turns)
        return text is not None and all(turn["content"] in text for turn in turns)

    if not takes(source, [user, replied]):
        return source, ""
    with_system = [{"role": "system", "content": system}, user, replied]
    if not takes(source, with_system) and takes(_SYSTEM_FOLDING + source, with_system):
        source = _SYSTEM_FOLDING + source
        said.append("system messages open the first question")
    two_users = [user, {"role": "user", "content": second}, replied]
    if not takes(source, two_users) and takes(_USERS_FOLDING + source, two_users):
        source = _USERS_FOLDING + source
        said.append("questions in a row are joined")
    return source, f"the base model's chat template is completed, and saved so: {' and '.join(said)}" if said else ""
