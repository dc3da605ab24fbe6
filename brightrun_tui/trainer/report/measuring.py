"""What report cards and evaluations have in common: base and tuned model on the records that judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from brightrun_tui.domain.events import PhaseName
from brightrun_tui.domain.measures import Bounds, CategoryLosses, Measures, Pair
from brightrun_tui.domain.model import SplitScore
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.data.examples import Example
from brightrun_tui.trainer.data.template import ChatTemplate
from brightrun_tui.trainer.evaluation.evaluate import by_category, conversations, loss_difference, loss_interval
from brightrun_tui.trainer.evaluation.generate import GeneratedAnswer, HeldOutPrompt
from brightrun_tui.trainer.loop.baseline import Baseline
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.report.answers import Asked, Compared, ask, compare, with_other_base
from brightrun_tui.trainer.report.corrections import ask_corrections
from brightrun_tui.trainer.report.forgetting_probe import probe_examples
from brightrun_tui.trainer.report.original import measure_original


@dataclass(frozen=True)
class Tuned:
    """What the tuned model scores and answers. ``general``: loss of both models on everyday questions (nats a token)."""

    scores: Scores
    asked: Asked
    corrected: Sequence[tuple[HeldOutPrompt, GeneratedAnswer]]
    everyday: Sequence[Example]
    general: Pair


@dataclass(frozen=True)
class Measurements:
    """Both models on the ``records`` that judge; ``conversation``: for each example the number of its conversation."""

    base: Scores
    tuned: Scores
    records: int
    conversation: np.ndarray
    difference: Bounds
    by_category: CategoryLosses
    general: Pair
    answers: Compared
    corrected: Sequence[tuple[HeldOutPrompt, GeneratedAnswer]]
    quantised_base: SplitScore | None
    base_in_4_bits: bool

    def scores(self, session: TrainingSession) -> Measures:
        """Return everything measured besides the losses, as report cards keep it."""
        return {
            "token_accuracy": {"base": self.base.accuracy, "tuned": self.tuned.accuracy},
            "loss_difference": self.difference,
            "loss_interval": loss_interval(self.tuned, self.conversation, session.settings.training.seed),
            "general_loss": self.general,
            **cast(Measures, _own_scores(session, self.base, self.tuned)),
            **self.answers.scores(),
        }


def ask_tuned(session: TrainingSession, template: ChatTemplate, baseline: Baseline, scores: Scores) -> Tuned:
    """Let the tuned model answer; ``scores`` are its own on the records that judge.

    Raises:
        Terminated: a pause or a signal is waiting.
    """
    if session.prompts:
        session.phase(PhaseName.ANSWERING, "the tuned model")
    asked = ask(session, template, baseline)
    corrected = ask_corrections(session, template)
    session.phase(PhaseName.REPORTING)
    everyday = probe_examples(session.tokenizer, template)
    return Tuned(scores, asked, corrected, everyday, _general_loss(session, everyday))


def measure_against_base(session: TrainingSession, baseline: Baseline, tuned: Tuned) -> Measurements:
    """Put the tuned model beside the base: the original one where that can be measured, in whose place it is loaded then.

    Raises:
        Terminated: a pause or a signal is waiting.
    """
    data, base, asked, general = session.data, baseline.scores, tuned.asked, tuned.general
    quantised = bool(getattr(session.model.get_base_model(), "is_loaded_in_4bit", False))
    original = measure_original(session, asked.prompts, tuned.everyday) if quantised else None
    if original:
        base, asked, general = (
            original.scores,
            with_other_base(asked, original.answers),
            general | {"base": original.general},
        )
    conversation = conversations(data.judged, data.held_out_records)
    records = len({example.record for example in data.judged})
    return Measurements(
        base=base,
        tuned=tuned.scores,
        records=records,
        conversation=conversation,
        difference=loss_difference(base, tuned.scores, conversation, session.settings.training.seed),
        by_category=by_category(data.judged, data.held_out_records, base, tuned.scores),
        general=general,
        answers=compare(session, asked),
        corrected=tuned.corrected,
        quantised_base=baseline.scores.split_score(records) if original else None,
        base_in_4_bits=quantised and original is None,
    )


def _own_scores(session: TrainingSession, base: Scores, tuned: Scores) -> dict[str, Pair]:
    """Return what the objective measures besides, of base and tuned model."""
    before, after = session.objective.metrics(base), session.objective.metrics(tuned)
    return {name: {"base": before[name], "tuned": after[name]} for name in after if name in before}


def _general_loss(session: TrainingSession, examples: Sequence[Example]) -> Pair:
    """Return loss of base and tuned model on everyday questions (nats a token), to reveal forgetting."""
    if not examples:
        return {"base": 0.0, "tuned": 0.0}
    with session.model.disable_adapter():
        base = session.score(examples, session.between)
    tuned = session.score(examples, session.between)
    return {"base": base.loss, "tuned": tuned.loss}
