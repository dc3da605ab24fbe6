"""The formats that are understood: their names, what they look like, and telling one from another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brightrun_tui.datasets.brightrun_v4 import from_training_pair, is_brightrun_v4
from brightrun_tui.datasets.drafts import (
    COMPLETIONS,
    CONVERSATIONS,
    PROMPTS,
    Draft,
    from_conversation,
    from_pair,
    from_templated_text,
    is_turn,
    lowered,
)
from brightrun_tui.datasets.templated import is_templated


@dataclass(frozen=True)
class FormatInfo:
    """A format for help texts: ``looks`` is one example line."""

    name: str
    title: str
    looks: str


@dataclass(frozen=True)
class Format:
    """A format: how to tell an entry of it, and how to draft a record from one."""

    info: FormatInfo
    matches: Callable[[Any], bool]
    draft: Callable[[Mapping[str, Any]], Draft]


def _has_turns(row: Any, key: str) -> bool:
    """Whether the row holds a conversation whose turns name their speaker under ``key``."""
    if not isinstance(row, Mapping):
        return False
    for name in CONVERSATIONS:
        turns = row.get(name)
        if isinstance(turns, str) and turns.lstrip().startswith(("[", "{")):
            return f'"{key}"' in turns or f"'{key}'" in turns
        if isinstance(turns, dict) and isinstance(turns.get(key), list):
            return True
        if isinstance(turns, list) and turns and is_turn(turns[0]):
            return key in turns[0]
    return False


def _is_alpaca(row: Any) -> bool:
    if not isinstance(row, Mapping):
        return False
    fields = lowered(row)
    return "instruction" in fields and any(name in fields for name in COMPLETIONS)


def _is_pair(row: Any) -> bool:
    if not isinstance(row, Mapping):
        return False
    fields = lowered(row)
    return any(name in fields for name in PROMPTS) and any(name in fields for name in COMPLETIONS)


FORMATS: dict[str, Format] = {one.info.name: one for one in (
    Format(FormatInfo("brightrun-lora-v4", "Bright Run training pairs",
                      '{"system_prompt": …, "conversation_history": […], "current_user_input": …, "target_response": …}'),
           is_brightrun_v4, from_training_pair),
    Format(FormatInfo("messages", "Chat messages",
                      '{"messages": [{"role": "user", "content": …}, {"role": "assistant", "content": …}]}'),
           lambda row: _has_turns(row, "role"), from_conversation),
    Format(FormatInfo("sharegpt", "ShareGPT conversations",
                      '{"conversations": [{"from": "human", "value": …}, {"from": "gpt", "value": …}]}'),
           lambda row: _has_turns(row, "from"), from_conversation),
    Format(FormatInfo("alpaca", "Alpaca instructions", '{"instruction": …, "input": …, "output": …}'),
           _is_alpaca, from_pair),
    Format(FormatInfo("templated-text", "Conversations as one text in a model's chat format",
                      '{"text": "<|im_start|>user\\n…<|im_end|>\\n<|im_start|>assistant\\n…<|im_end|>"}'),
           is_templated, from_templated_text),
    Format(FormatInfo("prompt-completion", "Questions and answers",
                      '{"prompt": …, "completion": …}, or a table with such columns (also question and answer)'),
           _is_pair, from_pair),
)}


def known_formats() -> tuple[FormatInfo, ...]:
    """Every format, in the order in which they are tried."""
    return tuple(one.info for one in FORMATS.values())


def is_known(row: Any) -> bool:
    """Whether an entry is of any known format."""
    return any(one.matches(row) for one in FORMATS.values())


def recognise(rows: Sequence[Any]) -> Format | None:
    """The format that most of these entries have; None if they have none."""
    counts = {name: sum(one.matches(row) for row in rows) for name, one in FORMATS.items()}
    best = max(counts, key=lambda name: counts[name])
    return FORMATS[best] if counts[best] else None
