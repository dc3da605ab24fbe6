"""A conversation with a model, to be kept as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypedDict

from pydantic import BaseModel, ConfigDict


class TalkTurn(BaseModel):
    """``speaker``: ``name:version`` of the model that answers. ``tokens`` 0 and ``seconds`` 0 where they are not known;
    ``seconds`` are those from the first word to the last.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    role: str
    content: str
    speaker: str = ""
    tokens: int = 0
    seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float:
        """0 where it is not known."""
        return (self.tokens - 1) / self.seconds if self.tokens > 1 and self.seconds > 0 else 0.0

    @property
    def message(self) -> dict[str, str]:
        """The turn as a model gets it."""
        return {"role": self.role, "content": self.content}


def talk_jsonl(turns: Sequence[TalkTurn]) -> str:
    """Return one line in the form that training data has."""
    return json.dumps({"messages": [turn.message for turn in turns]}, ensure_ascii=False) + "\n"


def talk_markdown(title: str, turns: Sequence[TalkTurn]) -> str:
    """Return the talk as Markdown for people. What was said stands in code blocks that it cannot end."""
    parts = [f"# {title}"]
    for turn in turns:
        who = turn.speaker or {"user": "You", "system": "System prompt"}.get(turn.role, turn.role)
        speed = f" ({turn.tokens_per_second:.0f} tokens/s)" if turn.tokens_per_second else ""
        fence = "`" * max(3, max((len(run) for run in re.findall(r"`+", turn.content)), default=0) + 1)
        parts.append(f"**{who}**{speed}\n\n{fence}text\n{turn.content}\n{fence}")
    return "\n\n".join(parts) + "\n"


class Sampling(TypedDict, total=False):
    """How an answer is chosen, and how long it may be; None or left out: as the model's own generation settings say."""

    temperature: float | None
    top_p: float | None
    max_tokens: int | None
