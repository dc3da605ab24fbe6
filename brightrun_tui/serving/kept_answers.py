"""What an endpoint was asked and what it answered, where its owner wants that kept: to find wrong answers in, and correct them.

It is kept in a file of the endpoint's directory that only its owner can read. That the file is there is the switch: it counts at
once, without a restart. Nothing is kept unasked.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.serving.kept_lines import add_lines, newest_lines

KEPT_ANSWERS = "answers.jsonl"
MOST_BYTES = 8 << 20
"""The older half goes when the file is larger."""
_ROLES = ("system", "user", "assistant")


class KeptAnswer(BaseModel):
    """One answer. ``ref``: the version that gave it. ``conversation``: the turns ({"role", "content"}) before it."""

    model_config = ConfigDict(frozen=True)

    id: str = Field(default_factory=lambda: secrets.token_hex(4))
    time: float
    ref: str
    conversation: tuple[dict[str, str], ...]
    answer: str

    @property
    def question(self) -> str:
        return self.conversation[-1]["content"] if self.conversation else ""


def keeps_answers(directory: Path) -> bool:
    """Say whether they are kept."""
    return (directory / KEPT_ANSWERS).exists()


def keep_answers(directory: Path, keep: bool) -> None:
    """Keep them from now on, or no longer: then those that were kept are deleted. Raises ``OSError``."""
    file = directory / KEPT_ANSWERS
    if keep:
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    else:
        file.unlink(missing_ok=True)


def add_answer(directory: Path, ref: str, messages: Sequence[dict[str, Any]], answer: str) -> None:
    """Keep one, if that is wanted and a person could correct it: plain turns, the last of which asks. Blocking.

    A disk that cannot be written to is no reason not to answer.
    """
    if not keeps_answers(directory):
        return
    plain = tuple({"role": str(each["role"]), "content": str(each["content"])} for each in messages)
    if not plain or plain[-1]["role"] != "user" or any(turn["role"] not in _ROLES for turn in plain):
        return
    kept = KeptAnswer(time=time.time(), ref=ref, conversation=plain, answer=answer)
    add_lines(directory / KEPT_ANSWERS, [kept], MOST_BYTES, make=False)


def read_answers(directory: Path, most: int = 0) -> list[KeptAnswer]:
    """Return the newest first, at most so many (0: all); a line that cannot be read is passed over. Blocking.

    Raises:
        OSError: the file cannot be read.
    """
    return newest_lines(directory / KEPT_ANSWERS, KeptAnswer, most)
