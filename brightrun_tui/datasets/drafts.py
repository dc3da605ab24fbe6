"""From one entry of a file to a draft of a record, for the formats in common use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any

from brightrun_tui.datasets.turns import Turn, Unusable, text_of

CONVERSATIONS = ("messages", "conversations", "conversation")
PROMPTS = ("prompt", "question", "query", "input", "user", "human", "user_input")
COMPLETIONS = ("completion", "answer", "response", "output", "assistant", "reply", "target")
SYSTEMS = ("system", "system_prompt")
CATEGORIES = ("category", "topic", "persona", "task", "intent", "difficulty", "language", "emotional_arc")
GROUPS = ("group", "conversation_id", "thread_id", "session_id")
IDS = ("id", "uuid", "_id")
_LONGEST_CATEGORY = 64


@dataclass(slots=True)
class Draft:
    """A record before its turns are checked. An empty ``id`` gets one by position."""

    turns: list[Turn]
    id: str = ""
    group: str = ""
    categories: dict[str, str] = field(default_factory=dict)


def from_conversation(row: Mapping[str, Any]) -> Draft:
    """``messages`` (role, content) and ``conversations`` (from, value); every answer trains unless marked otherwise."""
    turns = next((row[name] for name in CONVERSATIONS if row.get(name)), None)
    if isinstance(turns, str):
        try:
            turns = json.loads(turns)
        except (ValueError, RecursionError):
            raise Unusable("other_shape") from None
    if turns is None:
        raise Unusable("no_answer")
    if not isinstance(turns, list):
        raise Unusable("other_shape")
    system = _first(row, SYSTEMS)
    given = [_turn(turn) for turn in turns]
    if system is not None and text_of(system).strip():
        given.insert(0, Turn("system", system))
    return _draft(row, given)


def from_pair(row: Mapping[str, Any]) -> Draft:
    """One question and one answer: alpaca, prompt/completion and their synonyms."""
    fields = lowered(row)
    if fields.get("instruction") is not None:
        prompt, context = fields["instruction"], _first(fields, ("input", "context"))
    else:
        prompt, context = _first(fields, PROMPTS), fields.get("context")
    completion = _first(fields, COMPLETIONS)
    if isinstance(prompt, list) and isinstance(completion, list):
        turns = [_turn(turn)._replace(train=False) for turn in prompt] + [_turn(turn) for turn in completion]
        return _draft(fields, turns)
    turns = []
    system = _first(fields, SYSTEMS)
    if system is not None:
        turns.append(Turn("system", text_of(system).strip()))
    history = fields.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise Unusable("other_shape")
    for pair in history:
        turns += [Turn("user", pair[0]), Turn("assistant", pair[1])]
    question = [part for part in (text_of(prompt).strip(), text_of(context).strip()) if part]
    turns += [Turn("user", "\n\n".join(question)), Turn("assistant", text_of(completion).strip())]
    return _draft(fields, turns)


def lowered(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its field names trimmed and in lower case."""
    return {str(name).strip().lower(): value for name, value in row.items()}


def is_turn(value: Any) -> bool:
    return isinstance(value, dict) and ("role" in value or "from" in value)


def scalar(value: Any) -> str:
    """A text or number as valid Unicode; anything else is empty. 12.0 is 12: a table's whole numbers with gaps become floats."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return ""
    if isinstance(value, float | Decimal):
        value = float(value)
        if not isfinite(value):
            return ""
        value = int(value) if value.is_integer() else value
    text = str(value).strip()
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _turn(turn: Any) -> Turn:
    if not isinstance(turn, dict):
        raise Unusable("other_shape")
    if turn.get("tool_calls") or turn.get("function_call"):
        raise Unusable("tool_calls")
    role = turn["role"] if "role" in turn else turn.get("from")
    content = turn["content"] if "content" in turn else turn.get("value", turn.get("text"))
    train = turn.get("train", True) is not False and turn.get("weight", 1) != 0
    return Turn(role, content, train)


def _draft(row: Mapping[str, Any], turns: list[Turn]) -> Draft:
    group = next((scalar(row[name]) for name in GROUPS if row.get(name) is not None), "")
    identity = next((scalar(row[name]) for name in IDS if row.get(name) is not None), "")
    return Draft(turns, identity, group, _categories(row))


def _categories(row: Mapping[str, Any]) -> dict[str, str]:
    given = row.get("categories")
    found = dict(given) if isinstance(given, dict) else {}
    found.update((name, row[name]) for name in CATEGORIES if name in row)
    return {scalar(name): scalar(value) for name, value in found.items()
            if isinstance(value, str) and 0 < len(value) <= _LONGEST_CATEGORY}


def _first(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    """The first of the fields that has a value."""
    return next((row[name] for name in names if row.get(name) is not None), None)
