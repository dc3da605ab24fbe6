"""From one entry of a file to a draft of a record, for the formats in common use."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from math import isfinite
from typing import Any

from brightrun_tui.datasets.marks import LEARN_MARKS, SKIP_MARKS, learnt
from brightrun_tui.datasets.templated import turns_in_text
from brightrun_tui.datasets.tool_calls import CALL_ROLES, TOOLS, calls_in_text, calls_of, tools_of
from brightrun_tui.datasets.turns import Turn, Unusable, role_of, text_of

CONVERSATIONS = ("messages", "conversations", "conversation")
PROMPTS = (
    "prompt",
    "question",
    "query",
    "input",
    "user",
    "human",
    "user_input",
    "frage",
    "pregunta",
    "pergunta",
    "domanda",
)
COMPLETIONS = (
    "completion",
    "answer",
    "response",
    "output",
    "assistant",
    "reply",
    "target",
    "antwort",
    "respuesta",
    "resposta",
    "réponse",
    "reponse",
    "risposta",
    "answers",
)
JOINED = ("prompt", "question", "query", "input", "context")
NOTHING = frozenset({"nan", "none", "null", "<na>", "n/a", "<noinput>", "no input", "noinput"})
"""What stands in a field beside the question where there is nothing to say, after pandas and in Alpaca's own data."""
CHOICES = ("choices", "options")
REASONING = ("reasoning_content", "reasoning", "thinking", "thoughts")
_TURN_FIELDS = frozenset(
    (
        "role",
        "from",
        "content",
        "value",
        "text",
        "name",
        "id",
        "timestamp",
        "created_at",
        "type",
        "recipient",
        "tool_calls",
        "tool_call_id",
        "function_call",
        "refusal",
        "annotations",
        "audio",
        *LEARN_MARKS,
        *SKIP_MARKS,
        *REASONING,
    )
)
SYSTEMS = ("system", "system_prompt")
CATEGORIES = ("category", "topic", "persona", "task", "intent", "difficulty", "language", "emotional_arc")
GROUPS = ("group", "conversation_id", "thread_id", "session_id")
IDS = ("id", "uuid", "_id")
_ABOUT = frozenset((*GROUPS, *IDS, *TOOLS, "categories"))
_LONGEST_CATEGORY = 64
_LONG_TEXT = 30
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(slots=True)
class ParsedRecord:
    """A record before its turns are checked. An empty ``id`` gets one by position.

    ``remarks`` are keys of `problems.REMARKS`; ``unused`` are the names of fields whose text is not in the turns, with the
    name of the conversation's field and a dot before those of single turns.
    """

    turns: list[Turn]
    id: str = ""
    group: str = ""
    categories: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    tools: tuple[dict[str, Any], ...] = ()


def from_conversation(row: Mapping[str, Any]) -> ParsedRecord:
    """``messages`` (role, content) and ``conversations`` (from, value); every answer trains unless marked otherwise."""
    name = next((name for name in CONVERSATIONS if row.get(name)), "")
    turns = turns_in(row[name]) if name else None
    if turns is None:
        raise Unusable("no_answer")
    if not isinstance(turns, list):
        raise Unusable("other_shape")
    given = _with_system(_value(row, SYSTEMS), [_turn(turn) for turn in turns])
    draft = _draft(row, given, {name, _first(row, SYSTEMS)})
    remarks, unread = _remarks_on(name, turns)
    draft.remarks += remarks
    draft.unused += unread
    draft.tools = tools_of(row)
    return draft


def from_templated_text(row: Mapping[str, Any]) -> ParsedRecord:
    """One text that holds the conversation in some model's chat format; it is taken apart."""
    return _draft(row, _with_system(_value(row, SYSTEMS), turns_in_text(text_of(row.get("text")))), {"text"})


