"""What was measured besides the loss, as lines for people."""

from __future__ import annotations

from typing import Literal, TypeGuard

from pydantic import BaseModel, ConfigDict

from brightrun_tui.domain.evaluation import Evaluation, Judging
from brightrun_tui.domain.findings import Mark
from brightrun_tui.domain.model import Report, Ruling
from brightrun_tui.domain.tally import tally

_LINES: tuple[tuple[str, str, str, Literal["high", "low", ""], str], ...] = (
    ("content", "answers right", ".0%", "high", "facts as wanted; partly right counts half"),
    ("exact_match", "exactly as wanted", ".0%", "high", "letter for letter"),
    ("token_f1", "words as wanted (F1)", ".0%", "high", "words that agree, without the shared greeting and signature"),
    ("chrf", "likeness (chrF, to 100)", ".0f", "high", "the same by pieces of words: forgives other endings"),
    ("token_accuracy", "next word guessed", ".0%", "high", "how often it guesses the next piece of a wanted answer"),
    ("ended", "answers that end", ".0%", "high", "by themselves, not by running into the limit"),
    ("answer_tokens", "length in tokens", ".0f", "", "the median; a token is about three quarters of a word"),
    ("verbatim", "copied from training", ".0%", "", "8-word phrases not wanted there; far above data: by heart"),
    (
        "general_loss",
        "surprise at everyday talk",
        ".2f",
        "low",
        "a rise means that it forgets what the base model knew",
    ),
)
"""Name in the report, words, form, which is better, and what it means."""


class ScoreLine(BaseModel):
    """One measure of both models. ``better`` and ``good`` are empty if it is not a question of better.

    ``value`` is the tuned model's, as measured; ``good`` says whether a high or a low one is better. ``means``: the measure
    explained; ``note``: what it is compared with.
    """

    model_config = ConfigDict(frozen=True)

    what: str
    base: str
    tuned: str
    value: float
    good: Literal["high", "low", ""] = ""
    better: Literal["base", "tuned", ""] = ""
    note: str = ""
    means: str = ""


def score_lines(report: Report | Evaluation) -> list[ScoreLine]:
    """Return every measure of a report card or an evaluation that has a value for both models. Unknown measures are left out."""
    lines = []
    for name, what, form, good, means in _LINES:
        score = report.scores.get(name)
        if not isinstance(score, dict):
            continue
        base, tuned = score.get("base"), score.get("tuned")
        if not _is_number(base) or not _is_number(tuned):
            continue
        shown = format(base, form), format(tuned, form)
        better: Literal["base", "tuned", ""] = (
            "" if not good or shown[0] == shown[1] else "tuned" if (tuned > base) == (good == "high") else "base"
        )
        note = next(
            (
                f"{word} {format(score[key], form)}"
                for key, word in (("reference", "in your data:"), ("floor", "floor:"))
                if _is_number(score.get(key))
            ),
            "",
        )
        if name == "content" and isinstance(report, Report) and (outranked := _outranked(report)):
            better, note = "", f"by comparison; {outranked}"
        lines.append(
            ScoreLine(
                what=what, base=shown[0], tuned=shown[1], value=tuned, good=good, better=better, note=note, means=means
            )
        )
    return lines


def _outranked(report: Report) -> str:
    """Return what people and a judge say of the answers, or that most could not be compared; empty where comparison is what
    counts.
    """
    found = tally(report)
    said = found.by_people or found.by_judge
    if said and 2 * said >= len(found.marks):
        who = "people" if found.by_people >= found.by_judge else "the judge"
        return f"{who} found {found.count('right') or 'none'} of {len(found.marks)} right, and that counts"
    unclear = found.count("unclear")
    return f"{unclear} of {len(found.marks)} could not be compared" if 2 * unclear > len(found.marks) else ""


LOSS_MEANS = "how much the wanted answers surprise it, in nats a token; lower is better"
PERPLEXITY_MEANS = "the same as a number: among how many equal choices it wavers at each token"
QUANTISED_BASE_MEANS = "the same base model rounded to 4 bits, which the training started from"
GRADES_MEAN = "style: form, length, voice, and whether answers end. content: whether they are right."
_MARK_WORDS: dict[Mark, str] = {
    "right": "right",
    "partly": "partly right",
    "wrong": "wrong",
    "unclear": "in other words: not clear",
}


def mark_words(report: Report, number: int) -> str:
    """Return what is known of whether the tuned answer to this sample is right, and from whom; empty if nothing is."""
    if tick := next((tick for tick in report.ticks if tick.sample == number), None):
        return f"{'right' if tick.right else 'wrong'}, says a person"
    rulings = report.judgement.rulings if report.judgement else ()
    if number < len(rulings) and rulings[number].right is not None:
        return f"{'right' if rulings[number].right else 'wrong'}, says the judge"
    mark = report.samples[number].mark
    return f"{_MARK_WORDS[mark]}, by comparison" if mark else ""


def corrections_line(report: Report) -> str:
    """Return what became of the corrections that the version learnt from: ``3 of 4 are right now``; empty if there were
    none.
    """
    total = len(report.corrections)
    if not total:
        return ""
    counts = {mark: sum(each.mark == mark for each in report.corrections) for mark in _MARK_WORDS}
    others = [f"{count} {_MARK_WORDS[mark]}" for mark, count in counts.items() if count and mark != "right"]
    are = "is" if counts["right"] == 1 else "are"
    return f"{counts['right']} of {total} {are} right now" + (f" ({', '.join(others)})" if others else "")


def measured_on(report: Report) -> str:
    """Say which records the numbers of a report card are from."""
    if report.findings and report.findings.stood_in:
        return "records that it learnt from, as none were held out"
    return "records it has never seen"


def splits_words(report: Report) -> str:
    """Return what the held-out records were for: `` (50 chose the checkpoint, 50 judged it)``; empty if that is not known."""
    found = report.findings
    if found is None or found.stood_in:
        return ""
    if not found.chosen_apart:
        return " (the same ones chose the checkpoint and judged it)"
    return f" ({report.training.eval_records - found.held_out_records} chose the checkpoint, {found.held_out_records} judged it)"


def judging_words(judging: Judging) -> str:
    """Say which records judged: ``50 records that no version learnt from (119 others left out: learnt from, or like such)``."""
    others = [
        *([f"{judging.learnt:,} left out: learnt from, or like such"] if judging.learnt else []),
        *([f"{judging.over:,} more not needed"] if judging.over else []),
    ]
    aside = f" ({'; '.join(others)})" if others else ""
    if not judging.unknown:
        return f"{judging.records:,} records that no version learnt from{aside}"
    unknown = " and ".join(judging.unknown)
    return f"{judging.records:,} records{aside}; what {unknown} learnt from is not known here: it may have seen them"


def grades_line(report: Report) -> str:
    """Return both grades of the verdict: ``style good, content not known``; empty on report cards of older versions."""
    verdict = report.verdict
    if not verdict.style and not verdict.content:
        return ""
    return ", ".join(
        f"{name} {grade or 'not known'}" for name, grade in (("style", verdict.style), ("content", verdict.content))
    )


def ruling_words(ruling: Ruling) -> str:
    """Return what the judge made of one sample."""
    words = {
        "win": "the tuned answer is better",
        "loss": "the base answer is better",
        "tie": "neither is better",
        "unparsable": "its answer could not be read",
    }[ruling.outcome]
    return f"{words}: {ruling.reason}" if ruling.reason else words


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
