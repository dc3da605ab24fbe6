"""What is known about a dataset file, and the one canonical form of a record."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from brightrun_tui.domain.languages import shares_said

Role = Literal["system", "user", "assistant", "tool"]


class ToolCall(BaseModel):
    """A function that the assistant asks for, with its arguments by name."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)
    id: str = ""


class Message(BaseModel):
    """One turn of a conversation.

    Attributes:
        train: False for assistant turns that are only context.
        reasoning: what the assistant thought before it answered.
        tool_calls: functions that the assistant asks for, before or instead of an answer.
        name: of the tool whose result this is.
        tool_call_id: the call that this is the result of.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    role: Role
    content: str
    train: bool = True
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    name: str = ""
    tool_call_id: str = ""

    def for_template(self) -> dict[str, Any]:
        """Return the turn as chat templates know it (OpenAI's form, with arguments as an object)."""
        turn: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.reasoning:
            turn["reasoning_content"] = self.reasoning
        if self.tool_calls:
            turn["tool_calls"] = [
                {
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                    **({"id": call.id} if call.id else {}),
                }
                for call in self.tool_calls
            ]
        named = {"name": self.name, "tool_call_id": self.tool_call_id}
        return turn | {key: value for key, value in named.items() if value}

    @property
    def said(self) -> str:
        """Content and calls as one text, to compare and count by."""
        if not self.tool_calls:
            return self.content
        calls = [
            json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False) for call in self.tool_calls
        ]
        return "\n".join([self.content, *calls])


class Record(BaseModel):
    """One training example in the canonical form that ``data/train.jsonl`` holds, one a line.

    ``line`` is the line in the source file, or the number of the record where lines mean nothing
    (JSON documents, Parquet). ``categories`` are the dataset's own labels (persona, topic, arc …), kept for
    evaluation by category.
    ``group`` keeps records that belong together (one conversation) on the same side of the split.
    ``tools`` are the functions that the assistant may call, in OpenAI's form.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    messages: tuple[Message, ...]
    group: str = ""
    categories: dict[str, str] = Field(default_factory=dict)
    line: int = 0
    tools: tuple[dict[str, Any], ...] = ()


class Problem(BaseModel):
    """One thing found in a dataset, with how many records it concerns and where the first ones are.

    ``what`` continues a sentence that starts with ``count``: “45 without an answer”. A ``remark`` is
    worth knowing, but its records are used all the same; any other problem leaves its records out.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    kind: str
    what: str
    fix: str = ""
    count: int = 1
    places: tuple[str, ...] = ()
    fatal: bool = False
    remark: bool = False


class LengthStats(BaseModel):
    """Characters a record; token counts are only known once a tokenizer is. ``percentiles``: the 1st to the 100th."""

    model_config = ConfigDict(frozen=True, defer_build=True)

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
        """Return about which share of the records is longer (0–1); never 0 when one is."""
        if characters >= self.longest:
            return 0.0
        return max(1, sum(value > characters for value in self.percentiles)) / 100


class LanguageShares(BaseModel):
    """What the records are in: ``shares`` (0–1) by ISO 639 code, the largest first, of ``judged`` records; ``of`` were looked at.

    The others of these are too short to tell, or their texts are not a language.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    shares: dict[str, float] = Field(default_factory=dict)
    judged: int = 0
    of: int = 0

    def said(self, usable: int, most: int = 4) -> str:
        """Write as “German 97%, English 3%”, and of how many records; empty where none could be told. ``usable``: how many
        there are.
        """
        if not self.shares:
            return ""
        looked_at = f" (of {self.of:,} records that were looked at)" if self.of < usable else ""
        unclear = "" if self.judged * 10 >= self.of * 9 else f"; {self.of - self.judged:,} too short to tell"
        return f"{shares_said(self.shares, most)}{looked_at}{unclear}"


class DatasetOrigin(BaseModel):
    """The dataset that a version was made from, and what was done to it, in words."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    fingerprint: str
    done: tuple[str, ...] = ()


class DatasetReport(BaseModel):
    """What `datasets.check` found: enough to show, to refuse and to estimate by.

    ``source`` is where it was fetched from, revision included: ``hf:owner/name@split#commit``; empty for a file of this machine.
    ``origin``: what it was made from, where it is a repaired version of another dataset. ``columns``: how the file is read
    where that was said: roles by the names of its columns, encoding and sheet. ``corrections``: records that were written for a
    corrected answer of a model. ``texts``: pieces from the whole of it, long records with more, by which tokens are reckoned;
    like the preview not for lists of datasets.
    ``tool_characters``: of the tools that a record names, as JSON; some templates write them before the conversation.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

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
    characters: LengthStats = Field(default_factory=LengthStats)
    answer_characters: LengthStats = Field(default_factory=LengthStats)
    categories: dict[str, dict[str, int]] = Field(default_factory=dict)
    preview: tuple[Record, ...] = ()
    source: str = ""
    origin: DatasetOrigin | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    languages: LanguageShares = Field(default_factory=LanguageShares)
    corrections: int = 0
    texts: tuple[str, ...] = Field(default=(), repr=False)
    tool_characters: LengthStats = Field(default_factory=LengthStats)

    @property
    def ok(self) -> bool:
        """Whether training can start on it."""
        return self.usable > 0 and not any(problem.fatal for problem in self.problems)

    def as_json(self, *, preview: bool = False) -> dict[str, Any]:
        """Return it for other programs, without the texts that tokens are reckoned by; its first records with ``preview``."""
        return self.model_dump(mode="json", exclude={"texts"} if preview else {"texts", "preview"})

    @property
    def statement(self) -> str:
        """In plain words: how many records are usable, why the rest are not, what else is worth knowing."""
        left_out = "; ".join(f"{p.count:,} {p.what}" for p in self.problems if p.count and not p.remark)
        noticed = "; ".join(f"{p.count:,} {p.what}" for p in self.problems if p.count and p.remark)
        return "".join(
            (
                f"{self.usable:,} of {self.records:,} records usable",
                f"; left out: {left_out}" if left_out else "",
                ".",
                f" Also noticed: {noticed}." if noticed else "",
            )
        )


class PreparedData(BaseModel):
    """What `datasets.prepare` wrote: ``train.jsonl`` and ``eval.jsonl`` in ``directory``.

    Fingerprints are ``sha256:…`` of the files' content.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    directory: str
    train_records: int
    eval_records: int
    source_fingerprint: str
    train_fingerprint: str
    eval_fingerprint: str