def turns_in(value: Any) -> Any:
    """The list of turns in a conversation's field, which may be JSON, Python's spelling of a list, or a list for each field.

    Raises:
        Unusable: a text that is none of these.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = _literal(value)
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=False)]
    return value


def _literal(text: str) -> Any:
    """What pandas wrote into a cell: ``repr`` of a list of dicts, or of an array of them, which has no commas."""
    for spelling in (text, text.replace("}\n {", "},\n {")):
        try:
            return ast.literal_eval(spelling)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise Unusable("other_shape")


def from_pair(row: Mapping[str, Any]) -> ParsedRecord:
    """One question and one answer: alpaca, prompt/completion and their synonyms."""
    fields = lowered(row)
    asked, answered = _first(fields, ("instruction", *PROMPTS)), _first(fields, COMPLETIONS)
    used = {asked, answered, _first(fields, SYSTEMS)}
    prompt, completion, system = fields.get(asked), fields.get(answered), _value(fields, SYSTEMS)
    if isinstance(prompt, list) and prompt and is_turn(prompt[0]):
        completion = _turns_of_answer(completion)
        turns = [_turn(turn)._replace(train=False) for turn in prompt] + [_turn(turn) for turn in completion]
        draft = _draft(row, _with_system(system, turns), used)
        remarks, unread = _remarks_on(answered, [*prompt, *completion])
        draft.remarks, draft.unused, draft.tools = [*draft.remarks, *remarks], [*draft.unused, *unread], tools_of(row)
        return draft
    history = fields.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise Unusable("other_shape")
    turns = (
        []
        if system is None or text_of(system).strip().lower() in NOTHING
        else [Turn("system", text_of(system).strip())]
    )
    for pair in history:
        turns += [Turn("user", pair[0]), Turn("assistant", pair[1])]
    question, more = _question(fields, asked)
    choices = _choices(fields)
    if choices:
        more.add(_first(fields, CHOICES))
        question = f"{question}\n\n{_listed(choices)}".strip()
    answer, remarks = _answer(completion, choices)
    thoughts = _first(fields, REASONING)
    thought = fields.get(thoughts)
    turns += [
        Turn("user", question),
        Turn("assistant", answer, reasoning=thought.strip() if isinstance(thought, str) else ""),
    ]
    draft = _draft(row, turns, used | more | {"history", thoughts})
    draft.remarks += remarks
    return draft


def _turns_of_answer(completion: Any) -> list[Any]:
    """The answer to a question that is given as turns: turns as well, one turn, or its text."""
    if isinstance(completion, list) and completion and is_turn(completion[0]):
        return completion
    return [completion if is_turn(completion) else {"role": "assistant", "content": completion}]


def _question(fields: Mapping[str, Any], asked: str) -> tuple[str, set[str]]:
    """What the user says: the field ``asked`` and all that belongs to it, and the names of the fields it is made of.

    A long text that is in the question already is not said again, nor is a prompt into which the instruction was written.
    """
    parts: list[str] = []
    used: set[str] = set()
    for name in dict.fromkeys((asked, *JOINED)):
        if name not in fields:
            continue
        text = text_of(fields.get(name)).strip()
        if name != asked and text.lower() in NOTHING:
            text = ""
        if name == "prompt" and any(part in text for part in parts):
            continue
        used.add(name)
        if text and text not in parts and not (len(text) >= _LONG_TEXT and any(text in part for part in parts)):
            parts.append(text)
    return "\n\n".join(parts), used


def _choices(fields: Mapping[str, Any]) -> list[str]:
    """The texts of a multiple-choice question; empty where it is none."""
    given = _value(fields, CHOICES)
    if not isinstance(given, list) or not 2 <= len(given) <= len(_LETTERS):
        return []
    return (
        [text_of(text).strip() for text in given]
        if all(isinstance(text, str) and text.strip() for text in given)
        else []
    )


def _listed(choices: Sequence[str]) -> str:
    return "\n".join(f"{letter}. {text}" for letter, text in zip(_LETTERS, choices, strict=False))


def _answer(completion: Any, choices: Sequence[str]) -> tuple[str, list[str]]:
    """The text of the answer, of several the first and of a choice's position (from 0) the choice; and remarks."""
    remarks = []
    if isinstance(completion, dict) and isinstance(completion.get("text"), list):  # SQuAD's form
        completion = (
            completion["text"] if len(set(map(str, completion["text"]))) > 1 else next(iter(completion["text"]), None)
        )
    if isinstance(completion, list) and len(completion) > 1 and all(isinstance(text, str) for text in completion):
        remarks.append("several_answers")
        completion = next((text for text in completion if text.strip()), "")
    answer = text_of(completion).strip()
    number = scalar(completion)
    if choices and answer not in choices and number.lstrip("-").isdecimal():
        if not isinstance(completion, str) and 0 <= int(number) < len(choices):
            answer = choices[int(number)]
        else:
            remarks.append("no_such_choice")
    return answer, remarks


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
    role = turn["role"] if "role" in turn else turn.get("from")
    content = turn["content"] if "content" in turn else turn.get("value", turn.get("text"))
    if len(turn) == 2 and content is not None:
        if isinstance(role, str) and role.strip().lower() in CALL_ROLES:
            return Turn("assistant", "", tool_calls=calls_in_text(content))
        return Turn(role, content)
    calls = calls_of(turn)
    if isinstance(role, str) and role.strip().lower() in CALL_ROLES and not calls:
        content, calls = "", calls_in_text(content)
        role = "assistant"
    thoughts = next((turn[name].strip() for name in REASONING if isinstance(turn.get(name), str)), "")
    return Turn(
        role, content, learnt(turn)[0], thoughts, calls, scalar(turn.get("name")), scalar(turn.get("tool_call_id"))
    )


