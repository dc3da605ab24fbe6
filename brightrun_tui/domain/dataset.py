"""What is known about a dataset file, and the one canonical form of a record."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["system", "user", "assistant", "tool"]


class Message(BaseModel):
    """One turn of a conversation. ``train`` is False for assistant turns that are only context."""

    model_config = ConfigDict(frozen=True)

    role: Role
    content: str
    train: bool = True


class Record(BaseModel):
    """One training example in the canonical form that ``data/train.jsonl`` holds, one a line.

    ``categories`` are the dataset's own labels (persona, topic, arc …), kept for evaluation by category.
    ``group`` keeps records that belong together (one conversation) on the same side of the split.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    messages: tuple[Message, ...]
    group: str = ""
    categories: dict[str, str] = Field(default_factory=dict)
    line: int = 0


class Problem(BaseModel):
    """One reason why records cannot be used, with how many and where the first ones are."""

    model_config = ConfigDict(frozen=True)

    kind: str
    what: str
    fix: str = ""
    count: int = 1
    places: tuple[str, ...] = ()
    fatal: bool = False


class LengthStats(BaseModel):
    """Characters a record; token counts are only known once a tokenizer is."""

    model_config = ConfigDict(frozen=True)

    mean: float = 0.0
    p50: int = 0
    p99: int = 0
    longest: int = 0


class DatasetReport(BaseModel):
    """What `datasets.check` found: enough to show, to refuse and to estimate by."""

    model_config = ConfigDict(frozen=True)

    path: str
    name: str
    format: str
    bytes: int
    fingerprint: str
    records: int
    usable: int
    turns: int = 0
    duplicates: int = 0
    problems: tuple[Problem, ...] = ()
    characters: LengthStats = LengthStats()
    answer_characters: LengthStats = LengthStats()
    categories: dict[str, dict[str, int]] = Field(default_factory=dict)
    preview: tuple[Record, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether training can start on it."""
        return self.usable > 0 and not any(problem.fatal for problem in self.problems)

    @property
    def statement(self) -> str:
        """One plain sentence: how many records are usable and why the rest are not."""
        head = f"{self.usable} of {self.records} records usable"
        reasons = [f"{p.count} {p.what}" for p in self.problems if p.count]
        return head + (f" ({'; '.join(reasons)})" if reasons else "")
