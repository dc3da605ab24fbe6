"""Records that are a question and an answer: Alpaca, prompt and completion, and their synonyms."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from brightrun_tui.datasets.client_turns import from_items, instructions_of
from brightrun_tui.datasets.conversations import is_turn, read_turns, remark_on
from brightrun_tui.datasets.parsed import (
    COMPLETIONS,
    NOTHING,
    PROMPTS,
    REASONING,
    SYSTEMS,
    ParsedRecord,
    draft_of,
    first_of,
    lowered,
    scalar,
    thoughts_in,
    value_of,
    with_system,
)
from brightrun_tui.datasets.tool_calls import tools_of
from brightrun_tui.datasets.turns import ROLES, Turn, Unusable, spelt_turns, text_of

JOINED = ("prompt", "question", "query", "input", "context")
CHOICES = ("choices", "options")
_LONG_TEXT = 30
_ABOUT_ANSWERS = frozenset(
    "model usage tokens token_count prompt_tokens completion_tokens total_tokens finish_reason stop_reason id created created_at "
    "logprobs latency provider refusal annotations".split()
)
"""What clients write beside the text of an answer, and that is none of it."""
_CHOICE_JOINT = re.compile(r"[ _-]")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BEFORE = re.compile(r"(?:[^\S\n]*\n)+| (?! )")
"""Empty lines, or the one space that an older kind of model wanted before its answer; an indented line is code."""


def from_pair(row: Mapping[str, Any]) -> ParsedRecord:
    """One question and one answer: alpaca, prompt/completion and their synonyms."""
    fields = lowered(row)
    asked, answered = first_of(fields, ("instruction", *PROMPTS)), first_of(fields, COMPLETIONS)
    used = {asked, answered, first_of(fields, SYSTEMS)}
    prompt, completion, system = fields.get(asked), fields.get(answered), value_of(fields, SYSTEMS)
    system = system or instructions_of(fields, completion)
    prompt, completion = _taken_apart(prompt), _taken_apart(completion)
    if _are_turns(prompt) or _are_turns(completion) or is_turn(completion):
        before: list[Any] = (
            prompt if isinstance(prompt, list) and _are_turns(prompt) else [{"role": "user", "content": prompt}]
        )
        after = _turns_of_answer(completion)
        turns = [turn._replace(train=False) for turn in read_turns(before)] + read_turns(after)
        draft = draft_of(row, with_system(system, turns), used)
        remark_on(draft, answered, [*before, *after])
        draft.tools = tools_of(fields)
        return draft
    history = fields.get("history") or []
    spoken = _are_turns(history)
    if not isinstance(history, list) or not (
        spoken or all(isinstance(pair, list) and len(pair) == 2 for pair in history)
    ):
        raise Unusable("other_shape")
    turns = with_system(system, read_turns(history) if spoken else [])
    for pair in () if spoken else history:
        turns += [Turn("user", pair[0]), Turn("assistant", pair[1])]
    question, more = _question(fields, asked)
    choices = _choices(fields)
    if choices:
        more |= {first_of(fields, CHOICES), *_choice_columns(tuple(fields))}
        question = f"{question}\n\n{_listed(choices)}".strip()
    answer, remarks = _answer(completion, choices)
    thoughts = first_of(fields, REASONING)
    turns += [Turn("user", question), Turn("assistant", answer, reasoning=thoughts_in(fields.get(thoughts)))]
    draft = draft_of(row, turns, used | more | {"history", thoughts})
    draft.remarks += remarks
    return draft


def _taken_apart(value: Any) -> Any:
    """The turns of known speakers that a text holds as JSON, or that a response consists of; anything else as it is."""
    turns = spelt_turns(value) if isinstance(value, str) else []
    return turns if turns and all(str(turn["role"]) in ROLES for turn in turns) else from_items(value)


def _are_turns(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and is_turn(value[0])


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
        text = _trimmed(text_of(fields.get(name)))
        if name != asked and text.strip().lower() in NOTHING:
            text = ""
        if name == "prompt" and any(part in text for part in parts):
            continue
        used.add(name)
        if text and text not in parts and not (len(text) >= _LONG_TEXT and any(text in part for part in parts)):
            parts.append(text)
    return "\n\n".join(parts), used


def _trimmed(text: str) -> str:
    """Without space at the end and empty lines before; the indentation of the first line stays."""
    found = _BEFORE.match(text)
    return text[found.end() if found else 0 :].rstrip()


def _choices(fields: Mapping[str, Any]) -> list[str]:
    """The texts of a multiple-choice question; empty where it is none."""
    given = value_of(fields, CHOICES) or [fields[name] for name in _choice_columns(tuple(fields))]
    if isinstance(given, dict):
        given = _lettered_choices(given)
    if not isinstance(given, list) or not 2 <= len(given) <= len(_LETTERS):
        return []
    return (
        [text_of(text).strip() for text in given]
        if all(isinstance(text, str) and text.strip() for text in given)
        else []
    )


def _lettered_choices(given: Mapping[str, Any]) -> Any:
    """The choices in an object by letter, or in its list ``text`` beside one of letters; None for anything else."""
    letters, texts = list(given), list(given.values())
    if isinstance(given.get("text"), list) and isinstance(given.get("label", given.get("labels")), list):
        letters, texts = given.get("label", given.get("labels")), given["text"]
    return texts if [str(letter).upper() for letter in letters] == list(_LETTERS[: len(texts)]) else None


@lru_cache(maxsize=256)
def _choice_columns(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Of these names of columns those that hold one choice each: A, B, C or option_a, choice 1 and the like, in their order."""
    plain = {_CHOICE_JOINT.sub("", name): name for name in fields}
    for stem in ("", "option", "choice"):
        for marks in (_LETTERS.lower(), "123456789") if stem else (_LETTERS.lower(),):
            count = next((n for n, mark in enumerate(marks) if stem + mark not in plain), len(marks))
            found = tuple(plain[stem + mark] for mark in marks[:count])
            if len(found) > 1:
                return found
    return ()


