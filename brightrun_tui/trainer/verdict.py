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


@dataclass(frozen=True)
class Findings:
    """What the verdict rests on. Losses are in nats a supervised token.

    ``tuned_ended`` and ``tuned_empty`` are the shares of sample answers that end by themselves, and that say nothing.
    """

    base_loss: float
    tuned_loss: float
    difference_high: float
    held_out_records: int
    train_loss: float
    answers: int
    tuned_ended: float
    tuned_empty: float
    general_base: float
    general_tuned: float
    early_stopped: bool
    stopped: bool
    stood_in: bool


def judge(findings: Findings) -> Verdict:
    """Good: better than the base beyond chance, and answers end. Mixed: better, but. Poor: not better."""
    f = findings
    change = (f.base_loss - f.tuned_loss) / f.base_loss if f.base_loss > 0 else 0.0
    measured_on = "training records (nothing was held out)" if f.stood_in else f"{f.held_out_records} held-out records"
    reasons = [f"loss on {measured_on}: {f.base_loss:.3f} before, {f.tuned_loss:.3f} after ({-change:+.0%})"]
    doubts = _doubts(f)
    if f.tuned_loss >= f.base_loss:
        grade: Literal["good", "mixed", "poor"] = "poor"
        summary = "The tuned model does no better than the base model on records it has not seen."
        reasons.append("try more or cleaner data, another learning rate, or a larger base model")
    elif doubts:
        grade, summary = "mixed", "The tuned model does better than the base model, but look before you rely on it."
    else:
        grade, summary = "good", "The tuned model does clearly better than the base model on records it has not seen."
    if f.answers and f.tuned_ended == 1:
        reasons.append(f"all {f.answers} sample answers end by themselves")
    if f.general_tuned > FORGOTTEN * f.general_base:
        reasons.append(f"everyday questions got harder for it (loss {f.general_base:.2f} before, {f.general_tuned:.2f} "
                       "after): it forgot some of what the base knew")
    if f.early_stopped:
        reasons.append("training ended early because the held-out loss no longer fell; the best checkpoint is kept")
    if f.stopped:
        reasons.append("training was stopped before its end; the best checkpoint so far is kept")
    return Verdict(grade=grade, summary=summary, reasons=(*reasons, *doubts))


def _doubts(f: Findings) -> list[str]:
    doubts = []
    if f.difference_high >= 0 and f.tuned_loss < f.base_loss:
        doubts.append("the difference may be chance: its 95 % interval reaches zero")
    if 0 < f.base_loss - f.tuned_loss < SMALL_CHANGE * f.base_loss:
        doubts.append("the change is too small to notice: train for more epochs or with a higher learning rate")
    if not f.stood_in and f.held_out_records < FEW_RECORDS:
        doubts.append(f"{f.held_out_records} held-out records are too few to be sure")
    if f.stood_in:
        doubts.append("without held-out records nothing is known about text the model has not seen")
    if f.answers and f.tuned_ended < 0.5:
        doubts.append(f"only {f.tuned_ended:.0%} of the sample answers end by themselves")
    if f.answers and f.tuned_empty > 0.5:
        doubts.append(f"{f.tuned_empty:.0%} of the sample answers are empty")
    if f.tuned_loss - f.train_loss > MEMORISED_GAP:
        doubts.append(f"it knows its training records far better (loss {f.train_loss:.2f}): some of it is memorised")
    return doubts
