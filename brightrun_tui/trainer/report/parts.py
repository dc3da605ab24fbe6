"""Which label, or which value of a JSON, a model gets right how often: one that is always wrong hides in the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from brightrun_tui.trainer.report.content import AnswerCase, Yardstick, without_thoughts
from brightrun_tui.trainer.report.documents import leaves, read_documents
from brightrun_tui.trainer.report.stems import folded

MOST_PARTS = 40


def parts_right(
    yardstick: Yardstick, cases: Sequence[AnswerCase], answers: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Return, by label or by place of a value, how many answers have it right and how many should; empty for plain
    texts.
    """
    right: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for case, answer in zip(cases, answers, strict=True):
        for name, found in _parts(yardstick, case, answer):
            if name in wanted or len(wanted) < MOST_PARTS:
                wanted[name] += 1
                right[name] += found
    return {name: (right[name], count) for name, count in wanted.items()}


def _parts(yardstick: Yardstick, case: AnswerCase, answer: str) -> list[tuple[str, bool]]:
    if yardstick.labels:
        return [(folded(without_thoughts(case.wanted)), yardstick.mark(case, answer) == "right")]
    said = Counter(leaf for document in read_documents(without_thoughts(answer)) for leaf in leaves(document))
    wanted = [leaf for document in read_documents(without_thoughts(case.wanted)) for leaf in leaves(document)]
    return [(place.lstrip("."), said[place, value] > 0) for place, value in wanted]
