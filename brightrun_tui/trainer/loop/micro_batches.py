"""How much goes into a micro-batch: at first, and as measured."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from brightrun_tui.domain.sizing import CPU_TOKENS, GPU_SHARE, GPU_TOKENS
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.data.plan import split_window
from brightrun_tui.trainer.loop.out_of_memory import recompute_activations
from brightrun_tui.trainer.loop.parallelism import useful_parallelism
from brightrun_tui.trainer.loop.session import TrainingSession


def max_records(session: TrainingSession) -> int:
    """Return how many records a micro-batch may have."""
    if session.forward.one_record_a_batch:
        return 1
    return session.settings.training.micro_batch_size or session.plan.batch_size


def cut(session: TrainingSession, window: Sequence[int]) -> list[list[Example]]:
    """Return the micro-batches of one optimiser step."""
    rows = split_window(
        window,
        session.plan.lengths,
        max_tokens=session.progress.max_tokens,
        max_records=max_records(session),
        packed=session.forward.packed,
        row_parallel=session.progress.lanes,
    )
    return [[session.data.train[i] for i in row] for row in rows]


def begin(session: TrainingSession) -> None:
    """Set the size of the first micro-batches, before anything was measured, and gradient checkpointing where it is
    wanted.

    A resumed session keeps what it had found.
    """
    progress, longest, on_cpu = session.progress, session.data.longest, session.machine.device.type == "cpu"
    if not progress.max_tokens:
        fixed = session.settings.training.micro_batch_size
        progress.lanes = useful_parallelism(session)
        most = CPU_TOKENS // progress.lanes if on_cpu else longest
        progress.max_tokens = fixed * longest if fixed else max(longest, most)
    if on_cpu:  # a run that began on a CPU may go on elsewhere
        session.row_parallel.allowed = max(1, min(progress.lanes, CPU_TOKENS // progress.max_tokens))
    if session.settings.training.gradient_checkpointing == "on" or progress.gradient_checkpointing:
        progress.gradient_checkpointing = True
        recompute_activations(session)


def measured_guess(session: TrainingSession, tokens: int, before: int, peak: int) -> int:
    """Return tokens of a micro-batch on a GPU, after one of ``tokens`` tokens took it from ``before`` to ``peak`` bytes."""
    free, _ = torch.cuda.mem_get_info(session.machine.device)
    each = max(1.0, (peak - before) / tokens)
    affordable = int((GPU_SHARE * (free + torch.cuda.memory_reserved(session.machine.device)) - before) / each)
    whole_step = session.plan.batch_size * session.data.longest
    return max(session.data.longest, min(affordable, whole_step, GPU_TOKENS))
