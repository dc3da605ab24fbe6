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

    ``line`` is the line in the source file, or the number of the record where lines mean nothing
    (JSON documents, Parquet). ``categories`` are the dataset's own labels (persona, topic, arc …), kept for
    evaluation by category.
    ``group`` keeps records that belong together (one conversation) on the same side of the split.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    messages: tuple[Message, ...]
    group: str = ""
    categories: dict[str, str] = Field(default_factory=dict)
    line: int = 0


class Problem(BaseModel):
    """One thing found in a dataset, with how many records it concerns and where the first ones are.

    ``what`` continues a sentence that starts with ``count``: “45 without an answer”. A ``remark`` is
    worth knowing, but its records are used all the same; any other problem leaves its records out.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    what: str
    fix: str = ""
    count: int = 1
    places: tuple[str, ...] = ()
    fatal: bool = False
    remark: bool = False


class LengthStats(BaseModel):
    """Characters a record; token counts are only known once a tokenizer is. ``percentiles``: the 1st to the 100th."""

    model_config = ConfigDict(frozen=True)

    mean: float = 0.0
    percentiles: tuple[int, ...] = ()
    longest: int = 0

    @property
    def p50(self) -> int:
        """The median."""
        return self.percentiles[49] if self.percentiles else 0

    @property
    def p99(self) -> int:
        """Ninety-nine of a hundred are no longer."""
        return self.percentiles[98] if self.percentiles else 0

    def share_over(self, characters: float) -> float:
        """About which part of the records is longer (0–1); never 0 when one is."""
        if characters >= self.longest:
            return 0.0
        return max(1, sum(value > characters for value in self.percentiles)) / 100


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
        """In plain words: how many records are usable, why the rest are not, what else is worth knowing."""
        left_out = "; ".join(f"{p.count:,} {p.what}" for p in self.problems if p.count and not p.remark)
        noticed = "; ".join(f"{p.count:,} {p.what}" for p in self.problems if p.count and p.remark)
        return "".join((f"{self.usable:,} of {self.records:,} records usable",
                        f"; left out: {left_out}" if left_out else "", ".",
                        f" Also noticed: {noticed}." if noticed else ""))


class PreparedData(BaseModel):
    """What `datasets.prepare` wrote: ``train.jsonl`` and ``eval.jsonl`` in ``directory``.

    Fingerprints are ``sha256:…`` of the files' content.
    """

    model_config = ConfigDict(frozen=True)

    directory: str
    train_records: int
    eval_records: int
    source_fingerprint: str
    train_fingerprint: str
    eval_fingerprint: str
