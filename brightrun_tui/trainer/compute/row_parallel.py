"""Several rows side by side on a CPU, each in a thread of its own.

Torch by itself splits every operation over all threads. In small models most operations are over before a second thread
has begun; whole rows keep every thread busy until the step ends. On two cores that was 1.2 to 1.4 times as fast. What is
computed does not depend on it: rows are cut the same, and their gradients are added in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch

from brightrun_tui.domain.sizing import ROWS_AT_ONCE

MOST = ROWS_AT_ONCE
"""With more cores each row gets several: every thread needs Python's lock between its operations. Measured on two cores only."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class RowParallel:
    """Works on items one after the other or side by side; results always come in the items' order.

    Attributes:
        allowed: items that memory has room for at a time.
    """

    def __init__(self) -> None:
        self.allowed = 1
        self._pool = ThreadPoolExecutor(MOST, thread_name_prefix="row")

    def map(self, work: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Yield ``work`` of each item. Side by side it runs in threads of its own, all of which have ended when this
        has.
        """
        threads = torch.get_num_threads()
        count = min(self.allowed, threads, len(items))
        if count <= 1:
            yield from map(work, items)
            return

        def in_thread(item: Item) -> Result:
            torch.set_num_threads(threads // count)
            return work(item)

        waiting = list(items)
        running = [self._pool.submit(in_thread, waiting.pop(0)) for _ in range(count)]
        try:
            while running:
                result = running.pop(0).result()
                if waiting:
                    running.append(self._pool.submit(in_thread, waiting.pop(0)))
                yield result
        finally:
            wait(running)
            torch.set_num_threads(threads)

    def add_gradients(
        self, parameters: Sequence[torch.Tensor], loss_of: Callable[[Item], torch.Tensor], items: Sequence[Item]
    ) -> torch.Tensor:
        """Add to each parameter's ``grad`` that of the sum of the items' losses, in their order. Returns that sum (a scalar)."""

        def differentiate(item: Item) -> tuple[torch.Tensor, tuple[torch.Tensor | None, ...]]:
            loss = loss_of(item)
            return loss.detach(), torch.autograd.grad(loss, parameters, allow_unused=True)

        total = torch.zeros(())
        for loss, gradients in self.map(differentiate, items):
            total += loss
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient.contiguous() if parameter.grad is None else parameter.grad.add_(gradient)
        return total
