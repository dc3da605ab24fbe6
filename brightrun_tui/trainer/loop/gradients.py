"""The gradients of one optimiser step, however it is cut."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.row_parallel import RowParallel
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.model.adapter import trainable
from brightrun_tui.trainer.objectives.base import Objective


def accumulate(
    forward: Forward,
    rows: Sequence[Sequence[Example]],
    row_parallel: RowParallel,
    scaler: torch.amp.GradScaler | None = None,
    objective: Objective | None = None,
) -> torch.Tensor:
    """Add to the adapter's ``grad`` that of the mean loss over all supervised tokens of ``rows``.

    Micro-batches are added in their order, so the result is the same bits for any number of rows side by side. ``scaler``: only
    where they are computed one at a time.
    ``objective``: supervised fine-tuning if it is not said.

    Returns:
        The mean loss (nats, a scalar), not scaled.
    """
    supervised = sum(example.targets for row in rows for example in row)

    def loss_of(row: Sequence[Example]) -> torch.Tensor:
        batch = forward.batch(row)
        return (objective.loss(forward, batch) if objective else forward.loss_sum(batch)) / supervised

    if row_parallel.allowed > 1:
        return row_parallel.add_gradients(list(trainable(forward.model).values()), loss_of, rows)
    total = torch.zeros((), device=forward.machine.device)
    for row in rows:  # backward() keeps one gradient of the adapter in memory, not two
        loss = loss_of(row)
        (scaler.scale(loss) if scaler else loss).backward()
        total += loss.detach()
    return total
