"""Records that are a question and an answer: Alpaca, prompt and completion, and their synonyms."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from brightrun_tui.datasets.client_turns import answer_of, from_items, instructions_of
from brightrun_tui.datasets.conversations import are_turns, conversation_in, is_turn, list_in, read_turns, remark_on
from brightrun_tui.datasets.mark_words import DECIDED, decision, rejects
from brightrun_tui.datasets.nesting import spelt_turns
from brightrun_tui.datasets.parsed import (
    COMPLETIONS,
    NOTHING,
    PROMPTS,
    REASONING,
    SYSTEMS,
    ParsedRecord,
    draft_of,
    first_of,
    holds_text,
    is_blank,
    lowered,
    scalar,
    thoughts_in,
    value_of,
    with_system,
)
from brightrun_tui.datasets.steps import first_of_several
from brightrun_tui.datasets.tool_calls import TOOLS, calls_as_answer, tools_beside, tools_of
from brightrun_tui.datasets.turns import ROLES, Turn, Unusable, text_of

JOINED = ("prompt", "question", "query", "input", "context")
CHOICES = ("choices", "options")
HISTORIES = ("history", "chat_history")
_LONG_TEXT = 30
_ABOUT_ANSWERS = frozenset(
    "model usage tokens token_count prompt_tokens completion_tokens total_tokens finish_reason stop_reason id created created_at "
    "logprobs latency provider refusal annotations".split()
)
"""What clients write beside the text of an answer, and that is not part of it."""
_RESPONSE = frozenset({"value", "status", "user_id", "user", "id"})
_CHOICE_JOINT = re.compile(r"[ _-]")
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BEFORE = re.compile(r"(?:[^\S\n]*\n)+| (?! )")
"""Empty lines, or the one space that an older kind of model wanted before its answer; an indented line is code."""


def from_pair(row: Mapping[str, Any]) -> ParsedRecord:
    """Return one question and one answer: alpaca, prompt/completion and their synonyms."""
    fields = lowered(row)
    asked = first_of(fields, ("instruction", *PROMPTS))
    answered, decided = _answered(fields)
    used = {asked, answered, decided, first_of(fields, SYSTEMS)}
    prompt, completion, system = fields.get(asked), answer_of(fields.get(answered)), value_of(fields, SYSTEMS)
    system = system or instructions_of(fields, completion)
    if isinstance(prompt, Mapping):  # what a service was asked, with what it was given beside the turns
        fields = {**{str(name).lower(): part for name, part in prompt.items()}, **fields}
        system, prompt = system or value_of(fields, SYSTEMS), conversation_in(prompt) or prompt
    if isinstance(completion, Mapping) and not is_turn(completion):
        completion = conversation_in(completion) or completion
    prompt, completion = _taken_apart(prompt), _taken_apart(_submitted(completion))
    if answered == "answers" and isinstance(completion, str) and completion.startswith("["):
        completion = list_in(completion) or completion
    if are_turns(prompt) or are_turns(completion) or is_turn(completion):
        completion, several = first_of_several(completion)
        question, more = ("", set()) if are_turns(prompt) else _question(fields, asked)
        before: list[Any] = prompt if are_turns(prompt) else [{"role": "user", "content": question}]
        after = _turns_of_answer(completion)
        turns = [turn._replace(train=False) for turn in read_turns(before)] + read_turns(after)
        draft = draft_of(row, with_system(system, turns), used | more)
        remark_on(draft, answered, [*before, *after])
        draft.remarks += several
        draft.tools = tools_of(fields)
        return draft
    earlier = next((name for name in HISTORIES if _is_history(fields.get(name))), "history")
    history = fields.get(earlier) or []
    spoken = are_turns(history)
    if history and not _is_history(history):
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
    if isinstance(prompt, list) and len(prompt) > 1 and all(isinstance(text, str) for text in prompt):
        remarks.append("several_questions")
    thoughts = first_of(fields, REASONING)
    tools = tools_beside(fields)
    calls = calls_as_answer(answer, tools)
    turns.append(Turn("user", question))
    turns.append(Turn("assistant", "" if calls else answer, True, thoughts_in(fields.get(thoughts)), calls))
    draft = draft_of(row, turns, used | more | {earlier, thoughts})
    draft.tools = tools
    draft.unused += [name for name in TOOLS if not tools and holds_text(fields.get(name))]
    draft.remarks += remarks
    return draft


def _answered(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the field with the answer, and the one where an annotator's tool says that the record was taken, which it calls
    answer.

    Raises:
        Unusable: it was not taken.
    """
    names = [name for name in COMPLETIONS if name in fields and not is_blank(fields[name])]
    if len(names) < 2 or DECIDED not in names or (taken := decision(fields[DECIDED])) is None:
        return first_of(fields, COMPLETIONS), ""
    if not taken:
        raise Unusable("thumbs_down", DECIDED)
    return next(name for name in names if name != DECIDED), DECIDED


