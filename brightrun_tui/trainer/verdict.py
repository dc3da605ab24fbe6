"""The report card in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from brightrun_tui.domain.model import Verdict

SMALL_CHANGE = 0.02
"""Relative fall of the loss below which nobody would notice the tuning."""
FEW_RECORDS = 10
FORGOTTEN = 1.1
"""Rise of the loss on everyday questions that is worth a word. It does not lower the grade: a narrow task may want it."""
MEMORISED_GAP = 0.5
"""Nats a token by which held-out loss may exceed training loss before memorising is suspected."""
COPIED = 0.25
"""Share of the phrases that may be copied from training answers beyond what is usual for the data."""
FEW_PHRASES = 40
WORSE_ANSWERS = 0.05
"""Fall of the token F1 that outweighs a better loss."""
ENOUGH_ENDED = 0.8
"""Share of the answers that a usable model ends by itself; the others may be long for once."""
MANY_EXACT = 0.2
"""Share of exact matches from which on they are worth counting; below, the words that agree say more."""
OFTEN_OTHERWISE = 0.5
"""Token F1 below which an answer is more often something else than the wanted one in other words."""
OTHER_LENGTH = 2.0
"""Times longer or shorter than the wanted answers from which on the length is worth a word."""
FEW_TOKENS = 8
"""Below this difference in tokens nobody cares about lengths."""


@dataclass(frozen=True)
class AnswerFindings:
    """The sample answers; shares from 0 to 1, lengths as medians in tokens.

    Attributes:
        fair: answers whose wanted answer is shorter than ``limit`` tokens, so that ending in time can be expected.
        ended: share of those that the tuned model ended by itself.
        empty: share of all tuned answers that say nothing.
        copied: share of the tuned model's phrases that stand word for word in training answers, of ``phrases`` in all.
        usually_copied: the same of the base model's or the wanted answers, whichever copy more.
        exact, f1: exact matches and token F1 as ``{"base", "tuned"}``; None where answers are long.
    """

    count: int
    fair: int
    ended: float
    limit: int
    empty: float
    length_base: float
    length_tuned: float
    length_wanted: float
    copied: float
    usually_copied: float
    phrases: int
    exact: dict[str, float] | None = None
    f1: dict[str, float] | None = None


@dataclass(frozen=True)
class Findings:
    """What the verdict rests on. Losses are in nats a supervised token; ``answers`` is None where no prompt was answered.

    ``conversations``: how many the held-out records belong to. ``worse``: categories of records on which the base model does
    better, as ``topic: returns``.
    """

    base_loss: float
    tuned_loss: float
    difference_high: float
    held_out_records: int
    conversations: int
    train_loss: float
    general_base: float
    general_tuned: float
    early_stopped: bool
    stopped: bool
    stood_in: bool
    answers: AnswerFindings | None = None
    worse: tuple[str, ...] = ()


def judge(findings: Findings) -> Verdict:
    """Good: better than the base beyond chance, and answers end. Mixed: better, but. Poor: not better.

    The reasons begin with the measure that the grade rests on; doubts follow, then what speaks for it or is good to know.
    """
    f = findings
    change = (f.base_loss - f.tuned_loss) / f.base_loss if f.base_loss > 0 else 0.0
    measured_on = "training records (nothing was held out)" if f.stood_in else f"{f.held_out_records} held-out records"
    way = "fell" if change > 0 else "rose"
    reasons = [f"its error (loss) on {measured_on} {way} by {abs(change):.0%}, "
               f"from {f.base_loss:.3f} to {f.tuned_loss:.3f}"]
    doubts = _doubts(f) + (_doubts_about(f.answers) if f.answers else [])
    if f.tuned_loss >= f.base_loss:
        grade: Literal["good", "mixed", "poor"] = "poor"
        summary = "The tuned model does no better than the base model on records it has not seen."
        reasons.append("try more or cleaner data, another learning rate, or a larger base model")
    elif doubts:
        grade, summary = "mixed", "The tuned model does better than the base model, but look before you rely on it."
    else:
        grade, summary = "good", "The tuned model does clearly better than the base model on records it has not seen."
    return Verdict(grade=grade, summary=summary,
                   reasons=(*reasons, *doubts, *(_words_about(f.answers) if f.answers else []), *_notes(f)))


def _doubts(f: Findings) -> list[str]:
    doubts = []
    if f.difference_high >= 0 and f.tuned_loss < f.base_loss:
        doubts.append("the difference may be chance: its 95% interval reaches zero")
    if 0 < f.base_loss - f.tuned_loss < SMALL_CHANGE * f.base_loss:
        doubts.append("the change is too small to notice: train for more epochs or with a higher learning rate")
    if not f.stood_in and f.conversations < FEW_RECORDS:
        what = "records" if f.conversations == f.held_out_records else "conversations"
        doubts.append(f"{f.conversations} held-out {what} are too few to be sure")
    if f.stood_in:
        doubts.append("without held-out records nothing is known about text the model has not seen")
    if f.tuned_loss - f.train_loss > MEMORISED_GAP:
        doubts.append(f"it knows the records it learnt from far better (loss {f.train_loss:.2f} against {f.tuned_loss:.2f}): "
                      "some of it is memorised")
    return doubts


def _doubts_about(a: AnswerFindings) -> list[str]:
    doubts = []
    if a.fair and a.ended < ENOUGH_ENDED:
        doubts.append(f"only {_endings(a)}")
    if a.empty > 0.5:
        doubts.append(f"{_of(a.empty, a.count)} sample answers are empty")
    if a.f1 and a.f1["tuned"] < a.f1["base"] - WORSE_ANSWERS:
        doubts.append(f"its answers are further from the wanted ones than before ({a.f1['tuned']:.0%} of the words "
                      f"agree, {a.f1['base']:.0%} for the base model)")
    if a.phrases >= FEW_PHRASES and a.copied - a.usually_copied > COPIED:
        doubts.append(f"{a.copied:.0%} of what it writes stands word for word in the training answers "
                      f"({a.usually_copied:.0%} would be usual for this data): check that nothing private is in there")
    return doubts


def _words_about(a: AnswerFindings) -> list[str]:
    words = []
    if a.exact and max(a.exact.values()) >= MANY_EXACT:
        words.append(f"it gives exactly the wanted answer to {_of(a.exact['tuned'], a.count)} held-out questions, "
                     f"the base model to {round(a.exact['base'] * a.count) or 'none'}")
    elif a.f1:
        words.append(f"{a.f1['tuned']:.0%} of the words of its answers and the wanted ones agree, "
                     f"{a.f1['base']:.0%} for the base model")
    if a.f1 and a.f1["tuned"] < OFTEN_OTHERWISE:
        words.append("many of its answers are not the wanted ones: read some before you rely on what it says")
    if a.fair and a.ended == 1:
        words.append(f"all {a.fair} sample answers end by themselves" if a.fair > 1 else "the sample answer ends by itself")
    elif a.fair and a.ended >= ENOUGH_ENDED:
        words.append(_endings(a))
    if a.fair < a.count:
        words.append(f"{a.count - a.fair} of the wanted answers are longer than the {a.limit} tokens that sample answers may "
                     "have, so being cut off there says nothing")
    if _differs(a.length_tuned, a.length_wanted) and a.fair == a.count:
        words.append(f"its answers are {' '.join(_times(a.length_tuned, a.length_wanted))} those in your data")
    elif _differs(a.length_base, a.length_wanted) and not _differs(a.length_tuned, a.length_wanted):
        words.append(f"its answers are about as long as those in your data; the base model's are "
                     f"{_times(a.length_base, a.length_wanted)[0]}")
    return words


def _notes(f: Findings) -> list[str]:
    notes = []
    if f.worse and f.tuned_loss < f.base_loss:
        notes.append(f"it does worse than the base model on some records ({', '.join(f.worse)})")
    if f.general_tuned > FORGOTTEN * f.general_base:
        notes.append(f"everyday questions got harder for it (loss {f.general_base:.2f} before, {f.general_tuned:.2f} "
                     "after): it forgot some of what the base knew")
    if f.early_stopped:
        notes.append("training ended early because the held-out loss no longer fell; the best checkpoint is kept")
    if f.stopped:
        notes.append("training was stopped before its end; the best checkpoint so far is kept")
    return notes


def _endings(a: AnswerFindings) -> str:
    return f"{_of(a.ended, a.fair)} sample answers end by themselves; the others were cut off at {a.limit} tokens"


def _differs(length: float, wanted: float) -> bool:
    longer, shorter = max(length, wanted), min(length, wanted)
    return longer - shorter >= FEW_TOKENS and longer > OTHER_LENGTH * max(1.0, shorter)


def _times(length: float, wanted: float) -> tuple[str, str]:
    """How many times longer or shorter, and the word that what it is compared with follows."""
    if length > wanted:
        return f"{length / max(1.0, wanted):.0f} times as long", "as"
    return f"{wanted / max(1.0, length):.0f} times shorter", "than"


def _of(share: float, count: int) -> str:
    return f"{round(share * count)} of {count}"
