"""The gradients of one optimiser step, however it is cut."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from brightrun_tui.trainer.adapter import trainable
from brightrun_tui.trainer.examples import Example
from brightrun_tui.trainer.forward import Forward
from brightrun_tui.trainer.lanes import Lanes


def accumulate(forward: Forward, rows: Sequence[Sequence[Example]], lanes: Lanes,
               scaler: torch.amp.GradScaler | None = None) -> torch.Tensor:
    """Add to the adapter's ``grad`` that of the mean loss over all supervised tokens of ``rows``.

    Micro-batches are added in their order, so the result is the same bits for any number of lanes. ``scaler``: for one lane only.

    Returns:
        The mean loss (nats, a scalar), not scaled.
    """
    supervised = sum(example.targets for row in rows for example in row)
    total = torch.zeros((), device=forward.machine.device)
    if lanes.allowed == 1:
        for row in rows:  # one gradient of the adapter in memory, not two
            loss = forward.loss_sum(forward.batch(row)) / supervised
            (scaler.scale(loss) if scaler else loss).backward()
            total += loss.detach()
        return total
    parameters = list(trainable(forward.model).values())

    def differentiate(row: Sequence[Example]) -> tuple[torch.Tensor, tuple[torch.Tensor | None, ...]]:
        loss = forward.loss_sum(forward.batch(row)) / supervised
        return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)

    for loss, gradients in lanes.map(differentiate, rows):
        total += loss
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                parameter.grad = gradient.contiguous() if parameter.grad is None else parameter.grad.add_(gradient)
    return total
