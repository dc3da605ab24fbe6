"""How much fits in a micro-batch, and what to do when it did not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.domain.sizing import CPU_TOKENS, GPU_SHARE, GPU_TOKENS
from brightrun_tui.trainer.control import Request
from brightrun_tui.trainer.examples import Example
from brightrun_tui.trainer.failures import TrainingError, is_out_of_memory, out_of_memory
from brightrun_tui.trainer.generate import Answer, Prompt, answer
from brightrun_tui.trainer.parallelism import useful_parallelism
from brightrun_tui.trainer.plan import split_window
from brightrun_tui.trainer.session import Session

Result = TypeVar("Result")


def max_records(session: Session) -> int:
    """Records a micro-batch may have."""
    if session.forward.one_record_a_batch:
        return 1
    return session.settings.training.micro_batch_size or session.plan.batch_size


def cut(session: Session, window: Sequence[int]) -> list[list[Example]]:
    """The micro-batches of one optimiser step."""
    rows = split_window(
        window,
        session.plan.lengths,
        max_tokens=session.progress.max_tokens,
        max_records=max_records(session),
        packed=session.forward.packed,
        row_parallel=session.progress.lanes,
    )
    return [[session.data.train[i] for i in row] for row in rows]


def begin(session: Session) -> None:
    """Size of the first micro-batches, before anything was measured; gradient checkpointing where it is wanted.

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


def answer_prompts(
    session: Session,
    prompts: Sequence[Prompt],
    seconds: float,
    *,
    unless: tuple[Request, ...] = ("terminate", "pause"),
    opened: bool = False,
) -> list[Answer | None]:
    """Answers of the model as it now is (see `answer`), None where ``seconds`` were over; as often as memory runs out, half as
    many prompts at once.

    Raises:
        TrainingError: there is not enough for one of them alone.
    """
    began = time.monotonic()
    until, steps = began + seconds, 0

    def written(tokens: int, limit: int) -> None:
        nonlocal steps
        steps += 1
        session.advance(tokens, limit, until - time.monotonic())

    answers: list[Answer | None] = []
    waiting = [list(prompts)]
    while waiting:
        some = waiting.pop(0)
        try:
            answers += answer(
                session.forward,
                session.tokenizer,
                some,
                session.settings.evaluation.max_new_tokens,
                session.data.stop_ids,
                control=session.control,
                unless=unless,
                opened=opened,
                until=until,
                written=written,
            )
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        if len(some) == 1:
            raise TrainingError(
                f"memory is not enough to answer sample prompt “{some[0].id}”",
                where="evaluation.sample_prompts",
                fix="answer none, or shorter with evaluation.max_new_tokens",
                kind=ErrorKind.OUT_OF_MEMORY,
                suggestion={"evaluation.sample_prompts": 0},
            )
        if session.machine.device.type == "cuda":
            torch.cuda.empty_cache()
        half = len(some) // 2
        waiting = [some[:half], some[half:], *waiting]
        session.alert("out_of_memory", f"memory ran out while answering: {len(some) - half} prompts at a time")
    took = time.monotonic() - began
    session.answer_time.spent += took
    session.answer_time.per_token = took / steps if steps else session.answer_time.per_token
    return answers


def recompute_activations(session: Session) -> None:
    """Switch gradient checkpointing on; it acts in training mode only."""
    session.model.get_base_model().activation_checkpointing_enable(
        activation_checkpointing_kwargs={"use_reentrant": False}
    )
