"""Reading a step's numbers without stopping the GPU for them."""

from __future__ import annotations

import torch


class StepNumbers:
    """Numbers of one step on their way to the host: sent when made, waited for only when read."""

    def __init__(self, *numbers: torch.Tensor) -> None:
        stacked = torch.stack([number.detach().double() for number in numbers])
        self._arrived: torch.cuda.Event | None = None
        if stacked.is_cuda:
            self._host = torch.empty(len(numbers), dtype=torch.float64, pin_memory=True)
            self._host.copy_(stacked, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        else:
            self._host = stacked

    def read(self) -> list[float]:
        """Return the numbers; waits for the step that made them, not for what was started since."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return [float(number) for number in self._host.tolist()]
