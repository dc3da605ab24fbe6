"""What the base model scores and answers before training: the adapter is switched off for it.

Measured after the first step and the dry run, because a run that cannot train should fail before time is spent on this.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from brightrun_tui.domain import events
from brightrun_tui.domain.events import PhaseName
from brightrun_tui.trainer.compute.scores import Scores
from brightrun_tui.trainer.evaluation.evaluate import require_finite
from brightrun_tui.trainer.evaluation.generate import GeneratedAnswer
from brightrun_tui.trainer.loop.answering import answer_prompts
from brightrun_tui.trainer.loop.session import TrainingSession
from brightrun_tui.trainer.runtime.files import write_json


@dataclass(frozen=True)
class Baseline:
    """Scores of the examples that judge, and answers to the sample prompts, both by the base model; None where time was up."""

    scores: Scores
    answers: list[GeneratedAnswer | None]


def measure_baseline(session: TrainingSession) -> Baseline:
    """Measure and tell it, or read what an earlier start of this run measured.

    Raises:
        Terminated: a pause or a signal is waiting; it is measured again at the next start.
    """
    path = session.files.baseline
    if path.is_file():
        try:
            document = json.loads(path.read_text("utf-8"))
            if document["lineage"] == session.lineage:
                return Baseline(
                    Scores.from_lists(document["judged"]),
                    [GeneratedAnswer(**a) if a else None for a in document["answers"]],
                )
        except (ValueError, KeyError, TypeError):
            session.alert("baseline_unreadable", "the base model's scores could not be read; they are measured again")
    session.phase(PhaseName.EVALUATING, "base model")
    with session.model.disable_adapter():
        chosen = session.score(session.data.held_out, session.between)
        require_finite(chosen, "the base model's loss on held-out records")
        scores = session.score(session.data.judged, session.between) if session.data.chosen_apart else chosen
        require_finite(scores, "the base model's loss on held-out records")
        if session.prompts:
            session.phase(PhaseName.ANSWERING, "base model")
        seconds = session.answer_time.for_the_base(session.training_seconds)
        answers = answer_prompts(session, session.prompts, seconds, opened=True)
    session.between()
    session.log.write(events.Metric(step=0, values={**session.objective.metrics(chosen), "eval_loss": chosen.loss}))
    session.tell_answers(session.prompts, answers, "base", 0)
    write_json(
        path,
        {
            "lineage": session.lineage,
            "judged": scores.as_lists(),
            "answers": [asdict(a) if a else None for a in answers],
        },
    )
    return Baseline(scores, answers)