def _submitted(value: Any) -> Any:
    """Return what people wrote, of the responses of a tool for annotators: with who wrote each, and what became of it; anything
    else as it is.

    Raises:
        Unusable: all of them were discarded.
    """
    if (
        isinstance(value, Mapping)
        and value.keys() <= _RESPONSE
        and all(isinstance(one, list) for one in value.values())
    ):
        value = [dict(zip(value, row, strict=False)) for row in zip(*value.values(), strict=False)]
    if not isinstance(value, list) or not value:
        return value
    if not all(isinstance(one, dict) and "value" in one and one.keys() <= _RESPONSE for one in value):
        return value
    taken = [one["value"] for one in value if not rejects(one.get("status"))]
    if not taken:
        raise Unusable("thumbs_down", "status")
    return taken[0] if len(taken) == 1 else taken


def _taken_apart(value: Any) -> Any:
    """Return the turns of known speakers that a text holds as JSON, or that a response consists of; anything else as it is."""
    turns = spelt_turns(value) if isinstance(value, str) else []
    return turns if turns and all(str(turn["role"]) in ROLES for turn in turns) else from_items(value)


def _is_history(value: Any) -> bool:
    """Say whether these are earlier turns, or pairs of them."""
    pairs = isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value)
    return bool(value) and (pairs or are_turns(value))


def _turns_of_answer(completion: Any) -> list[Any]:
    """Return the answer to a question that is given as turns: turns as well, one turn, or its text."""
    if are_turns(completion):
        return completion
    return [completion if is_turn(completion) else {"role": "assistant", "content": completion}]


def _question(fields: Mapping[str, Any], asked: str) -> tuple[str, set[str]]:
    """Return what the user says: the field ``asked`` and all that belongs to it, and the names of the fields it is made of.

    A long text that is in the question already is not said again, nor is a prompt into which the instruction was written.
    """
    parts: list[str] = []
    used: set[str] = set()
    for name in dict.fromkeys((asked, *JOINED)):
        if name not in fields or (name != asked and _are_numbers(fields[name])):
            continue  # such as the state of a model after its answer
        try:
            text = _trimmed(text_of(_lines_of(fields.get(name)) if name == "context" else fields.get(name)))
        except Unusable as reason:
            raise Unusable(reason.kind, f"{name}: {reason.detail}") from None
        if name != asked and text.strip().lower() in NOTHING:
            text = ""
        if name == "prompt" and any(part in text for part in parts):
            continue
        used.add(name)
        if text and text not in parts and not (len(text) >= _LONG_TEXT and any(text in part for part in parts)):
            parts.append(text)
    return "\n\n".join(parts), used


def _lines_of(value: Any) -> Any:
    """Return a line for each passage of a list where a passage is a list itself, of its title and its sentences; else the
    value.
    """
    if not isinstance(value, list) or not any(isinstance(part, list) for part in value):
        return value
    return ["\n".join(map(str.strip, texts)) if (texts := _texts(part)) else part for part in value]


