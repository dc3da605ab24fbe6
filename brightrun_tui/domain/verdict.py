"""The report card in plain words: two grades, style and content, and what follows from both.

Decided when a run ends, and again when a judge or a person has said something about the answers.
"""

from __future__ import annotations

from brightrun_tui.domain.advice import advise
from brightrun_tui.domain.findings import Findings
from brightrun_tui.domain.grading import (
    GOOD_CONTENT,
    HARDLY_RIGHT,
    SURE_CONTENT,
    content_grade,
    floor_marks,
    style_grade,
)
from brightrun_tui.domain.model import Grade, Report, Verdict
from brightrun_tui.domain.tally import ENOUGH_TICKS, Tally, chance_interval, credit_of, tally
from brightrun_tui.domain.verdict_words import (
    MUCH_FORGOTTEN,
    content_reasons,
    counted,
    harder,
    judgement_sentence,
    notes,
    often_wrong,
    style_reasons,
    summary,
    ticks_sentence,
)

FEW_RECORDS = 10
MEMORISED_GAP = 0.5
"""Nats a token by which held-out loss may exceed training loss before memorising is suspected."""
COPIED = 0.25
"""Share of the phrases that may be copied from training answers beyond what is usual for the data."""
FEW_PHRASES = 40
UNDECIDED = Verdict(grade="poor", summary="")
"""For a report card until it is decided."""
_LATER = ("a judge (", "people read ")
"""How sentences begin that are not measured but said afterwards."""


def decide(report: Report) -> Report:
    """Return the report card with the verdict that follows from what it holds.

    One of an older version, which holds no findings, keeps its verdict as far as judge and people do not contradict it.
    """
    verdict = _conclude(report, report.findings) if report.findings else _amended(report)
    return report.model_copy(update={"verdict": verdict})


def _said_later(report: Report) -> list[str]:
    return [
        sentence
        for sentence in (ticks_sentence(report), judgement_sentence(report.judgement) if report.judgement else "")
        if sentence
    ]


def _amended(report: Report) -> Verdict:
    old = report.verdict
    reasons = [reason for reason in old.reasons if not reason.startswith(_LATER)]
    verdict = old.model_copy(update={"reasons": (*reasons, *_said_later(report))})
    found = tally(report)
    if old.grade == "good" and found.by_people >= ENOUGH_TICKS and found.credit < GOOD_CONTENT:
        changed = {"grade": "mixed", "content": content_grade(found, None), "summary": often_wrong(found, None)}
        verdict = verdict.model_copy(update=changed)
    return verdict


def _conclude(report: Report, f: Findings) -> Verdict:
    found = tally(report)
    content, style = content_grade(found, f), style_grade(f)
    doubts = _doubts(report, found, f)
    better = f.tuned_loss < f.base_loss
    useless = found.credit < HARDLY_RIGHT or found.credit <= credit_of(floor_marks(found, f))
    grade: Grade
    if content == "good":
        grade = "good" if style == "good" and better and not doubts else "mixed"
    elif style == "poor" or not better or (content == "poor" and (style != "good" or useless)):
        grade = "poor"
    else:
        grade = "mixed"
    said = summary(grade, style, content, found, f, doubts)
    unsaid = [doubt for doubt in doubts if doubt not in said]
    verdict = Verdict(
        grade=grade,
        style=style,
        content=content,
        summary=said,
        reasons=(*content_reasons(report, found, f), *style_reasons(f), *unsaid, *notes(f), *_said_later(report)),
    )
    decided = report.model_copy(update={"verdict": verdict})
    return verdict.model_copy(update={"advice": advise(decided)})


def _doubts(report: Report, found: Tally, f: Findings) -> list[str]:
    """Return what keeps a model whose style and content are good from the grade “good”."""
    doubts = []
    a = f.answers
    if not f.stood_in and f.conversations < FEW_RECORDS:
        what = "records" if f.conversations == f.held_out_records else "conversations"
        doubts.append(f"{f.conversations} held-out {what} are too few to be sure")
    if f.stood_in:
        doubts.append(
            "without held-out records (kept back from the training) nothing is known about text the model has not seen"
        )
    low, high = chance_interval(found.marks)
    if found.credit >= GOOD_CONTENT and low < SURE_CONTENT and not f.stood_in:
        doubts.append(
            f"{counted(len(found.marks), 'checked answer')} {'is' if len(found.marks) == 1 else 'are'} too few to be sure: "
            f"of all it would give, {low:.0%} to {high:.0%} may be right"
        )
    if f.tuned_loss - f.train_loss > MEMORISED_GAP:
        doubts.append(
            f"it knows the records it learnt from far better (loss {f.train_loss:.2f} against {f.tuned_loss:.2f}): "
            "some of it is memorised"
        )
    if a and a.phrases >= FEW_PHRASES and a.copied - a.usually_copied > COPIED:
        doubts.append(
            f"{a.copied:.0%} of what it writes appears word for word in the training answers "
            f"({a.usually_copied:.0%} would be usual for this data): check that nothing private is in there"
        )
    if f.general_base > 0 and f.general_tuned > MUCH_FORGOTTEN * f.general_base:
        doubts.append(f"it forgot much of what the base model knew: everyday questions got {harder(f)} harder for it")
    if report.judgement and report.judgement.count("loss") > report.judgement.count("win"):
        doubts.append("the judge preferred the base model's answers")
    return doubts
