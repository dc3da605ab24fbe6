"""Records that hold a conversation: lists of turns in the shapes that tools write them, or one text in a chat format."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from brightrun_tui.datasets.branches import way_shown
from brightrun_tui.datasets.client_turns import RETURNED, answer_of, are_said, as_turn, from_items, with_thoughts
from brightrun_tui.datasets.mark_words import DECIDED, Meaning, decision, meaning_of
from brightrun_tui.datasets.marks import ENDINGS, is_cut, is_internal_note, is_taken_back, learnt, learnt_in_parts
from brightrun_tui.datasets.nesting import json_of
from brightrun_tui.datasets.parsed import (
    COMPLETIONS,
    CONVERSATIONS,
    IDS,
    OTHER_ANSWERS,
    PROMPTS,
    REASONING,
    SURE_CONVERSATIONS,
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
from brightrun_tui.datasets.templated import turns_in_text
from brightrun_tui.datasets.tool_calls import (
    CALL_ROLES,
    calls_in_parts,
    calls_in_text,
    calls_of,
    results_in_parts,
    tools_of,
)
from brightrun_tui.datasets.turn_order import are_reversed, are_unsorted
from brightrun_tui.datasets.turns import ROLES, Turn, Unusable, printable, role_of, text_of

SPEAKERS = (
    *("role", "author_role", "author role", "sender_type", "sender type", "sender_role", "sender role", "speaker_role"),
    *("speaker role", "author_type", "author type", "message_role", "from", "speaker", "sender", "author"),
)
_SPEAKERS = frozenset(SPEAKERS)
TEXTS = (
    *("content", "value", "text", "message", "utterance", "parts", "body", "msg"),
    *("message_text", "message text", "message_body", "message body", "body_text", "text_body", "message_content"),
)
_BEGUN = ("prefix", "partial")
"""What services call it where the last turn is how the answer is to begin."""
_SURELY_REVERSED = 3
"""Turns; of two a number may mean something else."""
_TURN_FIELDS = frozenset(
    (
        *SPEAKERS,
        *TEXTS,
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
        "channel",
        *(name.lower() for name in ENDINGS),
    )
)


def from_conversation(row: Mapping[str, Any]) -> ParsedRecord:
    """Read ``messages`` (role, content) and ``conversations`` (from, value); every answer trains unless marked
    otherwise.

    Where the last answer stands in a field of its own, as ``completion``, it is the last turn.
    """
    fields = lowered(row)
    name = _conversation_in(fields)[0] or next((name for name in CONVERSATIONS if fields.get(name)), "")
    turns = turns_in(fields[name]) if name else None
    if turns is None:
        raise Unusable("no_answer")
    if not isinstance(turns, list):
        raise Unusable("other_shape")
    used = {name, first_of(fields, SYSTEMS)}
    several: list[str] = []
    if len(turns) > 2 and len(shown := way_shown(turns, fields, role_of_turn)) < len(turns):
        turns, several = shown, ["branches"]
    if turns and is_turn(turns[-1]) and role_of(_speaker(turns[-1])) in ("user", "tool"):
        answered, answer = _answer_beside(fields)
        answer, found = first_of_several(answer)
        several += found
        if (isinstance(answer, str) and answer.strip()) or is_turn(answer):
            turns = [*turns, as_turn(answer) if is_turn(answer) else {"role": "assistant", "content": answer}]
            used.add(answered)
        elif elsewhere := _answer_elsewhere(fields, turns):
            raise Unusable("answer_elsewhere", elsewhere)
    elif turns and is_turn(turns[-1]) and any(turns[-1].get(name) is True for name in _BEGUN):
        answered, rest = _answer_beside(fields)
        if isinstance(rest, str) and rest.strip() and isinstance(turns[-1].get("content"), str):
            turns = [*turns[:-1], {**turns[-1], "content": turns[-1]["content"] + rest}]
            used.add(answered)
        else:
            several.append("only_begun")
    elif decision(fields.get(DECIDED)) is False:
        raise Unusable("thumbs_down", DECIDED)
    draft = draft_of(row, with_system(value_of(fields, SYSTEMS), read_turns(turns)), used)
    remark_on(draft, name, turns)
    draft.remarks += several
    draft.tools = tools_of(fields)
    return draft


def _answer_beside(fields: Mapping[str, Any]) -> tuple[str, Any]:
    """Return the field with the answer to turns that end without one, and the answer, also in the form a service
    returned it.
    """
    name = first_of(fields, COMPLETIONS)
    if is_blank(fields.get(name)):
        name = next((returned for returned in RETURNED if isinstance(fields.get(returned), list)), name)
        return name, answer_of({name: fields.get(name)})
    answer = answer_of(fields[name])
    only = isinstance(answer, list) and len(answer) == 1 and is_turn(answer[0])
    return name, answer[0] if only else answer


def _answer_elsewhere(fields: Mapping[str, Any], turns: Sequence[Any]) -> str:
    """Return the field that seems to hold the answer to turns without one; empty where none does, or they hold one."""
    if any(role_of_turn(turn) == "assistant" for turn in turns if isinstance(turn, dict)):
        return ""
    texts = (name for name in OTHER_ANSWERS if isinstance(fields.get(name), str) and fields[name].strip())
    return next(texts, "")


def from_templated_text(row: Mapping[str, Any]) -> ParsedRecord:
    """Return one text that holds the conversation in some model's chat format; it is taken apart."""
    return draft_of(row, with_system(value_of(row, SYSTEMS), turns_in_text(text_of(row.get("text")))), {"text"})


