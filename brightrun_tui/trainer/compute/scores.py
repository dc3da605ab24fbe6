"""What an evaluation gives: one entry for each example, so that two models can be compared in pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from brightrun_tui.domain.model import SplitScore


@dataclass(frozen=True)
class Scores:
    """Per example: sum of token losses (nats), supervised tokens, and how many of them were predicted right."""

    losses: np.ndarray
    tokens: np.ndarray
    right: np.ndarray

    @property
    def loss(self) -> float:
        """Mean over all supervised tokens, in nats."""
        return float(self.losses.sum() / self.tokens.sum())

    @property
    def accuracy(self) -> float:
        return float(self.right.sum() / self.tokens.sum())

    def split_score(self, records: int) -> SplitScore:
        perplexity = math.exp(min(self.loss, 700.0))
        return SplitScore(loss=self.loss, perplexity=perplexity, tokens=int(self.tokens.sum()), records=records)

    def as_lists(self) -> dict[str, list[float]]:
        return {"losses": self.losses.tolist(), "tokens": self.tokens.tolist(), "right": self.right.tolist()}

    @classmethod
    def from_lists(cls, lists: dict[str, list[float]]) -> Scores:
        return cls(*(np.array(lists[name], dtype=np.float64) for name in ("losses", "tokens", "right")))
