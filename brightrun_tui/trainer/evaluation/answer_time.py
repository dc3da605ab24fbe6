"""How long sample answers may take, so that a run trains for most of its time: a share of it, at least a minute.

The base model, asked once, takes up to two fifths of that; the tuned one at the end what is left of it, at least as much; on the
way a fifth, and a tenth of a short training, spread over the run, and only where what is asked for will be ready.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from brightrun_tui.domain.sizing import ANSWER_EXPECTED, ANSWERS_AT_ONCE, BASE_SHARE, answer_seconds, way_seconds
from brightrun_tui.trainer.evaluation.generate import HeldOutPrompt


@dataclass
class AnswerTime:
    """Seconds given and taken. ``per_token``: what one more token of a batch of answers was last seen to take."""

    spent: float = 0.0
    spent_on_the_way: float = 0.0
    per_token: float = 0.0

    def for_the_base(self, training: float) -> float:
        """Return seconds, where the whole training is expected to take ``training`` of them."""
        return BASE_SHARE * answer_seconds(training)

    def on_the_way(self, training: float, done: float) -> float:
        """Return seconds, once ``done`` (0–1) of the training is over."""
        return max(0.0, way_seconds(training) * done - self.spent_on_the_way)

    def for_the_report(self, training: float) -> float:
        """Return all that is left, and never less than the base had."""
        return max(self.for_the_base(training), answer_seconds(training) - self.spent)

    def affordable(self, prompts: Sequence[HeldOutPrompt], seconds: float) -> list[HeldOutPrompt]:
        """Return as many of the prompts, the first ones first, as are likely to be answered in that time."""
        chosen: list[HeldOutPrompt] = []
        for prompt in prompts:
            tokens = ANSWER_EXPECTED * max(each.expected for each in [*chosen, prompt])
            batches = 1 + len(chosen) // ANSWERS_AT_ONCE
            if tokens * batches * self.per_token > seconds:
                break
            chosen.append(prompt)
        return chosen


class AllTheTime(AnswerTime):
    """For a worker that does nothing else: every prompt is answered to its end."""

    def for_the_base(self, training: float) -> float:
        return math.inf
