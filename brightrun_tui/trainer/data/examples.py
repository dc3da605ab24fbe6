"""From records to token sequences with a mask of what the loss counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import ValidationError

from brightrun_tui.datasets.splitting import records_key
from brightrun_tui.domain.dataset import Record
from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.errors import BaseModelError, DatasetError
from brightrun_tui.domain.settings import title_and_key
from brightrun_tui.trainer.data.template import ChatTemplate, Rendering, Span, UnrenderableError
from brightrun_tui.trainer.runtime.failures import TrainingError

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Example:
    """One token sequence.

    Attributes:
        record: index of the record it comes from.
        ids: token ids, int64, shape (length,).
        supervised: which tokens the loss counts as targets, bool, shape (length,); the first never is.
        opening: which of them the template puts at the head of every answer by itself, bool, shape (length,); None: none.
    """

    record: int
    ids: np.ndarray
    supervised: np.ndarray
    opening: np.ndarray | None = None

    @property
    def length(self) -> int:
        return len(self.ids)

    @property
    def targets(self) -> int:
        return int(self.supervised.sum())

    @property
    def measured(self) -> Example:
        """As models are compared by it: what was said counts, not what the template puts there for everybody."""
        if self.opening is None:
            return self
        said = self.supervised & ~self.opening
        return Example(self.record, self.ids, said) if said.any() else self

    def beginning(self, length: int) -> Example:
        """Return up to ``length`` of its first tokens, every second of them supervised, wherever the answers are."""
        ids = self.ids[:length]
        return Example(self.record, ids, np.arange(len(ids)) % 2 == 1)

    def part(self, start: int, end: int) -> Example:
        """Return the tokens from ``start`` up to ``end``; its first is not a target."""
        supervised = self.supervised[start:end].copy()
        supervised[:1] = False
        return Example(
            self.record, self.ids[start:end], supervised, None if self.opening is None else self.opening[start:end]
        )


@dataclass
class Prepared:
    """The examples of one split, and what became of the records that are not among them."""

    examples: list[Example] = field(default_factory=list)
    dropped: int = 0
    truncated: int = 0
    split: int = 0
    unsupervised: list[str] = field(default_factory=list)
    unrenderable: dict[str, list[str]] = field(default_factory=dict)
    split_records: int = 0
    open_ended: int = 0
    lost_thoughts: int = 0
    turn_ends: Counter[int] = field(default_factory=Counter)

    @property
    def unusable(self) -> int:
        """Records that the template refuses, or that have nothing to learn from."""
        return len(self.unsupervised) + sum(map(len, self.unrenderable.values()))

    @property
    def lengths(self) -> np.ndarray:
        return np.array([e.length for e in self.examples], dtype=np.int64)


@dataclass(frozen=True)
class Data:
    """The splits as records and as examples, and what the records that are left out amount to.

    Attributes:
        held_out: chooses the best checkpoint.
        judged: what the report card measures; the same as ``held_out`` where there are too few records for both.
        judged_records: those of ``judged``. Examples of either give the place of theirs in ``held_out_records``.
    """

    train_records: list[Record]
    held_out_records: list[Record]
    train: list[Example]
    held_out: list[Example]
    judged: list[Example]
    judged_records: list[Record]
    stop_ids: tuple[int, ...]
    dropped: int = 0
    truncated: int = 0
    split: int = 0

    @property
    def chosen_apart(self) -> bool:
        """Whether other records choose the checkpoint than those that judge it."""
        return self.judged is not self.held_out

    @property
    def records_key(self) -> str:
        """Stands for the records that judge, as they are judged: see `datasets.splitting.records_key`."""
        judged = sorted({example.record for example in self.judged})
        key = records_key(self.held_out_records[place] for place in judged)
        return f"{key}-{self.truncated}-{self.split}" if self.truncated or self.split else key

    @property
    def longest(self) -> int:
        """Tokens of the longest example of either split."""
        return max(e.length for e in (*self.train, *self.held_out, *self.judged))


def read_records(path: Path) -> list[Record]:
    """Return the canonical records of one file, one a line.

    Raises:
        DatasetError: a line is not a record.
    """
    records = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    records.append(Record.model_validate_json(line))
                except ValidationError as error:
                    raise DatasetError(
                        f"not a record: {error.errors()[0]['msg']}",
                        where=f"{path.name} line {number}",
                        fix="prepare the run again",
                        kind=ErrorKind.BAD_RUN_DATA,
                    ) from None
    return records


def require_offsets(tokenizer: Any) -> None:
    """Raise `BaseModelError` when the tokenizer cannot tell where its tokens lie in the text."""
    if not getattr(tokenizer, "is_fast", False):
        raise BaseModelError(
            "its tokenizer cannot say which characters a token covers",
            where="base model",
            fix="use a model with a tokenizer.json",
            kind=ErrorKind.SLOW_TOKENIZER,
        )


def tokenise(tokenizer: Any, template: ChatTemplate, records: list[Record]) -> Prepared:
    """Render, tokenise and mask every record, whatever its length."""
    prepared = Prepared()
    owners: list[int] = []
    renderings: list[Rendering] = []
    for index, record in enumerate(records):
        try:
            found = template.renderings(record.messages, record.tools)
        except UnrenderableError as error:
            prepared.unrenderable.setdefault(str(error), []).append(record.id)
            continue
        prepared.split_records += len(found) > 1
        prepared.lost_thoughts += any(rendering.lost_thoughts for rendering in found)
        if not any(rendering.spans for rendering in found):
            prepared.unsupervised.append(record.id)
            continue
        renderings += found
        owners += [index] * len(found)
    special = _special_ids(tokenizer)
    for start in range(0, len(renderings), 1000):
        chunk = renderings[start : start + 1000]
        encoded = tokenizer(
            [r.text for r in chunk],
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            verbose=False,
        )
        for offset, (ids, places) in enumerate(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)):
            example = _mask(chunk[offset], owners[start + offset], ids, places, special, prepared)
            if example.targets:
                prepared.examples.append(example)
            else:
                prepared.unsupervised.append(records[example.record].id)
    return prepared


def _mask(
    rendering: Rendering,
    record: int,
    ids: list[int],
    places: list[tuple[int, int]],
    special: frozenset[int],
    prepared: Prepared,
) -> Example:
    tokens = np.array(ids, dtype=np.int64)
    begins, ends = np.array(places, dtype=np.int64).reshape(-1, 2).T
    supervised = np.zeros(len(tokens), dtype=bool)
    opening = np.zeros(len(tokens), dtype=bool)
    is_special = np.isin(tokens, list(special))
    for span in rendering.spans:
        inside = np.flatnonzero((ends > span.start) & (begins < span.end))
        if not len(inside):
            continue
        first, last = int(inside[0]), _end_of_turn(rendering.text, span, inside, begins, is_special)
        supervised[first : last + 1] = True
        opening[inside[ends[inside] <= span.said]] = True
        if is_special[last]:
            prepared.turn_ends[int(tokens[last])] += 1
        else:
            prepared.open_ended += 1
    supervised[:1] = False
    return Example(record, tokens, supervised, opening if opening.any() else None)


def _end_of_turn(text: str, span: Span, inside: np.ndarray, begins: np.ndarray, is_special: np.ndarray) -> int:
    """Return index of the last token to train: the one that ends the turn, which must be learnt for an answer to end.

    A marked span that stops short of it is extended over white space only; an unmarked one, which reaches to the
    next turn, is cut behind it.
    """
    last = int(inside[-1])
    if not span.exact:
        specials = inside[is_special[inside]]
        return int(specials[-1]) if len(specials) else last
    if not is_special[inside].any():
        for following in range(last + 1, min(last + 4, len(begins))):
            if text[span.end : begins[following]].strip():
                break
            if is_special[following]:
                return following
    return last


def _special_ids(tokenizer: Any) -> frozenset[int]:
    added = {i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    return frozenset(added | set(tokenizer.all_special_ids))


def limit_length(
    prepared: Prepared, max_length: int, policy: Literal["drop", "truncate", "split", "refuse"], records: list[Record]
) -> Prepared:
    """Apply ``data.max_length`` (tokens). Truncation keeps the start; what loses all its answers is dropped.

    Raises:
        TrainingError: ``policy`` is "refuse" and a record is longer.
    """
    kept: list[Example] = []
    for example in prepared.examples:
        if example.length <= max_length:
            kept.append(example)
            continue
        if policy == "refuse":
            raise TrainingError(
                f"record {records[example.record].id} has {example.length} tokens, more than {max_length}",
                where="data.over_length",
                kind=ErrorKind.OVER_LENGTH,
                suggestion={"data.over_length": "drop"},
                fix=f"raise {title_and_key('data.max_length')}, or set {title_and_key('data.over_length')} to drop, truncate "
                "or split",
            )
        shorter = example.part(0, max_length)
        if policy == "truncate" and shorter.targets:
            prepared.truncated += 1
            kept.append(shorter)
        else:
            prepared.dropped += 1
    prepared.examples = kept
    return prepared


def spread(items: Sequence[T], count: int) -> list[T]:
    """Return up to ``count`` of them, evenly chosen from the first to the last."""
    count = min(count, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def name_some(ids: Iterable[str], shown: int = 3) -> str:
    """Return ``a, b, c and 7 more`` for messages."""
    names = list(ids)
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest
