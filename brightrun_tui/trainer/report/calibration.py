"""From the training answers to a yardstick, and to the floor: what always saying the same would be worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from brightrun_tui.domain.findings import Floor
from brightrun_tui.domain.tally import CREDIT
from brightrun_tui.trainer.data.examples import spread
from brightrun_tui.trainer.report.content import SHORT_WORDS, AnswerCase, Yardstick, without_thoughts
from brightrun_tui.trainer.report.documents import read_documents
from brightrun_tui.trainer.report.facts import read_facts
from brightrun_tui.trainer.report.shared_text import Frame, find_frame
from brightrun_tui.trainer.report.stems import folded, stems

MOST_LABELS = 24
LABEL_USES = 3
"""Times each that a set of labels is used at least, on average."""
CANDIDATES = 24
TRIED_ON = 60
"""Training answers that may become the floor, and on how many others each is tried."""
NAMES_SHARE = 0.2
"""Share of the words up to which those with a capital are names."""
NAMES_SOUGHT_IN = 200
MOST_KNOWN = 300
CLOSED_USES = 4
"""Times that each answer is given on average from which on the data knows no others."""


def make_yardstick(training: Sequence[str], *, calls: bool = False) -> Yardstick:
    """Return what these training answers have in common."""
    texts = [without_thoughts(text) for text in training]
    labels = _find_labels(texts)
    documents = 2 * sum(bool(read_documents(text)) for text in texts) > len(texts)
    frame = Frame() if labels or calls or documents else find_frame(texts)
    counts = Counter(stem for text in texts for stem in set(stems(frame.without(text))))
    usual = {stem: count / len(texts) for stem, count in counts.items()}
    capitals = sum(len(read_facts(frame.without(text)).names) for text in spread(texts, NAMES_SOUGHT_IN))
    words = sum(len(stems(frame.without(text))) for text in spread(texts, NAMES_SOUGHT_IN))
    known = list(dict.fromkeys(map(frame.without, texts)))
    return Yardstick(
        frame,
        labels,
        usual,
        len(texts),
        calls,
        documents,
        capitals < NAMES_SHARE * words,
        tuple(spread(known, MOST_KNOWN)),
        closed=CLOSED_USES * len(known) <= len(texts),
    )


def find_floor(yardstick: Yardstick, training: Sequence[AnswerCase], cases: Sequence[AnswerCase]) -> Floor | None:
    """Return the training answer that fits most of some other training questions, and its marks for ``cases``."""
    if not training or not cases:
        return None
    counts = Counter(case.wanted for case in training)
    often = [wanted for wanted, count in counts.most_common(CANDIDATES // 2) if count > 1]
    candidates = dict.fromkeys([*often, *(case.wanted for case in spread(training, CANDIDATES - len(often)))])
    tried = spread(training, TRIED_ON)

    def worth(answer: str) -> float:
        return sum(
            CREDIT[yardstick.mark(case, answer)] for case in tried if case.wanted != answer or counts[answer] > 1
        )

    best = max(candidates, key=worth)
    return Floor(answer=best, marks=tuple(yardstick.mark(case, best) for case in cases))


def _find_labels(answers: Sequence[str]) -> frozenset[str]:
    """Return the labels, where the answers are a few short ones again and again; yes and no are such, too."""
    counts = Counter(folded(text) for text in answers)
    if len(counts) < 2 or len(counts) > MOST_LABELS or len(answers) < LABEL_USES * len(counts) or "" in counts:
        return frozenset()
    short = median(len(stems(text)) for text in counts) <= SHORT_WORDS and not any(
        read_documents(text) for text in counts
    )
    return frozenset(counts) if short else frozenset()
