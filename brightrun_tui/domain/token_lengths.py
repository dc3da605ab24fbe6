"""How long the records of a dataset are for a base model, in its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain import humanize
from brightrun_tui.domain.histogram import Range, ranges

FATES = {"drop": "left out", "truncate": "cut off there", "split": "split", "refuse": "refused: the run does not start"}
"""What becomes of longer records, by the setting ``data.over_length``."""


class TokenLengths(BaseModel):
    """Of ``records`` out of ``of`` usable ones.

    Attributes:
        base: the model whose tokens they are.
        context: tokens that the model takes; 0 where that is not known.
        max_length: the limit that is set; 0 for none.
        over_length: what is done with longer ones, as the setting of this name.
        over: share (0–1) of those that are longer than `limit`.
        middle: half of them are no longer.
        longest: in tokens.
        ranges: how they spread.
        unwritten: records that the model's chat template cannot write; they have no length.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    base: str
    records: int
    of: int
    context: int
    max_length: int
    over_length: str
    over: float
    middle: int
    longest: int
    ranges: tuple[Range, ...]
    unwritten: int = 0

    @property
    def limit(self) -> int:
        """The tokens that a record may have; 0 where there is no limit."""
        return min((each for each in (self.max_length, self.context) if each), default=0)

    @property
    def marks(self) -> tuple[tuple[int, str], ...]:
        """Where max length and context lie, in words; the lower one first, and one line where they are the same."""
        said: dict[int, str] = {}
        for tokens, what in ((self.max_length, "max length"), (self.context, f"context of {self.base}")):
            if tokens:
                said[tokens] = f"{said[tokens]} and {what}" if tokens in said else what
        return tuple(sorted((tokens, f"{what} {tokens:,}") for tokens, what in said.items()))

    @property
    def marks_beyond(self) -> str:
        """Those that lie beyond the longest record, in words."""
        return "; ".join(what for tokens, what in self.marks if not self.ranges or tokens >= self.ranges[-1].high)

    @property
    def fate(self) -> str:
        """What becomes of those that are longer, and of those that cannot be written, in words."""
        if not self.limit:
            longer = "no limit is known"
        elif not self.over:
            longer = f"none is longer than {self.limit:,} tokens"
        else:
            what = FATES.get(self.over_length, "too long")
            longer = f"{humanize.share(self.over)} are longer than {self.limit:,} tokens and {what}"
        if not self.unwritten:
            return longer
        what = f"{self.unwritten:,} of {self.records:,} records hold what its chat template cannot write (calls of tools, mostly)"
        return f"{longer}; {what}: they are left out"

    @property
    def counted(self) -> str:
        """Which records were counted, where these are not all; else empty."""
        return f"counted on {self.records:,} of {self.of:,} records" if self.records < self.of else ""

    def as_json(self) -> dict[str, Any]:
        return {**self.model_dump(mode="json"), "limit": self.limit}


def describe_lengths(
    lengths: Sequence[int],
    *,
    base: str,
    of: int,
    records: int,
    context: int,
    max_length: int,
    over_length: str,
    unwritten: int = 0,
) -> TokenLengths:
    """Describe lengths from the tokens of each example; a record may make several, or none where it is ``unwritten``."""
    ordered = sorted(lengths)
    limit = min((each for each in (max_length, context) if each), default=0)
    over = sum(length > limit for length in ordered) / len(ordered) if limit and ordered else 0.0
    return TokenLengths(
        base=base,
        records=records,
        of=of,
        context=context,
        max_length=max_length,
        over_length=over_length,
        over=over,
        middle=ordered[(len(ordered) - 1) // 2] if ordered else 0,
        longest=ordered[-1] if ordered else 0,
        ranges=ranges(ordered, [each for each in (max_length, context) if each]),
        unwritten=unwritten,
    )