def _remarks_on(name: str, turns: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Remarks on the turns in the field ``name``, and the fields of them that nobody reads, as ``name.field``."""
    remarks: list[str] = []
    unread: list[str] = []
    for turn in turns:
        if not isinstance(turn, dict) or len(turn) <= 2:
            continue
        if learnt(turn)[1] and "weight" not in remarks:
            remarks.append("weight")
        unread += [f"{name}.{field}" for field in turn if field not in _TURN_FIELDS and _holds_text(turn[field])]
    return remarks, unread


def _with_system(system: Any, turns: list[Turn]) -> list[Turn]:
    """The turns with the record's system text before them, unless they begin with it."""
    text = text_of(system).strip()
    if not text or (turns and role_of(turns[0].role) == "system" and text_of(turns[0].content).strip() == text):
        return turns
    return [Turn("system", system), *turns]


def _draft(row: Mapping[str, Any], turns: list[Turn], used: Set[str]) -> ParsedRecord:
    fields = lowered(row)
    categories = _categories(fields)
    rest = [
        name
        for name in fields
        if name not in used
        and name not in categories
        and name not in _ABOUT
        and name
        and not name.endswith("_id")
        and not name.startswith("unnamed:")
        and _holds_text(fields[name])
    ]
    if rest:
        texts = {turn.content.strip() for turn in turns if isinstance(turn.content, str)}
        spelt = {str(name).strip().lower(): str(name) for name in row}
        rest = [spelt[name] for name in rest if not isinstance(fields[name], str) or fields[name].strip() not in texts]
    return ParsedRecord(turns, _named(fields, IDS), _named(fields, GROUPS), categories, unused=rest)


def _named(fields: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((text for name in names if name in fields and (text := scalar(fields[name]))), "")


def _categories(row: Mapping[str, Any]) -> dict[str, str]:
    given = row.get("categories")
    found = dict(given) if isinstance(given, dict) else {}
    found.update((name, row[name]) for name in CATEGORIES if name in row)
    return {
        scalar(name): scalar(value)
        for name, value in found.items()
        if isinstance(value, str) and 0 < len(value) <= _LONGEST_CATEGORY
    }


def _holds_text(value: Any, depth: int = 3) -> bool:
    """Whether there is any text in it, at most so many levels down."""
    if isinstance(value, str):
        return bool(value.strip())
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return depth > 0 and any(_holds_text(part, depth - 1) for part in inner)


def _first(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of the fields that is not blank; the first of all where none has a value."""
    return next((name for name in names if name in row and not _is_blank(row[name])), names[0])


def _value(row: Mapping[str, Any], names: Sequence[str]) -> Any:
    return row.get(_first(row, names))


def _is_blank(value: Any) -> bool:
    return value is None or value != value or value == [] or (isinstance(value, str) and not value.strip())
