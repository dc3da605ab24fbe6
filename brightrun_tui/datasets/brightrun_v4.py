"""``brightrun-lora-v4``: the company's own format, as JSON (conversations of training pairs) and as JSONL (a pair a line).

An entry holds ``system_prompt``, ``conversation_history``, ``current_user_input`` and ``target_response``. Only
the target trains: answers in the history have entries of their own. Entries of a client's turn have no target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from brightrun_tui.datasets.parsed import ParsedRecord, scalar
from brightrun_tui.datasets.turns import Turn, Unusable, role_of, text_of

_CATEGORIES = {
    "persona": ("persona_archetype", "persona_key", "client_persona", "persona_name"),
    "emotional_arc": ("emotional_arc_key", "emotional_arc"),
    "topic": ("training_topic_key", "training_topic"),
}
_ID_SUFFIX = 8


def is_brightrun_v4(row: Any) -> bool:
    """Say whether this is a training pair or a conversation of them."""
    return isinstance(row, Mapping) and ("target_response" in row or "training_pairs" in row)


def pairs_of(row: Mapping[str, Any], number: int) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield the training pairs of a conversation (or the row itself when it is a pair), and where each is in it.

    Within a conversation the pairs' own ids and conversation ids repeat from one conversation to the next, so the
    conversation's id is put in their place.
    """
    pairs = row.get("training_pairs")
    if not isinstance(pairs, list):
        yield row, ""
        return
    about = row.get("conversation_metadata")
    about = about if isinstance(about, dict) else {}
    conversation = scalar(about.get("conversation_id")) or f"conversation-{number}"
    scaffolding = about.get("scaffolding")
    for position, pair in enumerate(pairs, start=1):
        if isinstance(pair, dict):
            own = pair.get("conversation_metadata")
            metadata = {
                **(scaffolding if isinstance(scaffolding, dict) else {}),
                **(own if isinstance(own, dict) else {}),
            }
            identity = f"{scalar(pair.get('id')) or f'pair{position}'}_{conversation[:_ID_SUFFIX]}"
            pair = {**pair, "id": identity, "conversation_id": conversation, "conversation_metadata": metadata}
        yield pair, f"conversation {number} pair {position}"


def from_training_pair(row: Mapping[str, Any]) -> ParsedRecord:
    """Return a draft of one training pair.

    Raises:
        Unusable: no target response, or a history that is none.
    """
    if not text_of(row.get("target_response")).strip():
        raise Unusable("no_target")
    history = row.get("conversation_history") or []
    if not isinstance(history, list) or not all(isinstance(turn, dict) for turn in history):
        raise Unusable("other_shape")
    turns = [Turn("system", row.get("system_prompt"))]
    turns += [Turn(turn.get("role"), turn.get("content"), train=False) for turn in history]
    if not _ends_with(turns, row.get("current_user_input")):
        turns.append(Turn("user", row.get("current_user_input")))
    turns.append(Turn("assistant", row.get("target_response")))
    return ParsedRecord(turns, scalar(row.get("id")), scalar(row.get("conversation_id")), _categories(row))


def announced_records(header: Mapping[str, Any]) -> int | None:
    """Say how many pairs the file says it holds, if it does."""
    for name, count in (("_meta", "total_pairs"), ("training_file_metadata", "total_training_pairs")):
        about = header.get(name)
        if isinstance(about, dict) and isinstance(about.get(count), int):
            return int(about[count])
    return None


def _ends_with(turns: list[Turn], user_input: Any) -> bool:
    """Say whether the history already ends with what the user says now."""
    last = turns[-1]
    text = text_of(user_input).strip()
    return not text or (role_of(last.role) == "user" and text_of(last.content).strip() == text)


def _categories(row: Mapping[str, Any]) -> dict[str, str]:
    about = row.get("conversation_metadata")
    if not isinstance(about, dict):
        return {}
    found = {
        name: next((scalar(about[key]) for key in keys if scalar(about.get(key))), "")
        for name, keys in _CATEGORIES.items()
    }
    return {name: value for name, value in found.items() if value}
