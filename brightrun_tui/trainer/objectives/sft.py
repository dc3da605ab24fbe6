"""Supervised fine-tuning: the cross entropy of the answers' tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brightrun_tui.trainer.data.examples import Prepared, tokenise

if TYPE_CHECKING:
    import numpy as np
    import torch

    from brightrun_tui.domain.dataset import Record
    from brightrun_tui.trainer.compute.forward import Forward
    from brightrun_tui.trainer.compute.scores import Scores
    from brightrun_tui.trainer.data.batches import Batch
    from brightrun_tui.trainer.data.template import ChatTemplate


class SupervisedFineTuning:
    """Implements `base.Objective`; a good base class for one that differs in the loss only."""

    def examples(self, tokenizer: Any, template: ChatTemplate, records: list[Record]) -> Prepared:
        return tokenise(tokenizer, template, records)

    def loss(self, forward: Forward, batch: Batch) -> torch.Tensor:
        return forward.loss_sum(batch)

    def scores(self, forward: Forward, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        return forward.scores(batch)

    def metrics(self, scores: Scores) -> Mapping[str, float]:
        return {}
