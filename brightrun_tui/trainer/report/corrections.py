"""Whether a model that learnt from corrections now answers right: asked once it is trained, for its report card."""

from __future__ import annotations

from collections.abc import Sequence

from brightrun_tui.domain.correction import CorrectionOutcome, correction_number
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.trainer.data.template import ChatTemplate
from brightrun_tui.trainer.evaluation.generate import GeneratedAnswer, HeldOutPrompt, choose_prompts
from brightrun_tui.trainer.loop.answering import answer_prompts
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.report.answers import question_of
from brightrun_tui.trainer.report.content import AnswerCase, Yardstick

MOST = 50
"""Corrections that are asked; the newest ones come first."""


def ask_corrections(session: TrainingSession, template: ChatTemplate) -> list[tuple[HeldOutPrompt, GeneratedAnswer]]:
    """Return answers of the model as it now is to the questions of the corrections in its data, as far as time allows.

    Raises:
        Terminated: a pause or a signal is waiting.
    """
    numbered = [
        (number, record)
        for record in (*session.data.train_records, *session.data.held_out_records)
        if (number := correction_number(record.id)) is not None
    ]
    newest = dict(sorted(numbered, key=lambda each: -each[0])[:MOST])
    if not newest:
        return []
    session.phase(PhaseName.ANSWERING, "what was corrected")
    prompts = choose_prompts(session.tokenizer, template, list(newest.values()), MOST, session.data.longest)
    seconds = session.answer_time.for_the_report(session.training_seconds)
    answers = answer_prompts(session, prompts, seconds, opened=True)
    return [(prompt, said) for prompt, said in zip(prompts, answers, strict=True) if said is not None]


def mark_corrections(
    answered: Sequence[tuple[HeldOutPrompt, GeneratedAnswer]], yardstick: Yardstick
) -> tuple[CorrectionOutcome, ...]:
    """Return what comparing with the wanted answers says of each, by number."""
    outcomes = [
        CorrectionOutcome(
            id=number,
            question=prompt.messages[-1]["content"] if prompt.messages else "",
            wanted=prompt.reference,
            answer=said.text,
            mark=yardstick.mark(AnswerCase(question_of(prompt.messages), prompt.reference), said.text),
        )
        for prompt, said in answered
        if (number := correction_number(prompt.id)) is not None
    ]
    return tuple(sorted(outcomes, key=lambda each: each.id))
