"""The interface of a training objective."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from brightrun_tui.domain.dataset import Record
    from brightrun_tui.trainer.compute.forward import Forward
    from brightrun_tui.trainer.compute.scores import Scores
    from brightrun_tui.trainer.data.batches import Batch
    from brightrun_tui.trainer.data.examples import Prepared
    from brightrun_tui.trainer.data.template import ChatTemplate


@runtime_checkable
class Objective(Protocol):
    """What is learnt, and how it is measured. Without state: rows of a step may be computed side by side in threads.

    An example is one token sequence with a mask of its targets; a micro-batch has S of them. `Forward.logits` gives the (S, V)
    logits that predict the targets, ``Batch.targets`` the (S,) tokens that they should predict, ``Batch.owners`` the example
    of each.
    """

    def examples(self, tokenizer: Any, template: ChatTemplate, records: list[Record]) -> Prepared:
        """Return what is trained on, before records are left out or cut for their length. They are kept for the next run of
        the same data and base model: what they depend on besides must be told by the version of the objective's package.
        """
        ...

    def loss(self, forward: Forward, batch: Batch) -> torch.Tensor:
        """Return the sum over the targets of their losses (nats): a float32 scalar with a gradient. A step is the mean over
        all its targets, however it is cut into micro-batches.
        """
        ...

    def scores(self, forward: Forward, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """Return for every target the loss that models are compared by (nats, float64, (S,)), and whether it is met (bool, (S,)).
        Without gradients; base and tuned model are scored by it alike.
        """
        ...

    def metrics(self, scores: Scores) -> Mapping[str, float]:
        """Return further numbers of an evaluation, by name (``eval_…``): curves in Monitor, and part of the report card."""
        ...
