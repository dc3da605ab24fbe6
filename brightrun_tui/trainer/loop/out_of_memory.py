"""What a training does when memory ran out: make room, and do the step again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.runtime.failures import is_out_of_memory, out_of_memory

Result = TypeVar("Result")


def with_less_memory_if_needed(session: TrainingSession, work: Callable[[], Result]) -> Result:
    """Do ``work``; as often as memory runs out, make room and do it again from the start, random numbers included.

    Raises:
        TrainingError: it does not fit even with one record at a time and gradient checkpointing.
    """
    while True:
        random_numbers = torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_available() else None
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        session.optimizer.zero_grad(set_to_none=True)
        make_room(session)
        torch.set_rng_state(random_numbers[0])
        if random_numbers[1] is not None:
            torch.cuda.empty_cache()
            torch.cuda.set_rng_state(random_numbers[1])


def make_room(session: TrainingSession) -> None:
    """Make room: compute one micro-batch at a time, halve it (the step keeps its records), or begin to recompute
    activations.

    Raises:
        TrainingError: neither is left to do.
    """
    progress, longest = session.progress, session.data.longest
    if session.row_parallel.allowed > 1:
        session.row_parallel.allowed = progress.lanes = 1
        done = "micro-batches are computed one after the other"
    elif progress.max_tokens > longest:
        progress.max_tokens = max(longest, progress.max_tokens // 2)
        done = f"the micro-batch was halved to {progress.max_tokens} tokens; a step keeps its records"
    elif session.settings.training.gradient_checkpointing == "auto" and not progress.gradient_checkpointing:
        progress.gradient_checkpointing = True
        recompute_activations(session)
        done = "gradient checkpointing was switched on"
    else:
        raise out_of_memory(longest)
    session.alert("out_of_memory", f"memory ran out: {done}")


def recompute_activations(session: TrainingSession) -> None:
    """Switch gradient checkpointing on; it acts in training mode only."""
    session.model.get_base_model().activation_checkpointing_enable(
        activation_checkpointing_kwargs={"use_reentrant": False}
    )
