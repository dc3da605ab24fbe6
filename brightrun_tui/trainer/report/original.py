"""The original base model, measured after a training on its 4-bit form: what people started from, not what was rounded."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil
import torch

from brightrun_tui.domain.errors import BaseModelError
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.trainer.compute.forward import Forward
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.evaluation.evaluate import require_finite
from brightrun_tui.trainer.evaluation.generate import GeneratedAnswer, HeldOutPrompt
from brightrun_tui.trainer.loop.answering import answer_prompts
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.model.adapter import attach_adapter
from brightrun_tui.trainer.model.base_model import locate_base
from brightrun_tui.trainer.model.loading import load_base, parameter_counts
from brightrun_tui.trainer.runtime.failures import TrainingError, is_out_of_memory

MEMORY_SHARE = 0.8
"""Of the memory that is free once the trained model is gone that the original may take."""


@dataclass(frozen=True)
class Original:
    """Its scores on the examples that judge, its answers to the prompts (None where time was up), its loss (nats a token) on
    everyday questions.
    """

    scores: Scores
    answers: list[GeneratedAnswer | None]
    general: float


def measure_original(
    session: TrainingSession, prompts: Sequence[HeldOutPrompt], general: Sequence[Example]
) -> Original | None:
    """Load and measure it in the place of the trained model, which is gone afterwards: the last thing a session does.

    None, and an alert, where it does not fit into the memory or cannot be loaded.

    Raises:
        Terminated: a pause or a signal is waiting.
    """
    session.phase(PhaseName.REPORTING, "the original base model")
    weights = sum(parameter_counts(session.model)) * session.machine.compute.itemsize
    session.forward = session.model = session.optimizer = None  # type: ignore[assignment]
    gc.collect()
    try:
        if weights > MEMORY_SHARE * _free(session):
            raise MemoryError
        return _measure(_with_original(session), prompts, general)
    except (BaseModelError, TrainingError, RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and not is_out_of_memory(error):
            raise
        session.alert(
            "original_not_measured",
            "the original base model does not fit into the memory here: the report card compares with its 4-bit form",
            level="info",
        )
        return None


def _measure(session: TrainingSession, prompts: Sequence[HeldOutPrompt], general: Sequence[Example]) -> Original:
    with session.model.disable_adapter():
        scores = require_finite(
            session.score(session.data.judged, session.between), "the base model's loss on held-out records"
        )
        everyday = session.score(general, session.between).loss if general else 0.0
        seconds = session.answer_time.for_the_base(session.training_seconds)
        answers = answer_prompts(session, prompts, seconds, opened=True)
    return Original(scores, answers, everyday)


def _with_original(session: TrainingSession) -> TrainingSession:
    """Return the same session around the base model as it was published, in 16 or 32 bits, with an adapter that does nothing."""
    spec, settings, data = session.spec, session.settings, session.data
    base = load_base(
        locate_base(spec.base),
        spec.base.revision,
        settings.quantisation.model_copy(update={"method": "none"}),
        session.machine,
    )
    model = attach_adapter(base, settings.lora, session.machine, settings.training.seed)
    pad = session.tokenizer.pad_token_id
    forward = Forward(model, session.machine, pad_id=pad if pad is not None else 0)
    forward.set_training(False)
    forward.select_implementation(data.train, packing=settings.training.packing, longest=data.longest)
    return replace(session, model=model, forward=forward)


def _free(session: TrainingSession) -> int:
    """Return bytes that are free on the device."""
    if session.machine.device.type == "cuda":
        torch.cuda.empty_cache()
        return int(torch.cuda.mem_get_info(session.machine.device)[0])
    return int(psutil.virtual_memory().available)
