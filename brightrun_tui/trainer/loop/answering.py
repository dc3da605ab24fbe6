"""Sample answers of the model as it is during a training, within their time and the memory there is."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from brightrun_tui.domain.error_kinds import ErrorKind
from brightrun_tui.trainer.evaluation.generate import GeneratedAnswer, HeldOutPrompt, answer
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.runtime.control import EndRequest
from brightrun_tui.trainer.runtime.failures import TrainingError, is_out_of_memory


def answer_prompts(
    session: TrainingSession,
    prompts: Sequence[HeldOutPrompt],
    seconds: float,
    *,
    unless: tuple[EndRequest, ...] = ("terminate", "pause"),
    opened: bool = False,
) -> list[GeneratedAnswer | None]:
    """Return answers of the model as it now is (see `answer`), None where ``seconds`` were over; as often as memory runs out,
    half as many prompts at once.

    Raises:
        TrainingError: there is not enough for one of them alone.
    """
    began = time.monotonic()
    until, steps = began + seconds, 0

    def written(tokens: int, limit: int) -> None:
        nonlocal steps
        steps += 1
        session.advance(tokens, limit, until - time.monotonic())

    answers: list[GeneratedAnswer | None] = []
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
