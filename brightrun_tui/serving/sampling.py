"""Penalties and ends of an answer, as OpenAI means them. Imports torch: only the worker imports this."""

from __future__ import annotations

from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria

_SPLIT_TOKENS = 4
"""A character may be cut into as many tokens."""


class Penalties(LogitsProcessor):  # type: ignore[misc]
    """Lowers what the answer already said: by ``frequency`` for each time, by ``presence`` once. The prompt does not count."""

    def __init__(self, frequency: float, presence: float) -> None:
        self._frequency, self._presence = frequency, presence
        self._prompt: int | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return penalised scores; ``input_ids`` (batch, tokens so far), ``scores`` (batch, vocabulary)."""
        if self._prompt is None:
            self._prompt = input_ids.shape[1]
        said = input_ids[:, self._prompt :]
        counts = torch.zeros_like(scores).scatter_add_(1, said, torch.ones_like(said, dtype=scores.dtype))
        return scores - self._frequency * counts - self._presence * (counts > 0)


class StopTexts(StoppingCriteria):  # type: ignore[misc]
    """True once one of ``stops`` stands in the answer. Costs the decoding of as many tokens as the longest of them can have.

    transformers' own prepares tables for the whole vocabulary first, for minutes where a stop is long.
    """

    def __init__(self, stops: list[str], tokenizer: Any) -> None:
        self._stops, self._tokenizer = stops, tokenizer
        self._tail = max(len(stop.encode()) for stop in stops) + _SPLIT_TOKENS
        self._prompt: int | None = None

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> torch.Tensor:
        """Say for each row whether it ends (batch,); ``input_ids`` (batch, tokens so far)."""
        if self._prompt is None:
            self._prompt = input_ids.shape[1] - 1
        ends = []
        for row in input_ids[:, self._prompt :]:
            text = self._tokenizer.decode(row[-self._tail :])
            ends.append(any(stop in text for stop in self._stops))
        return torch.tensor(ends, device=input_ids.device)
