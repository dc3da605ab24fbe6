"""How much fits in a micro-batch, and what to do when it did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import psutil
import torch

from brightrun_tui.domain.sizing import CPU_TOKENS, GPU_SHARE, GPU_TOKENS
from brightrun_tui.nf4 import has_4_bit_layers
from brightrun_tui.trainer import lanes
from brightrun_tui.trainer.checkpoint import restore_random_state, take_random_state
from brightrun_tui.trainer.examples import Example
from brightrun_tui.trainer.failures import is_out_of_memory, out_of_memory
from brightrun_tui.trainer.hardware import peak_memory
from brightrun_tui.trainer.plan import split_window
from brightrun_tui.trainer.session import Session

CPU_SHARE = 0.5
"""Of the memory that is free, which further lanes may take: others work on this machine too."""

Result = TypeVar("Result")


def max_records(session: Session) -> int:
    """Records a micro-batch may have."""
    return session.settings.training.micro_batch_size or session.plan.batch_size


def cut(session: Session, window: Sequence[int]) -> list[list[Example]]:
    """The micro-batches of one optimiser step."""
    rows = split_window(window, session.plan.lengths, max_tokens=session.progress.max_tokens, max_records=max_records(session),
                        packed=session.forward.packed, lanes=session.progress.lanes)
    return [[session.data.train[i] for i in row] for row in rows]


def begin(session: Session) -> None:
    """Size of the first micro-batches, before anything was measured; gradient checkpointing where it is wanted.

    A resumed session keeps what it had found.
    """
    progress, longest = session.progress, session.data.longest
    if not progress.max_tokens:
        fixed = session.settings.training.micro_batch_size
        progress.lanes = _useful_lanes(session)
        most = CPU_TOKENS // progress.lanes if session.machine.device.type == "cpu" else longest
        progress.max_tokens = fixed * longest if fixed else max(longest, most)
    session.lanes.allowed = max(1, min(progress.lanes, CPU_TOKENS // progress.max_tokens))
    if session.settings.training.gradient_checkpointing == "on" or progress.gradient_checkpointing:
        progress.gradient_checkpointing = True
        recompute_activations(session)


def _useful_lanes(session: Session) -> int:
    """On a CPU, rows that are worth computing side by side.

    4-bit layers that were not unpacked would be dequantised in every lane again. Random numbers have one order only.
    """
    on_cpu, fixed = session.machine.device.type == "cpu", session.settings.training.micro_batch_size
    if not on_cpu or fixed or not session.forward.packed or has_4_bit_layers(session.model) or _draws_random_numbers(session):
        return 1
    return min(int(torch.get_num_threads()), lanes.MOST, session.plan.batch_size)


def _draws_random_numbers(session: Session) -> bool:
    """Whether training by chance leaves something out, or adds noise."""
    before = take_random_state()
    session.forward.set_training(True)
    with torch.no_grad():
        session.forward.loss_sum(session.forward.batch([min(session.data.train, key=lambda e: e.length)]))
    session.forward.set_training(False)
    drawn = take_random_state() != before
    restore_random_state(before)
    return drawn


def open_lanes(session: Session, memory_before: int) -> None:
    """On a CPU: as many rows side by side as there is memory for.

    Args:
        memory_before: bytes of this process before its first micro-batch of the largest size.
    """
    taken = max(1, peak_memory() - memory_before)
    affordable = 1 + int(CPU_SHARE * int(psutil.virtual_memory().available) / taken)
    session.lanes.allowed = min(session.progress.lanes, max(session.lanes.allowed, affordable))


def measured_guess(session: Session, tokens: int, before: int, peak: int) -> int:
    """Tokens of a micro-batch on a GPU, after one of ``tokens`` tokens took it from ``before`` to ``peak`` bytes."""
    free, _ = torch.cuda.mem_get_info(session.machine.device)
    each = max(1.0, (peak - before) / tokens)
    affordable = int((GPU_SHARE * (free + torch.cuda.memory_reserved(session.machine.device)) - before) / each)
    whole_step = session.plan.batch_size * session.data.longest
    return max(session.data.longest, min(affordable, whole_step, GPU_TOKENS))


def with_less_memory_if_needed(session: Session, work: Callable[[], Result]) -> Result:
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


def make_room(session: Session) -> None:
    """One micro-batch at a time, halve it (the step keeps its records), or begin to recompute activations.

    Raises:
        TrainingError: neither is left to do.
    """
    progress, longest = session.progress, session.data.longest
    if session.lanes.allowed > 1:
        session.lanes.allowed = 1
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


def recompute_activations(session: Session) -> None:
    """Switch gradient checkpointing on; it acts in training mode only."""
    session.model.get_base_model().activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