def _listed(choices: Sequence[str]) -> str:
    return "\n".join(f"{letter}. {text}" for letter, text in zip(_LETTERS, choices, strict=False))


def _answer(completion: Any, choices: Sequence[str]) -> tuple[str, list[str]]:
    """The text of the answer, of several the first and of a choice's position (from 0) the choice; and remarks."""
    remarks = []
    if isinstance(completion, dict) and (
        said := next((name for name in ("content", "text") if name in completion), "")
    ):
        if isinstance(completion[said], str) and {str(name).lower() for name in completion} - {said} <= _ABOUT_ANSWERS:
            completion = completion[said]  # as a client returned it
    if isinstance(completion, dict) and isinstance(completion.get("text"), list):  # SQuAD's form
        completion = (
            completion["text"] if len(set(map(str, completion["text"]))) > 1 else next(iter(completion["text"]), None)
        )
    if isinstance(completion, list) and all(
        isinstance(one, dict) and "text" in one and "type" not in one for one in completion
    ):
        texts = list(dict.fromkeys(text_of(one["text"]) for one in completion))  # of several people
        completion = texts if len(texts) > 1 else next(iter(texts), None)
    if isinstance(completion, list) and len(completion) > 1 and all(isinstance(text, str) for text in completion):
        remarks.append("several_answers")
        completion = next((text for text in completion if text.strip()), "")
    if _is_document(completion):
        return _as_json(completion), ["json_answer"]
    answer = _trimmed(text_of(completion))
    number = scalar(completion)
    if choices and answer not in choices and number.lstrip("-").isdecimal():
        if not isinstance(completion, str) and 0 <= int(number) < len(choices):
            answer = choices[int(number)]
            remarks.append("counted_choice")
        else:
            remarks.append("no_such_choice")
    return answer, remarks


def _is_document(value: Any) -> bool:
    """Whether an answer is data: an object, or a list of them that are no parts of a text."""
    if isinstance(value, list):
        return bool(value) and all(
            isinstance(part, dict) and "type" not in part and "text" not in part for part in value
        )
    return isinstance(value, dict) and bool(value)


def _as_json(value: Any) -> str:
    """As JSON on one line, with the digits that numbers were written with."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_as_json(str(name))}: {_as_json(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_json, value)) + "]"
    if isinstance(value, float | Decimal):
        return str(getattr(value, "literal", value))
    return json.dumps(value, ensure_ascii=False, default=str)