def speaks_by(row: Any) -> str:
    """Return the key under which the turns of a row's conversation name their speaker; empty where it holds none."""
    if not isinstance(row, Mapping):
        return ""
    return _conversation_in(row if any(name in row for name in CONVERSATIONS) else lowered(row))[1]


def _conversation_in(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the field with a conversation, and the key under which its turns name their speaker; empty where there is none.

    Under a name that may mean something else, the speakers must be known, and say something.
    """
    for name in CONVERSATIONS:
        turns = fields.get(name)
        key = ""
        if isinstance(turns, str) and turns.lstrip().startswith(("[", "{")):
            key = next((key for key in SPEAKERS if f'"{key}"' in turns or f"'{key}'" in turns), "")
        elif isinstance(turns, dict):
            key = next((key for key in SPEAKERS if isinstance(turns.get(key), list)), "")
        elif isinstance(turns, list) and turns:
            key = _speaker_key(turns[0])
            if key and name not in SURE_CONVERSATIONS and not _speaks(turns[0]):
                key = ""
            if not key and name != "items" and _is_exchange(turns[0]):
                key = "from"
            if not key and are_said(turns):
                key = "role"
        if key:
            return name, key
    return "", ""


def _speaks(turn: Mapping[str, Any]) -> bool:
    return bool(role_of_turn(turn)) and any(name in lowered(as_turn(turn)) for name in TEXTS)


def conversation_in(record: Mapping[str, Any]) -> Any:
    """Return the turns of a record that holds a conversation; None where it holds none."""
    fields = lowered(record)
    name, _ = _conversation_in(fields)
    return turns_in(fields[name]) if name else None


def is_turn(value: Any) -> bool:
    """Say whether this is one turn of a conversation: it names who speaks."""
    return bool(_speaker_key(value))


def are_turns(value: Any) -> TypeGuard[list[Any]]:
    """Say whether this is a list of turns, by its first."""
    return isinstance(value, list) and bool(value) and is_turn(value[0])


def role_of_turn(turn: Mapping[str, Any]) -> str:
    """Say who speaks in a turn; empty where that is not known."""
    try:
        return role_of(_speaker(as_turn(turn)))
    except Unusable:
        return ""


def turns_in(value: Any) -> Any:
    """Return the list of turns in a conversation's field, which may be JSON, Python's spelling of a list, or a list for each
    field.

    Raises:
        Unusable: a text that is not one of these.
    """
    if isinstance(value, str):
        try:
            value = json_of(value)
        except ValueError:
            value = _literal(value)
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        return [dict(zip(value, row, strict=True)) for row in zip(*value.values(), strict=False)]
    if isinstance(value, list) and value and all(map(_is_exchange, value)):
        turns = [turn for exchange in value for turn in _parted(exchange)]
        return [turn for place, turn in enumerate(turns) if turn["role"] != "system" or turn not in turns[:place]]
    if are_said(value):
        return [{"role": speaker, "content": said} for turn in value for speaker, said in turn.items()]
    return with_thoughts([as_turn(turn) for turn in from_items(value)]) if isinstance(value, list) else value


def read_turns(turns: Sequence[Any]) -> list[Turn]:
    """Return turns as a file has them, with the calls and results of tools that stand in their parts.

    Raises:
        Unusable: one of them is not a turn, or has a mark or a call that cannot be understood.
    """
    return [one for turn in turns if not (is_internal_note(turn) or is_taken_back(turn)) for one in _read(turn)]


def remark_on(draft: ParsedRecord, name: str, turns: Sequence[Any]) -> None:
    """Remark on the turns in the field ``name``: weights, and fields that nobody reads, as ``name.field``."""
    if are_unsorted(turns):
        if len(turns) >= _SURELY_REVERSED and are_reversed(turns):
            raise Unusable("newest_first")
        draft.remarks.append("unsorted")
    for turn in turns:
        if not isinstance(turn, dict) or len(turn) <= 2:
            continue
        if is_internal_note(turn) or is_taken_back(turn):
            draft.remarks.append("internal_notes" if is_internal_note(turn) else "taken_back")
            continue
        marks = learnt(turn)
        if marks.weighted and "weight" not in draft.remarks:
            draft.remarks.append("weight")
        if "cut_by_limit" not in draft.remarks and is_cut(turn):
            draft.remarks.append("cut_by_limit")
        if role_of(_speaker(turn)) == "assistant":
            draft.flags += [(f"{name}.{field}", value) for field, value in marks.flags]
        draft.unused += [f"{name}.{field}" for field, value in turn.items() if _is_unread(field, value)]


def _is_unread(field: str, value: Any) -> bool:
    if field.lower() in _TURN_FIELDS or meaning_of(field) in (Meaning.LEARN, Meaning.SKIP) or not holds_text(value):
        return False
    return field.lower() not in REASONING or not thoughts_in(value)


def _literal(text: str) -> Any:
    """Return what pandas wrote into a cell: ``repr`` of a list of dicts, or of an array of them, which has no commas."""
    for spelling in (text, text.replace("}\n {", "},\n {")):
        try:
            return ast.literal_eval(spelling)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    raise Unusable("other_shape")


def list_in(text: str) -> list[Any]:
    """Return the texts in a list that a cell spells as JSON or as Python does; empty unless all are texts."""
    try:
        found = turns_in(text)
    except Unusable:
        return []
    return found if isinstance(found, list) and all(isinstance(one, str) for one in found) else []


def _speaker_key(turn: Any) -> str:
    if not isinstance(turn, dict):
        return ""
    if "role" in turn:
        return "role"
    names = lowered(turn)
    found = _SPEAKERS & names.keys()
    if len(found) > 1:
        return next(key for key in SPEAKERS if key in found)
    return next(iter(found), "") or ("role" if as_turn(turn) is not turn else "")


def _speaker(turn: Mapping[str, Any]) -> Any:
    speaker = turn["role"] if "role" in turn else value_of(lowered(turn), SPEAKERS)
    return speaker.get("role", speaker.get("type")) if isinstance(speaker, dict) else speaker


def _is_exchange(value: Any) -> bool:
    """Say whether this is a question with its answer, in one object of a conversation."""
    if not isinstance(value, dict) or _speaker_key(value):
        return False
    names = {str(name).lower() for name in value}
    return bool(names & {*PROMPTS}) and bool(names & {*COMPLETIONS})


def _parted(exchange: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return its turns; what stands beside them, such as marks, belongs to the answer."""
    fields = lowered(exchange)
    names = {
        role: first_of(fields, known)
        for role, known in (("system", SYSTEMS), ("user", PROMPTS), ("assistant", COMPLETIONS))
    }
    turns = [
        {"role": role, "content": fields.get(name)}
        for role, name in names.items()
        if role != "system" or fields.get(name)
    ]
    turns[-1] |= {name: value for name, value in fields.items() if name not in (*names.values(), *turns[-1], *IDS)}
    return turns


def _read(turn: Any) -> Iterator[Turn]:
    if not isinstance(turn, dict):
        raise Unusable("other_shape")
    if len(turn) == 2 and isinstance(turn.get("content"), str) and str(turn.get("role")) in ROLES:
        yield Turn(turn["role"], turn["content"])
        return
    fields = turn if "role" in turn and "content" in turn else lowered(turn)
    role, content = _speaker(fields), fields.get(next((name for name in TEXTS if name in fields), ""))
    spoken = role.strip().lower().replace("-", "_") if isinstance(role, str) else ""
    if len(turn) == 2 and content is not None and not isinstance(content, list):
        if spoken in CALL_ROLES:
            yield Turn("assistant", "", tool_calls=calls_in_text(content))
        else:
            yield Turn(role, content)
        return
    calls = calls_of(fields)
    if spoken in CALL_ROLES and not calls:
        role, content, calls = "assistant", "", calls_in_text(content)
    content, more = calls_in_parts(content)
    content, results = results_in_parts(content)
    yield from (Turn("tool", said, tool_call_id=call) for call, said in results)
    if results and not content:
        return
    thoughts = next((text for name in REASONING if name in fields and (text := thoughts_in(fields[name]))), "")
    if content is None and not calls:
        content = fields.get("refusal")
        unknown = next((str(name) for name, value in turn.items() if _is_unread(name, value)), "")
        if unknown and content is None and not any(name in fields for name in TEXTS):
            raise Unusable("no_text", printable(unknown))
    yield Turn(
        role,
        content,
        learnt(turn).train
        and (not isinstance(content, list) or role_of(role) != "assistant" or learnt_in_parts(content)),
        thoughts,
        (*calls, *more),
        scalar(fields.get("name")),
        scalar(fields.get("tool_call_id")),
    )
