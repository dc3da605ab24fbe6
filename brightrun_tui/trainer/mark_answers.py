"""``python -m brightrun_tui.trainer.mark_answers``: answers that were given elsewhere, judged as a report card judges its own.

An `AnswersToMark` comes on standard input, and `MarkedAnswers` go out. Imports no torch.
"""

from __future__ import annotations

import sys

from brightrun_tui.domain.answer_evaluation import AnswersToMark, MarkedAnswers
from brightrun_tui.trainer.report.calibration import make_yardstick
from brightrun_tui.trainer.report.content import AnswerCase
from brightrun_tui.trainer.report.text_scores import token_f1


def main() -> int:
    """Return the exit code."""
    given = AnswersToMark.model_validate_json(sys.stdin.buffer.read())
    yardstick = make_yardstick(given.training or [each.wanted for each in given.answers])
    frame, count = yardstick.frame, max(1, len(given.answers))
    found = MarkedAnswers(
        marks=tuple(yardstick.mark(AnswerCase(each.question, each.wanted), each.said) for each in given.answers),
        exact_match=sum(each.said.strip() == each.wanted.strip() for each in given.answers) / count,
        token_f1=sum(token_f1(frame.without(each.said), frame.without(each.wanted)) for each in given.answers) / count,
    )
    sys.stdout.write(found.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
