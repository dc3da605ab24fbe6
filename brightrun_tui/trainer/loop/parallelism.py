"""How many rows to compute side by side: as many as are useful, as are safe, and as there is memory for."""

from __future__ import annotations

import psutil
import torch

from brightrun_tui.domain.sizing import ROWS_AT_ONCE_SHARE
from brightrun_tui.nf4 import has_4_bit_layers
from brightrun_tui.trainer.compute import row_parallel
from brightrun_tui.trainer.loop.checkpoint import restore_random_state, take_random_state
from brightrun_tui.trainer.loop.gradients import accumulate
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.model.adapter import trainable
from brightrun_tui.trainer.model.rope import changes_beyond
from brightrun_tui.trainer.runtime.failures import is_out_of_memory
from brightrun_tui.trainer.runtime.hardware import peak_memory

CHECKED_TOKENS = 128
"""Of the records that are computed both ways, before any are computed side by side."""


def useful_parallelism(session: TrainingSession) -> int:
    """Return rows a step should be cut into at least; 1 on a GPU, and wherever several at a time would be slower or not the same.

    4-bit layers that were not unpacked would be dequantised in every thread again.
    """
    training, machine = session.settings.training, session.machine
    if (
        machine.device.type != "cpu"
        or machine.scale_gradients
        or training.micro_batch_size
        or not session.forward.packed
        or has_4_bit_layers(session.model)
        or changes_beyond(session.model) is not None
    ):
        return 1
    count = min(int(torch.get_num_threads()), row_parallel.MOST, session.plan.batch_size, len(session.data.train))
    return count if count > 1 and _same_side_by_side(session, count) else 1


def open_row_parallel(session: TrainingSession, memory_before: int) -> None:
    """Compute as many rows side by side as there is memory for: on a CPU, after the dry run.

    Args:
        memory_before: bytes of this process before its first micro-batch of the largest size.
    """
    taken = max(1, peak_memory() - memory_before)
    affordable = 1 + int(ROWS_AT_ONCE_SHARE * int(psutil.virtual_memory().available) / taken)
    session.row_parallel.allowed = min(session.progress.lanes, max(session.row_parallel.allowed, affordable))


def _same_side_by_side(session: TrainingSession, count: int) -> bool:
    """Train on the beginnings of ``count`` records one after the other, then at once; returns whether no random number
    is drawn (they have one order only) and the gradients are the same to the bit. Leaves nothing behind.

    Where memory is too short even for that, it is not done side by side.
    """
    rows = [[example.beginning(CHECKED_TOKENS // (1 + i % 2))] for i, example in enumerate(session.data.train[:count])]
    before = take_random_state()
    session.forward.set_training(True)
    found = []
    try:
        for allowed in (1, count):
            session.row_parallel.allowed = allowed
            accumulate(session.forward, rows, session.row_parallel, objective=session.objective)
            found.append([p.grad for p in trainable(session.model).values() if p.grad is not None])
            session.optimizer.zero_grad(set_to_none=True)
        same = all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        session.optimizer.zero_grad(set_to_none=True)
        same = False
    session.forward.set_training(False)
    drawn = take_random_state() != before
    restore_random_state(before)
    return same and not drawn