def _texts(part: Any) -> list[str]:
    """Return the texts of a passage, a list of sentences as one; none if it holds anything else."""
    if isinstance(part, str):
        return [part]
    if not isinstance(part, list) or not all(isinstance(text, str | list) for text in part):
        return []
    return [text if isinstance(text, str) else " ".join(map(str.strip, _texts(text))) for text in part]


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, int | float) for one in value)


def _trimmed(text: str) -> str:
    """Return the text without space at the end and empty lines before; the indentation of the first line stays."""
    found = _BEFORE.match(text)
    return text[found.end() if found else 0 :].rstrip()


def _choices(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts of a multiple-choice question by their letters, or by the marks that the file gives them; else empty."""
    given = value_of(fields, CHOICES) or [fields[name] for name in _choice_columns(tuple(fields))]
    letters: Sequence[str] = _LETTERS
    if isinstance(given, dict):
        letters, given = _marked_choices(given)
    if not isinstance(given, list) or not 2 <= len(given) <= len(letters):
        return {}
    if not all(isinstance(text, str) and text.strip() for text in given):
        return {}
    return dict(zip(letters, (text_of(text).strip() for text in given), strict=False))


def _marked_choices(given: Mapping[str, Any]) -> tuple[Sequence[str], Any]:
    """Return marks and choices of an object keyed by letter, or of its list ``text`` beside one of letters or digits;
    else no choices.
    """
    letters, texts = list(given), list(given.values())
    if isinstance(given.get("text"), list) and isinstance(given.get("label", given.get("labels")), list):
        letters, texts = given.get("label", given.get("labels")), given["text"]
    marks = [str(letter).upper() for letter in letters]
    known = (list(_LETTERS[: len(texts)]), [str(number) for number in range(1, len(texts) + 1)])
    return marks, texts if marks in known else None


@lru_cache(maxsize=256)
def _choice_columns(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Return the columns that hold one choice each, in their order: A, B, C or option_a, choice 1 and the like."""
    plain = {_CHOICE_JOINT.sub("", name): name for name in fields}
    for stem in ("", "option", "choice"):
        for marks in (_LETTERS.lower(), "123456789") if stem else (_LETTERS.lower(),):
            count = next((n for n, mark in enumerate(marks) if stem + mark not in plain), len(marks))
            found = tuple(plain[stem + mark] for mark in marks[:count])
            if len(found) > 1:
                return found
    return ()


def _listed(choices: Mapping[str, str]) -> str:
    return "\n".join(f"{mark}. {text}" for mark, text in choices.items())


def _answer(completion: Any, choices: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the text of the answer, of several the first and of a choice's position (from 0) the choice; and remarks."""
    remarks = []
    if (
        isinstance(completion, dict)
        and (said := next((name for name in ("content", "text") if name in completion), ""))
        and isinstance(completion[said], str)
        and {str(name).lower() for name in completion} - {said} <= _ABOUT_ANSWERS
    ):
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
    completion, several = first_of_several(completion)
    remarks += several
    if _is_document(completion):
        return _as_json(completion), ["json_answer"]
    answer = _trimmed(text_of(completion))
    number = scalar(completion)
    texts = list(choices.values())
    if choices and answer not in texts and answer not in choices and number.lstrip("-").isdecimal():
        if not isinstance(completion, str) and 0 <= int(number) < len(choices):
            answer = texts[int(number)]
            remarks.append("counted_choice")
        else:
            remarks.append("no_such_choice")
    return answer, remarks


def _is_document(value: Any) -> bool:
    """Say whether an answer is data: an object, or a list of them that are not parts of a text."""
    if isinstance(value, list):
        return bool(value) and all(
            isinstance(part, dict) and "type" not in part and "text" not in part for part in value
        )
    return isinstance(value, dict) and bool(value)


def _as_json(value: Any) -> str:
    """Return the value as JSON on one line, with the digits that its numbers were written with."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_as_json(str(name))}: {_as_json(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_json, value)) + "]"
    if isinstance(value, float | Decimal):
        return str(getattr(value, "literal", value))
    return json.dumps(value, ensure_ascii=False, default=str)
