"""How deep JSON may be nested: what goes down level by level later on, tokenizers' templates too, must not come to its end."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 100
"""Objects and lists inside one another."""


def json_of(text: str) -> Any:
    """Return what a text holds. Raises ``ValueError`` where it is not JSON, or nested deeper than `MAX_DEPTH`."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if is_deep(text, value):
        raise ValueError("nested too deeply")
    return value


def is_deep(text: str, value: Any) -> bool:
    """Say whether the value, which was read from that text, is nested deeper than `MAX_DEPTH`."""
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
        ]
    return bool(level)


def spelt_turns(text: str) -> list[Any]:
    """Return the turns with role and content that a text holds as JSON, a list of them or one, as tables keep them; else none."""
    if '"role"' not in text or not text.lstrip().startswith(("[{", "{")):
        return []
    try:
        found = json_of(text)
    except ValueError:
        return []
    turns = found if isinstance(found, list) else [found]
    return turns if all(isinstance(turn, dict) and {"role", "content"} <= turn.keys() for turn in turns) else []
